//! A daemon that is killed at the end of each step of what changes the policy in force.

use aegis_tests::long;
use aegis_tests::steps::{DEEDS, Deed, STEPS, Scene, play};
use libtest_mimic::{Failed, Trial};
use std::path::PathBuf;

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    DEEDS
        .into_iter()
        .map(|deed| Trial::test(format!("steps::{}", deed.name), move || killed_in(&deed)))
        .collect()
}

/// What is tried in the short form: the steps on both sides of the moment from which on the new policy is in force. All steps
/// are tried where nothing can be denied, as that takes a tenth of the time.
const DIFFERENT: [&str; 2] = ["prove", "flip"];

fn killed_in(deed: &Deed) -> Result<(), Failed> {
    let (steps, rounds) = if long() { (STEPS.to_vec(), 100) } else { (DIFFERENT.to_vec(), 1) };
    let pins = PathBuf::from("/sys/fs/bpf/aegis-steps");
    play(&Scene { directory: PathBuf::from("/scratch/steps"), pins, enforces: true, steps, rounds }, deed)
}
