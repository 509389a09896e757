//! Large policies: as many paths and inodes as a host may have, applied and applied again.

use aegis_tests::agent::Agent;
use aegis_tests::check::{Test, expect, trials as trials_of};
use aegis_tests::long;
use aegis_tests::outcome::Outcome;
use libtest_mimic::{Failed, Trial};
use std::fmt::Write;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;

const TESTS: &[Test] = &[("paths", paths), ("inodes", inodes)];

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    trials_of("large", TESTS)
}

/// In memory: there are many files.
const BASE: &str = "/tmp/aegis-large";
const IN_A_DIRECTORY: usize = 1_000;

fn path(number: usize) -> String {
    format!("{BASE}/{:03}/{:03}", number / IN_A_DIRECTORY, number % IN_A_DIRECTORY)
}

/// The files, removed in the end.
struct Files {
    count: usize,
}

impl Files {
    fn make() -> Self {
        let count = if long() { 100_000 } else { 5_000 };
        for directory in 0..count / IN_A_DIRECTORY {
            fs::create_dir_all(format!("{BASE}/{directory:03}")).expect("a directory");
        }
        (0..count).for_each(|number| drop(File::create(path(number)).expect("a file")));
        Self { count }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        fs::remove_dir_all(BASE).expect("the files can be removed");
    }
}

fn paths() -> Result<(), Failed> {
    let files = Files::make();
    check(&files, "paths", |number| format!("path = \"{}\"", path(number)))
}

fn inodes() -> Result<(), Failed> {
    let files = Files::make();
    check(&files, "inodes", |number| {
        let stat = fs::metadata(path(number)).expect("a file");
        let (major, minor) = (rustix::fs::major(stat.dev()), rustix::fs::minor(stat.dev()));
        format!("inode = \"{major}:{minor}:{}\"", stat.ino())
    })
}

/// Applies one rule for each file, and the same with one more, and looks at what it costs.
fn check(files: &Files, what: &str, object: impl Fn(usize) -> String) -> Result<(), Failed> {
    let mut text = "version = 3\nname = \"large\"\n".to_owned();
    for number in 0..files.count {
        write!(text, "[[rule]]\nid = \"{number:06}\"\non = [\"read\"]\n{}\n", object(number))
            .expect("a string");
    }
    let first = path(0);
    let last = path(files.count - 1);
    let read = |path: &str| Outcome::from(File::open(path).map(drop));
    let mut agent = Agent::new("aegis-large");
    agent.start("version = 3\nname = \"small\"\n", &["--enforce"]);
    expect("before", (read(&first), read(&last)), (Outcome::Allowed, Outcome::Allowed))?;
    let file = agent.policy(&text);
    for (turn, changed) in [("applied", true), ("applied again", false)] {
        let reply = agent.json(&["policy", "apply", &file]);
        expect(turn, reply["changed"].as_bool(), Some(changed))?;
        expect("rules", reply["generation"]["rules"].as_u64(), u64::try_from(files.count).ok())?;
        expect(turn, (read(&first), read(&last)), (Outcome::Denied, Outcome::Denied))?;
    }
    let more = text + "[[rule]]\nid = \"one-more\"\non = [\"read\"]\npath = \"/tmp/aegis-large-more\"\n";
    let reply = agent.json(&["policy", "apply", &agent.policy(&more)]);
    expect("another", reply["changed"].as_bool(), Some(true))?;
    expect("another", (read(&first), read(&last)), (Outcome::Denied, Outcome::Denied))?;
    let memory = &agent.json(&["status"])["memory"];
    println!("{} {what}: {memory}", files.count);
    expect("the tables have a size", memory["tables_bytes"].as_u64().is_some_and(|bytes| bytes > 0), true)?;
    agent.detach();
    expect("after detach", (read(&first), read(&last)), (Outcome::Allowed, Outcome::Allowed))
}
