//! A directory for one run of the command, and what came of the run.

use libtest_mimic::Trial;
use serde_json::Value;
use std::fs::{self, DirEntry};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A directory with policies; removed when dropped.
pub(crate) struct Place(TempDir);

/// Where pins would be, in the directory of the run.
const ROOT: &str = "./pins";
const TEMPORARY: &str = "tmp";

const GOOD: &str = r#"version = 3
name = "good"

[[rule]]
id = "data"
on = ["read", "write"]
path = ["/nowhere/data"]
"#;

const MORE: &str = r#"version = 3

[[rule]]
id = "program"
on = ["exec"]
path = ["/nowhere/program"]
"#;

const BAD: &str = r#"version = 3
name = "bad"

[[rule]]
id = "data"
on = ["raed"]
path = ["nowhere/data"]
modes = "observe"
"#;

const LITERAL: &str = r#"version = 3
name = "literal"

[[rule]]
id = "data"
on = ["read"]
path = ["/nowhere/*"]
"#;

/// Of format 1.
const LINES: &str = "version=1\n[deny_path]\n/nowhere/data\n/nowhere/program\n[allow_cgroup]\n/nowhere\n";

const NETWORK: &str = "version=2\n[deny_path]\nnowhere/data\n[deny_cidr]\n10.0.0.0/8\n";

/// What no probe decides upon yet.
const CONDITIONS: &str = r#"version = 3
name = "conditions"

[[rule]]
id = "data"
on = ["connect", "read"]
path = ["/nowhere/data"]
net = ["10.0.0.0/8:443/tcp"]
when = { uid = 33 }
"#;

/// Nothing about it is to be said.
const EXEC: &str = r#"version = 3
name = "exec"

[[rule]]
id = "program"
on = ["exec"]
path = ["/nowhere/program"]
"#;

/// All policies.
const POLICIES: [(&str, &str); 8] = [
    ("exec.toml", EXEC),
    ("conditions.toml", CONDITIONS),
    ("good.toml", GOOD),
    ("more.toml", MORE),
    ("bad.toml", BAD),
    ("literal.toml", LITERAL),
    ("lines.conf", LINES),
    ("network.conf", NETWORK),
];

/// How a run ended.
pub(crate) struct Ran {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    /// Makes it.
    pub(crate) fn make() -> Self {
        let place = Self(TempDir::with_prefix("aegis-host-").expect("a directory"));
        for (name, text) in POLICIES {
            fs::write(place.path(name), text).expect("a policy");
        }
        fs::create_dir(place.path(TEMPORARY)).expect("a directory for temporary files");
        place
    }

    /// A file in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A command line, started by another one if there is one, with its pins at `root`. It works in the directory
    /// and finds no daemon.
    pub(crate) fn command(&self, wrapper: &[&str], words: &[&str], root: &str) -> Command {
        let options = ["--bpffs-root", root, "--socket", "none.sock"];
        // Without any words there is nothing that options could belong to.
        let options = if words.is_empty() { &[] } else { &options[..] };
        self.command_as_it_is(wrapper, &[words, options].concat())
    }

    /// The same with no options but those that are given.
    pub(crate) fn command_as_it_is(&self, wrapper: &[&str], words: &[&str]) -> Command {
        let line = [wrapper, &[env!("CARGO_BIN_EXE_aegisbpf")], words].concat();
        let mut command = Command::new(line[0]);
        command.args(&line[1..]).current_dir(self.0.path()).stdin(Stdio::null());
        command.env("TMPDIR", self.path(TEMPORARY)).env_remove("AEGISBPF_LOG").env_remove("NO_COLOR");
        // Another crate of the tests switches colours on in what they share with the command.
        command.env_remove("CLICOLOR_FORCE");
        command
    }

    /// Runs a command line.
    pub(crate) fn run(&self, words: &[&str]) -> Ran {
        self.command(&[], words, ROOT).output().expect("aegisbpf starts").into()
    }

    /// What is in the directory, and in that for temporary files, and was not there in the beginning.
    pub(crate) fn left_behind(&self) -> Vec<String> {
        let names = |directory: PathBuf| fs::read_dir(directory).expect("the directory").map(name_of);
        let mut names: Vec<_> = names(self.path("")).chain(names(self.path(TEMPORARY))).collect();
        names.retain(|name| name != TEMPORARY && !POLICIES.iter().any(|(policy, _)| policy == name));
        names.sort_unstable();
        names
    }
}

fn name_of(entry: io::Result<DirEntry>) -> String {
    entry.expect("an entry").file_name().to_string_lossy().into_owned()
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }
}

impl Ran {
    /// Standard output as one JSON document.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("no JSON document on standard output ({error}): {}", self.stderr))
    }
}

/// One run: the words, how it must end, and parts of what it must say.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) words: &'static [&'static str],
    pub(crate) status: i32,
    /// Nothing at all may be there if there are no parts.
    pub(crate) stdout: &'static [&'static str],
    pub(crate) stderr: &'static [&'static str],
}

/// A status as it is for whoever runs the tests: to all but root, a failure means that they may not.
pub(crate) fn status_here(status: i32) -> i32 {
    let is_root = fs::metadata("/proc/self").expect("our own process").uid() == 0;
    if !is_root && [1, 7].contains(&status) { 3 } else { status }
}

/// Checks a run against its row.
pub(crate) fn check(row: &Row) {
    let place = Place::make();
    let ran = place.run(row.words);
    let told = format!("{:?}: {:?}\n{}\n{}", row.words, ran.status, ran.stdout, ran.stderr);
    assert_eq!(ran.status, Some(status_here(row.status)), "{told}");
    for (text, parts) in [(&ran.stdout, row.stdout), (&ran.stderr, row.stderr)] {
        assert!(!parts.is_empty() || text.is_empty(), "something unexpected is said: {told}");
        for part in parts {
            assert!(text.contains(part), "no {part:?} in {told}");
        }
    }
    assert_eq!(place.left_behind(), [""; 0], "left behind by {told}");
}

/// The trials of rows.
pub(crate) fn trials_of(file: &str, rows: &'static [Row]) -> Vec<Trial> {
    let trial = |row: &'static Row| {
        Trial::test(format!("{file}::{}", row.name), move || {
            check(row);
            Ok(())
        })
    };
    rows.iter().map(trial).collect()
}

/// The trial of a function.
pub(crate) fn trial(name: &str, test: fn()) -> Trial {
    Trial::test(name, move || {
        test();
        Ok(())
    })
}
