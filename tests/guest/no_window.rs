//! Changing the policy and losing the daemon open no window: what every generation denies is denied at every
//! moment, what none denies is allowed, and no decision mixes two generations.

use aegis_actors::host::{Mode, TestSettings};
use aegis_actors::loader::{Loader, LoaderSettings};
use aegis_kernel_abi::Event;
use aegis_policy::{Plan, Source, compile};
use aegis_tests::agent::{Agent, wait_until};
use aegis_tests::check::{Test, expect, trials as trials_of};
use aegis_tests::long;
use aegis_tests::outcome::Outcome;
use libtest_mimic::{Failed, Trial};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

const TESTS: &[Test] =
    &[("applies_and_kills", applies_and_kills), ("generations_do_not_mix", generations_do_not_mix)];

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    trials_of("no_window", TESTS)
}

const DENIED: &str = "/scratch/no-window-denied";
const ALLOWED: &str = "/scratch/no-window-allowed";

fn make_files() {
    [DENIED, ALLOWED].iter().for_each(|path| fs::write(path, "content\n").expect("a file"));
}

/// A policy that denies the one file and not the other, by a rule that has this number in it.
fn policy(name: &str, number: usize) -> String {
    let padding = |index: usize| {
        format!("[[rule]]\nid = \"a{index:02}\"\non = [\"exec\"]\npath = \"/scratch/padding-{index}\"\n")
    };
    let padding: String = (0..number).map(padding).collect();
    format!(
        "version = 3\nname = \"{name}\"\n{padding}[[rule]]\nid = \"the-file\"\non = [\"read\"]\npath = \"{DENIED}\"\n"
    )
}

/// Threads that open both files without pause, and what they saw.
#[derive(Default)]
struct Seen {
    stop: AtomicBool,
    attempts: AtomicU64,
    wrong: AtomicU64,
}

impl Seen {
    /// Opens a file until it is told to stop; everything but `expected` is wrong.
    fn opener(self: &Arc<Self>, path: &'static str, expected: Outcome) -> JoinHandle<()> {
        let seen = Arc::clone(self);
        thread::spawn(move || {
            while !seen.stop.load(Ordering::Relaxed) {
                let outcome: Outcome = File::open(path).map(drop).into();
                seen.attempts.fetch_add(1, Ordering::Relaxed);
                if outcome != expected {
                    seen.wrong.fetch_add(1, Ordering::Relaxed);
                    eprintln!("{path}: {outcome:?}");
                }
            }
        })
    }

    fn attempts(&self) -> u64 {
        self.attempts.load(Ordering::Relaxed)
    }
}

/// Ends the openers whatever happens to the test.
struct Openers {
    denied: Arc<Seen>,
    allowed: Arc<Seen>,
    threads: Vec<JoinHandle<()>>,
}

impl Openers {
    fn start() -> Self {
        let (denied, allowed) = (Arc::new(Seen::default()), Arc::new(Seen::default()));
        let threads = vec![denied.opener(DENIED, Outcome::Denied), allowed.opener(ALLOWED, Outcome::Allowed)];
        Self { denied, allowed, threads }
    }

    fn attempts(&self) -> u64 {
        self.denied.attempts() + self.allowed.attempts()
    }

    /// How many denied opens were allowed, and allowed ones denied.
    fn stop(&mut self) -> (u64, u64) {
        for seen in [&self.denied, &self.allowed] {
            seen.stop.store(true, Ordering::Relaxed);
        }
        self.threads.drain(..).for_each(|thread| thread.join().expect("an opener"));
        (self.denied.wrong.load(Ordering::Relaxed), self.allowed.wrong.load(Ordering::Relaxed))
    }
}

impl Drop for Openers {
    fn drop(&mut self) {
        self.stop();
    }
}

fn applies_and_kills() -> Result<(), Failed> {
    let (applies, kills, attempts) = if long() { (200, 20, 1_000_000) } else { (6, 2, 20_000) };
    make_files();
    let mut agent = Agent::new("aegis-no-window");
    agent.start(&policy("first", 0), &["--enforce"]);
    let files =
        [policy("first", 0), policy("second", 1), policy("second", 1)].map(|text| agent.policy(&text));
    let mut openers = Openers::start();
    for turn in 0..applies {
        let _ = agent.json(&["policy", "apply", &files[turn % files.len()]]);
        if turn % (applies / kills) == 0 {
            agent.kill();
            agent.start_again();
        }
    }
    wait_until_attempts(&openers, attempts);
    let (let_through, held_up) = openers.stop();
    println!(
        "{applies} applies, {kills} kills: {} denied opens, {let_through} let through; {} allowed opens, {held_up} denied",
        openers.denied.attempts(),
        openers.allowed.attempts()
    );
    expect("denied opens that were allowed", let_through, 0)?;
    expect("allowed opens that were denied", held_up, 0)?;
    expect("undecidable", agent.json(&["status"])["counts"]["undecidable"].as_u64(), Some(0))
}

