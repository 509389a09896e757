//! A daemon that is killed while it changes what is in force, at the end of each step of that: afterwards exactly the old or
//! exactly the new policy is in force, the kernel and `policy show` say the same, the next daemon knows which and what it is
//! made of, and what both deny was denied at every moment.
//!
//! Played where the probes can deny, and where they only report: then the digests tell what is in force.

use crate::agent::{Agent, Site, wait_until};
use crate::ask::Reply;
use crate::check::expect;
use crate::outcome::Outcome;
use aegis_control_api::paths;
use libtest_mimic::Failed;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Steps of everything that puts a policy in force, in order. Who only goes on with what is in force verifies nothing.
pub const STEPS: [&str; 14] = [
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

/// The step from whose end on the new policy is in force.
pub const FLIP: &str = "flip";

/// Something that changes what is in force.
#[derive(Debug, Clone, Copy)]
pub struct Deed {
    /// What it is called.
    pub name: &'static str,
    /// Where it is asked for.
    path: &'static str,
    /// The first of the steps that it has.
    first: usize,
    /// Which of the files are denied afterwards.
    after: Denied,
}

/// Of the file that both policies deny, that of the old one, that of the new one.
type Denied = [bool; 3];

const BEFORE: Denied = [true, true, false];
/// All of them.
pub const DEEDS: [Deed; 4] = [
    Deed { name: "apply", path: paths::APPLY, first: 0, after: [true, false, true] },
    Deed { name: "reset", path: paths::RESET, first: 1, after: [false, false, false] },
    Deed { name: "rollback", path: paths::ROLLBACK, first: 0, after: [true, false, true] },
    Deed { name: "block", path: paths::BLOCK, first: 1, after: [true, true, true] },
];

/// Where it is played.
#[derive(Debug)]
pub struct Scene {
    /// The files and the state of the daemon.
    pub directory: PathBuf,
    /// The pins, on a bpf file system.
    pub pins: PathBuf,
    /// Whether the probes can deny.
    pub enforces: bool,
    /// Steps at which the daemon is killed, and how often at each.
    pub steps: &'static [&'static str],
    /// How often at each.
    pub rounds: u32,
}

/// One deed at one place.
struct Play<'a> {
    scene: &'a Scene,
    deed: &'a Deed,
    agent: Agent,
    /// The digest of the policy that is in force after the deed, once it is known.
    new: Value,
}

/// Opens the file that both policies deny, all the while.
struct Opener {
    stop: Arc<AtomicBool>,
    counts: Arc<[AtomicU64; 2]>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Opener {
    fn start(path: PathBuf) -> Self {
        let (stop, counts) = (Arc::new(AtomicBool::new(false)), Arc::<[AtomicU64; 2]>::default());
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&counts));
        #[expect(clippy::disallowed_methods, reason = "tests end what they spawn")]
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let outcome: Outcome = File::open(&path).map(drop).into();
                counted[0].fetch_add(1, Ordering::Relaxed);
                counted[1].fetch_add(u64::from(outcome != Outcome::Denied), Ordering::Relaxed);
                // An emulated machine has other things to do as well.
                thread::sleep(Duration::from_millis(10));
            }
        });
        Self { stop, counts, thread: Some(thread) }
    }

    /// How many opens there were, and how many were allowed.
    fn counts(&self) -> (u64, u64) {
        (self.counts[0].load(Ordering::Relaxed), self.counts[1].load(Ordering::Relaxed))
    }
}

impl Drop for Opener {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(thread::JoinHandle::join);
    }
}

