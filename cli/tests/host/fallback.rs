//! The audit fallback on a kernel that refuses BPF LSM programs: what the policy would deny is reported, nothing is
//! denied, and everything says so. The policies name files of the test's own directory, so nobody else is reported.
//! Where the kernel takes LSM programs the same command would enforce, so the tests are skipped there.

use crate::armed::Armed;
use crate::attempts::{ATTEMPTS, Attempt};
use crate::place::{Ran, trial};
use crate::refused::{Health, can_mount_bpffs, ignored_unless};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    with_a_daemon(
        "fallback",
        &[
            ("reports", reports),
            ("says_so", says_so),
            ("enforce_with_the_flag", enforce_with_the_flag),
            ("outlives_the_daemon", outlives_the_daemon),
            ("lists_what_it_cannot_see", lists_what_it_cannot_see),
            ("nothing_without_rules", nothing_without_rules),
            ("tells_each_step", tells_each_step),
            ("tells_who_acts", tells_who_acts),
        ],
    )
}

/// Tests of a group that start a daemon: skipped where there can be none.
pub(crate) fn with_a_daemon(group: &str, tests: &[(&str, fn())]) -> Vec<Trial> {
    let why = why_not();
    let trial = |(name, test): &(&str, fn())| {
        let trial = trial(&format!("{group}::{name}"), *test);
        ignored_unless(why.is_none(), why.unwrap_or_default(), trial)
    };
    tests.iter().map(trial).collect()
}

/// Why tests with a daemon cannot be made here.
pub(crate) fn why_not() -> Option<&'static str> {
    let health = Health::ask();
    if health.ok("BPF LSM programs") {
        return Some("this kernel takes BPF LSM programs, and the host that runs tests must not be armed");
    }
    if !health.ok("audit fallback") || !health.ok("BPF iterators") {
        return Some("the kernel refuses the programs of the audit fallback too (not root?)");
    }
    (!can_mount_bpffs()).then_some("a private bpf file system cannot be mounted")
}

const NOTICE: &str = "NOTHING IS BLOCKED";

/// Each attempt succeeds; what a rule names is reported with the key of its object, and nothing else is.
fn reports() {
    let armed = Armed::start(&["run", "--observe"]);
    for attempt in ATTEMPTS {
        check(&armed, attempt);
    }
    let counts = &armed.status()["counts"];
    assert_eq!(counts["denied"], 0, "{counts}");
    assert!(counts["unseen"].as_u64() > Some(0), "a script was started, and is not seen: {counts}");
}

fn check(armed: &Armed, attempt: &Attempt) {
    let before = armed.blocks().len();
    let done = (attempt.make)(&armed.place);
    assert!(done.is_ok(), "{}: it was hindered: {done:?}", attempt.name);
    let expected = usize::from(attempt.rule.is_some());
    let found = armed.blocks_after(before, expected);
    assert_eq!(found.len(), expected, "{}: {found:#?}", attempt.name);
    let (Some(rule), Some(record)) = (attempt.rule, found.first()) else { return };
    let told = format!("{}: {record:#}", attempt.name);
    assert_eq!((&record["action"], &record["verdict"]), (&"AUDIT".into(), &"audit".into()), "{told}");
    assert_eq!((&record["rule"], &record["hook"]), (&rule.into(), &attempt.hook.into()), "{told}");
    let operations: Vec<_> = record["operations"].as_array().unwrap().iter().collect();
    assert_eq!(operations, attempt.operations, "{told}");
    let file = fs::metadata(armed.place.path(attempt.file)).unwrap();
    // On the usual file systems the numbers of stat() are those of the kernel.
    if armed.stat_is_right() {
        let kernels = (file.dev() >> 8 & 0xfff) << 20 | (file.dev() & 0xff);
        assert_eq!(
            (record["ino"].as_u64(), record["dev"].as_u64()),
            (Some(file.ino()), Some(kernels)),
            "{told}"
        );
    }
}