/// The long form needs more time than any other wait in these tests.
fn wait_until_attempts(openers: &Openers, attempts: u64) {
    let mut before = 0;
    while openers.attempts() < attempts {
        let start = openers.attempts();
        wait_until("more opens are tried", || openers.attempts() > start);
        assert!(start >= before, "attempts only grow");
        before = start;
    }
}

/// Probes that this test has armed, taken down in the end.
struct Armed(Loader);

impl Drop for Armed {
    fn drop(&mut self) {
        self.0.detach().expect("everything taken down");
    }
}

fn slowed() -> Armed {
    let settings = LoaderSettings {
        bpffs_root: PathBuf::from("/sys/fs/bpf/aegis-slowed"),
        mode: Mode::Enforce,
        signal: 0,
        ring_bytes: 1 << 22,
        // This process is not on the survival list: it is the one that must be denied.
        survival_cgroups: None,
        test: TestSettings { force: 0, pause: PAUSE },
    };
    Armed(Loader::open(settings).expect("armed probes"))
}

/// Turns of a loop, twice in a decision. That is longer than a whole decision otherwise takes.
const PAUSE: u32 = 2_000;

/// The rules that were named under each generation.
type Named = BTreeMap<u32, Vec<u32>>;

/// Reads events until it is told to stop and nothing is left.
fn reader(armed: &Armed, stop: &Arc<AtomicBool>) -> JoinHandle<Named> {
    let mut ring = armed.0.probes().events().expect("the event ring");
    let stop = Arc::clone(stop);
    thread::spawn(move || {
        let mut named = Named::new();
        loop {
            let stopping = stop.load(Ordering::Acquire);
            let mut take = |event: &Event| {
                let rules = named.entry(event.generation).or_default();
                if !rules.contains(&event.rule) {
                    rules.push(event.rule);
                }
            };
            while ring.next(|event| take(event.expect("an event"))).is_some() {}
            if stopping {
                return named;
            }
            thread::sleep(std::time::Duration::from_millis(1));
        }
    })
}

fn plan(number: usize) -> Plan {
    let text = policy("slowed", number);
    compile(&[Source { name: "slowed.toml", text: &text }]).expect("a policy").plan
}

fn generations_do_not_mix() -> Result<(), Failed> {
    let applies = if long() { 10_000 } else { 12 };
    make_files();
    assert!(Path::new(DENIED).exists());
    let mut armed = slowed();
    // Numbers of rules differ, so that one that is read from the other generation's tables shows.
    let plans = [plan(0), plan(1)];
    let mut expected = BTreeMap::new();
    let first = armed.0.apply(&plans[0]).expect("a policy in force").generation.generation;
    expected.insert(first, 0);
    let (stop, mut openers) = (Arc::new(AtomicBool::new(false)), Openers::start());
    let reader = reader(&armed, &stop);
    for turn in 1..=applies {
        let number = turn % 2;
        let reply = armed.0.apply(&plans[number]).expect("a policy in force");
        expected.insert(reply.generation.generation, u32::try_from(number).unwrap());
    }
    let (let_through, held_up) = openers.stop();
    stop.store(true, Ordering::Release);
    let named = reader.join().expect("the reader");
    let counts = armed.0.counts().expect("counts");
    println!(
        "{applies} applies with a slowed probe: {} denied opens, {let_through} let through; {} allowed opens, {held_up} \
         denied; {} generations seen, {} undecidable",
        openers.denied.attempts(),
        openers.allowed.attempts(),
        named.len(),
        counts.undecidable
    );
    expect("denied opens that were allowed", let_through, 0)?;
    expect("allowed opens that were denied", held_up, 0)?;
    expect("undecidable", counts.undecidable, 0)?;
    expect("several generations were seen", named.len() > 1, true)?;
    for (generation, rules) in named {
        let rule = expected.get(&generation).copied().ok_or("a generation that never was")?;
        expect(&format!("rules of generation {generation}"), rules, vec![rule])?;
    }
    Ok(())
}
