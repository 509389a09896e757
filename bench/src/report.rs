//! From measurements to numbers that mean the same everywhere: multiples of what the empty program adds.

use crate::agent::Tables;
use serde::Serialize;

/// What was measured.
pub(crate) struct Numbers {
    pub(crate) bare: f64,
    pub(crate) empty: f64,
    pub(crate) few: Under,
    pub(crate) many: Under,
    pub(crate) bare_afterwards: f64,
}

/// What was measured under one policy.
pub(crate) struct Under {
    pub(crate) tables: Tables,
    pub(crate) without_slots: f64,
    pub(crate) with_slots: f64,
}

/// The result.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    kernel: String,
    unit: &'static str,
    bare: f64,
    bare_afterwards: f64,
    empty_program: Cost,
    aegis: Vec<Aegis>,
    targets: Vec<Target>,
}

/// What something costs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Cost {
    total: f64,
    added: f64,
    /// In multiples of what the empty program adds.
    ratio: f64,
}

/// The probes under one policy.
#[derive(Debug, Serialize)]
struct Aegis {
    #[serde(flatten)]
    tables: Tables,
    without_slots: Cost,
    with_slots: Cost,
}

/// Something that must hold.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Target {
    what: &'static str,
    ratio: f64,
    at_most: f64,
    met: bool,
}

const UNIT: &str = "guest instructions per open+close";

impl Report {
    pub(crate) fn new(numbers: Numbers) -> Self {
        let Numbers { bare, empty, few, many, bare_afterwards } = numbers;
        let cost = |total: f64| Cost {
            total: rounded(total),
            added: rounded(total - bare),
            ratio: rounded((total - bare) / (empty - bare)),
        };
        let aegis = |under: Under| Aegis {
            tables: under.tables,
            without_slots: cost(under.without_slots),
            with_slots: cost(under.with_slots),
        };
        let (few, many) = (aegis(few), aegis(many));
        Self {
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            unit: UNIT,
            bare: rounded(bare),
            bare_afterwards: rounded(bare_afterwards),
            empty_program: cost(empty),
            targets: targets(&few, &many),
            aegis: vec![few, many],
        }
    }
}

/// The targets: what one rule may cost, and how much more 100,000 of them.
fn targets(few: &Aegis, many: &Aegis) -> Vec<Target> {
    let target = |what, ratio, at_most| Target { what, ratio, at_most, met: ratio <= at_most };
    let growth = |few: Cost, many: Cost| rounded(many.added / few.added);
    vec![
        target("directory without slots, to the empty program", few.without_slots.ratio, 3.5),
        target("directory with slots, to the empty program", few.with_slots.ratio, 4.5),
        target(
            "directory without slots, 100,000 rules to 1",
            growth(few.without_slots, many.without_slots),
            1.5,
        ),
        target("directory with slots, 100,000 rules to 1", growth(few.with_slots, many.with_slots), 1.5),
    ]
}

fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}
