//! Output that nobody reads any more, as `aegisbpf … | head` has it. The command does what it was told and ends as it
//! would have ended: no code of its own, no signal, no panic, and no word about the pipe.

use crate::armed::Armed;
use crate::fallback;
use crate::place::{Place, status_here, trial};
use crate::refused::Health;
use crate::verbs;
use libtest_mimic::Trial;
use std::fs::File;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    let alone = [trial("pipes::every_verb_is_tried", every_verb_is_tried), trial("pipes::alone", alone)];
    let beside = fallback::with_a_daemon(
        "pipes",
        &[("with_a_daemon", with_a_daemon), ("log_that_is_not_taken", log_that_is_not_taken)],
    );
    alone.into_iter().chain(beside).collect()
}

/// The words, and how they end.
type Row = (&'static [&'static str], i32);

/// Without a daemon.
const ALONE: &[Row] = &[
    (&["--help"], 0),
    (&["--version"], 0),
    (&["run", "--help"], 0),
    (&["statu"], 2),
    (&["policy"], 2),
    (&["policy", "lint", "good.toml"], 0),
    (&["policy", "lint", "bad.toml"], 6),
    (&["policy", "lint", "bad.toml", "-o", "json"], 6),
    (&["policy", "lint", "good.toml", "--fix"], 0),
    (&["policy", "lint", "bad.toml", "--format", "sarif"], 6),
    (&["policy", "compile", "good.toml"], 0),
    (&["policy", "diff", "good.toml", "literal.toml"], 0),
    (&["policy", "migrate", "lines.conf"], 0),
    (&["policy", "import", "--policy", "lines.conf"], 0),
    (&["policy", "import", "--policy", "lines.conf", "-o", "json"], 0),
    (&["policy", "import", "--policy", "bad.toml"], 6),
    (&["policy", "schema"], 0),
    (&["keys", "list"], 0),
    (&["keys", "list", "-o", "json"], 0),
    (&["keys", "generate", "--help"], 0),
    (&["keys", "add", "alice.pub"], 0),
    (&["keys", "remove", "alice.pub"], 6),
    (&["policy", "sign", "good.toml", "--key", "alice.key"], 0),
    (&["policy", "verify", "good.toml", "--key", "alice.pub"], 0),
    (&["policy", "export"], 4),
    (&["policy", "apply", "good.toml"], 4),
    (&["policy", "rollback"], 4),
    (&["policy", "history"], 4),
    (&["events"], 4),
    (&["metrics"], 4),
    (&["status"], 1),
    (&["detach", "--reason", "test"], 1),
    (&["config", "check"], 0),
    (&["config", "check", "-o", "json"], 0),
    (&["config", "dump"], 0),
    (&["config", "dump", "--show-origin"], 0),
    (&["config", "default"], 0),
    (&["config", "schema"], 0),
    (&["run", "--observe"], 1),
];

/// Where the daemon is that of the audit fallback, in this order.
const ARMED: &[Row] = &[
    (&["status"], 0),
    (&["status", "-o", "json"], 0),
    (&["status", "--tree"], 0),
    (&["health"], 7),
    (&["health", "--json"], 7),
    (&["survival", "list"], 0),
    (&["survival", "list", "-o", "json"], 0),
    (&["survival", "verify"], 0),
    (&["doctor"], 5),
    (&["doctor", "--json"], 5),
    (&["policy", "show"], 0),
    (&["policy", "export"], 0),
    (&["policy", "export", "--format", "2"], 6),
    (&["policy", "diff", "--live", "good.toml"], 0),
    (&["policy", "apply", "good.toml"], 0),
    (&["policy", "apply", "scratch.toml", "-o", "json"], 0),
    (&["block", "add", "/nowhere/data"], 0),
    (&["block", "list"], 0),
    (&["block", "del", "/nowhere/data"], 0),
    (&["block", "clear"], 0),
    (&["allow", "add", "cgid:1"], 6),
    (&["allow", "list"], 0),
    (&["allow", "del", "cgid:1"], 6),
    (&["network", "deny", "add", "10.0.0.1"], 6),
    (&["network", "deny", "list"], 0),
    (&["network", "deny", "del", "10.0.0.1"], 6),
    (&["network", "deny", "clear"], 0),
    (&["events"], 0),
    (&["events", "--follow"], 0),
    (&["events", "account"], 0),
    (&["stats", "--detailed"], 0),
    (&["metrics"], 0),
    (&["config", "reload"], 0),
    (&["policy", "reset"], 0),
    (&["policy", "rollback"], 0),
    (&["policy", "history"], 0),
    (&["demo"], 7),
    (&["detach", "--reason", "test"], 0),
];