/// Status, health, log and records, in words and in JSON.
fn says_so() {
    let armed = Armed::start(&["run", "--observe"]);
    let status = armed.status();
    assert!(status["notice"].as_str().unwrap().contains(NOTICE), "{status:#}");
    assert_eq!(status["probes"], "fallback");
    let postures: Vec<_> = status["classes"].as_array().unwrap().iter().collect();
    assert!(postures.iter().any(|class| class["class"] == "file" && class["posture"] == "AUDIT_FALLBACK"));
    assert!(postures.iter().any(|class| class["class"] == "exec" && class["posture"] == "AUDIT_FALLBACK"));
    assert!(postures.iter().all(|class| class["posture"] != "OBSERVE" && class["posture"] != "ENFORCE"));
    let table = armed.run(&["status"]);
    assert_eq!(table.status, Some(0), "{}", table.stderr);
    for part in [NOTICE, "AUDIT_FALLBACK", "sys_exit", "sched_process_exec"] {
        assert!(table.stdout.contains(part), "no {part:?} in {}", table.stdout);
    }
    let health = armed.run(&["health"]);
    assert_eq!(health.status, Some(7), "{}", health.stderr);
    assert!(
        health.stdout.contains("posture AUDIT_FALLBACK") && health.stdout.contains(NOTICE),
        "{}",
        health.stdout
    );
    let doctor = armed.run(&["doctor", "-o", "json"]);
    let found = doctor.json()["findings"].as_array().unwrap().clone();
    let grade = |what: &str| found.iter().find(|one| one["what"] == what).map(|one| one["grade"].clone());
    let grades = ["BPF LSM programs", "posture", "daemon", "accounts"].map(grade);
    assert_eq!(grades, ["wrong", "notice", "fine", "fine"].map(|grade| Some(grade.into())), "{found:?}");
    assert_eq!(doctor.status, Some(5), "{}", doctor.stderr);
    let applied = armed.run(&["policy", "apply", "scratch.toml"]);
    assert!(applied.stdout.contains(NOTICE), "{}", applied.stdout);
    let log = armed.log();
    assert_eq!(log.matches(NOTICE).count(), 3, "at the start, and at both applies: {log}");
    let told = armed.records("lifecycle");
    let told = told.iter().filter(|record| record["what"] == "audit_fallback");
    assert_eq!(told.filter(|record| record["detail"].to_string().contains(NOTICE)).count(), 3);
}

