//! `survival`: what is on the list of a daemon, with it and from its pins, and what is missing when the list is bent.

use crate::armed::Armed;
use crate::fallback::with_a_daemon;
use libtest_mimic::Trial;
use serde_json::Value;

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    with_a_daemon(
        "survival",
        &[
            ("list_is_the_same_from_the_pins", list_is_the_same_from_the_pins),
            ("missing_cgroup_is_named", missing_cgroup_is_named),
            ("table_without_its_pin_is_named", table_without_its_pin_is_named),
        ],
    )
}

const VERIFY: &[&str] = &["survival", "verify", "-o", "json"];

/// The keys of a kind.
fn keys(armed: &Armed, kind: &str) -> Vec<String> {
    let list = armed.run(&["survival", "list", "-o", "json"]).json();
    let survivors = list["survivors"].as_array().unwrap().iter();
    let of_kind = survivors.filter(|survivor| survivor["kind"] == kind);
    of_kind.map(|survivor| survivor["key"].as_str().unwrap().to_owned()).collect()
}

fn notes(verified: &Value) -> String {
    verified["notes"].as_array().unwrap().iter().map(|note| format!("{note}\n")).collect()
}

fn list_is_the_same_from_the_pins() {
    let mut armed = Armed::start(&["run", "--observe"]);
    let with = (keys(&armed, "object"), keys(&armed, "process"));
    assert!(!with.0.is_empty() && with.1.len() == 2, "{with:?}");
    assert_eq!(armed.run(VERIFY).json()["ok"], true);
    armed.kill();
    assert_eq!((keys(&armed, "object"), keys(&armed, "process")), with);
    let ran = armed.run(VERIFY);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let verified = ran.json();
    assert_eq!((&verified["version"], &verified["ok"]), (&Value::from(1), &Value::from(true)));
    assert!(notes(&verified).contains("has ended"), "{verified}");
}

/// From the pins, by the configuration: there was none of this name when the daemon was started.
fn missing_cgroup_is_named() {
    let mut armed = Armed::start(&["run", "--observe"]);
    armed.kill();
    std::fs::write(armed.place.path("cgroups.toml"), "[survival]\ncgroups = [\"/aegis-nowhere\"]\n").unwrap();
    let ran = armed.run(&["survival", "verify", "--config", "cgroups.toml"]);
    assert_eq!(ran.status, Some(5), "{}{}", ran.stdout, ran.stderr);
    for part in
        ["MISSING  configured cgroup /aegis-nowhere: ", "there is no such cgroup", "\n         → start"]
    {
        assert!(ran.stdout.contains(part), "no {part:?} in {}", ran.stdout);
    }
}

fn table_without_its_pin_is_named() {
    let mut armed = Armed::start(&["run", "--observe"]);
    armed.among_pins("rm maps/survival");
    // The daemon has it open.
    assert_eq!(armed.run(VERIFY).json()["ok"], true);
    armed.kill();
    let ran = armed.run(&["survival", "verify"]);
    assert_eq!(ran.status, Some(5), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("MISSING  the table: cannot read the survival list"), "{}", ran.stdout);
}