/// Plays it.
///
/// # Errors
/// What was seen and should not have been.
pub fn play(scene: &Scene, deed: &Deed) -> Result<(), Failed> {
    let mut play = Play::begin(scene, deed)?;
    let (mut new, mut total, mut opener) = (0_u32, 0_u32, None);
    for step in STEPS[deed.first..].iter().filter(|step| scene.steps.contains(step)) {
        play.prepare()?;
        let before = play.digest();
        if deed.after[0] && scene.enforces {
            opener.get_or_insert_with(|| Opener::start(play.file("both")));
        }
        for round in 1..=scene.rounds {
            let is_new = play.kill(step, &before)?;
            (new, total) = (new + u32::from(is_new), total + 1);
            // The next round begins with this one.
            play.start();
            play.know(step, is_new)?;
            if round == scene.rounds {
                play.go_on(is_new)?;
            } else if is_new {
                play.undo();
                expect("the policy that is in force again", play.digest(), before.clone())?;
            }
        }
    }
    let (opened, allowed) = opener.as_ref().map_or((0, 0), Opener::counts);
    println!(
        "{}: killed {total} times, the new policy was in force {new} times; {opened} opens of what both deny meanwhile, \
         {allowed} allowed",
        deed.name
    );
    expect("opens of what both deny", allowed, 0)
}

impl<'a> Play<'a> {
    /// Makes the files, starts the daemon, and does the deed once without harm, to know what comes of it.
    fn begin(scene: &'a Scene, deed: &'a Deed) -> Result<Self, Failed> {
        let mut daemon = vec!["aegis-chaos".to_owned(), "daemon".to_owned()];
        daemon.extend((!scene.enforces).then(|| "--allow-audit-fallback".to_owned()));
        let directory = scene.directory.join(deed.name);
        fs::create_dir_all(&directory)?;
        let agent = Agent::at(Site { directory, pins: scene.pins.clone(), daemon });
        let mut play = Self { scene, deed, agent, new: Value::Null };
        for name in ["both", "old", "new"] {
            fs::write(play.file(name), "content\n")?;
        }
        let _ = fs::remove_file(play.file("now"));
        play.start();
        play.prepare()?;
        play.ask(deed.path, &play.body());
        play.new = play.digest();
        Ok(play)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.scene.directory.join(self.deed.name).join(name)
    }

    fn policy(&self, own: &str) -> String {
        let rule = |id: &str, file: &Path| {
            format!("[[rule]]\nid = \"{id}\"\non = [\"read\"]\npath = \"{}\"\n", file.display())
        };
        let rules = rule("both", &self.file("both")) + &rule("own", &self.file(own));
        format!("version = 3\nname = \"{own}\"\n{rules}")
    }

    /// What the deed is asked for with.
    fn body(&self) -> Value {
        match self.deed.path {
            paths::APPLY => self.source("new"),
            paths::ROLLBACK => json!({}),
            paths::BLOCK => self.added("new"),
            _ => Value::Null,
        }
    }

    fn source(&self, name: &str) -> Value {
        json!({ "sources": [{ "name": format!("{name}.toml"), "text": self.policy(name) }] })
    }

    fn added(&self, name: &str) -> Value {
        json!({ "change": "add", "entries": [self.file(name)] })
    }

    /// Asks for a change that is made.
    fn ask(&self, path: &str, body: &Value) {
        let _ = self.agent.ask(path, Some(body)).answer();
    }

    fn start(&mut self) {
        let [now, events] = ["now", "events"].map(|name| self.file(name).display().to_string());
        // A hundred rounds of opens fill the disk, which is another test.
        for file in ["events", "output"] {
            let _ = fs::remove_file(self.file(file));
        }
        self.agent.start_with(&["--die-at", &now, "--events-file", &events]);
    }

    /// What is in force.
    fn digest(&self) -> Value {
        self.agent.ask(paths::POLICY, None).answer()["generation"]["plan_digest"].clone()
    }

    /// Has the old policy in force, and before it the new one.
    fn prepare(&self) -> Result<(), Failed> {
        self.ask(paths::BLOCK, &json!({ "change": "clear" }));
        self.ask(paths::APPLY, &self.source("new"));
        self.undo();
        self.denies("before", BEFORE)
    }

    /// The same where the deed was done.
    fn undo(&self) {
        if self.deed.path == paths::BLOCK {
            self.ask(paths::BLOCK, &json!({ "change": "clear" }));
        }
        self.ask(paths::APPLY, &self.source("old"));
        if self.deed.path == paths::RESET {
            // It sets the lists aside, which must not be lost.
            self.ask(paths::BLOCK, &self.added("beside"));
            self.set_aside().iter().for_each(|kept| fs::remove_file(kept).expect("a file"));
        }
    }

