//! The life of a policy on each file system, and every way in at each stage of it.

use aegis_tests::account::check_account;
use aegis_tests::agent::Agent;
use aegis_tests::outcome::Outcome;
use aegis_tests::place::{Kind, Place};
use aegis_tests::ways::{CREATE, LATER, WAYS, Way};
use libtest_mimic::{Failed, Trial};
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;
use std::collections::HashMap;
use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Where in the life of the policy an attempt is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Stage {
    Before,
    Armed,
    Killed,
    Adopted,
    Detached,
}

const STAGES: [Stage; 5] = [Stage::Before, Stage::Armed, Stage::Killed, Stage::Adopted, Stage::Detached];

/// One attempt: how it ended, and when it began and ended in nanoseconds since boot.
#[derive(Debug, Clone)]
struct Attempt {
    outcome: Outcome,
    from: u64,
    to: u64,
}

/// What was seen in one life.
#[derive(Debug, Default)]
struct Life {
    attempts: HashMap<(Stage, &'static str), Attempt>,
    /// Records of decisions: of the first daemon, and of the second, which adopts.
    first: Vec<Value>,
    second: Vec<Value>,
    links: [Vec<(String, u64)>; 3],
    /// Opens of a denied file while the daemon was killed and started, and how many of them succeeded.
    hammered: (u64, u64),
    status: Value,
    /// The standard outputs of both, and the account in the end.
    output: Vec<Value>,
    account: Value,
}

fn now() -> u64 {
    let time = clock_gettime(ClockId::Boottime);
    u64::try_from(time.tv_sec).unwrap() * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap()
}

impl Life {
    fn attempt(&mut self, stage: Stage, ways: &[Way], place: &Place) {
        for way in ways {
            let from = now();
            let outcome = (way.attempt)(place);
            self.attempts.insert((stage, way.name), Attempt { outcome, from, to: now() });
        }
    }

    fn live(kind: Kind) -> Self {
        let (place, mut agent, mut life) = (Place::make(kind), Agent::new("aegis-life"), Self::default());
        life.attempt(Stage::Before, WAYS, &place);
        life.attempt(Stage::Before, &[CREATE], &place);
        // Nothing is folded: each attempt is looked for among those of the hammer.
        agent.start(&place.policy(), &["--enforce", "--events-per-second", "0"]);
        life.attempt(Stage::Armed, WAYS, &place);
        life.attempt(Stage::Armed, &[CREATE], &place);
        place.as_exempt("rm recreated && echo new > recreated && echo new > missing");
        life.attempt(Stage::Armed, LATER, &place);
        life.links[0] = agent.links();
        life.first = agent.blocks();
        let hammer = Hammer::start(&place);
        agent.kill();
        life.links[1] = agent.links();
        life.attempt(Stage::Killed, WAYS, &place);
        life.attempt(Stage::Killed, LATER, &place);
        agent.start_again();
        life.hammered = hammer.stop();
        life.attempt(Stage::Adopted, WAYS, &place);
        life.attempt(Stage::Adopted, LATER, &place);
        agent.settle();
        life.second = agent.blocks();
        life.status = agent.json(&["status"]);
        life.links[2] = agent.links();
        life.account = agent.account();
        life.output = agent.output();
        agent.detach();
        life.attempt(Stage::Detached, WAYS, &place);
        life.attempt(Stage::Detached, LATER, &place);
        life
    }

    /// The events of an attempt.
    fn events<'a>(&'a self, attempt: &'a Attempt) -> impl Iterator<Item = &'a Value> {
        let during = move |event: &&Value| {
            event["boottime_ns"].as_u64().is_some_and(|at| at >= attempt.from && at <= attempt.to)
        };
        self.first.iter().chain(&self.second).filter(during)
    }

    fn check(&self, way: &Way) -> Result<(), Failed> {
        for stage in STAGES {
            let Some(attempt) = self.attempts.get(&(stage, way.name)) else { continue };
            let denied = way.rule.is_some() && !matches!(stage, Stage::Before | Stage::Detached);
            let expected = if denied { Outcome::Denied } else { Outcome::Allowed };
            if attempt.outcome != expected {
                return Err(format!("{stage:?}: expected {expected:?}, saw {:?}", attempt.outcome).into());
            }
            if denied {
                self.check_event(stage, attempt, way)?;
            }
        }
        Ok(())
    }

