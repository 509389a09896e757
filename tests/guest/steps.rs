//! A daemon that is killed at the end of each step of what changes the policy in force.

use aegis_tests::long;
use aegis_tests::steps::{DEEDS, Deed, FLIP, STEPS, Scene, play};
use libtest_mimic::{Failed, Trial};
use std::path::PathBuf;

/// All tests of this file: the long form in halves, which machines side by side can play.
pub(crate) fn trials() -> Vec<Trial> {
    let flip = STEPS.iter().position(|step| *step == FLIP).unwrap_or_default();
    let (before, after) = STEPS.split_at(flip);
    let parts =
        if long() { vec![("::before", before), ("::after", after)] } else { vec![("", &DIFFERENT[..])] };
    let trial = |deed: Deed, (part, steps): (&str, &'static [&'static str])| {
        Trial::test(format!("steps::{}{part}", deed.name), move || killed_in(&deed, steps))
    };
    DEEDS.into_iter().flat_map(|deed| parts.iter().map(move |part| trial(deed, *part))).collect()
}

/// What is tried in the short form: the steps on both sides of the moment from which on the new policy is in force. All steps
/// are tried where nothing can be denied, as that takes a tenth of the time.
const DIFFERENT: [&str; 2] = ["prove", FLIP];

fn killed_in(deed: &Deed, steps: &'static [&'static str]) -> Result<(), Failed> {
    let rounds = if long() { 100 } else { 1 };
    let pins = PathBuf::from("/sys/fs/bpf/aegis-steps");
    play(&Scene { directory: PathBuf::from("/scratch/steps"), pins, enforces: true, steps, rounds }, deed)
}