/// Where nothing is armed any more, and the daemon has ended.
const ENDED: &[Row] =
    &[(&["run", "--observe", "--once", "--policy", "scratch.toml", "--state-dir", "state"], 0)];

fn every_verb_is_tried() {
    let rows: Vec<verbs::Verb> = [ALONE, ARMED, ENDED]
        .into_iter()
        .flatten()
        .map(|(words, _)| verbs::words(&words.join(" ")))
        .collect();
    let missing = verbs::missing(&verbs::all(), rows.iter().map(Vec::as_slice));
    assert!(missing.is_empty(), "not tried with a broken pipe: {missing:?}");
}

fn alone() {
    let place = Place::make();
    crate::transcripts::keys(&place);
    let command = |words: &[&str]| {
        let mut command = place.command(&[], words, "pins");
        command.env("AEGISBPF__TRUST__DIRECTORY", place.path("keys"));
        command
    };
    let iterators = Health::ask().ok("BPF iterators");
    for (words, status) in ALONE {
        // Paths are resolved by iterators, which are loaded before anything else.
        if iterators || words != &["run", "--observe"] {
            check(|| command(words), words, status_here(*status));
        }
    }
}

fn with_a_daemon() {
    let mut armed = Armed::start(&["run", "--observe"]);
    for (words, status) in ARMED {
        check_once(armed.command(words), words, *status);
    }
    // The answer comes before its end.
    armed.wait_for_its_end();
    for (words, status) in ENDED {
        check_once(armed.command(words), words, *status);
    }
}

/// The daemon's words on a full disk: it goes on without them.
fn log_that_is_not_taken() {
    let mut armed = Armed::start(&["run", "--observe"]);
    armed.kill();
    let full = File::options().write(true).open("/dev/full").expect("a full disk");
    let mut daemon = armed.command(&["run", "--observe", "--policy", "scratch.toml", "--state-dir", "state"]);
    let mut daemon = daemon.stderr(full).stdout(Stdio::null()).spawn().expect("aegisbpf starts");
    let deadline = Instant::now() + Duration::from_secs(30);
    while armed.run(&["policy", "apply", "scratch.toml"]).status != Some(0) {
        let ended = daemon.try_wait().expect("the daemon");
        assert!(ended.is_none() && Instant::now() < deadline, "it does not answer: {ended:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = armed.run(&["detach", "--reason", "test"]);
    assert!(daemon.wait().expect("the daemon").success());
}

/// Standard output alone broken, and both.
fn check(command: impl Fn() -> Command, words: &[&str], status: i32) {
    check_once(command(), words, status);
    let ended = command().stdout(broken()).stderr(broken()).status().expect("aegisbpf starts");
    assert_eq!(ended.code(), Some(status), "{words:?} with nobody who reads errors");
}

fn check_once(mut command: Command, words: &[&str], status: i32) {
    let output = command.stdout(broken()).stderr(Stdio::piped()).output().expect("aegisbpf starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{words:?}: {told}");
    for noise in ["panicked", "roken pipe", "os error 32"] {
        assert!(!told.contains(noise), "{words:?}: {told}");
    }
}

/// A pipe whose other end is closed already.
fn broken() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}
