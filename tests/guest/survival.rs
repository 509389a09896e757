//! `survival`: what an agent that enforces says of its survival list, and of one that is not what it should be.

use aegis_tests::agent::Agent;
use aegis_tests::check::{Test, expect, expect_text, trials as trials_of};
use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use std::fs;

const TESTS: &[Test] =
    &[("list_is_whole", list_is_whole), ("lost_cgroup_is_missing", lost_cgroup_is_missing)];

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    trials_of("survival", TESTS)
}

const CGROUP: &str = "/sys/fs/cgroup/aegis-survival";
const OPTIONS: &[&str] = &["--enforce", "--survival-cgroup", "/aegis-survival"];

fn started() -> Agent {
    fs::create_dir_all(CGROUP).expect("a cgroup");
    let mut agent = Agent::new("aegis-survival-list");
    agent.start("version = 3\nname = \"survival\"\n", OPTIONS);
    agent
}

/// The exit code of `survival verify`, and what it found.
fn verify(agent: &Agent) -> Result<(Option<i32>, Value), Failed> {
    let output = agent.run(&["survival", "verify", "-o", "json"]);
    let found: Value =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("{error}: {output:?}"))?;
    println!("{found}");
    Ok((output.status.code(), found))
}

/// Whether something is on the list, with a path that ends so.
fn has(list: &Value, what: &str, path: &str) -> bool {
    let mut survivors = list["survivors"].as_array().into_iter().flatten();
    let ends = |paths: &Value| {
        paths.as_array().into_iter().flatten().any(|one| one.as_str().is_some_and(|one| one.ends_with(path)))
    };
    survivors.any(|one| {
        one["what"].as_str().is_some_and(|found| found.contains(what))
            && (path.is_empty() || ends(&one["paths"]))
    })
}

fn list_is_whole() -> Result<(), Failed> {
    let mut agent = started();
    let list = agent.json(&["survival", "list"]);
    let init = fs::read_link("/proc/1/exe").expect("process 1").display().to_string();
    for (what, path) in [
        ("process 1", ""),
        ("the daemon", ""),
        ("executable of process 1", init.as_str()),
        ("executable of the daemon", "/aegisbpf"),
        ("dynamic loader", "/lib64/ld-linux-x86-64.so.2"),
        ("configured cgroup", "/aegis-survival"),
    ] {
        expect(what, has(&list, what, path), true)?;
    }
    let (code, found) = verify(&agent)?;
    expect(
        "with a daemon",
        (code, &found["ok"], &found["notes"]),
        (Some(0), &true.into(), &Value::Array(vec![])),
    )?;
    agent.kill();
    // The cgroup was an option: the configuration does not name it.
    let (code, found) = verify(&agent)?;
    expect("from the pins", code, Some(0))?;
    let notes = found["notes"].to_string();
    expect_text("the process", &notes, "has ended")?;
    expect_text("the cgroup", &notes, "(/aegis-survival) is not one that is configured")
}

/// A cgroup that is made anew has another id: whoever is in it would be denied.
fn lost_cgroup_is_missing() -> Result<(), Failed> {
    let mut agent = started();
    fs::remove_dir(CGROUP).expect("nobody is in it");
    let (code, found) = verify(&agent)?;
    expect("removed", code, Some(5))?;
    expect_text("why", &found["missing"].to_string(), "there is no such cgroup")?;
    fs::create_dir(CGROUP).expect("a cgroup");
    let (code, found) = verify(&agent)?;
    expect("made anew", code, Some(5))?;
    expect_text("why", &found["missing"].to_string(), "is not on the list")?;
    expect_text("the one of before", &found["notes"].to_string(), "is gone")?;
    agent.terminate();
    agent.start_again();
    expect("started again", verify(&agent)?.0, Some(0))
}
