//! Policies in force: applied whole or not at all.

use aegis_tests::agent::{Agent, wait_until};
use aegis_tests::check::{Test, expect, expect_text, trials as trials_of};
use aegis_tests::outcome::Outcome;
use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;

const TESTS: &[Test] = &[
    ("inode_rule", inode_rule),
    ("apply_replaces", apply_replaces),
    ("reset_allows", reset_allows),
    ("unchanged_is_said", unchanged),
    ("anchors_hold_and_follow", anchors),
];

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    let wrong = WRONG
        .iter()
        .map(|row| Trial::test(format!("policies::wrong::{}", row.name), move || check_wrong(row)));
    let others = trials_of("policies", TESTS);
    wrong.chain(others).collect()
}

const FILE: &str = "/scratch/policies-data";
const OTHER: &str = "/scratch/policies-other";

fn head(name: &str) -> String {
    format!("version = 3\nname = \"{name}\"\n")
}

fn rule(path: &str) -> String {
    format!("[[rule]]\nid = \"data\"\non = [\"read\"]\npath = \"{path}\"\n")
}

fn started() -> Agent {
    fs::write(FILE, "content\n").expect("a file");
    fs::write(OTHER, "content\n").expect("a file");
    let mut agent = Agent::new("aegis-policies");
    agent.start(&(head("first") + &rule(FILE)), &["--enforce"]);
    agent
}

fn read(path: &str) -> Outcome {
    File::open(path).map(drop).into()
}

/// A policy that must be refused, and what must be said of it.
struct Wrong {
    name: &'static str,
    rule: &'static str,
    said: &'static [&'static str],
}

const WRONG: &[Wrong] = &[
    Wrong {
        name: "unknown_key",
        rule: "[[rule]]\nid = \"x\"\non = [\"read\"]\npaths = \"/scratch/x\"\n",
        said: &[".toml:6:", "paths"],
    },
    Wrong {
        name: "relative_path",
        rule: "[[rule]]\nid = \"x\"\non = [\"read\"]\npath = \"scratch/x\"\n",
        said: &[".toml:6:", "scratch/x"],
    },
    Wrong {
        name: "no_such_operation",
        rule: "[[rule]]\nid = \"x\"\non = [\"reed\"]\npath = \"/scratch/x\"\n",
        said: &[".toml:5:", "reed", "read"],
    },
    Wrong {
        name: "file_on_the_way",
        rule: "[[rule]]\nid = \"x\"\non = [\"read\"]\npath = \"/scratch/policies-data/x/y\"\n",
        said: &["rule x", "/scratch/policies-data/x/y", "no directory"],
    },
    Wrong {
        name: "file_system_without_identity",
        rule: "[[rule]]\nid = \"x\"\non = [\"read\"]\npath = \"/proc/version\"\n",
        said: &["rule x", "/proc/version", "identity"],
    },
    Wrong { name: "not_toml", rule: "[[rule\n", said: &[".toml:3:", "not TOML"] },
];

/// The one in force stays, and place and cause are told.
fn check_wrong(row: &Wrong) -> Result<(), Failed> {
    let agent = started();
    let before = agent.json(&["policy", "show"]);
    let file = agent.policy(&(head("wrong") + row.rule));
    let output = agent.run(&["policy", "apply", &file]);
    expect("exit code", output.status.code(), Some(6))?;
    let text = String::from_utf8_lossy(&output.stderr);
    for part in row.said {
        expect_text("message", &text, part)?;
    }
    expect("policy in force", agent.json(&["policy", "show"]), before)?;
    expect("still", read(FILE), Outcome::Denied)
}

