//! What changes while the daemon works: the events file and the address for metrics appear, move and go, and what
//! was written over all files has every number.

use crate::armed::Armed;
use crate::attempts::ATTEMPTS;
use crate::fallback::with_a_daemon;
use libtest_mimic::Trial;
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    with_a_daemon(
        "reload",
        &[
            ("of_the_events_file", events_file),
            ("of_the_address_for_metrics", listen),
            ("of_a_policy_that_expires", expiring),
        ],
    )
}

/// A daemon with a configuration of its own, which is not looked at.
pub(crate) struct Configured {
    pub(crate) armed: Armed,
    directory: tempfile::TempDir,
}

impl Configured {
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        write(&directory.path().join("config.toml"), "");
        let config = directory.path().join("config.toml").display().to_string();
        Self { armed: Armed::start(&["run", "--observe", "--config", &config]), directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Has the daemon read this: the exit code, what was printed, and what was said.
    fn reload(&self, text: &str) -> (Option<i32>, String, String) {
        write(&self.path("config.toml"), text);
        let ran = self.armed.run(&["config", "reload"]);
        (ran.status, ran.stdout, ran.stderr)
    }

    /// The same; it must be taken, and name this key.
    pub(crate) fn takes(&self, text: &str, key: &str) {
        let (status, said, wrong) = self.reload(text);
        assert!(status == Some(0) && said.contains(key) && !said.contains("start"), "{said}{wrong}");
    }

    /// The same; it must be refused with these words, and nothing changes.
    fn refuses(&self, text: &str, words: &str) {
        let (status, said, wrong) = self.reload(text);
        assert!(
            status != Some(0) && wrong.contains(words) && wrong.contains("nothing has changed"),
            "{said}{wrong}"
        );
    }

    /// Does what is reported, once.
    fn attempt(&self) {
        (ATTEMPTS[0].make)(&self.armed.place).unwrap();
    }
}

fn write(path: &Path, text: &str) {
    let text = format!("[policy]\nwatch = false\n{text}");
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
}

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "not within half a minute: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn records(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn gaps(path: &Path) -> usize {
    records(path).iter().filter(|record| record["type"] == "gap").count()
}

fn blocks(path: &Path) -> usize {
    records(path).iter().filter(|record| record["type"] == "block").count()
}

fn events_file() {
    let configured = Configured::start();
    let [first, second] = ["first", "second"].map(|name| configured.path(name));
    let named = |path: &Path| format!("[sinks.file]\npath = \"{}\"\n", path.display());
    configured.attempt();
    let before = configured.armed.blocks_after(0, 1).len();
    configured.takes(&named(&first), "sinks.file.path");
    wait_until("it is told what it missed", || !records(&first).is_empty());
    assert_eq!(blocks(&first), 0);
    configured.attempt();
    wait_until("a record", || blocks(&first) == 1);
    // One that cannot be: the old one stays, and nothing was made.
    configured.refuses(&named(configured.directory.path()), "it is a directory: name a regular file");
    configured.refuses(&named(&configured.path("none/file")), "make its directory first");
    // A policy that is wrong: the new file is not made either.
    let policy = configured.armed.place.path("scratch.toml");
    let right = fs::read_to_string(&policy).unwrap();
    fs::write(&policy, right.replace("on =", "in =")).unwrap();
    configured.refuses(&named(&second), "unknown key");
    fs::write(&policy, right).unwrap();
    configured.attempt();
    wait_until("another record", || blocks(&first) == 2);
    assert!(!second.exists());
    configured.takes(&named(&second), "sinks.file.path");
    wait_until("the new file is there before anything is to be written", || second.exists());
    configured.attempt();
    wait_until("a record in the new file", || blocks(&second) == 1);
    configured.takes("", "sinks.file.path");
    wait_until("the file is let go", || !opened(&configured.armed).contains(&second));
    configured.attempt();
    configured.armed.blocks_after(before, 4);
    configured.takes(&named(&second), "sinks.file.path");
    // What happens before it is there again is in the gap.
    wait_until("it is told what it missed, again", || gaps(&second) > 0);
    configured.attempt();
    wait_until("a record after the gap", || blocks(&second) == 2);
    let all: Vec<Value> = [&first, &second].into_iter().flat_map(|path| records(path)).collect();
    // What nobody has touched stays: its part of the daemon is the first incarnation of it.
    let metrics = configured.armed.run(&["metrics"]).stdout;
    let restarts =
        metrics.lines().find(|line| line.contains("restarts_total{part=\"sinks/events_file\"")).unwrap();
    assert!(restarts.ends_with(" 0"), "{restarts}");
    every_number(&all);
}

