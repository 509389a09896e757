//! The daemon and its pins: one at a time, honest about itself, and never the reason to be locked out.

use aegis_tests::agent::{Agent, wait_until};
use aegis_tests::check::{Test, expect, expect_text, trials as trials_of};
use aegis_tests::outcome::{Outcome, of_command};
use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const TESTS: &[Test] = &[
    ("second_daemon_is_refused", second_daemon),
    ("foreign_pins_are_left_alone", foreign_pins),
    ("terminate_goes_on_enforcing", terminate),
    ("observe_only_reports", observe),
    ("survival_list_wins", survival),
    ("status_without_daemon", status_without_daemon),
    ("detach_without_daemon", detach_without_daemon),
    ("detach_ends_the_daemon", detach_with_daemon),
    ("nothing_armed_is_said", nothing_armed),
    ("failed_start_leaves_nothing", failed_start),
    ("failed_start_keeps_the_way_in", failed_start_keeps),
    ("parts_are_shown", parts),
    ("demo_is_as_expected", demo),
    ("detach_of_others_is_refused", detach_of_others),
    ("missing_link_is_not_enforce", missing_link),
    ("exempt_cgroup_is_let_through", exempt),
    ("stopped_daemon_holds_nothing_up", stopped),
];

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    trials_of("daemon", TESTS)
}

const FILE: &str = "/scratch/daemon-data";

/// A policy on one file.
fn policy(mode: &str) -> String {
    fs::write(FILE, "content\n").expect("a file");
    format!(
        "version = 3\nname = \"daemon\"\nmode = \"{mode}\"\n[[rule]]\nid = \"data\"\non = [\"read\"]\npath = \"{FILE}\"\n"
    )
}

fn started(options: &[&str], mode: &str) -> Agent {
    let mut agent = Agent::new("aegis-daemon");
    let policy = policy(mode);
    agent.start(&policy, options);
    agent
}

/// Reads as a member of a cgroup.
fn read_in(cgroup: &str) -> Outcome {
    let script = format!("echo $$ > {cgroup}/cgroup.procs && exec cat {FILE}");
    of_command(Command::new("sh").args(["-c", &script]))
}

fn read() -> Outcome {
    File::open(FILE).map(drop).into()
}

fn second_daemon() -> Result<(), Failed> {
    let agent = started(&["--enforce"], "enforce");
    let second = agent.run(&["run", "--enforce"]);
    expect("exit code", second.status.code(), Some(1))?;
    expect_text("message", &String::from_utf8_lossy(&second.stderr), "another daemon")?;
    expect("the first goes on", read(), Outcome::Denied)?;
    expect("the first answers", agent.json(&["status"])["daemon"].is_object(), true)
}

fn foreign_pins() -> Result<(), Failed> {
    let agent = Agent::new("aegis-foreign");
    let pin = format!("{}/deny_inode_map", agent.root());
    fs::create_dir(agent.root()).expect("a directory");
    fs::create_dir(&pin).expect("a pin");
    let output = agent.run(&["run", "--enforce"]);
    expect("exit code", output.status.code(), Some(1))?;
    expect_text("message", &String::from_utf8_lossy(&output.stderr), "deny_inode_map")?;
    let left = Path::new(&pin).exists();
    let _ = fs::remove_dir(&pin).and_then(|()| fs::remove_dir(agent.root()));
    expect("what was there", left, true)
}

fn terminate() -> Result<(), Failed> {
    let mut agent = started(&["--enforce"], "enforce");
    expect("armed", read(), Outcome::Denied)?;
    expect("exit code", agent.terminate().code(), Some(0))?;
    expect("ended", read(), Outcome::Denied)?;
    agent.detach();
    expect("detached", read(), Outcome::Allowed)
}

fn observe() -> Result<(), Failed> {
    for (options, mode) in [(&["--observe"][..], "enforce"), (&["--enforce"][..], "observe")] {
        let agent = started(options, mode);
        expect("read", read(), Outcome::Allowed)?;
        let status = agent.json(&["status"]);
        expect("posture", status["classes"][0]["posture"].as_str(), Some("OBSERVE"))?;
        let blocks = agent.blocks();
        let audit = blocks.iter().find(|block| block["rule"] == "data");
        expect("action", audit.and_then(|audit| audit["action"].as_str()), Some("AUDIT"))?;
    }
    Ok(())
}

