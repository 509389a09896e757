//! A daemon that is killed while it changes what is in force, at the end of each step of that: afterwards exactly the old or
//! exactly the new policy is in force, the kernel and `policy show` say the same, the next daemon knows which and what it is
//! made of, and what both deny was denied at every moment.

use aegis_tests::agent::{Agent, Site, wait_until};
use aegis_tests::check::{Test, expect, trials as trials_of};
use aegis_tests::long;
use aegis_tests::outcome::Outcome;
use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

const TESTS: &[Test] = &[
    ("apply", || killed_in(&APPLY)),
    ("reset", || killed_in(&RESET)),
    ("rollback", || killed_in(&ROLLBACK)),
    ("block", || killed_in(&BLOCK)),
];

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    trials_of("steps", TESTS)
}

/// Steps of everything that puts a policy in force, in order. Who only goes on with what is in force verifies nothing.
const STEPS: [&str; 14] = [
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
    "put",
    "accept",
    "remember",
];

const DIFFERENT: [&str; 4] = ["record", "prove", "flip", "put"];

/// Something that changes what is in force.
struct Deed {
    name: &'static str,
    words: &'static [&'static str],
    /// The first of the steps that it has.
    first: usize,
    /// Which of the files are denied afterwards.
    after: Denied,
}

/// Of the file that both policies deny, that of the old one, that of the new one.
type Denied = [bool; 3];

const BEFORE: Denied = [true, true, false];
const APPLY: Deed =
    Deed { name: "apply", words: &["policy", "apply", NEW], first: 0, after: [true, false, true] };
const RESET: Deed =
    Deed { name: "reset", words: &["policy", "reset"], first: 1, after: [false, false, false] };
const ROLLBACK: Deed =
    Deed { name: "rollback", words: &["policy", "rollback"], first: 0, after: [true, false, true] };
const BLOCK: Deed =
    Deed { name: "block", words: &["block", "add", FILES[2]], first: 1, after: [true, true, true] };

const FILES: [&str; 3] = ["/scratch/steps-both", "/scratch/steps-old", "/scratch/steps-new"];
const OLD: &str = "/scratch/steps-old.toml";
const NEW: &str = "/scratch/steps-new.toml";
/// While it is there, the daemon is killed at its step.
const TRIGGER: &str = "/scratch/steps-now";

fn policy(name: &str, own: &str) -> String {
    format!(
        "version = 3\nname = \"{name}\"\n[[rule]]\nid = \"both\"\non = [\"read\"]\npath = \"{}\"\n[[rule]]\nid = \"own\"\n\
         on = [\"read\"]\npath = \"{own}\"\n",
        FILES[0]
    )
}

/// Opens the file that both policies deny, all the while.
struct Opener {
    stop: Arc<AtomicBool>,
    opened: Arc<AtomicU64>,
    allowed: Arc<AtomicU64>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Opener {
    fn start() -> Self {
        let (stop, opened, allowed) = (Arc::default(), Arc::default(), Arc::default());
        let mut opener = Self { stop, opened, allowed, thread: None };
        let (stop, opened, allowed) =
            (Arc::clone(&opener.stop), Arc::clone(&opener.opened), Arc::clone(&opener.allowed));
        opener.thread = Some(thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let outcome: Outcome = File::open(FILES[0]).map(drop).into();
                opened.fetch_add(1, Ordering::Relaxed);
                allowed.fetch_add(u64::from(outcome != Outcome::Denied), Ordering::Relaxed);
                // The emulated machine has other things to do as well.
                thread::sleep(Duration::from_micros(200));
            }
        }));
        opener
    }

    fn counts(&self) -> (u64, u64) {
        (self.opened.load(Ordering::Relaxed), self.allowed.load(Ordering::Relaxed))
    }
}

impl Drop for Opener {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(thread::JoinHandle::join);
    }
}

