//! What those know who come from the C++ AegisBPF: its policies, and lists that are edited entry by entry.

use aegis_tests::agent::Agent;
use aegis_tests::check::{Test, expect, expect_text, trials as trials_of};
use aegis_tests::outcome::{Outcome, of_command};
use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

const TESTS: &[Test] = &[
    ("format_1_is_enforced", format_1),
    ("formats_are_merged", merged),
    ("network_rules_are_refused", network),
    ("block_adds_and_deletes", block),
    ("allow_exempts_a_cgroup", allow),
    ("lists_outlast_the_daemon", restarted),
    ("lists_outlast_the_policy", reapplied),
    ("local_policy_alone", alone),
    ("unknown_sources_are_refused", unknown_sources),
    ("failed_add_changes_nothing", failed_add),
    ("failed_file_changes_nothing", failed_file),
    ("reset_sets_lists_aside", reset),
    ("mode_of_the_command_line", modes),
    ("stats_count", stats),
];

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    trials_of("verbs", TESTS)
}

const FILE: &str = "/scratch/verbs-data";
const OTHER: &str = "/scratch/verbs-other";
const PROGRAM: &str = "/scratch/verbs-true";
const CGROUP: &str = "/sys/fs/cgroup/aegis-verbs";

/// A policy on the first file.
const POLICY: &str = "version=1\n[deny_path]\n/scratch/verbs-data\n";

fn made() -> Agent {
    fs::write(FILE, "content\n").expect("a file");
    fs::write(OTHER, "content\n").expect("a file");
    fs::copy("/bin/true", PROGRAM).expect("a program");
    Agent::new("aegis-verbs")
}

fn started() -> Agent {
    let mut agent = made();
    agent.start(POLICY, &["--enforce"]);
    agent
}

fn read(path: &str) -> Outcome {
    File::open(path).map(drop).into()
}

fn write(path: &str) -> Outcome {
    OpenOptions::new().append(true).open(path).map(drop).into()
}

fn exec() -> Outcome {
    of_command(&mut Command::new(PROGRAM))
}

/// What is on a list.
fn listed(agent: &Agent, verb: &str) -> Vec<String> {
    let reply = agent.json(&[verb, "list"]);
    let entries = reply["entries"].as_array().expect("entries");
    entries.iter().map(|entry| entry.as_str().expect("text").to_owned()).collect()
}

fn generation(agent: &Agent) -> Value {
    agent.json(&["policy", "show"])["generation"].clone()
}

/// The rule of the newest record.
fn last_rule(agent: &Agent) -> Option<String> {
    agent.settle();
    agent.blocks().last().and_then(|block| block["rule"].as_str().map(str::to_owned))
}

fn format_1() -> Result<(), Failed> {
    let mut agent = made();
    let tried = || [read(FILE), write(FILE), exec(), read(OTHER), write(OTHER)];
    expect("before", tried(), [const { Outcome::Allowed }; 5])?;
    let meta = fs::metadata(OTHER).expect("a file");
    let dev = rustix::fs::major(meta.dev()) << 20 | rustix::fs::minor(meta.dev());
    let text = format!(
        "# as the C++ tool writes it\nversion=1\n\n[deny_path]\n{FILE}\n{PROGRAM}\n[deny_inode]\n{dev}:{}\n",
        meta.ino()
    );
    agent.start(&text, &["--enforce"]);
    expect("policy", generation(&agent)["policy"].as_str(), Some("format-1"))?;
    expect("armed", tried(), [const { Outcome::Denied }; 5])?;
    expect("rule", last_rule(&agent), Some(format!("deny_inode-{dev}-{}", meta.ino())))?;
    expect("again", read(FILE), Outcome::Denied)?;
    let rule = last_rule(&agent).unwrap_or_default();
    // Not all of this path can stand in an id.
    expect("rule", rule.starts_with("deny_path.") && rule.ends_with(".scratch-verbs-data"), true)?;
    agent.kill();
    expect("killed", tried(), [const { Outcome::Denied }; 5])?;
    agent.detach();
    expect("detached", tried(), [const { Outcome::Allowed }; 5])
}