/// Nobody can be locked out by a rule on the dynamic loader: everything would stop starting.
fn survival() -> Result<(), Failed> {
    let mut agent = Agent::new("aegis-survival");
    let text = "version = 3\nname = \"mistake\"\n[[rule]]\nid = \"everything\"\non = [\"read\", \"write\", \"exec\"]\n\
                path = [\"/lib64/ld-linux-x86-64.so.2\", \"/usr/bin/aegisbpf\"]\n";
    agent.start(text, &["--enforce"]);
    expect("programs start", of_command(&mut Command::new("true")), Outcome::Allowed)?;
    let loader = fs::canonicalize("/lib64/ld-linux-x86-64.so.2").expect("the dynamic loader");
    expect("the loader is read", File::open(&loader).map(drop).into(), Outcome::Allowed)?;
    // To be used, not to be changed.
    let written: Outcome = File::options().append(true).open(&loader).map(drop).into();
    expect("the loader is not written", written, Outcome::Denied)?;
    let survived = agent.json(&["status"])["counts"]["survived"].as_u64().unwrap_or(0);
    expect("survived is counted", survived > 0, true)
}

fn status_without_daemon() -> Result<(), Failed> {
    let mut agent = started(&["--enforce"], "enforce");
    let with = agent.json(&["status"]);
    agent.kill();
    let without = agent.json(&["status"]);
    expect("daemon", without["daemon"].is_null(), true)?;
    for field in ["generation", "links"] {
        expect(field, &without[field], &with[field])?;
    }
    expect("posture", without["classes"][0]["posture"].as_str(), Some("ENFORCE"))?;
    let rules = agent.json(&["policy", "show"]);
    expect("rules", rules["rules"][0].as_str(), Some("data"))
}

fn detach_without_daemon() -> Result<(), Failed> {
    let mut agent = started(&["--enforce"], "enforce");
    let links = agent.links().len();
    agent.kill();
    expect("killed", read(), Outcome::Denied)?;
    let reply = agent.json(&["detach", "--reason", "test"]);
    expect("undelivered", reply["undelivered"].as_u64(), Some(1))?;
    expect("links", reply["links"].as_array().map(Vec::len), Some(links))?;
    expect("detached", read(), Outcome::Allowed)?;
    expect("pins", Path::new(&agent.root()).exists(), false)
}

fn detach_with_daemon() -> Result<(), Failed> {
    let mut agent = started(&["--enforce"], "enforce");
    agent.detach();
    expect("detached", read(), Outcome::Allowed)?;
    expect("pins", Path::new(&agent.root()).exists(), false)
}

fn nothing_armed() -> Result<(), Failed> {
    let agent = Agent::new("aegis-nothing");
    for words in [&["status"][..], &["policy", "show"], &["detach", "--reason", "test"]] {
        let output = agent.run(words);
        expect(words[0], output.status.code(), Some(1))?;
        expect_text(words[0], &String::from_utf8_lossy(&output.stderr), "nothing is armed")?;
    }
    Ok(())
}

/// A policy that cannot be resolved leaves no probes behind on a host where none were.
fn failed_start() -> Result<(), Failed> {
    let agent = Agent::new("aegis-failed");
    let text =
        "version = 3\nname = \"bad\"\n[[rule]]\nid = \"gone\"\non = [\"read\"]\npath = \"/scratch/file\"\n";
    let file = agent.policy(text);
    let options = ["run", "--enforce", "--policy", &file, "--survival-cgroup", "/no/such.slice"];
    let output = agent.run(&options);
    expect("exit code", output.status.code(), Some(6))?;
    expect_text("message", &String::from_utf8_lossy(&output.stderr), "/no/such.slice")?;
    expect("pins", Path::new(&agent.root()).exists(), false)
}

/// Whoever could get in before a start that fails can get in after it. A start that succeeds has its own list.
fn failed_start_keeps() -> Result<(), Failed> {
    let way_in = "/sys/fs/cgroup/aegis-way-in";
    fs::create_dir_all(way_in).expect("a cgroup");
    let mut agent = started(&["--enforce", "--survival-cgroup", "/aegis-way-in"], "enforce");
    expect("before", (read_in(way_in), read()), (Outcome::Allowed, Outcome::Denied))?;
    agent.kill();
    let local = agent.state().join("local.policy");
    fs::write(&local, "version=1\n[deny_path]\nno path\n").expect("a local policy");
    let state = agent.state().display().to_string();
    let file = agent.policy(&policy("enforce"));
    let failed = agent.run(&["run", "--enforce", "--policy", &file, "--state-dir", &state]);
    expect("exit code", failed.status.code(), Some(6))?;
    expect("after a failed start", (read_in(way_in), read()), (Outcome::Allowed, Outcome::Denied))?;
    fs::remove_file(&local).expect("a local policy");
    agent.start(&policy("enforce"), &["--enforce"]);
    expect("after a start", (read_in(way_in), read()), (Outcome::Denied, Outcome::Denied))
}

