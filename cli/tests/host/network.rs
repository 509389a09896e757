//! `network deny` where the probes cannot decide upon networks: entries are refused by the loader, and nothing changes.

use crate::armed::Armed;
use crate::fallback::with_a_daemon;
use libtest_mimic::Trial;
use std::fs;

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    with_a_daemon(
        "network",
        &[
            ("refused_entries_change_nothing", refused_entries_change_nothing),
            ("entries_of_the_file_are_shown_and_cleared", entries_of_the_file_are_shown_and_cleared),
        ],
    )
}

const FILE: &str = "state/local.policy";

/// What the kernel has, and what the file.
fn in_force(armed: &Armed) -> (String, String) {
    let mut status = armed.status();
    let kernel = format!("{} {}", status["generation"].take(), status["links"].take());
    (kernel, fs::read_to_string(armed.place.path(FILE)).unwrap_or_default())
}

fn refused_entries_change_nothing() {
    let armed = Armed::start(&["run", "--observe"]);
    // Without a file, and with one.
    for prepare in [None, Some(&["block", "add", "/nowhere/data"][..])] {
        prepare.into_iter().for_each(|words| assert_eq!(armed.run(words).status, Some(0)));
        let before = in_force(&armed);
        for (words, rule) in [
            (&["10.0.0.1"][..], "rule deny_ip-10.0.0.1: "),
            (&["--cidr", "10.0.0.0/8"], "rule deny_cidr-10.0.0.0_8: "),
            (&["--port", "22:tcp:bind"], "rule deny_port-22-tcp-bind: "),
        ] {
            let ran = armed.run(&[&["network", "deny", "add"], words].concat());
            assert_eq!(ran.status, Some(6), "{}", ran.stderr);
            for part in [rule, "this version cannot decide upon"] {
                assert!(ran.stderr.contains(part), "no {part:?} in {}", ran.stderr);
            }
            assert_eq!(in_force(&armed), before, "{words:?}");
            assert_eq!(armed.run(&["network", "deny", "list"]).stdout, "");
        }
    }
}

/// Somebody may have written it by hand. What cannot be put in force must not be stuck there.
fn entries_of_the_file_are_shown_and_cleared() {
    let armed = Armed::start(&["run", "--observe"]);
    let lines = "version=2\n\n[deny_path]\n/nowhere/data\n\n[deny_ip]\n10.0.0.1\n\n[deny_cidr]\n10.0.0.0/8\n\n[deny_port]\n22:tcp\n";
    fs::write(armed.place.path(FILE), lines).unwrap();
    assert_eq!(
        armed.run(&["network", "deny", "list"]).stdout,
        "ip   10.0.0.1\ncidr 10.0.0.0/8\nport 22:tcp\n"
    );
    let list = armed.run(&["network", "deny", "list", "-o", "json"]).json();
    assert_eq!(list["version"], 1);
    assert_eq!([&list["ip"][0], &list["cidr"][0], &list["port"][0]], ["10.0.0.1", "10.0.0.0/8", "22:tcp"]);
    assert_eq!(armed.run(&["block", "add", "/nowhere/other"]).status, Some(6));
    let cleared = armed.run(&["network", "deny", "clear"]);
    assert_eq!(cleared.status, Some(0), "{}", cleared.stderr);
    assert!(
        cleared.stdout.contains("removed 10.0.0.0/8\n") && cleared.stdout.contains("3 removed, 0 on the")
    );
    // It is of the networks alone.
    assert_eq!(armed.run(&["block", "list"]).stdout, "/nowhere/data\n");
    assert_eq!(
        fs::read_to_string(armed.place.path(FILE)).unwrap(),
        "version=1\n\n[deny_path]\n/nowhere/data\n"
    );
}