fn merged() -> Result<(), Failed> {
    let agent = started();
    let toml = format!(
        "version = 3\nname = \"both\"\n[[rule]]\nid = \"other\"\non = \"read\"\npath = \"{OTHER}\"\n"
    );
    let (one, three) = (agent.policy(POLICY), agent.policy(&toml));
    let reply = agent.json(&["policy", "apply", &one, &three]);
    expect("policy", reply["generation"]["policy"].as_str(), Some("both"))?;
    expect(
        "both",
        [read(FILE), read(OTHER), write(OTHER)],
        [Outcome::Denied, Outcome::Denied, Outcome::Allowed],
    )
}

fn network() -> Result<(), Failed> {
    let agent = started();
    let before = generation(&agent);
    let file = agent.policy("version=2\n[deny_path]\n/scratch/verbs-other\n[deny_ip]\n10.0.0.1\n");
    let output = agent.run(&["policy", "apply", &file]);
    expect("exit code", output.status.code(), Some(6))?;
    let refused = "rule deny_ip-10.0.0.1: this version cannot decide upon `connect` and `net`";
    expect_text("message", &String::from_utf8_lossy(&output.stderr), refused)?;
    expect("in force", generation(&agent), before)?;
    expect("still", [read(FILE), read(OTHER)], [Outcome::Denied, Outcome::Allowed])
}

fn block() -> Result<(), Failed> {
    let mut agent = started();
    let tried = || [read(FILE), read(OTHER), exec()];
    expect("before", tried(), [Outcome::Denied, Outcome::Allowed, Outcome::Allowed])?;
    let reply = agent.json(&["block", "add", OTHER, PROGRAM]);
    expect("changed", &reply["changed"], &serde_json::json!([OTHER, PROGRAM]))?;
    expect("added", tried(), [const { Outcome::Denied }; 3])?;
    expect("list", listed(&agent, "block"), vec![OTHER.to_owned(), PROGRAM.to_owned()])?;
    expect("again", &agent.json(&["block", "add", OTHER])["changed"], &serde_json::json!([]))?;
    let _ = agent.json(&["block", "del", OTHER]);
    expect("deleted", tried(), [Outcome::Denied, Outcome::Allowed, Outcome::Denied])?;
    let meta = fs::metadata(OTHER).expect("a file");
    let inode = format!("{}:{}:{}", rustix::fs::major(meta.dev()), rustix::fs::minor(meta.dev()), meta.ino());
    let _ = agent.json(&["block", "add", &inode]);
    expect("by inode", tried(), [const { Outcome::Denied }; 3])?;
    let _ = agent.json(&["block", "clear"]);
    // What the policy itself denies is no business of the list.
    expect("cleared", tried(), [Outcome::Denied, Outcome::Allowed, Outcome::Allowed])?;
    expect("empty", listed(&agent, "block"), vec![])?;
    let output = agent.run(&["block", "del", FILE]);
    expect("exit code", output.status.code(), Some(6))?;
    expect_text("message", &String::from_utf8_lossy(&output.stderr), "not on the list: /scratch/verbs-data")?;
    agent.detach();
    expect("detached", tried(), [const { Outcome::Allowed }; 3])
}

fn read_in(cgroup: &str) -> Outcome {
    let script = format!("echo $$ > {cgroup}/cgroup.procs && exec cat {FILE}");
    of_command(Command::new("sh").args(["-c", &script]))
}

fn allow() -> Result<(), Failed> {
    fs::create_dir_all(format!("{CGROUP}/below")).expect("a cgroup");
    let agent = started();
    let tried = || [read_in(CGROUP), read_in(&format!("{CGROUP}/below")), read_in("/sys/fs/cgroup")];
    expect("before", tried(), [const { Outcome::Denied }; 3])?;
    let _ = agent.json(&["allow", "add", CGROUP]);
    expect("added", tried(), [Outcome::Allowed, Outcome::Allowed, Outcome::Denied])?;
    expect("list", listed(&agent, "allow"), vec!["/aegis-verbs".to_owned()])?;
    // Its service may start later.
    let output = agent.run(&["allow", "add", "/no/such.slice"]);
    expect("exit code", output.status.code(), Some(0))?;
    expect_text("message", &String::from_utf8_lossy(&output.stderr), "[exempt] is pending: /no/such.slice")?;
    let _ = agent.json(&["allow", "del", "/no/such.slice"]);
    let _ = agent.json(&["allow", "del", "/aegis-verbs"]);
    expect("deleted", tried(), [const { Outcome::Denied }; 3])
}

