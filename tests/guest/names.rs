//! Operations on names: each is allowed, then denied by the rule that says so and for its reason, and allowed again
//! after detach. A neighbour on which no rule is stays allowed all the while.

use aegis_tests::agent::Agent;
use aegis_tests::check::{expect, expect_text};
use aegis_tests::names::{ROWS, Row};
use aegis_tests::outcome::Outcome;
use aegis_tests::place::{Kind, Place};
use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    let all = Kind::ALL.into_iter().flat_map(|kind| ROWS.iter().map(move |row| (kind, row)));
    // Overlays of 6.1 know no files without a name.
    let known = |(kind, row): &(Kind, &Row)| *kind != Kind::Overlay || row.name != "link-of-a-nameless-file";
    all.filter(known)
        .map(|(kind, row)| {
            Trial::test(format!("names::{}::{}", kind.name(), row.name), move || check_row(kind, row))
        })
        .collect()
}

/// What was seen of one row.
#[derive(Debug, Clone)]
struct Seen {
    before: Outcome,
    armed: Outcome,
    control: Outcome,
    event: Option<Value>,
    after: Outcome,
}

type Life = HashMap<&'static str, Seen>;

/// One life for all rows on a file system.
fn life(kind: Kind) -> Life {
    static LIVES: LazyLock<Mutex<HashMap<Kind, Life>>> = LazyLock::new(Mutex::default);
    let mut lives = LIVES.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    lives.entry(kind).or_insert_with(|| live(kind)).clone()
}

fn live(kind: Kind) -> Life {
    let place = Place::make(kind);
    let directory = |row: &Row| place.directory.join(row.name);
    ROWS.iter().for_each(|row| row.prepare(&directory(row)));
    let before: Vec<Outcome> = ROWS.iter().map(|row| row.attempt(&directory(row), "protected")).collect();
    ROWS.iter().for_each(|row| row.prepare(&directory(row)));
    let rules: String = ROWS.iter().map(|row| row.rule(&directory(row))).collect();
    let policy = format!("version = 3\nname = \"names\"\n{rules}[exempt]\ncgroup = [\"/aegis-exempt\"]\n");
    let mut agent = Agent::new("aegis-names");
    agent.start(&policy, &["--enforce"]);
    // It would find out what was made anew, and know it by itself.
    agent.stop();
    ROWS.iter().filter(|row| !row.exempt.is_empty()).for_each(|row| {
        place.as_exempt(&format!("cd {} && {}", row.name, row.exempt));
    });
    let armed: Vec<Outcome> = ROWS.iter().map(|row| row.attempt(&directory(row), "protected")).collect();
    let control: Vec<Outcome> = ROWS.iter().map(|row| row.attempt(&directory(row), "neighbour")).collect();
    agent.go_on();
    agent.settle();
    let events = agent.blocks();
    agent.detach();
    let after: Vec<Outcome> = ROWS.iter().map(|row| row.attempt(&directory(row), "protected")).collect();
    let seen = before.into_iter().zip(armed).zip(control).zip(after);
    let seen = seen.zip(ROWS).map(|((((before, armed), control), after), row)| {
        let event = events.iter().find(|event| event["rule"] == row.name).cloned();
        (row.name, Seen { before, armed, control, event, after })
    });
    seen.collect()
}

fn check_row(kind: Kind, row: &'static Row) -> Result<(), Failed> {
    let life = life(kind);
    let seen = life.get(row.name).ok_or("it was not tried")?;
    expect("before arming", &seen.before, &Outcome::Allowed)?;
    expect("armed", &seen.armed, &Outcome::Denied)?;
    expect("neighbour", &seen.control, &Outcome::Allowed)?;
    expect("after detach", &seen.after, &Outcome::Allowed)?;
    let event = seen.event.as_ref().ok_or("no event names the rule")?;
    expect("verdict", event["verdict"].as_str(), Some("deny"))?;
    expect("reason", event["reason"].as_str(), Some(row.reason))?;
    expect_text("operations", &event["operations"].to_string(), row.operation)
}
