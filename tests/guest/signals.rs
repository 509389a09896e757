//! Signals that come with a denial: none unless the command line or the rule asks for one.

use aegis_tests::agent::Agent;
use aegis_tests::check::{Test, expect, trials as trials_of};
use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};

const TESTS: &[Test] = &[
    ("none_by_default", || check(&[], "", None)),
    ("terminate", || check(&["--enforce-signal", "term"], "", Some(15))),
    ("interrupt", || check(&["--enforce-signal", "int"], "", Some(2))),
    ("kill", || check(&["--enforce-signal", "kill"], "", Some(9))),
    ("of_the_rule", || check(&[], "signal = \"kill\"", Some(9))),
    ("of_the_rule_instead", || check(&["--enforce-signal", "kill"], "signal = \"int\"", Some(2))),
    ("none_of_the_rule", || check(&["--enforce-signal", "kill"], "signal = \"none\"", None)),
    ("none_where_it_is_only_observed", || check(&["--enforce-signal", "kill"], "mode = \"observe\"", None)),
];

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    trials_of("signals", TESTS)
}

const FILE: &str = "/scratch/signals-data";

/// Reads the file and, if that is survived, ends by itself.
fn read() -> ExitStatus {
    let script = format!("read line < {FILE}; exit 7");
    Command::new("bash").args(["-c", &script]).output().expect("bash").status
}

fn check(options: &[&str], key: &str, signal: Option<i32>) -> Result<(), Failed> {
    fs::write(FILE, "content\n").expect("a file");
    let policy = format!(
        "version = 3\nname = \"signals\"\n[[rule]]\nid = \"data\"\non = [\"read\"]\npath = \"{FILE}\"\n{key}\n"
    );
    let ended = |status: ExitStatus| (status.signal(), status.code());
    let lived = (None, Some(7));
    expect("before arming", ended(read()), lived)?;
    let mut agent = Agent::new("aegis-signals");
    agent.start(&policy, &[&["--enforce"], options].concat());
    let expected = signal.map_or(lived, |signal| (Some(signal), None));
    expect("armed", ended(read()), expected)?;
    agent.settle();
    let blocks = agent.blocks();
    let event = blocks.last().unwrap_or(&Value::Null);
    expect("told", event["signal"].as_i64(), Some(signal.unwrap_or(0).into()))?;
    agent.detach();
    expect("after detach", ended(read()), lived)
}