/// Killed and started again: with the policy, and without it, from what was kept.
fn restarted() -> Result<(), Failed> {
    let mut agent = started();
    let _ = agent.json(&["block", "add", OTHER]);
    agent.kill();
    expect("killed", [read(FILE), read(OTHER)], [Outcome::Denied, Outcome::Denied])?;
    agent.start_again();
    expect("with a policy", [read(FILE), read(OTHER)], [Outcome::Denied, Outcome::Denied])?;
    agent.kill();
    agent.start_with(&["--enforce"]);
    expect("without", [read(FILE), read(OTHER)], [Outcome::Denied, Outcome::Denied])?;
    let _ = agent.json(&["block", "add", PROGRAM]);
    let tried = || [read(FILE), read(OTHER), exec()];
    expect("added", tried(), [const { Outcome::Denied }; 3])?;
    let _ = agent.json(&["block", "clear"]);
    expect("cleared", tried(), [Outcome::Denied, Outcome::Allowed, Outcome::Allowed])
}

fn reapplied() -> Result<(), Failed> {
    let agent = started();
    let _ = agent.json(&["block", "add", OTHER]);
    let file = agent.policy(&format!("version=1\n[deny_path]\n{PROGRAM}\n"));
    let _ = agent.json(&["policy", "apply", &file]);
    let tried = || [read(FILE), read(OTHER), exec()];
    expect("both", tried(), [Outcome::Allowed, Outcome::Denied, Outcome::Denied])?;
    let _ = agent.json(&["block", "del", OTHER]);
    expect("policy alone", tried(), [Outcome::Allowed, Outcome::Allowed, Outcome::Denied])
}

/// Where nothing is in force, a daemon without a policy puts the lists in force.
fn alone() -> Result<(), Failed> {
    let mut agent = made();
    agent.start_with(&["--enforce"]);
    expect("nothing", read(OTHER), Outcome::Allowed)?;
    let reply = agent.json(&["block", "add", OTHER]);
    expect("policy", reply["applied"]["generation"]["policy"].as_str(), Some("local"))?;
    agent.detach();
    expect("detached", read(OTHER), Outcome::Allowed)?;
    agent.start_again();
    expect("started again", read(OTHER), Outcome::Denied)
}

fn unknown_sources() -> Result<(), Failed> {
    let mut agent = started();
    agent.kill();
    fs::write(agent.state().join("applied.json"), "[]").expect("another policy");
    agent.start_with(&["--enforce"]);
    let before = generation(&agent);
    let output = agent.run(&["block", "add", OTHER]);
    expect("exit code", output.status.code(), Some(6))?;
    expect_text("remedy", &String::from_utf8_lossy(&output.stderr), "aegisbpf policy apply")?;
    expect("in force", generation(&agent), before)?;
    expect("list", listed(&agent, "block"), vec![])?;
    expect("still", [read(FILE), read(OTHER)], [Outcome::Denied, Outcome::Allowed])?;
    let _ = agent.json(&["policy", "apply", &agent.policy(POLICY)]);
    let _ = agent.json(&["block", "add", OTHER]);
    expect("remedied", [read(FILE), read(OTHER)], [Outcome::Denied, Outcome::Denied])
}

/// One entry that is wrong or cannot be resolved, and none of them counts.
fn failed_add() -> Result<(), Failed> {
    let agent = started();
    let _ = agent.json(&["block", "add", PROGRAM]);
    let file = agent.state().join("local.policy");
    let (text, before) = (fs::read_to_string(&file).expect("a file"), generation(&agent));
    let kept = names(&agent.state());
    for (entry, said) in [("verbs-other", "is not an absolute path"), ("/proc/version", "identity")] {
        let output = agent.run(&["block", "add", OTHER, entry]);
        expect("exit code", output.status.code(), Some(6))?;
        expect_text("message", &String::from_utf8_lossy(&output.stderr), said)?;
        expect("file", fs::read_to_string(&file).expect("a file"), text.clone())?;
        expect("in force", generation(&agent), before.clone())?;
        expect("still", [read(OTHER), exec()], [Outcome::Allowed, Outcome::Denied])?;
    }
    expect("files", names(&agent.state()), kept)
}