/// Every part of the daemon runs, for the first time, and its heart beats.
fn parts() -> Result<(), Failed> {
    let agent = started(&["--enforce"], "enforce");
    let tree = agent.json(&["status", "--tree"]);
    let mut names = Vec::new();
    let mut left = vec![&tree["root"]];
    while let Some(part) = left.pop() {
        let children = part["children"].as_array().ok_or("no list of children")?;
        left.extend(children);
        let path = part["path"].as_str().unwrap_or("none").to_owned();
        expect(&path, (part["state"].as_str(), part["incarnation"].as_u64()), (Some("running"), Some(0)))?;
        if children.is_empty() {
            expect(&path, part["heartbeat_age_ms"].as_u64().is_some_and(|age| age < 20_000), true)?;
            names.push(path);
        }
    }
    names.sort();
    let expected = [
        "control",
        "health",
        "loader",
        "pipeline/ringbuf_reader",
        "pipeline/router",
        "policy_watcher",
        "sinks/events_file",
        "sinks/stdout",
        "spool",
    ];
    expect("parts", names, expected.map(str::to_owned).to_vec())
}

/// What a newcomer sees first.
fn demo() -> Result<(), Failed> {
    let output = Command::new("aegisbpf").args(["demo", "-o", "json"]).output().expect("aegisbpf");
    let said = String::from_utf8_lossy(&output.stderr);
    expect(&said, output.status.code(), Some(0))?;
    let _: Value = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
    Ok(())
}

/// A link that somebody took away is seen by the next self-check, although all others still hold.
fn missing_link() -> Result<(), Failed> {
    let mut agent = started(&["--enforce"], "enforce");
    // One that adopted the policy does not resolve it again, which would put the link back.
    agent.terminate();
    agent.start_with(&["--enforce"]);
    let posture = |code: i32| {
        let output = agent.run(&["status", "-o", "json"]);
        expect("exit code of status", output.status.code(), Some(code))?;
        let status: Value = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
        Ok::<_, Failed>(status["classes"][0]["posture"].as_str().map(str::to_owned))
    };
    expect("all links", posture(0)?.as_deref(), Some("ENFORCE"))?;
    fs::remove_file(format!("{}/links/file_open", agent.root())).expect("a link's pin");
    wait_until("the link has ended", || read() == Outcome::Allowed);
    expect("one link less", posture(5)?.as_deref(), Some("DEGRADED"))?;
    // Applying the same policy again puts it back.
    let reply = agent.json(&["policy", "apply", &agent.policy(&policy("enforce"))]);
    expect("changed", reply["changed"].as_bool(), Some(false))?;
    expect("put back", read(), Outcome::Denied)?;
    expect("all links again", posture(0)?.as_deref(), Some("ENFORCE"))
}

fn exempt() -> Result<(), Failed> {
    let cgroup = "/sys/fs/cgroup/aegis-exempt";
    fs::create_dir_all(format!("{cgroup}/below")).expect("a cgroup");
    let mut agent = Agent::new("aegis-daemon");
    agent.start(&(policy("enforce") + "[exempt]\ncgroup = [\"/aegis-exempt\"]\n"), &["--enforce"]);
    expect("in it", read_in(cgroup), Outcome::Allowed)?;
    expect("below it", read_in(&format!("{cgroup}/below")), Outcome::Allowed)?;
    expect("beside it", read_in("/sys/fs/cgroup"), Outcome::Denied)?;
    let counts = agent.json(&["status"])["counts"].clone();
    expect("counted", counts["exempted"].as_u64(), Some(2))?;
    expect("counted", counts["denied"].as_u64(), Some(1))
}

/// No decision waits for user space.
fn stopped() -> Result<(), Failed> {
    let agent = started(&["--enforce"], "enforce");
    agent.stop();
    let start = Instant::now();
    for _ in 0..1_000 {
        expect("read", read(), Outcome::Denied)?;
    }
    let took = start.elapsed();
    agent.go_on();
    if took > Duration::from_secs(10) { Err(format!("1,000 opens took {took:?}").into()) } else { Ok(()) }
}

/// Whoever names other pins than those of the daemon that answers does not take down the daemon's.
fn detach_of_others() -> Result<(), Failed> {
    let agent = started(&["--enforce"], "enforce");
    let socket = agent.directory().join("control.sock");
    let output = Command::new("aegisbpf")
        .args(["detach", "--reason", "test", "--bpffs-root", "/sys/fs/bpf/aegis-others", "--socket"])
        .arg(socket)
        .output()
        .expect("aegisbpf");
    expect("exit code", output.status.code(), Some(1))?;
    expect_text("message", &String::from_utf8_lossy(&output.stderr), "nothing is armed")?;
    expect("read", read(), Outcome::Denied)
}
