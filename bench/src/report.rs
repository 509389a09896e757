//! From measurements to numbers that mean the same everywhere: multiples of what the empty program adds.

use crate::agent::Tables;
use crate::case::{Case, Operation};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// What was measured.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    /// With nothing attached.
    pub(crate) bare: BTreeMap<Case, f64>,
    /// The references once more, after everything was taken down.
    pub(crate) bare_afterwards: BTreeMap<Operation, f64>,
    /// The references with the empty program attached.
    pub(crate) empty: BTreeMap<Operation, f64>,
    /// Under policies.
    pub(crate) measured: Vec<Measured>,
}

/// What was measured under one policy.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) case: Case,
    pub(crate) tables: Tables,
    pub(crate) total: f64,
}

/// The result.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    kernel: String,
    unit: &'static str,
    references: Vec<Reference>,
    aegis: Vec<Aegis>,
    targets: Vec<Target>,
}

/// An operation by itself, and with the empty program on its hook.
#[derive(Debug, Serialize)]
struct Reference {
    operation: Operation,
    bare: f64,
    /// The same, after everything was taken down.
    bare_afterwards: f64,
    empty_program: Cost,
}

/// What something costs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Cost {
    total: f64,
    added: f64,
    /// In multiples of what the empty program adds.
    ratio: f64,
}

/// A case under one policy.
#[derive(Debug, Serialize)]
struct Aegis {
    operation: Operation,
    case: Case,
    #[serde(flatten)]
    tables: Tables,
    /// With nothing attached.
    bare: f64,
    #[serde(flatten)]
    cost: Cost,
}

/// Something that must hold.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Target {
    what: &'static str,
    ratio: f64,
    at_most: f64,
    met: bool,
}

const UNIT: &str = "guest instructions per operation";

impl Report {
    /// Puts the measurements in relation.
    pub(crate) fn new(numbers: &Numbers) -> Self {
        let bare = |case| number(&numbers.bare, case);
        let empty_adds =
            |operation: Operation| number(&numbers.empty, operation) - bare(operation.reference());
        let cost = |case: Case, total: f64| Cost {
            total: rounded(total),
            added: rounded(total - bare(case)),
            ratio: rounded((total - bare(case)) / empty_adds(case.operation())),
        };
        let references = Operation::ALL.map(|operation| Reference {
            operation,
            bare: rounded(bare(operation.reference())),
            bare_afterwards: rounded(number(&numbers.bare_afterwards, operation)),
            empty_program: cost(operation.reference(), number(&numbers.empty, operation)),
        });
        let aegis = |&Measured { case, tables, total }: &Measured| Aegis {
            operation: case.operation(),
            case,
            tables,
            bare: rounded(bare(case)),
            cost: cost(case, total),
        };
        let aegis: Vec<Aegis> = numbers.measured.iter().map(aegis).collect();
        Self {
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            unit: UNIT,
            references: references.into(),
            targets: targets(&aegis),
            aegis,
        }
    }
}

/// What was not measured is not a number, and meets no target.
fn number<K: Ord>(numbers: &BTreeMap<K, f64>, key: K) -> f64 {
    numbers.get(&key).copied().unwrap_or(f64::NAN)
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "Linux {}, {}", self.kernel, self.unit)?;
        for Reference { operation, bare, bare_afterwards, empty_program } in &self.references {
            writeln!(out, "\n{:<51}{:>9}{:>9}{:>8}", operation.word(), "total", "added", "ratio")?;
            writeln!(out, "{:<51}{bare:>9.0}", "nothing attached")?;
            writeln!(out, "{:<51}{bare_afterwards:>9.0}", "nothing attached, in the end")?;
            line(out, "empty program", *empty_program)?;
            for aegis in self.aegis.iter().filter(|aegis| aegis.operation == *operation) {
                let what = format!("rules: {}, {}", aegis.tables.rules, aegis.case.words());
                line(out, &what, aegis.cost)?;
            }
        }
        writeln!(out)?;
        for Target { what, ratio, at_most, met } in &self.targets {
            let verdict = if *met { "met" } else { "MISSED" };
            writeln!(out, "{what:<60}{ratio:>6.2} at most {at_most:.1}  {verdict}")?;
        }
        Ok(())
    }
}

fn line(out: &mut fmt::Formatter<'_>, what: &str, Cost { total, added, ratio }: Cost) -> fmt::Result {
    writeln!(out, "{what:<51}{total:>9.0}{added:>9.0}{ratio:>8.2}")
}

