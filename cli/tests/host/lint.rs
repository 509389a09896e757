//! `policy lint`: where a policy is wrong, why, and what to write instead.

use crate::place::{Place, Row, trial, trials_of};
use libtest_mimic::Trial;
use serde_json::{Value, json};

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    let others = [
        trial("lint::json_of_errors", json_of_errors),
        trial("lint::json_of_warnings", json_of_warnings),
        trial("lint::sarif", sarif),
        trial("lint::normal_form", normal_form),
    ];
    trials_of("lint", ROWS).into_iter().chain(others).collect()
}

const ROWS: &[Row] = &[
    Row {
        name: "good",
        words: &["policy", "lint", "good.toml"],
        status: 0,
        stdout: &["good: no errors, 1 rule(s)"],
        stderr: &["note[N0001]: block devices are left open"],
    },
    Row {
        name: "two_files",
        words: &["policy", "lint", "good.toml", "more.toml"],
        status: 0,
        stdout: &["good: no errors, 2 rule(s)"],
        stderr: &["note[N0001]"],
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
        stderr: &["note[N0001]"],
    },
    Row {
        name: "both_formats",
        words: &["policy", "lint", "lines.conf", "good.toml"],
        status: 0,
        stdout: &["good: no errors, 3 rule(s)"],
        stderr: &["note[N0001]"],
    },
    Row {
        name: "network",
        words: &["policy", "lint", "network.conf"],
        status: 6,
        stdout: &[],
        stderr: &[
            "network.conf:3:1",
            "`nowhere/data` is not an absolute path",
            "aegisbpf: 1 error(s); nothing has changed",
        ],
    },
    Row {
        name: "what_probes_cannot_do",
        words: &["policy", "lint", "conditions.toml"],
        status: 0,
        stdout: &["conditions: no errors, 1 rule(s)"],
        stderr: &[
            "note: rule data: this version cannot decide upon `connect` and `net`: remove the rule, or these parts of it",
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
    for (file, expected) in [("good.toml", &["7:9 N0001"][..]), ("literal.toml", &["7:9 W0002", "7:9 N0001"])]
    {
        let ran = place.run(&["policy", "lint", file, "-o", "json"]);
        assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""));
        assert_eq!(places(&ran.json()), expected);
    }
}

fn sarif() {
    let ran = Place::make().run(&["policy", "lint", "bad.toml", "--format", "sarif"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(6), "aegisbpf: 3 error(s)\n"));
    let found = ran.json();
    let run = &found["runs"][0];
    assert_eq!((&found["version"], &run["tool"]["driver"]["name"]), (&json!("2.1.0"), &json!("aegisbpf")));
    let results = run["results"].as_array().unwrap();
    let codes: Vec<&str> = results.iter().map(|result| result["ruleId"].as_str().unwrap()).collect();
    assert_eq!(codes, ["E0303", "E0401", "E0101"]);
    let region = &results[0]["locations"][0]["physicalLocation"]["region"];
    assert_eq!((&region["startLine"], &region["startColumn"]), (&json!(6), &json!(7)));
}

/// A file in its normal form says the same, and has one. No section of it is lost.
fn normal_form() {
    let place = Place::make();
    let old = "version=2\n[deny_port]\n22\n[deny_path]\n/b\n/a\n[allow_cgroup]\n/c\n[deny_ip]\n::1\n[deny_cidr]\n10.1.2.3/8\n";
    std::fs::write(place.path("whole.conf"), old).unwrap();
    for file in ["good.toml", "whole.conf", "lines.conf", "conditions.toml"] {
        let ran = place.run(&["policy", "lint", file, "--fix", "--out", "normal"]);
        assert_eq!(ran.status, Some(0), "{}", ran.stderr);
        let same = place.run(&["policy", "diff", file, "normal", "--exit-code"]);
        assert_eq!(same.status, Some(0), "{}", same.stdout);
        let first = std::fs::read_to_string(place.path("normal")).unwrap();
        let again = place.run(&["policy", "lint", "normal", "--fix"]);
        assert_eq!(again.stdout, first, "{file}");
    }
    let normal = place.run(&["policy", "lint", "whole.conf", "--fix"]).stdout;
    let expected = "version=2\n\n[deny_path]\n/a\n/b\n\n[deny_ip]\n::1\n\n[deny_cidr]\n10.0.0.0/8\n\n[deny_port]\n22\n\n\
                    [allow_cgroup]\n/c\n";
    assert_eq!(normal, expected);
    // What is wrong stays as it is.
    std::fs::write(place.path("normal"), "kept").unwrap();
    assert_eq!(place.run(&["policy", "lint", "bad.toml", "--fix", "--out", "normal"]).status, Some(6));
    assert_eq!(std::fs::read_to_string(place.path("normal")).unwrap(), "kept");
}
