//! Changing the policy and losing the daemon open no window: what every generation denies is denied at every
//! moment, what none denies is allowed, and no decision mixes two generations.

use aegis_kernel_abi::{Class, Event, Mode, ObjectKey, Operations, SlotKey};
use aegis_probes::{
    Builder, Header, PinDir, Probes, Resolver, Say, Settings, TestSettings, name_hash, take_down,
};
use aegis_tests::account::check_account;
use aegis_tests::agent::{Agent, wait_until};
use aegis_tests::check::{Test, expect, trials as trials_of};
use aegis_tests::long;
use aegis_tests::outcome::Outcome;
use libtest_mimic::{Failed, Trial};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

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
        let apply = ["policy", "apply", &files[turn % files.len()]];
        if turn % (applies / kills) == 0 {
            // In the middle of an apply, at another moment each time, which may then have come to its end or not.
            let mut applying = agent.command(&apply).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
            thread::sleep(Duration::from_millis(30 * (turn as u64 % 23)));
            agent.kill();
            applying.wait()?;
            agent.start_again();
        } else {
            let _ = agent.json(&apply);
        }
    }
    let churned = openers.attempts();
    wait_until_attempts(&openers, attempts);
    let (let_through, held_up) = openers.stop();
    println!(
        "{applies} applies, {kills} kills in the middle of some, {churned} opens meanwhile: {} denied opens, {let_through} \
         let through; {} allowed opens, {held_up} denied",
        openers.denied.attempts(),
        openers.allowed.attempts()
    );
    expect("denied opens that were allowed", let_through, 0)?;
    expect("allowed opens that were denied", held_up, 0)?;
    expect("undecidable", agent.json(&["status"])["counts"]["undecidable"].as_u64(), Some(0))?;
    // Over the outputs of all daemons, once everything is delivered.
    let account = agent.account();
    println!("{}", check_account(&agent.output(), &account)?);
    Ok(())
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

/// Slowed probes that this test has armed, taken down in the end.
struct Slowed {
    probes: Probes,
    file: ObjectKey,
    name: SlotKey,
}

impl Slowed {
    fn arm() -> Self {
        let test = TestSettings { force: 0, pause: PAUSE };
        let settings = Settings { ring_bytes: 1 << 22, fallback: false, test };
        let pins = PinDir::new(Path::new("/sys/fs/bpf/aegis-slowed"));
        let probes = Probes::open(&pins, settings).expect("armed probes");
        probes.attach(Class::File).expect("attached probes");
        // Equal decisions of a storm are told one by one: each names its generation and its rule.
        probes.accounts().set_events_per_second(0);
        let resolver = Resolver::load().expect("the resolver");
        let opened = [Path::new(DENIED), Path::new("/scratch")].map(|path| File::open(path).expect("a file"));
        let keys = resolver.object_keys(&[opened[0].as_fd(), opened[1].as_fd()]).expect("keys");
        let name = DENIED.trim_start_matches("/scratch/").as_bytes();
        let name_hash = name_hash(probes.name_key(), name).expect("a hash");
        Self { probes, file: keys[0], name: SlotKey { parent: keys[1], name_hash } }
    }

    /// Stages a generation, which is read back, and flips it in. The rule on the file has this number; tables of
    /// other numbers are as large, but otherwise not alike.
    fn apply(&self, rule: u32) -> u32 {
        let say = Say::plain(rule, Operations::READ, Mode::Enforce);
        let mut builder = Builder::default();
        builder.object(self.file, say).expect("an object");
        builder.slot(self.name, say).expect("a name");
        let header = Header {
            policy: "slowed".to_owned(),
            serial: 0,
            mode: Mode::Enforce,
            plan_digest: [0; 32],
            rules: vec!["zero", "one", "two"],
            pending: BTreeSet::new(),
            asked: vec![Operations::READ; 3],
            escalate: Vec::new(),
            built_at_ns: 0,
        };
        let tables = builder.build(&header).expect("tables");
        let staged = self.probes.generations().stage(tables).expect("a staged generation");
        self.probes.generations().flip(&staged);
        staged.info().generation
    }
}

impl Drop for Slowed {
    fn drop(&mut self) {
        take_down(self.probes.pins(), self.probes.lock()).expect("everything taken down");
    }
}

/// Turns of a loop, twice in a decision. That is longer than a whole decision otherwise takes.
const PAUSE: u32 = 2_000;

/// The rules that were named under each generation.
type Named = BTreeMap<u32, BTreeSet<u32>>;

/// Reads events until it is told to stop and nothing is left.
fn reader(slowed: &Slowed, stop: &Arc<AtomicBool>) -> JoinHandle<Named> {
    let mut ring = slowed.probes.events().expect("the event ring");
    let stop = Arc::clone(stop);
    thread::spawn(move || {
        let mut named = Named::new();
        loop {
            let is_last = stop.load(Ordering::Acquire);
            let mut take = |event: &Event| {
                named.entry(event.generation).or_default().insert(event.rule);
            };
            while ring.next(|event| take(event.expect("an event"))).is_some() {}
            if is_last {
                return named;
            }
            thread::sleep(Duration::from_millis(1));
        }
    })
}

fn generations_do_not_mix() -> Result<(), Failed> {
    let applies = if long() { 10_000 } else { 100 };
    make_files();
    let slowed = Slowed::arm();
    let mut expected = BTreeMap::from([(slowed.apply(0), 0)]);
    let (stop, mut openers) = (Arc::new(AtomicBool::new(false)), Openers::start());
    let reader = reader(&slowed, &stop);
    // Each bank holds each of them in its turn.
    for rule in (0..applies).map(|turn| (turn + 1) % 3) {
        expected.insert(slowed.apply(rule), rule);
    }
    let (let_through, held_up) = openers.stop();
    stop.store(true, Ordering::Release);
    let named = reader.join().expect("the reader");
    let undecidable = slowed.probes.counters().expect("counters").undecidable;
    println!(
        "{applies} generations with slowed probes: {} denied opens, {let_through} let through; {} allowed opens, {held_up} \
         denied; {} generations seen, {undecidable} undecidable",
        openers.denied.attempts(),
        openers.allowed.attempts(),
        named.len(),
    );
    expect("denied opens that were allowed", let_through, 0)?;
    expect("allowed opens that were denied", held_up, 0)?;
    expect("undecidable", undecidable, 0)?;
    expect("several generations were seen", named.len() > 1, true)?;
    for (generation, rules) in named {
        let rule = expected.get(&generation).copied().ok_or("a generation that never was")?;
        expect(&format!("rules of generation {generation}"), rules, BTreeSet::from([rule]))?;
    }
    Ok(())
}