/// What each case may cost, in multiples of what the empty program adds.
const LIMITS: [(Case, &str, f64); 3] = [
    (Case::Plain, "open+close, directory without slots, to the empty program", 3.5),
    (Case::Beside, "open+close, directory with slots, to the empty program", 4.5),
    (Case::Depth4, "open+close, another subtree, 4 directories, to the same", 8.0),
];

/// How much more 100,000 rules may add than one.
const GROWTHS: [(Case, &str, f64); 2] = [
    (Case::Plain, "open+close, directory without slots, 100,000 rules to 1", 1.5),
    (Case::Beside, "open+close, directory with slots, 100,000 rules to 1", 1.5),
];

fn targets(aegis: &[Aegis]) -> Vec<Target> {
    // A case that was measured twice was measured with few rules first.
    let costs = |case| aegis.iter().filter(move |aegis| aegis.case == case).map(|aegis| aegis.cost);
    let few = |case| costs(case).next();
    let growth = |case| Some(rounded(costs(case).last()?.added / costs(case).next()?.added));
    let target = |what, ratio: Option<f64>, at_most| {
        let ratio = ratio.unwrap_or(f64::NAN);
        Target { what, ratio, at_most, met: ratio <= at_most }
    };
    let limits = LIMITS.map(|(case, what, at_most)| target(what, few(case).map(|cost| cost.ratio), at_most));
    let growths = GROWTHS.map(|(case, what, at_most)| target(what, growth(case), at_most));
    limits.into_iter().chain(growths).collect()
}

fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLES: Tables = Tables { rules: 1, objects: 2, slots: 1 };

    /// What the empty program adds to each operation.
    const EMPTY: f64 = 100.0;

    fn bare(case: Case) -> f64 {
        match case {
            Case::Beside => 1_010.0,
            Case::Start => 90_000.0,
            _ => 1_000.0,
        }
    }

    /// What is added to the bare operations by each policy.
    fn report(added: &[(Case, f64)]) -> Report {
        let references = Operation::ALL.map(|operation| (operation, bare(operation.reference())));
        Report::new(&Numbers {
            bare: Case::ALL.map(|case| (case, bare(case))).into(),
            bare_afterwards: references.map(|(operation, bare)| (operation, bare + 1.0)).into(),
            empty: references.map(|(operation, bare)| (operation, bare + EMPTY)).into(),
            measured: added
                .iter()
                .map(|&(case, added)| Measured { case, tables: TABLES, total: bare(case) + added })
                .collect(),
        })
    }

    /// All targets are met to the last.
    fn at_limits() -> Vec<(Case, f64)> {
        let few = LIMITS.map(|(case, _, limit)| (case, limit * EMPTY));
        let many = GROWTHS.map(|(case, _, growth)| {
            let added = few.iter().find(|(of, _)| *of == case).unwrap().1;
            (case, added * growth)
        });
        few.into_iter().chain(many).collect()
    }

    fn met(report: &Report) -> Vec<bool> {
        report.targets.iter().map(|target| target.met).collect()
    }

    #[test]
    fn targets_are_judged_by_what_is_added() {
        let limits = at_limits();
        assert_eq!(limits.len(), LIMITS.len() + GROWTHS.len());
        assert!(met(&report(&limits)).iter().all(|met| *met));
        assert!(!report(&limits).to_string().contains("MISSED"));
        for at in 0..limits.len() {
            let mut added = limits.clone();
            added[at].1 += 10.0;
            let report = report(&added);
            let missed: Vec<usize> =
                (0..limits.len()).filter(|&target| !report.targets[target].met).collect();
            assert_eq!(missed, [at]);
            assert!(report.to_string().contains("MISSED"));
        }
    }

    #[test]
    fn what_was_not_measured_meets_no_target() {
        assert!(met(&report(&[])).iter().all(|met| !met));
    }

    #[test]
    fn ratios_are_to_the_empty_program_on_the_same_hook() {
        let report = report(&[(Case::Beside, 440.0), (Case::Start, 1_200.0)]);
        let empty = Cost { total: 90_100.0, added: 100.0, ratio: 1.0 };
        assert_eq!(report.references[1].empty_program, empty);
        assert_eq!(report.aegis[0].cost, Cost { total: 1_450.0, added: 440.0, ratio: 4.4 });
        assert_eq!(report.aegis[1].cost, Cost { total: 91_200.0, added: 1_200.0, ratio: 12.0 });
    }
}