/// All numbers of each CPU are there once; what was missed while there was no file is in gaps that say so.
fn every_number(records: &[Value]) {
    let mut told: Vec<(u64, u64)> = Vec::new();
    let mut off = 0;
    for record in records {
        let number = |field: &str| record[field].as_u64().unwrap();
        let range = match record["type"].as_str().unwrap() {
            "block" => (number("sequence"), number("sequence")),
            _ => (number("first"), number("last")),
        };
        off += u64::from(record["reason"] == "sink_off");
        told.extend((range.0..=range.1).map(|sequence| (number("cpu"), sequence)));
    }
    told.sort_unstable();
    let last =
        |cpu: u64| told.iter().filter(|(of, _)| *of == cpu).map(|(_, sequence)| *sequence).max().unwrap();
    let cpus: std::collections::BTreeSet<u64> = told.iter().map(|(cpu, _)| *cpu).collect();
    let expected: Vec<_> =
        cpus.into_iter().flat_map(|cpu| (1..=last(cpu)).map(move |number| (cpu, number))).collect();
    assert_eq!(told, expected);
    assert!(off >= 2, "{records:?}");
}

/// The files that the daemon has open.
fn opened(armed: &Armed) -> Vec<PathBuf> {
    let pid = &armed.status()["daemon"]["pid"];
    let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok()).collect()
}

/// A policy that expires stays in force, and can be applied again; one that has expired is not put in force anew.
fn expiring() {
    let configured = Configured::start();
    let armed = &configured.armed;
    let policy = |name: &str, expires: &str| {
        let head = format!("version = 3\nname = \"{name}\"\nexpires = {expires}\n");
        let rule = "[[rule]]\nid = \"r\"\non = [\"read\"]\npath = \"/nowhere/data\"\n";
        fs::write(armed.place.path(name), format!("{head}{rule}")).unwrap();
        armed.run(&["policy", "apply", name])
    };
    let date = Command::new("date").args(["-u", "-d", "3 seconds", "+%FT%TZ"]).output().unwrap();
    let soon = String::from_utf8(date.stdout).unwrap();
    let applied = policy("short", soon.trim());
    assert_eq!(
        (applied.status, applied.stdout.contains("policy short")),
        (Some(0), true),
        "{}",
        applied.stderr
    );
    std::thread::sleep(Duration::from_secs(4));
    let again = policy("short", soon.trim());
    assert_eq!(again.status, Some(0), "{}", again.stderr);
    assert!(
        again.stderr.contains("has expired at") && again.stderr.contains("stays in force"),
        "{}",
        again.stderr
    );
    let refused = policy("old", "2020-01-01T00:00:00Z");
    assert_eq!(refused.status, Some(6), "{}", refused.stdout);
    assert!(
        refused.stderr.contains("the policy old has expired at 2020-01-01T00:00:00Z"),
        "{}",
        refused.stderr
    );
    assert_eq!(armed.status()["generation"]["policy"], "short");
}

fn listen() {
    let configured = Configured::start();
    let free = || TcpListener::bind("127.0.0.1:0").unwrap();
    let (first, second) = (free().local_addr().unwrap(), free().local_addr().unwrap());
    let taken = free();
    let named = |address: SocketAddr| format!("[metrics]\nlisten = \"{address}\"\n");
    let answers = |address: SocketAddr| {
        let Ok(mut stream) = TcpStream::connect(address) else { return false };
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).is_ok() && reply.contains("aegis_generation")
    };
    configured.takes(&named(first), "metrics.listen");
    wait_until("an answer", || answers(first));
    configured.refuses(&named(taken.local_addr().unwrap()), "see metrics.listen");
    assert!(answers(first));
    configured.takes(&named(second), "metrics.listen");
    wait_until("the other address", || answers(second) && !answers(first));
    configured.takes("", "metrics.listen");
    wait_until("nobody listens", || !answers(second));
}
