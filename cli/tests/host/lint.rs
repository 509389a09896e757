//! `policy lint`: where a policy is wrong, why, and what to write instead.

use crate::place::{Place, Row, trial, trials_of};
use libtest_mimic::Trial;
use serde_json::{Value, json};

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    let others =
        [trial("lint::json_of_errors", json_of_errors), trial("lint::json_of_warnings", json_of_warnings)];
    trials_of("lint", ROWS).into_iter().chain(others).collect()
}

const ROWS: &[Row] = &[
    Row {
        name: "good",
        words: &["policy", "lint", "good.toml"],
        status: 0,
        stdout: &["good: no errors, 1 rule(s)"],
        stderr: &[],
    },
    Row {
        name: "two_files",
        words: &["policy", "lint", "good.toml", "more.toml"],
        status: 0,
        stdout: &["good: no errors, 2 rule(s)"],
        stderr: &[],
    },
    Row {
        name: "bad",
        words: &["policy", "lint", "bad.toml"],
        status: 6,
        stdout: &[],
        stderr: &[
            // Place, text, cause, remedy; and all errors at once.
            "bad.toml:6:7",
            "on = [\"raed\"]",
            "there is no operation `raed`",
            "did you mean `read`?",
            "bad.toml:7:9",
            "`nowhere/data` is not an absolute path",
            "write the path from the root on",
            "bad.toml:8:1",
            "unknown key `modes`",
            "did you mean `mode`?",
            "aegisbpf: 3 error(s); nothing has changed",
        ],
    },
    Row {
        name: "warning",
        words: &["policy", "lint", "literal.toml"],
        status: 0,
        stdout: &["literal: no errors, 1 rule(s)"],
        stderr: &["literal.toml:7:9", "`/nowhere/*` is taken literally", "list each path"],
    },
    Row {
        name: "files_that_disagree",
        words: &["policy", "lint", "good.toml", "literal.toml"],
        status: 6,
        stdout: &[],
        stderr: &["literal.toml:2:8", "good.toml:2:8", "disagree about `name`"],
    },
    Row {
        name: "lines",
        words: &["policy", "lint", "lines.conf"],
        status: 0,
        stdout: &["format-1: no errors, 2 rule(s)"],
        stderr: &[],
    },
    Row {
        name: "both_formats",
        words: &["policy", "lint", "lines.conf", "good.toml"],
        status: 0,
        stdout: &["good: no errors, 3 rule(s)"],
        stderr: &[],
    },
    Row {
        name: "network",
        words: &["policy", "lint", "network.conf"],
        status: 6,
        stdout: &[],
        stderr: &[
            "network.conf:3:1",
            "`nowhere/data` is not an absolute path",
            "network.conf:4:1",
            "`[deny_cidr]` cannot be enforced by this version",
            "aegisbpf: 2 error(s); nothing has changed",
        ],
    },
    Row {
        name: "no_file",
        words: &["policy", "lint", "absent.toml"],
        status: 6,
        stdout: &[],
        stderr: &["cannot read the policy absent.toml: No such file or directory"],
    },
    Row {
        name: "empty_standard_input",
        words: &["policy", "lint", "-"],
        status: 6,
        stdout: &[],
        stderr: &["-:1:1", "version = 3"],
    },
];

/// The diagnostics of a file as `line:column code`.
fn places(found: &Value) -> Vec<String> {
    let place = |one: &Value| format!("{}:{} {}", one["line"], one["column"], one["code"].as_str().unwrap());
    found.as_array().expect("a list").iter().map(place).collect()
}

fn json_of_errors() {
    let ran = Place::make().run(&["policy", "lint", "bad.toml", "-o", "json"]);
    assert_eq!(ran.status, Some(6));
    assert_eq!(ran.stderr, "aegisbpf: 3 error(s)\n");
    let found = ran.json();
    assert_eq!(places(&found), ["6:7 E0303", "7:9 E0401", "8:1 E0101"]);
    for one in found.as_array().unwrap() {
        assert_eq!((&one["file"], &one["severity"]), (&json!("bad.toml"), &json!("error")));
        assert!(["message", "label", "help"].iter().all(|key| one[key].is_string()), "{one}");
    }
}

fn json_of_warnings() {
    let place = Place::make();
    for (file, expected) in [("good.toml", &[][..]), ("literal.toml", &["7:9 W0002"])] {
        let ran = place.run(&["policy", "lint", file, "-o", "json"]);
        assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""));
        assert_eq!(places(&ran.json()), expected);
    }
}