    /// A denial is told, with the rule and the reason, also if no daemon was there.
    fn check_event(&self, stage: Stage, attempt: &Attempt, way: &Way) -> Result<(), Failed> {
        // A daemon that hears of a new file in a protected name resolves it: then it is known as an object, too.
        let reasons = [way.reason, "object"];
        let told = |event: &&Value| {
            let reason = event["reason"].as_str().unwrap_or("");
            event["rule"].as_str() == way.rule && reasons.contains(&reason) && event["verdict"] == "deny"
        };
        if self.events(attempt).any(|event| told(&event)) {
            return Ok(());
        }
        let seen: Vec<_> =
            self.events(attempt).map(|event| (&event["rule"], &event["reason"], &event["path"])).collect();
        Err(format!("{stage:?}: no event with rule {:?} and reason {}; seen: {seen:?}", way.rule, way.reason)
            .into())
    }
}

/// Opens a denied file without pause.
struct Hammer {
    stop: Arc<AtomicBool>,
    tried: Arc<AtomicU64>,
    thread: std::thread::JoinHandle<u64>,
}

impl Hammer {
    fn start(place: &Place) -> Self {
        let (stop, tried) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (path, stopped, count) = (place.path("data"), Arc::clone(&stop), Arc::clone(&tried));
        let thread = std::thread::spawn(move || {
            let mut allowed = 0;
            while !stopped.load(Ordering::Relaxed) {
                allowed += u64::from(File::open(&path).is_ok());
                count.fetch_add(1, Ordering::Relaxed);
                // Leaves the emulated processors to the others now and then.
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
            allowed
        });
        Self { stop, tried, thread }
    }

    fn stop(self) -> (u64, u64) {
        self.stop.store(true, Ordering::Relaxed);
        let allowed = self.thread.join().expect("the hammer");
        (self.tried.load(Ordering::Relaxed), allowed)
    }
}

/// Each life is lived once; every test looks at what was seen in it.
fn life(kind: Kind) -> &'static Life {
    static LIVES: [OnceLock<Life>; 3] = [OnceLock::new(), OnceLock::new(), OnceLock::new()];
    let index = Kind::ALL.iter().position(|known| *known == kind).expect("a known kind");
    LIVES[index].get_or_init(|| Life::live(kind))
}

/// One test for each file system and way, and those on the life as a whole.
pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for kind in Kind::ALL {
        for way in WAYS.iter().chain(LATER).chain([&CREATE]).copied() {
            trials.push(Trial::test(format!("life::{}::{}", kind.name(), way.name), move || {
                life(kind).check(&way)
            }));
        }
        let name = |name: &str| format!("life::{}::{name}", kind.name());
        trials.push(Trial::test(name("links_stay_the_same"), move || same_links(life(kind))));
        trials.push(Trial::test(name("no_moment_without_enforcement"), move || no_moment(life(kind))));
        trials.push(Trial::test(name("no_event_is_lost"), move || no_event_lost(life(kind))));
        trials.push(Trial::test(name("posture_is_proven"), move || proven(life(kind))));
    }
    trials
}

fn same_links(life: &Life) -> Result<(), Failed> {
    let [armed, killed, adopted] = &life.links;
    if armed.len() > 4 && armed == killed && killed == adopted {
        return Ok(());
    }
    Err(format!("armed {armed:?}, killed {killed:?}, adopted {adopted:?}").into())
}

fn no_moment(life: &Life) -> Result<(), Failed> {
    let (tried, allowed) = life.hammered;
    println!(
        "{tried} opens of a denied file while the daemon was killed and started again, {allowed} allowed"
    );
    if tried < 100 {
        return Err(format!("only {tried} opens were tried").into());
    }
    if allowed > 0 { Err(format!("{allowed} of {tried} were allowed").into()) } else { Ok(()) }
}

/// On each CPU the sequence numbers on the standard outputs of both daemons, and those that the second says are lost,
/// are together 1…N.
fn no_event_lost(life: &Life) -> Result<(), Failed> {
    println!("{}", check_account(&life.output, &life.account)?);
    Ok(())
}

fn proven(life: &Life) -> Result<(), Failed> {
    for class in life.status["classes"].as_array().expect("classes") {
        if class["posture"] != "ENFORCE" || class["proven_at_ns"].as_u64().is_none() {
            return Err(format!("{class}").into());
        }
    }
    let missed = |link: &Value| link["recursion_misses"].as_u64() != Some(0);
    if life.status["links"].as_array().expect("links").iter().any(missed) {
        return Err(format!("the kernel left out runs: {}", life.status["links"]).into());
    }
    Ok(())
}