/// What was started, with which arguments, and by whom. Arguments that name a secret are in no record.
fn tells_who_acts() {
    let armed = Armed::start(&["run", "--observe"]);
    let attempt =
        ATTEMPTS.iter().find(|attempt| attempt.operations == ["read"] && attempt.rule.is_some()).unwrap();
    let file = armed.place.path(attempt.file).display().to_string();
    let before = armed.blocks().len();
    let script = "(read -r line < \"$0\"); true";
    let ran = Command::new("bash").args(["-c", script, &file, "--token", "hunter2", "plain"]).status();
    assert!(ran.unwrap().success());
    let found = armed.blocks_after(before, 1);
    let record = found.first().unwrap();
    let process = &record["process"];
    let told = format!("{record:#}");
    assert_eq!(process["argv"], json!(["bash", "-c", script, file, "***", "***", "plain"]), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
    assert!(process["executable"].as_str().is_some_and(|path| path.ends_with("/bash")), "{told}");
    assert_eq!((&process["unproven"], &process["argv_cut"]), (&json!(false), &json!(false)), "{told}");
    // What reads has been made by the one that was started here, and that one by this test.
    let maker = |number: usize| &process["ancestors"][number];
    assert_eq!(maker(0)["exec_id"], record["parent_exec_id"], "{told}");
    assert_eq!(
        (&maker(0)["executable"], &maker(0)["unproven"]),
        (&process["executable"], &json!(false)),
        "{told}"
    );
    assert!(maker(1)["executable"].as_str().is_some_and(|path| path.contains("host")), "{told}");
    assert_eq!(maker(1)["unproven"], true, "{told}");
}

/// `--enforce` needs the flag; with it, nothing is denied all the same.
fn enforce_with_the_flag() {
    let armed = Armed::start(&["run", "--enforce", "--allow-audit-fallback"]);
    let status = armed.status();
    assert_eq!(status["generation"]["mode"], "enforce");
    assert!(status["classes"].as_array().unwrap().iter().all(|class| class["posture"] != "ENFORCE"));
    for attempt in ATTEMPTS.iter().filter(|attempt| attempt.rule.is_some()).take(3) {
        check(&armed, attempt);
    }
}

/// The pins go on reporting, are adopted, and are refused by a daemon that was told to enforce.
fn outlives_the_daemon() {
    let mut armed = Armed::start(&["run", "--observe"]);
    let links = armed.status()["links"].clone();
    armed.kill();
    let status = armed.status();
    assert!(status["daemon"].is_null() && status["notice"].as_str().unwrap().contains(NOTICE), "{status:#}");
    assert_eq!((&status["links"], &status["probes"]), (&links, &"fallback".into()));
    assert!(ATTEMPTS[0].rule.is_some() && (ATTEMPTS[0].make)(&armed.place).is_ok());
    let refused: Ran = armed.run(&["run", "--enforce", "--policy", "scratch.toml"]);
    assert_eq!(refused.status, Some(7), "{}", refused.stderr);
    assert!(refused.stderr.contains("audit fallback"), "{}", refused.stderr);
    armed.start_again();
    assert_eq!(armed.status()["daemon"]["adopted"], true);
    assert_eq!(armed.status()["links"], links, "the links are kept");
    assert_eq!(armed.blocks_after(0, 1).len(), 1, "what happened meanwhile is delivered");
    armed.detach();
    assert!((ATTEMPTS[0].make)(&armed.place).is_ok());
    assert_eq!(armed.run(&["status"]).status, Some(1), "nothing is armed any more");
}

/// Rules on operations that are not seen are in force, and named everywhere.
fn lists_what_it_cannot_see() {
    let armed = Armed::start(&["run", "--observe"]);
    let data = armed.place.path("data").display().to_string();
    let rule = |id: &str, on: &str| format!("[[rule]]\nid = \"{id}\"\non = [{on}]\npath = [\"{data}\"]\n");
    let policy = [
        "version = 3\nname = \"unseen\"\n",
        &rule("gone", "\"unlink\", \"rename\""),
        &rule("seen", "\"read\""),
    ]
    .concat();
    fs::write(armed.place.path("unseen.toml"), policy).unwrap();
    let unseen = serde_json::json!([{ "rule": "gone", "operations": ["unlink", "rename"] }]);
    let reply: Value = armed.run(&["policy", "apply", "unseen.toml", "-o", "json"]).json();
    assert_eq!(reply["unseen"], unseen, "{reply:#}");
    assert_eq!(armed.status()["unseen"], unseen);
    let table = armed.run(&["status"]).stdout;
    assert!(table.contains("without effect on") && table.contains("unlink, rename"), "{table}");
    assert!(armed.log().contains("rule gone has no effect on unlink, rename"), "{}", armed.log());
}

/// The empty policy: nothing is looked at, and nothing is counted as unseen.
fn nothing_without_rules() {
    let armed = Armed::start(&["run", "--observe"]);
    assert_eq!(armed.run(&["policy", "reset"]).status, Some(0));
    let before = armed.blocks().len();
    for attempt in ATTEMPTS.iter().take(3) {
        (attempt.make)(&armed.place).unwrap();
    }
    assert_eq!(armed.blocks_after(before, 0).len(), 0);
}

/// What each way to put something in force does, in order, and how long it took.
fn tells_each_step() {
    let armed = Armed::start(&["run", "--observe"]);
    let data = armed.place.path("data").display().to_string();
    let loaded = [
        "verify",
        "compile",
        "record",
        "resolve",
        "build",
        "attach",
        "load",
        "read_back",
        "prove",
        "flip",
        "settle",
    ];
    let again = ["verify", "compile", "record", "resolve", "build", "attach", "read_back", "prove"];
    let rows: [(&[&str], &[&str]); 5] = [
        (&["policy", "apply", "scratch.toml"], &again),
        // What is in force already was looked at before.
        (&["block", "add", &data], &loaded[1..]),
        (&["policy", "reset"], &loaded[1..]),
        (&["policy", "apply", "scratch.toml"], &loaded),
        (&["policy", "apply", "scratch.toml"], &again),
    ];
    for (words, expected) in rows {
        let reply = armed.run(&[words, &["-o", "json"]].concat()).json();
        let reply = reply.get("applied").unwrap_or(&reply);
        let steps = reply["steps"].as_array().unwrap();
        let told: Vec<_> = steps.iter().map(|step| step["step"].as_str().unwrap()).collect();
        assert_eq!(told, expected, "{words:?}");
        // Finding files, loading and proving take system calls.
        let took: Option<Vec<u64>> = steps.iter().map(|step| step["microseconds"].as_u64()).collect();
        assert!(took.unwrap().iter().sum::<u64>() > 0, "{words:?}: {steps:?}");
    }
    let table = armed.run(&["policy", "apply", "scratch.toml"]).stdout;
    assert!(!table.contains("read_back"), "{table}");
}
