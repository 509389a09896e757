//! The enforcement matrix: each row is allowed, then denied by the rule that says so and for its reason, and allowed
//! again after detach. A neighbour on which no rule is stays allowed all the while.
//!
//! All rows on a file system share one arming, under one policy that has a rule for each.

use aegis_tests::agent::Agent;
use aegis_tests::check::expect;
use aegis_tests::matrix::{Armed, CLASSES, Case, NEIGHBOUR, PROTECTED, cases, hand};
use aegis_tests::outcome::Outcome;
use aegis_tests::place::{Kind, Place};
use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Instant;

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    let of = |kind: Kind| {
        cases(kind).into_iter().map(move |case| {
            let name = format!("matrix::{}::{}::{}", case.class, kind.name(), case.row.name);
            Trial::test(name, move || check(kind, &case))
        })
    };
    Kind::ALL.into_iter().flat_map(of).collect()
}

/// What was seen of one row.
#[derive(Debug, Clone)]
struct Seen {
    prepared: Outcome,
    before: Outcome,
    exempt: Outcome,
    armed: Outcome,
    control: Outcome,
    after: Outcome,
    /// The denials that name its rule.
    events: Vec<Value>,
}

/// By the id of the rule; or why there is none.
type Life = Result<HashMap<String, Seen>, String>;

/// What was seen of one row on a file system, on which all rows have one life.
fn seen(kind: Kind, id: &str) -> Result<Seen, String> {
    static LIVES: LazyLock<Mutex<HashMap<Kind, Life>>> = LazyLock::new(Mutex::default);
    let mut lives = LIVES.lock().unwrap_or_else(PoisonError::into_inner);
    // One that broke is not tried again for each row.
    let life = lives.entry(kind).or_insert_with(|| {
        std::panic::catch_unwind(|| live(kind))
            .map_err(|_| "the life of all rows broke; see the first".to_owned())
    });
    life.as_ref().map_err(Clone::clone)?.get(id).cloned().ok_or_else(|| "it was not tried".to_owned())
}

/// The rows with their directories, and how long each stage takes.
struct Stage {
    rows: Vec<(Case, PathBuf)>,
    kind: Kind,
}

impl Stage {
    fn of_each(&self, name: &str, act: impl Fn(&Case, &Path) -> Outcome) -> Vec<Outcome> {
        let start = Instant::now();
        let outcomes = self.rows.iter().map(|(case, directory)| act(case, directory)).collect();
        eprintln!("matrix on {}: {name} took {:.1} s", self.kind.name(), start.elapsed().as_secs_f32());
        outcomes
    }
}

fn live(kind: Kind) -> HashMap<String, Seen> {
    let place = Place::make(kind);
    let row = |case: Case| (case, place.directory.join(case.class).join(case.row.name));
    let stage = Stage { rows: cases(kind).into_iter().map(row).collect(), kind };
    let prepared = stage.of_each("preparing", |case, at| case.prepare(at, &[PROTECTED]));
    let before = stage.of_each("trying before", |case, at| case.attempt(at, PROTECTED));
    let again = stage.of_each("preparing again", |case, at| case.prepare(at, &[PROTECTED, NEIGHBOUR]));
    let rules: String = stage.rows.iter().map(|(case, at)| case.rule(at)).collect();
    let policy = format!("version = 3\nname = \"matrix\"\n{rules}[exempt]\ncgroup = [\"/aegis-exempt\"]\n");
    let start = Instant::now();
    let mut agent = Agent::new("aegis-matrix");
    // Nothing is folded: each denial is looked for.
    agent.start(&policy, &["--enforce", "--events-per-second", "0"]);
    eprintln!("matrix on {}: arming took {:.1} s", kind.name(), start.elapsed().as_secs_f32());
    // It would find out what was made anew, and know it by itself.
    agent.stop();
    let exempt = stage.of_each("what the exempt do", Case::exempt);
    let armed = stage.of_each("trying", |case, at| case.attempt(at, PROTECTED));
    let control = stage.of_each("trying beside", |case, at| case.attempt(at, NEIGHBOUR));
    agent.go_on();
    agent.settle();
    let mut events = denials(&agent);
    agent.detach();
    let after = stage.of_each("trying after", |case, at| case.attempt(at, PROTECTED));
    for class in CLASSES {
        let cleared = hand::clear(&place.directory.join(class.name));
        assert_eq!(cleared, Outcome::Allowed, "what rows left behind stays");
    }
    let mut life = HashMap::new();
    for (number, (case, _)) in stage.rows.iter().enumerate() {
        let of = |outcomes: &[Outcome]| outcomes[number].clone();
        let prepared = if of(&prepared) == Outcome::Allowed { of(&again) } else { of(&prepared) };
        let (before, exempt, armed) = (of(&before), of(&exempt), of(&armed));
        let events = events.remove(&case.id()).unwrap_or_default();
        let seen = Seen { prepared, before, exempt, armed, control: of(&control), after: of(&after), events };
        life.insert(case.id(), seen);
    }
    life
}

/// The denials of the agent, by rule.
fn denials(agent: &Agent) -> HashMap<String, Vec<Value>> {
    let mut by_rule: HashMap<String, Vec<Value>> = HashMap::new();
    for event in agent.blocks().into_iter().filter(|event| event["verdict"] == "deny") {
        by_rule.entry(event["rule"].as_str().unwrap_or("").to_owned()).or_default().push(event);
    }
    by_rule
}

fn check(kind: Kind, case: &Case) -> Result<(), Failed> {
    let seen = seen(kind, &case.id())?;
    expect("prepared", &seen.prepared, &Outcome::Allowed)?;
    expect("before arming", &seen.before, &Outcome::Allowed)?;
    expect("what the exempt do", &seen.exempt, &Outcome::Allowed)?;
    expect("armed", &seen.armed, &case.row.armed.into())?;
    expect("neighbour", &seen.control, &Outcome::Allowed)?;
    expect("after detach", &seen.after, &Outcome::Allowed)?;
    let told: Vec<_> = seen.events.iter().map(|event| (&event["reason"], &event["operations"])).collect();
    if case.row.armed == Armed::Allowed {
        return expect("denials", told, Vec::new());
    }
    let fits = |event: &&Value| {
        let operations = event["operations"].to_string();
        event["reason"] == case.row.reason && operations.contains(&format!("\"{}\"", case.row.operation))
    };
    match seen.events.iter().find(fits) {
        Some(_) => Ok(()),
        None => {
            Err(format!("no {} of {}; the rule denied {told:?}", case.row.reason, case.row.operation).into())
        }
    }
}
