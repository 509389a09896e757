//! From measurements to numbers that mean the same everywhere: multiples of what the empty program adds.

use crate::agent::Tables;
use serde::Serialize;
use std::fmt;

/// What was measured.
pub(crate) struct Numbers {
    pub(crate) bare: f64,
    pub(crate) bare_beside_rules: f64,
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
    /// The same, of the files that are used for directories with slots.
    bare_beside_rules: f64,
    /// The first again, after everything was taken down.
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
        let Numbers { bare, bare_beside_rules, empty, few, many, bare_afterwards } = numbers;
        let empty_adds = empty - bare;
        let cost = |total: f64, bare: f64| Cost {
            total: rounded(total),
            added: rounded(total - bare),
            ratio: rounded((total - bare) / empty_adds),
        };
        let aegis = |under: Under| Aegis {
            tables: under.tables,
            without_slots: cost(under.without_slots, bare),
            with_slots: cost(under.with_slots, bare_beside_rules),
        };
        let (few, many) = (aegis(few), aegis(many));
        Self {
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            unit: UNIT,
            bare: rounded(bare),
            bare_beside_rules: rounded(bare_beside_rules),
            bare_afterwards: rounded(bare_afterwards),
            empty_program: cost(empty, bare),
            targets: targets(&few, &many),
            aegis: vec![few, many],
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "Linux {}, {}\n", self.kernel, self.unit)?;
        writeln!(out, "{:<46}{:>9}{:>9}{:>8}", "", "total", "added", "ratio")?;
        for (what, total) in [
            ("nothing attached, directory without slots", self.bare),
            ("nothing attached, directory with slots", self.bare_beside_rules),
            ("nothing attached, in the end", self.bare_afterwards),
        ] {
            writeln!(out, "{what:<46}{total:>9.0}")?;
        }
        line(out, "empty program", self.empty_program)?;
        for aegis in &self.aegis {
            let rules = aegis.tables.rules;
            line(out, &format!("rules: {rules}, directory without slots"), aegis.without_slots)?;
            line(out, &format!("rules: {rules}, directory with slots"), aegis.with_slots)?;
        }
        writeln!(out)?;
        for Target { what, ratio, at_most, met } in &self.targets {
            let verdict = if *met { "met" } else { "MISSED" };
            writeln!(out, "{what:<55}{ratio:>6.2} at most {at_most:.1}  {verdict}")?;
        }
        Ok(())
    }
}

fn line(out: &mut fmt::Formatter<'_>, what: &str, Cost { total, added, ratio }: Cost) -> fmt::Result {
    writeln!(out, "{what:<46}{total:>9.0}{added:>9.0}{ratio:>8.2}")
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

#[cfg(test)]
mod tests {
    use super::*;

    const TABLES: Tables = Tables { rules: 1, objects: 2, slots: 1 };

    /// Added to a bare open+close of 1,000, or 1,010 beside rules: 100 by the empty program, and what is given here.
    fn report(few: [f64; 2], many: [f64; 2]) -> Report {
        let under = |[without, with]: [f64; 2]| Under {
            tables: TABLES,
            without_slots: 1_000.0 + without,
            with_slots: 1_010.0 + with,
        };
        let numbers = Numbers {
            bare: 1_000.0,
            bare_beside_rules: 1_010.0,
            empty: 1_100.0,
            few: under(few),
            many: under(many),
            bare_afterwards: 1_001.0,
        };
        Report::new(numbers)
    }

    #[test]
    fn targets_are_judged_by_what_is_added() {
        let rows = [
            ("all at their limits", [350.0, 450.0], [525.0, 675.0], [true; 4]),
            ("dear without slots", [351.0, 450.0], [351.0, 450.0], [false, true, true, true]),
            ("dear with slots", [350.0, 451.0], [350.0, 451.0], [true, false, true, true]),
            ("grows without slots", [100.0, 100.0], [151.0, 100.0], [true, true, false, true]),
            ("grows with slots", [100.0, 100.0], [100.0, 151.0], [true, true, true, false]),
        ];
        for (what, few, many, met) in rows {
            let report = report(few, many);
            let judged: Vec<bool> = report.targets.iter().map(|target| target.met).collect();
            assert_eq!(judged, met, "{what}");
            assert_eq!(report.to_string().contains("MISSED"), met != [true; 4], "{what}");
        }
    }

    #[test]
    fn ratios_are_to_the_empty_program() {
        let report = report([300.0, 400.0], [330.0, 440.0]);
        assert_eq!(report.empty_program, Cost { total: 1_100.0, added: 100.0, ratio: 1.0 });
        assert_eq!(report.aegis[0].without_slots, Cost { total: 1_300.0, added: 300.0, ratio: 3.0 });
        assert_eq!(report.aegis[1].with_slots, Cost { total: 1_450.0, added: 440.0, ratio: 4.4 });
    }
}