/// What is in a directory. Nothing unfinished may be left there.
fn names(directory: &Path) -> BTreeSet<OsString> {
    let entries = fs::read_dir(directory).expect("the directory");
    entries.map(|entry| entry.expect("an entry").file_name()).collect()
}

/// A file that cannot be replaced: the kernel goes back to what the file says.
fn failed_file() -> Result<(), Failed> {
    let agent = started();
    let _ = agent.json(&["block", "add", PROGRAM]);
    let file = agent.state().join("local.policy");
    let before = generation(&agent)["plan_digest"].clone();
    let mounted = of_command(Command::new("mount").arg("--bind").args([&file, &file]));
    expect("a mount point, which nothing can be renamed to", mounted, Outcome::Allowed)?;
    let output = agent.run(&["block", "add", OTHER]);
    let list = listed(&agent, "block");
    let tried = [read(FILE), read(OTHER), exec()];
    let unmounted = of_command(Command::new("umount").arg(&file));
    expect("unmounted", unmounted, Outcome::Allowed)?;
    expect("exit code", output.status.code(), Some(1))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    expect_text("message", &said, "the policy in force and the file are as they were")?;
    expect("in force", &generation(&agent)["plan_digest"], &before)?;
    expect("list", list, vec![PROGRAM.to_owned()])?;
    expect("still", tried, [Outcome::Denied, Outcome::Allowed, Outcome::Denied])
}

fn reset() -> Result<(), Failed> {
    let agent = started();
    let _ = agent.json(&["block", "add", OTHER]);
    let reply = agent.json(&["policy", "reset"]);
    expect("reset", [read(FILE), read(OTHER)], [Outcome::Allowed, Outcome::Allowed])?;
    expect_text("note", &reply["notes"].to_string(), "local.policy.before-reset")?;
    expect("list", listed(&agent, "block"), vec![])?;
    // The list of before does not come back with the next entry.
    let _ = agent.json(&["block", "add", PROGRAM]);
    expect("added", [read(FILE), read(OTHER), exec()], [Outcome::Allowed, Outcome::Allowed, Outcome::Denied])
}

/// The C++ tool's words for modes.
fn modes() -> Result<(), Failed> {
    for (option, expected) in [
        ("--audit", Outcome::Allowed),
        ("--mode=audit", Outcome::Allowed),
        ("--mode=observe", Outcome::Allowed),
        ("--mode=enforce", Outcome::Denied),
    ] {
        let mut agent = made();
        agent.start(POLICY, &[option, "--lsm-hook=both", "--seccomp", "--deadman-ttl=60"]);
        expect(option, read(FILE), expected)?;
        let log = agent.log();
        for warned in ["--lsm-hook", "--seccomp", "--deadman-ttl"] {
            expect_text("log", &log, &format!("warning: {warned} has no effect"))?;
        }
    }
    Ok(())
}

fn stats() -> Result<(), Failed> {
    let agent = started();
    let counts = || {
        let stats = agent.json(&["stats"]);
        let count = |name: &str| stats[name].as_u64().unwrap_or(u64::MAX);
        (count("blocks"), count("audits"), count("rules"), count("name_entries"))
    };
    expect("before", counts(), (0, 0, 1, 1))?;
    expect("read", read(FILE), Outcome::Denied)?;
    expect("after", counts(), (1, 0, 1, 1))?;
    let detailed = agent.json(&["stats", "--detailed"]);
    let hits = &detailed["rule_hits"][0];
    expect("rule", hits["rule"].as_str().is_some_and(|rule| rule.ends_with(".scratch-verbs-data")), true)?;
    expect("hits", hits["hits"].as_u64(), Some(1))?;
    expect("hooks", detailed["hooks"].as_array().map_or(0, Vec::len) > 0, true)
}