fn inode_rule() -> Result<(), Failed> {
    let agent = started();
    let meta = fs::metadata(OTHER).expect("a file");
    let (major, minor) = (rustix::fs::major(meta.dev()), rustix::fs::minor(meta.dev()));
    let inode = format!("{major}:{minor}:{}", meta.ino());
    let text = head("inode") + &format!("[[rule]]\nid = \"inode\"\non = [\"read\"]\ninode = \"{inode}\"\n");
    expect("before", read(OTHER), Outcome::Allowed)?;
    let _ = agent.json(&["policy", "apply", &agent.policy(&text)]);
    expect("denied", read(OTHER), Outcome::Denied)?;
    let blocks = agent.blocks();
    let block = blocks.last().unwrap_or(&Value::Null);
    expect("rule", block["rule"].as_str(), Some("inode"))?;
    expect("inode", block["ino"].as_u64(), Some(meta.ino()))?;
    expect("path", block["path"].as_str(), Some(OTHER))?;
    // Renamed it is the same inode.
    let moved = format!("{OTHER}-moved");
    fs::rename(OTHER, &moved).expect("a rename");
    let seen = read(&moved);
    fs::rename(&moved, OTHER).expect("a rename");
    expect("renamed", seen, Outcome::Denied)
}

fn apply_replaces() -> Result<(), Failed> {
    let agent = started();
    let reply = agent.json(&["policy", "apply", &agent.policy(&(head("second") + &rule(OTHER)))]);
    expect("generation", reply["generation"]["generation"].as_u64(), Some(2))?;
    expect("old", read(FILE), Outcome::Allowed)?;
    expect("new", read(OTHER), Outcome::Denied)?;
    let blocks = agent.blocks();
    expect("generation of the event", blocks.last().and_then(|block| block["generation"].as_u64()), Some(2))
}

fn reset_allows() -> Result<(), Failed> {
    let agent = started();
    expect("before", read(FILE), Outcome::Denied)?;
    let _ = agent.json(&["policy", "reset"]);
    expect("after", read(FILE), Outcome::Allowed)?;
    expect("policy", agent.json(&["policy", "show"])["generation"]["policy"].as_str(), Some("empty"))?;
    // The empty policy is proven like any other.
    expect("posture", agent.json(&["status"])["classes"][0]["posture"].as_str(), Some("ENFORCE"))
}

fn unchanged() -> Result<(), Failed> {
    let agent = started();
    let again = agent.policy(&(head("first") + &rule(FILE)));
    let reply = agent.json(&["policy", "apply", &again]);
    expect("changed", reply["changed"].as_bool(), Some(false))?;
    expect("generation", reply["generation"]["generation"].as_u64(), Some(1))
}

/// A directory above a path stays where it is, or the rule comes after it.
fn anchors() -> Result<(), Failed> {
    let directory = |name: &str| format!("/scratch/policies-{name}");
    let make = |name: &str| {
        fs::create_dir_all(directory(name) + "/keys").expect("directories");
        fs::write(directory(name) + "/keys/key", "content\n").expect("a file");
    };
    let rule = |name: &str| {
        let path = directory(name) + "/keys/key";
        format!("[[rule]]\nid = \"{name}\"\non = \"read\"\npath = \"{path}\"\nanchors = \"{name}\"\n")
    };
    let move_away =
        |name: &str| -> Outcome { fs::rename(directory(name), directory(name) + "-moved").into() };
    for name in ["hold", "follow"] {
        let _ = fs::remove_dir_all(directory(name));
        let _ = fs::remove_dir_all(directory(name) + "-moved");
        make(name);
    }
    let mut agent = Agent::new("aegis-policies");
    agent.start(&(head("anchors") + &rule("hold") + &rule("follow")), &["--enforce"]);
    expect("held", move_away("hold"), Outcome::Denied)?;
    agent.settle();
    let blocks = agent.blocks();
    expect("reason", blocks.last().and_then(|block| block["reason"].as_str()), Some("anchor"))?;
    expect("followed", move_away("follow"), Outcome::Allowed)?;
    expect("what was there", read(&(directory("follow") + "-moved/keys/key")), Outcome::Denied)?;
    make("follow");
    wait_until("the new file is covered", || read(&(directory("follow") + "/keys/key")) == Outcome::Denied);
    agent.detach();
    expect("detached", move_away("hold"), Outcome::Allowed)
}
