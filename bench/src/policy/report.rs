//! From what the daemon told to medians, and from them to what was to be reached. Pure.

use aegis_control_api::{Memory, Step};
use serde::Serialize;
use std::fmt;
use std::time::Duration;

/// The result.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    kernel: String,
    unit: &'static str,
    sizes: Vec<Size>,
    targets: Vec<Target>,
}

/// What policies of one size cost.
#[derive(Debug, Serialize)]
pub(crate) struct Size {
    rules: u32,
    rounds: usize,
    /// The median of each, in the order in which they are done.
    steps: Vec<Time>,
    /// The median of the sum of [`COUNTED`].
    total_counted: f64,
    tables_bytes: u64,
    resident_bytes: Option<u64>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Time {
    step: String,
    milliseconds: f64,
}

/// Something that must hold of the total.
#[derive(Debug, PartialEq, Serialize)]
struct Target {
    rules: u32,
    milliseconds: f64,
    at_most: f64,
    met: bool,
}

/// The steps that the targets are about, and no others: finding files is the file system's time, writing down the disk's,
/// waiting for decisions the kernel's.
const COUNTED: [&str; 5] = ["compile", "build", "load", "read_back", "flip"];

/// How many milliseconds they may take, by the number of rules.
const TARGETS: [(u32, f64); 2] = [(10_000, 100.0), (100_000, 500.0)];

const TOTAL: &str = "total that counts";

impl Size {
    /// From the steps of each round.
    pub(crate) fn new(rules: u32, rounds: &[Vec<Step>], memory: &Memory) -> Self {
        let names = rounds.first().into_iter().flatten().map(|step| step.step.as_str());
        let steps = names.map(|name| {
            let milliseconds = median(rounds.iter().map(|round| sum(round, &[name])).collect());
            Time { step: name.to_owned(), milliseconds }
        });
        Self {
            rules,
            rounds: rounds.len(),
            steps: steps.collect(),
            total_counted: median(rounds.iter().map(|round| sum(round, &COUNTED)).collect()),
            tables_bytes: memory.tables_bytes,
            resident_bytes: memory.resident_bytes,
        }
    }

    fn time(&self, step: &str) -> f64 {
        let found = self.steps.iter().find(|time| time.step == step);
        found.map_or(f64::NAN, |time| time.milliseconds)
    }
}

/// Milliseconds of these steps.
fn sum(round: &[Step], names: &[&str]) -> f64 {
    let named = round.iter().filter(|step| names.contains(&step.step.as_str()));
    Duration::from_micros(named.map(|step| step.microseconds).sum()).as_secs_f64() * 1e3
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).map_or(f64::NAN, |value| (value * 1e3).round() / 1e3)
}

impl Report {
    pub(crate) fn new(sizes: Vec<Size>) -> Self {
        let target = |(rules, at_most): (u32, f64)| {
            let milliseconds = sizes.iter().find(|size| size.rules == rules)?.total_counted;
            Some(Target { rules, milliseconds, at_most, met: milliseconds <= at_most })
        };
        let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
        let targets = TARGETS.into_iter().filter_map(target).collect();
        Self { kernel, unit: "milliseconds, the median of the rounds", sizes, targets }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "Linux {}, {}\n", self.kernel, self.unit)?;
        let line = |out: &mut fmt::Formatter<'_>, what: &str, cell: &dyn Fn(&Size) -> String| {
            write!(out, "{what:<24}")?;
            self.sizes.iter().try_for_each(|size| write!(out, "{:>12}", cell(size)))?;
            writeln!(out)
        };
        line(out, "rules", &|size| size.rules.to_string())?;
        line(out, "rounds", &|size| size.rounds.to_string())?;
        for Time { step, .. } in self.sizes.iter().take(1).flat_map(|size| &size.steps) {
            line(out, &step.replace('_', " "), &|size| format!("{:.1}", size.time(step)))?;
        }
        line(out, TOTAL, &|size| format!("{:.1}", size.total_counted))?;
        line(out, "tables, KiB", &|size| (size.tables_bytes / 1024).to_string())?;
        line(out, "daemon, KiB", &|size| {
            size.resident_bytes.map_or_else(|| "-".to_owned(), |bytes| (bytes / 1024).to_string())
        })?;
        writeln!(out)?;
        for Target { rules, milliseconds, at_most, met } in &self.targets {
            let verdict = if *met { "met" } else { "MISSED" };
            writeln!(out, "{rules} rules, {TOTAL}: {milliseconds:.1} ms, at most {at_most:.0}  {verdict}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(steps: &[(&str, u64)]) -> Vec<Step> {
        let step = |(step, microseconds): &(&str, u64)| Step {
            step: (*step).to_owned(),
            microseconds: *microseconds,
        };
        steps.iter().map(step).collect()
    }

    #[test]
    fn medians_are_of_rounds_and_the_total_of_what_is_counted() {
        let rounds = [
            round(&[("parse", 1), ("compile", 1_000), ("resolve", 70_000), ("load", 9_000), ("prove", 5)]),
            round(&[("parse", 3), ("compile", 2_000), ("resolve", 50_000), ("load", 1_000), ("prove", 5)]),
            round(&[("parse", 2), ("compile", 5_000), ("resolve", 60_000), ("load", 2_000), ("prove", 5)]),
        ];
        let size = Size::new(7, &rounds, &Memory::default());
        let times: Vec<_> =
            size.steps.iter().map(|time| format!("{} {}", time.step, time.milliseconds)).collect();
        assert_eq!(times, ["parse 0.002", "compile 2", "resolve 60", "load 2", "prove 0.005"]);
        assert_eq!(size.total_counted.to_string(), "7");
    }

    #[test]
    fn targets_are_shown_as_met_or_missed() {
        let rows = [
            ("at the limits", 100_000, 500_000, [true, true]),
            ("few are slow", 100_001, 500_000, [false, true]),
            ("many are slow", 100_000, 500_001, [true, false]),
        ];
        for (what, few, many, met) in rows {
            let size = |rules, microseconds| {
                Size::new(rules, &[round(&[("build", microseconds)])], &Memory::default())
            };
            let report = Report::new(vec![size(1_000, 1), size(10_000, few), size(100_000, many)]);
            let judged: Vec<bool> = report.targets.iter().map(|target| target.met).collect();
            assert_eq!(judged, met, "{what}");
            assert_eq!(report.to_string().contains("MISSED"), met != [true; 2], "{what}");
        }
    }
}
