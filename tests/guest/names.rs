//! Operations on names: each is allowed, then denied by the rule that says so and for its reason, and allowed again
//! after detach. A neighbour on which no rule is stays allowed all the while.
//!
//! The same is done with other tables of rows.

use aegis_tests::agent::Agent;
use aegis_tests::check::{expect, expect_text};
use aegis_tests::names::{ROWS, Row};
use aegis_tests::outcome::Outcome;
use aegis_tests::place::{Kind, Place};
use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

/// Rows that share one life on each file system.
pub(crate) struct Table {
    /// The name of the tests.
    pub(crate) name: &'static str,
    pub(crate) rows: &'static [Row],
    /// Whether the kind of file system knows what the row does.
    pub(crate) is_known: fn(Kind, &Row) -> bool,
}

static NAMES: Table = Table {
    name: "names",
    rows: ROWS,
    // Overlays of 6.1 know no files without a name.
    is_known: |kind, row| kind != Kind::Overlay || row.name != "link-of-a-nameless-file",
};

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    NAMES.trials()
}

impl Table {
    /// A test for each row on each file system.
    pub(crate) fn trials(&'static self) -> Vec<Trial> {
        let all = Kind::ALL.into_iter().flat_map(|kind| self.rows.iter().map(move |row| (kind, row)));
        all.filter(|(kind, row)| (self.is_known)(*kind, row))
            .map(|(kind, row)| {
                let name = format!("{}::{}::{}", self.name, kind.name(), row.name);
                Trial::test(name, move || check_row(self, kind, row))
            })
            .collect()
    }
}

/// What was seen of one row.
#[derive(Debug, Clone)]
struct Seen {
    before: Outcome,
    armed: Outcome,
    control: Outcome,
    events: Vec<Value>,
    after: Outcome,
}

type Life = HashMap<&'static str, Seen>;

/// One life for all rows of a table on a file system.
fn life(table: &Table, kind: Kind) -> Life {
    static LIVES: LazyLock<Mutex<HashMap<(&str, Kind), Life>>> = LazyLock::new(Mutex::default);
    let mut lives = LIVES.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    lives.entry((table.name, kind)).or_insert_with(|| live(table, kind)).clone()
}

fn live(table: &Table, kind: Kind) -> Life {
    let (place, rows) = (Place::make(kind), table.rows);
    let directory = |row: &Row| place.directory.join(row.name);
    let attempt = |side| rows.iter().map(|row| row.attempt(&directory(row), side)).collect::<Vec<_>>();
    rows.iter().for_each(|row| row.prepare(&directory(row)));
    let before = attempt("protected");
    rows.iter().for_each(|row| row.prepare(&directory(row)));
    let rules: String = rows.iter().map(|row| row.rule(&directory(row))).collect();
    let name = table.name;
    let policy = format!("version = 3\nname = \"{name}\"\n{rules}[exempt]\ncgroup = [\"/aegis-exempt\"]\n");
    let mut agent = Agent::new(&format!("aegis-{name}"));
    agent.start(&policy, &["--enforce"]);
    // It would find out what was made anew, and know it by itself.
    agent.stop();
    rows.iter().filter(|row| !row.exempt.is_empty()).for_each(|row| {
        place.as_exempt(&format!("cd {} && {}", row.name, row.exempt));
    });
    let armed = attempt("protected");
    let control = attempt("neighbour");
    agent.go_on();
    agent.settle();
    let blocks = agent.blocks();
    agent.detach();
    let after = attempt("protected");
    let seen = before.into_iter().zip(armed).zip(control).zip(after);
    let seen = seen.zip(rows).map(|((((before, armed), control), after), row)| {
        let events = blocks.iter().filter(|event| event["rule"] == row.name).cloned().collect();
        (row.name, Seen { before, armed, control, events, after })
    });
    seen.collect()
}

fn check_row(table: &Table, kind: Kind, row: &'static Row) -> Result<(), Failed> {
    let life = life(table, kind);
    let seen = life.get(row.name).ok_or("it was not tried")?;
    let is_denied = !row.reason.is_empty();
    expect("before arming", &seen.before, &Outcome::Allowed)?;
    expect("armed", &seen.armed, if is_denied { &Outcome::Denied } else { &Outcome::Allowed })?;
    expect("neighbour", &seen.control, &Outcome::Allowed)?;
    expect("after detach", &seen.after, &Outcome::Allowed)?;
    expect("events that name the rule", seen.events.len(), usize::from(is_denied))?;
    seen.events.iter().try_for_each(|event| {
        expect("verdict", event["verdict"].as_str(), Some("deny"))?;
        expect("reason", event["reason"].as_str(), Some(row.reason))?;
        expect_text("operations", &event["operations"].to_string(), row.operation)
    })
}
