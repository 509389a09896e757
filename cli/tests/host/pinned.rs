//! What `health` and `doctor` say of pins that somebody has changed. The probes are those of the audit fallback, which
//! deny nothing.

use crate::armed::Armed;
use crate::fallback::with_a_daemon;
use libtest_mimic::Trial;
use serde_json::Value;

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    with_a_daemon(
        "pinned",
        &[("changes_are_found", changes_are_found), ("detach_needs_no_program", detach_needs_no_program)],
    )
}

/// A change, how it is undone before the next, and what is wrong meanwhile.
const CHANGES: &[(&str, &str, &[&str])] = &[
    ("mkdir maps/strange", "rmdir maps/strange", &["maps/strange is not ours"]),
    (
        "mv maps/storms maps/a; mv maps/counters maps/storms; mv maps/a maps/counters",
        "mv maps/storms maps/a; mv maps/counters maps/storms; mv maps/a maps/counters",
        &[
            "maps/counters is not the one that the probes use",
            "maps/storms is not the one that the probes use",
        ],
    ),
    (
        "mv links/sys_exit links/other",
        "mv links/other links/sys_exit",
        &["links/sys_exit is missing", "links/other is not ours"],
    ),
    (
        "mv programs/sys_exit programs/other",
        "mv programs/other programs/sys_exit",
        &["programs/sys_exit is missing", "programs/other is not ours"],
    ),
    (
        "mv maps/identity maps/a",
        "mv maps/a maps/identity",
        &["maps/identity is missing", "maps/a is not ours"],
    ),
];

fn changes_are_found() {
    let mut armed = Armed::start(&["run", "--observe"]);
    let health = |armed: &Armed| armed.run(&["health", "-o", "json"]).json();
    let check = |health: &Value| {
        let checks = health["checks"].as_array().unwrap().clone();
        checks.into_iter().find(|check| check["name"] == "pinned tables").unwrap()
    };
    let before = health(&armed);
    assert_eq!(check(&before)["ok"], true, "{before:#}");
    let pins = &before["pins"];
    assert_eq!((&pins["maps"], &pins["programs"], &pins["links"]), (&25.into(), &5.into(), &4.into()));
    assert!(pins["generation"].as_u64() > Some(0) && pins["wrong"] == Value::Array(Vec::new()), "{pins:#}");
    // It would put links back within seconds.
    armed.kill();
    for (change, undo, wrong) in CHANGES {
        armed.among_pins(change);
        let after = health(&armed);
        armed.among_pins(undo);
        assert_eq!(after["pins"]["wrong"], Value::from(*wrong), "{change}");
        let check = check(&after);
        assert_eq!((&check["ok"], &check["finding"]), (&false.into(), &wrong.join("; ").into()), "{change}");
    }
    let table = armed.run(&["health"]).stdout;
    assert!(table.contains("25 maps, 5 programs, 4 links, all of this version"), "{table}");
    // Nobody can put this one back.
    armed.among_pins("rm maps/ledger");
    let doctor = armed.run(&["doctor"]).stdout;
    assert!(doctor.contains("WRONG    pinned tables: maps/ledger is missing\n"), "{doctor}");
}

/// Whatever somebody has removed, there is a way down: links that decide must never be out of reach.
fn detach_needs_no_program() {
    for with_daemon in [true, false] {
        let mut armed = Armed::start(&["run", "--observe"]);
        if !with_daemon {
            armed.kill();
        }
        armed.among_pins("rm programs/sys_exit maps/objects maps/events maps/identity");
        let ran = armed.run(&["detach", "--reason", "test", "-o", "json"]);
        assert_eq!(ran.status, Some(0), "{}", ran.stderr);
        assert_eq!(ran.json()["links"].as_array().map(Vec::len), Some(4));
        if with_daemon {
            armed.wait_for_its_end();
        }
    }
}