fn killed_in(deed: &Deed) -> Result<(), Failed> {
    let rounds = if long() { 100 } else { 1 };
    FILES.iter().for_each(|path| fs::write(path, "content\n").expect("a file"));
    fs::write(OLD, policy("old", FILES[1]))?;
    fs::write(NEW, policy("new", FILES[2]))?;
    let _ = fs::remove_file(TRIGGER);
    let mut agent = Agent::at(Site {
        directory: Path::new("/run/aegis-tests/steps").join(deed.name),
        pins: PathBuf::from("/sys/fs/bpf/aegis-steps"),
        daemon: vec!["aegis-chaos".to_owned(), "daemon".to_owned()],
    });
    let (mut new, mut total) = (0, 0);
    let mut opener = None;
    // What is in the short form of the others is where they differ.
    let is_all = long() || deed.name == "apply";
    for step in STEPS[deed.first..].iter().filter(|step| is_all || DIFFERENT.contains(step)) {
        for _ in 0..rounds {
            start(&mut agent, step);
            prepare(&agent)?;
            if deed.after[0] {
                opener.get_or_insert_with(Opener::start);
            }
            let is_new = kill(&mut agent, deed, step)?;
            (new, total) = (new + u64::from(is_new), total + 1);
            // The one that the next round begins with.
            start(&mut agent, step);
            know(&agent, deed, step, is_new)?;
            agent.terminate();
        }
    }
    let (opened, allowed) = opener.as_ref().map_or((0, 0), Opener::counts);
    println!(
        "{}: killed {total} times, the new policy was in force {new} times; {opened} opens of what both deny meanwhile, \
         {allowed} allowed",
        deed.name
    );
    // Else all kills were on one side of the flip.
    expect("kills before and after the flip", new > 0 && new < total, true)?;
    expect("opens of what both deny", allowed, 0)
}

fn start(agent: &mut Agent, step: &str) {
    let events = agent.directory().join("events").display().to_string();
    agent.start_with(&["--die-at", step, "--die-when", TRIGGER, "--events-file", &events]);
}

/// Has the old policy in force, and before it the new one.
fn prepare(agent: &Agent) -> Result<(), Failed> {
    for policy in [NEW, OLD] {
        let _ = agent.json(&["policy", "apply", policy]);
    }
    let _ = agent.json(&["block", "clear"]);
    expect("denied before", denied(), BEFORE)
}

/// What the kernel says to all files.
fn denied() -> Denied {
    FILES.map(|path| Outcome::from(File::open(path).map(drop)) == Outcome::Denied)
}

/// Whether the new policy is in force after the daemon was killed.
fn kill(agent: &mut Agent, deed: &Deed, step: &str) -> Result<bool, Failed> {
    fs::write(TRIGGER, "")?;
    let output = agent.run(deed.words);
    let mut ended = None;
    wait_until("the daemon is dead", || {
        ended = agent.try_wait();
        ended.is_some()
    });
    fs::remove_file(TRIGGER)?;
    expect("the signal it died by", ended.and_then(|ended| ended.signal()), Some(9))?;
    expect("the command failed", output.status.success(), false)?;
    let found = denied();
    match found {
        _ if found == deed.after => Ok(true),
        BEFORE => Ok(false),
        other => {
            Err(format!("{} at {step}: neither the old nor the new policy: {other:?}", deed.name).into())
        }
    }
}

/// The next daemon knows what is in force, and what it is made of.
fn know(agent: &Agent, deed: &Deed, step: &str, is_new: bool) -> Result<(), Failed> {
    let what = |what: &str| format!("{} at {step}: {what}", deed.name);
    let shown = agent.json(&["policy", "show"]);
    let name = shown["generation"]["policy"].as_str().unwrap_or_default();
    let expected = match (is_new, deed.name) {
        (true, "reset") => "empty",
        (true, "apply" | "rollback") => "new",
        _ => "old",
    };
    expect(&what("the policy that is shown"), name, expected)?;
    expect(&what("its entry's policy"), shown["entry"]["policy"].as_str(), Some(expected))?;
    let digest = &shown["generation"]["plan_digest"];
    expect(&what("its entry's plan"), &shown["entry"]["plan_digest"], digest)?;
    let history = agent.json(&["policy", "history", "--last", "500"]);
    let entries = history["entries"].as_array().expect("entries");
    let begun = entries.iter().filter(|entry| entry["outcome"] == "begun").count();
    expect(&what("entries without an end"), begun, 0)?;
    let is_written = !["verify", "compile"].contains(&step);
    let last = entries.last().map(|entry: &Value| entry["outcome"].as_str().unwrap_or_default().to_owned());
    let outcome = if is_new { "in_force" } else { "interrupted" };
    // Without an entry of its own the last one is of what was done before.
    if is_written {
        expect(&what("the end of its entry"), last.as_deref(), Some(outcome))?;
    }
    // Nobody could add to it if its texts were not known.
    let listed = agent.json(&["block", "list"]);
    let is_listed = is_new && deed.name == "block";
    expect(
        &what("entries of the local policy"),
        listed["entries"].as_array().map(Vec::len),
        Some(usize::from(is_listed)),
    )?;
    let _ = agent.json(&["block", "add", "/scratch/steps-another"]);
    expect(&what("denied after"), denied(), if is_new { deed.after } else { BEFORE })
}
