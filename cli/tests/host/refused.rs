//! A kernel that refuses LSM programs, although it may list `bpf` as a security module: said, with a code of its
//! own and a remedy, and nothing is left behind. Where the kernel takes them these tests would arm the host, so
//! they are skipped there.

use crate::place::{Place, Ran};
use libtest_mimic::Trial;
use serde_json::Value;
use std::fs;
use std::process::Command;

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    let why = why_not();
    let trial = |row: &'static Row| {
        let trial = Trial::test(format!("refused::{}", row.name), move || {
            check(row);
            Ok(())
        });
        ignored_unless(why.is_none(), why.unwrap_or_default(), trial)
    };
    ROWS.iter().map(trial).collect()
}

/// What the command found out about this host.
pub(crate) struct Health(Value);

impl Health {
    /// Asks it.
    pub(crate) fn ask() -> Self {
        Self(Place::make().run(&["health", "-o", "json"]).json())
    }

    /// Whether a check is as it should be.
    pub(crate) fn ok(&self, name: &str) -> bool {
        let mut checks = self.0["checks"].as_array().expect("checks").iter();
        checks.any(|check| check["name"] == name && check["ok"] == true)
    }
}

/// Skips a trial and says why, unless something holds.
pub(crate) fn ignored_unless(holds: bool, why: &str, trial: Trial) -> Trial {
    if !holds {
        eprintln!("skipped: {}: {why}", trial.name());
    }
    trial.with_ignored_flag(!holds)
}

/// Mounts a bpf file system that nobody else sees, runs a command line, and writes down what is pinned then.
const PRIVATE: &str = "mount -t bpf bpf bpf || exit 99; \"$@\"; status=$?; ls -A bpf >pinned; exit $status";

/// Why these tests cannot be made here.
fn why_not() -> Option<&'static str> {
    let health = Health::ask();
    if health.ok("BPF LSM programs") {
        return Some("this kernel takes BPF LSM programs, and the host that runs tests must not be armed");
    }
    if !health.ok("BPF iterators") {
        return Some("the kernel refuses BPF iterators too (not root?), and they are loaded first");
    }
    (!can_mount_bpffs()).then_some("a private bpf file system cannot be mounted")
}

/// Whether a bpf file system can be mounted that nobody else sees.
pub(crate) fn can_mount_bpffs() -> bool {
    let place = Place::make();
    let mounted =
        Command::new("unshare").args(["-m", "mount", "-t", "bpf", "bpf"]).arg(place.path("")).output();
    mounted.is_ok_and(|output| output.status.success())
}

struct Row {
    name: &'static str,
    words: &'static [&'static str],
}

const ROWS: &[Row] = &[
    Row { name: "run", words: &["run"] },
    Row { name: "run_enforce", words: &["run", "--enforce", "--policy", "good.toml"] },
    Row { name: "demo", words: &["demo"] },
    Row { name: "demo_in_json", words: &["demo", "-o", "json"] },
];

fn check(row: &Row) {
    let place = Place::make();
    let ran = run_with_bpffs(&place, row.words);
    let told = format!("{:?}: {:?}\n{}\n{}", row.words, ran.status, ran.stdout, ran.stderr);
    assert_eq!(ran.status, Some(7), "{told}");
    assert_eq!(ran.stdout, "", "{told}");
    for part in [
        "the kernel refuses to load the probe on file_open",
        "nothing can be enforced on this host",
        "CONFIG_BPF_LSM",
        "`bpf` in the boot option lsm=",
        "`aegisbpf health` tells what is missing",
        "--allow-audit-fallback",
    ] {
        assert!(ran.stderr.contains(part), "no {part:?} in {told}");
    }
    // The kernel's own two files have a dot in their names, which pins cannot have.
    let pinned = fs::read_to_string(place.path("pinned")).expect("a list of pins");
    assert!(pinned.lines().all(|name| name.contains('.')), "left pinned: {pinned}");
    assert_eq!(place.left_behind(), ["bpf", "pinned"], "left behind by {told}");
}

/// Runs a command line with a bpf file system at `bpf`, and its pins there.
fn run_with_bpffs(place: &Place, words: &[&str]) -> Ran {
    fs::create_dir(place.path("bpf")).expect("a place to mount");
    let wrapper = ["unshare", "-m", "sh", "-c", PRIVATE, "sh"];
    place.command(&wrapper, words, "bpf/pins").output().expect("unshare").into()
}
