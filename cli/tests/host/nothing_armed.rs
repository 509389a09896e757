//! Verbs that need a daemon, or pins, where there are none; and what stops the daemon before it arms anything.

use crate::place::{Place, Ran, Row, status_here, trial, trials_of};
use crate::refused::{Health, ignored_unless};
use libtest_mimic::Trial;

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    let health = Health::ask();
    let rows = if health.ok("BPF LSM programs") { NO_BPFFS } else { NO_LSM };
    let mut trials = trials_of("nothing_armed", ROWS);
    // Paths are resolved by iterators, which are loaded before anything else.
    let iterators = health.ok("BPF iterators");
    let without_bpffs = trials_of("nothing_armed", rows).into_iter();
    trials.extend(without_bpffs.map(|trial| ignored_unless(iterators, "no BPF iterators here", trial)));
    trials.push(trial("nothing_armed::detach_without_bpffs", detach_without_bpffs));
    trials.push(trial("nothing_armed::health_in_json", health_in_json));
    trials
}

const fn unreachable(name: &'static str, words: &'static [&'static str]) -> Row {
    let stderr = &[
        "aegisbpf: no daemon answers on none.sock",
        "start it with `aegisbpf run`",
        "its socket with --socket",
    ];
    Row { name, words, status: 4, stdout: &[], stderr }
}

const fn not_armed(name: &'static str, words: &'static [&'static str]) -> Row {
    Row { name, words, status: 1, stdout: &[], stderr: &["nothing is armed below /", "/pins"] }
}

const fn wrong_policy(name: &'static str, words: &'static [&'static str]) -> Row {
    Row {
        name,
        words,
        status: 6,
        stdout: &[],
        stderr: &["bad.toml:6:7", "did you mean `read`?", "nothing has changed"],
    }
}

const ROWS: &[Row] = &[
    unreachable("events", &["events"]),
    unreachable("events_followed", &["events", "--follow"]),
    unreachable("metrics", &["metrics"]),
    // No file is made.
    unreachable("metrics_into_a_file", &["metrics", "--out", "aegis.prom"]),
    unreachable("apply", &["policy", "apply", "good.toml"]),
    unreachable("reset", &["policy", "reset"]),
    unreachable("block_add", &["block", "add", "/a"]),
    unreachable("block_list", &["block", "list"]),
    unreachable("allow_del", &["allow", "del", "/a", "-o", "json"]),
    not_armed("stats", &["stats", "--detailed"]),
    not_armed("status", &["status"]),
    not_armed("status_in_json", &["status", "-o", "json"]),
    not_armed("show", &["policy", "show"]),
    not_armed("account", &["events", "account"]),
    not_armed("account_in_json", &["events", "account", "-o", "json"]),
    not_armed("detach", &["detach", "--reason", "test"]),
    not_armed("detach_in_json", &["detach", "--reason", "test", "-o", "json"]),
    // Told before anybody is asked to put it in force.
    wrong_policy("apply_of_a_wrong_policy", &["policy", "apply", "bad.toml"]),
    wrong_policy("audit_with_a_wrong_policy", &["run", "--audit", "--policy", "bad.toml"]),
    Row {
        name: "run_with_options_of_the_other_tool",
        words: &["run", "--lsm-hook", "file", "--seccomp", "--deadman-ttl=9", "--policy", "bad.toml"],
        status: 6,
        stdout: &[],
        stderr: &[
            "warning: --lsm-hook has no effect: each hook",
            "warning: --seccomp has no effect: confine",
            "warning: --deadman-ttl has no effect: enforcement does not end by itself",
        ],
    },
    wrong_policy("run_with_a_wrong_policy", &["run", "--enforce", "--policy", "bad.toml"]),
    wrong_policy(
        "run_with_a_wrong_policy_among_others",
        &["run", "--policy", "good.toml", "--policy", "bad.toml"],
    ),
];

const fn no_bpffs(name: &'static str, words: &'static [&'static str]) -> Row {
    let stderr = &["is not on a bpf file system", "mount -t bpf bpf /sys/fs/bpf", "--bpffs-root"];
    Row { name, words, status: 1, stdout: &[], stderr }
}

/// The same where the kernel refuses the probes: that comes first, as no mount would help.
const fn no_lsm(row: Row) -> Row {
    Row { status: 7, stderr: &["the kernel refuses to load the probe", "CONFIG_BPF_LSM"], ..row }
}

const NO_BPFFS: &[Row] = &[
    no_bpffs("run_without_bpffs", &["run", "--enforce", "--policy", "good.toml"]),
    no_bpffs("observe_without_bpffs", &["run", "--observe"]),
    no_bpffs("demo_without_bpffs", &["demo"]),
    no_bpffs("demo_in_json_without_bpffs", &["demo", "-o", "json"]),
];

/// But for `--observe`, which the audit fallback serves as well.
const NO_LSM: &[Row] = &[no_lsm(NO_BPFFS[0]), NO_BPFFS[1], no_lsm(NO_BPFFS[2]), no_lsm(NO_BPFFS[3])];

/// A directory that is there, but where nothing can be pinned.
fn detach_without_bpffs() {
    let place = Place::make();
    let ran = Ran::from(place.command(&[], &["detach", "--reason", "test"], ".").output().unwrap());
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(status_here(1)), ""));
    assert!(ran.stderr.contains(" is not on a bpf file system; mount one"), "{}", ran.stderr);
}

fn health_in_json() {
    let ran = Place::make().run(&["health", "-o", "json"]);
    let health = ran.json();
    assert_eq!((&health["version"], &health["posture"]), (&1.into(), &"OFF".into()));
    let names: Vec<_> = health["checks"].as_array().unwrap().iter().map(|check| &check["name"]).collect();
    assert!(
        names.iter().any(|name| *name == "BPF LSM programs") && names.iter().any(|name| *name == "posture")
    );
    let refused = !Health::ask().ok("BPF LSM programs");
    assert_eq!(ran.status, Some(if refused { status_here(7) } else { 5 }), "{}", ran.stderr);
    // The other one says what to do about it.
    let ran = Place::make().run(&["doctor"]);
    assert!(ran.stdout.contains("WRONG    armed: nothing is"), "{}", ran.stdout);
    assert!(ran.stdout.contains("→ start the daemon"), "{}", ran.stdout);
    let wrong = if status_here(1) == 1 { 5 } else { 3 };
    assert_eq!(ran.status, Some(wrong), "{}", ran.stderr);
}
