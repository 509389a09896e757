//! The audit fallback where `bpf` is not among the security modules: the kernel takes LSM programs and never calls
//! them. What the policy would deny is reported, nothing is denied, and nobody calls it enforcing.

use aegis_tests::agent::Agent;
use aegis_tests::check::{Test, expect, expect_text, trials as trials_of};
use aegis_tests::outcome::{Outcome, of_command};
use aegis_tests::place::{Kind, Place};
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use std::fs::File;
use std::process::Command;

const TESTS: &[Test] = &[
    ("reports", reports),
    ("enforce_needs_the_flag", enforce),
    ("is_adopted", adopted),
    ("files_on_an_overlay", overlay),
];

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    trials_of("fallback", TESTS)
}

fn started(place: &Place, options: &[&str]) -> Agent {
    let mut agent = Agent::new("aegis-fallback");
    agent.start(&place.policy(), options);
    agent
}

fn posture(agent: &Agent, class: &str) -> Value {
    let status = agent.json(&["status"]);
    let classes = status["classes"].as_array().cloned().unwrap_or_default();
    classes.iter().find(|found| found["class"] == class).map_or(Value::Null, |found| found["posture"].clone())
}

fn reports() -> Result<(), Failed> {
    let place = Place::make(Kind::Ext4);
    let agent = started(&place, &["--observe"]);
    for class in ["file", "exec"] {
        expect("posture", posture(&agent, class), json!("AUDIT_FALLBACK"))?;
    }
    expect("read", File::open(place.path("data")).map(drop).into(), Outcome::Allowed)?;
    expect("exec", of_command(&mut Command::new(place.path("program"))), Outcome::Allowed)?;
    expect("control", File::open(place.path("control")).map(drop).into(), Outcome::Allowed)?;
    agent.settle();
    let told: Vec<_> =
        agent.blocks().iter().map(|record| (record["rule"].clone(), record["action"].clone())).collect();
    expect("records", told, vec![(json!("data"), json!("AUDIT")), (json!("program"), json!("AUDIT"))])?;
    let counts = &agent.json(&["status"])["counts"];
    expect("denied", counts["denied"].clone(), json!(0))
}

/// Each is reported once, by the overlay's key, which is what the rule names.
fn overlay() -> Result<(), Failed> {
    let place = Place::make(Kind::Overlay);
    let agent = started(&place, &["--observe"]);
    let ways = ["elsewhere/hard", "elsewhere/soft", "data"];
    for name in ways {
        expect(name, File::open(place.path(name)).map(drop).into(), Outcome::Allowed)?;
    }
    expect(
        "interpreter",
        of_command(Command::new(place.path("interpreter")).args(["-c", ":"])),
        Outcome::Allowed,
    )?;
    agent.settle();
    let found = agent.blocks();
    let of = |rule: &str| found.iter().filter(|record| record["rule"] == rule).collect::<Vec<_>>();
    expect("reads", of("data").len(), ways.len())?;
    expect("starts", of("program").len(), 1)
}

fn enforce() -> Result<(), Failed> {
    let place = Place::make(Kind::Tmpfs);
    let mut agent = Agent::new("aegis-fallback");
    let file = agent.policy(&place.policy());
    let refused = agent.run(&["run", "--enforce", "--policy", &file]);
    expect("exit code", refused.status.code(), Some(7))?;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    expect_text("message", &said, "`bpf` is not among the security modules in force")?;
    agent.start(&place.policy(), &["--enforce", "--allow-audit-fallback"]);
    expect("read", File::open(place.path("data")).map(drop).into(), Outcome::Allowed)?;
    expect("posture", posture(&agent, "file"), json!("AUDIT_FALLBACK"))?;
    let health = agent.run(&["health"]);
    expect("health", health.status.code(), Some(7))?;
    expect_text("health", &String::from_utf8_lossy(&health.stdout), "NOTHING IS BLOCKED")
}

fn adopted() -> Result<(), Failed> {
    let place = Place::make(Kind::Tmpfs);
    let mut agent = started(&place, &["--observe"]);
    let links = agent.links();
    agent.kill();
    expect("read", File::open(place.path("data")).map(drop).into(), Outcome::Allowed)?;
    agent.start_again();
    expect("links", agent.links(), links)?;
    agent.settle();
    expect("records of the time without a daemon", agent.blocks().len(), 1)?;
    agent.detach();
    expect("nothing is armed", agent.run(&["status"]).status.code(), Some(1))
}
