//! What holds while parts of the daemon fail, and the daemon itself: the short form of `cargo xtask chaos`, and with it the
//! same attackers.

use aegis_tests::check::{Test, expect, trials as trials_of};
use aegis_tests::long;
use libtest_mimic::{Failed, Trial};
use std::process::Command;

const TESTS: &[Test] = &[("nothing_opens_a_window", nothing_opens_a_window)];

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    trials_of("chaos", TESTS)
}

fn nothing_opens_a_window() -> Result<(), Failed> {
    // The short form leaves the emulated processors to the daemon now and then.
    let (minutes, pause) = if long() { ("10", "0") } else { ("0", "2000") };
    let mut attack = Command::new("aegis-chaos");
    attack.args([
        "attack",
        "--scenario",
        "all",
        "--minutes",
        minutes,
        "--well-within",
        "90000",
        "--pause",
        pause,
    ]);
    attack.args(["--directory", "/scratch/chaos", "--pins", "/sys/fs/bpf/aegis-chaos"]);
    // What it prints is for people, whatever comes of it.
    expect("exit code", attack.status()?.code(), Some(0))
}