    /// What was kept of local policies that were reset.
    fn set_aside(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.agent.state()).expect("the state directory");
        let files = files.map(|file| file.expect("a file").path());
        files.filter(|path| path.display().to_string().contains("before-reset")).collect()
    }

    /// What the kernel says to all files, where it can deny.
    fn denies(&self, when: &str, expected: Denied) -> Result<(), Failed> {
        let denied = ["both", "old", "new"]
            .map(|name| Outcome::from(File::open(self.file(name)).map(drop)) == Outcome::Denied);
        expect(
            &format!("{}: denied {when}", self.deed.name),
            !self.scene.enforces || denied == expected,
            true,
        )
    }

    /// Whether the new policy is in force after the daemon was killed.
    fn kill(&mut self, step: &str, before: &Value) -> Result<bool, Failed> {
        // In one step: the daemon must not read half a name.
        fs::write(self.file("aside"), step)?;
        fs::rename(self.file("aside"), self.file("now"))?;
        let reply = self.agent.ask(self.deed.path, Some(&self.body()));
        let mut ended = None;
        wait_until("the daemon is dead", || {
            ended = self.agent.try_wait();
            ended.is_some()
        });
        fs::remove_file(self.file("now"))?;
        expect("the signal it died by", ended.and_then(|ended| ended.signal()), Some(9))?;
        expect("it was not answered", matches!(reply, Reply::Nothing), true)?;
        // From the pins, as its owner would look.
        let found = self.agent.json(&["policy", "show"])["generation"]["plan_digest"].clone();
        let is_new = found == self.new;
        let what = format!("{} at {step}: exactly one of the two policies", self.deed.name);
        expect(&what, is_new != (found == *before), true)?;
        self.denies(
            &format!("after it was killed at {step}"),
            if is_new { self.deed.after } else { BEFORE },
        )?;
        let at = |step: &str| STEPS.iter().position(|each| *each == step);
        expect(&format!("{} at {step}: the new policy", self.deed.name), is_new, at(step) >= at(FLIP))?;
        Ok(is_new)
    }

    /// The next daemon knows what is in force, and what it is made of.
    fn know(&self, step: &str, is_new: bool) -> Result<(), Failed> {
        let what = |what: &str| format!("{} at {step}: {what}", self.deed.name);
        let shown = self.agent.ask(paths::POLICY, None).answer();
        let digest = &shown["generation"]["plan_digest"];
        expect(&what("the policy that is shown"), *digest == self.new, is_new)?;
        expect(&what("its entry's plan"), &shown["entry"]["plan_digest"], digest)?;
        let history = self.agent.ask(paths::HISTORY, None).answer();
        let entries = history["entries"].as_array().expect("entries");
        let begun = entries.iter().filter(|entry| entry["outcome"] == "begun").count();
        expect(&what("entries without an end"), begun, 0)?;
        let is_written = !["verify", "compile"].contains(&step);
        let outcome = if is_new { "in_force" } else { "interrupted" };
        let last = entries.last().and_then(|entry| entry["outcome"].as_str());
        // Without an entry of its own the last one is of what was done before.
        if is_written {
            expect(&what("the end of its entry"), last, Some(outcome))?;
        }
        let listed = self.agent.ask(paths::BLOCK, None).answer();
        let is_listed = match self.deed.name {
            "block" => is_new,
            "reset" => !is_new,
            _ => false,
        };
        let entries = listed["entries"].as_array().map(Vec::len);
        expect(&what("entries of the local policy"), entries, Some(usize::from(is_listed)))?;
        if self.deed.name == "reset" {
            expect(&what("lists that are set aside"), self.set_aside().len(), usize::from(is_new))?;
        }
        Ok(())
    }

    /// What is in force can be added to: nobody could if its texts were not known.
    fn go_on(&self, is_new: bool) -> Result<(), Failed> {
        self.ask(paths::BLOCK, &self.added("another"));
        self.denies("after", if is_new { self.deed.after } else { BEFORE })
    }
}
