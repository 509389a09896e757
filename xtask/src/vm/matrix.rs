//! `cargo xtask vm matrix`: the enforcement matrix alone, counted by class. The rows are in `tests/src/matrix`, and
//! `vm test` runs them with all other tests.

use super::test::{PROGRAM, Place, added, timed_settings};
use super::{Added, Job, perform, side_by_side};
use crate::format::Format;
use crate::report::{self, Tally, Tee};
use crate::workspace::Profile;
use anyhow::Result;
use serde_json::json;
use std::io;
use std::process::ExitCode;

/// What the names of its tests begin with; class, file system and row follow.
const PREFIX: &str = "matrix::";
/// Has the tests leave out those with other names.
const ONLY: &str = "AEGIS_ONLY";
/// Stands for the run itself where that broke: what it hides must not look as if it had passed.
const RUN: &str = "run";

/// Options of `vm matrix`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where to run: 6.1, 6.12, backports, or all of the first two.
    #[arg(long, default_value = "all", value_parser = ["6.1", "6.12", "backports", "all"])]
    kernel: String,
    /// How the result is written; with json it is a document for each kernel, on a line of its own, and all that is on
    /// stdout.
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
    /// Only rows whose name, such as `matrix::readers::ext4::open`, contains this.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
}

/// What became of the rows of a class.
#[derive(Default, Debug, PartialEq, Eq)]
struct Class {
    name: String,
    passed: u64,
    failed: u64,
    skipped: u64,
}

/// What became of all rows on one kernel.
struct Outcome {
    kernel: &'static str,
    classes: Vec<Class>,
    tally: Tally,
}

/// Runs the matrix, prints what became of each class, and passes on whether all is well.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let added = added(Profile::Dev)?;
    let places: Vec<&Place> = Place::of_matrix(&args.kernel).collect();
    let outcomes = side_by_side(&places, |place| in_guest(place, &added, args.filter.as_deref()))?;
    for outcome in &outcomes {
        match args.output {
            Format::Json => println!("{}", outcome.document()),
            Format::Table => print!("{}", outcome.table()),
        }
    }
    let good = outcomes.iter().all(|outcome| outcome.tally.good());
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn in_guest(place: &Place, added: &[Added], filter: Option<&str>) -> Result<Outcome> {
    let only = format!("{ONLY}={PREFIX}");
    let words = ["env", &only, PROGRAM, "--test-threads=1"].into_iter().chain(filter);
    let command: Vec<String> = words.map(str::to_owned).collect();
    let settings = timed_settings(place, false);
    let job = Job { series: place.series, settings: &settings, added, command: &command, out: None };
    let tee = Tee::aside(place.name);
    let ending = perform(&job, tee.clone(), io::stderr())?;
    let text = tee.text();
    let mut tally = report::read(&text, place.name, ending.status() == 0)?;
    let mut classes = classes(&text);
    let failed: u64 = classes.iter().map(|class| class.failed).sum();
    if classes.is_empty() || tally.failed > failed {
        tally.failed = tally.failed.max(1);
        classes.push(Class { name: RUN.to_owned(), failed: tally.failed - failed, ..Class::default() });
    }
    Ok(Outcome { kernel: place.name, classes, tally })
}

/// The classes of the tests in what a test program printed, in its order.
fn classes(output: &str) -> Vec<Class> {
    let mut classes: Vec<Class> = Vec::new();
    for line in output.lines() {
        let Some((test, outcome)) = line.strip_prefix("test ").and_then(|line| line.split_once(" ... "))
        else {
            continue;
        };
        let Some((name, _)) = test.strip_prefix(PREFIX).and_then(|test| test.split_once("::")) else {
            continue;
        };
        let at = classes.iter().position(|class| class.name == name).unwrap_or_else(|| {
            classes.push(Class { name: name.to_owned(), ..Class::default() });
            classes.len() - 1
        });
        if let Some(class) = classes.get_mut(at) {
            match outcome.trim() {
                "ok" => class.passed += 1,
                outcome if outcome.starts_with("ignored") => class.skipped += 1,
                _ => class.failed += 1,
            }
        }
    }
    classes
}

impl Outcome {
    /// One JSON document, in the order in which people read it.
    fn document(&self) -> String {
        let class = |class: &Class| {
            let Class { name, passed, failed, skipped } = class;
            let name = json!(name);
            format!(r#"{{"name":{name},"passed":{passed},"failed":{failed},"skipped":{skipped}}}"#)
        };
        let classes: Vec<String> = self.classes.iter().map(class).collect();
        format!(r#"{{"kernel":{},"classes":[{}]}}"#, json!(self.kernel), classes.join(","))
    }

    fn table(&self) -> String {
        let mut text = format!("{:<14}{:>8}{:>8}{:>8}\n", self.kernel, "passed", "failed", "skipped");
        for Class { name, passed, failed, skipped } in &self.classes {
            text += &format!("{name:<14}{passed:>8}{failed:>8}{skipped:>8}\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_by_class() {
        let output = "running 5 tests\n\
            matrix on ext4: trying took 1.0 s\n\
            test matrix::readers::ext4::open  ... ok\n\
            test matrix::exec::ext4::directly ... FAILED\n\
            test matrix::readers::tmpfs::open ... ok\n\
            test matrix::readers::tmpfs::creat ... ignored\n\
            test life::ext4::read_by_path ... ok\n";
        let class =
            |name: &str, passed, failed, skipped| Class { name: name.to_owned(), passed, failed, skipped };
        assert_eq!(classes(output), [class("readers", 2, 0, 1), class("exec", 0, 1, 0)]);
    }

    #[test]
    fn a_document_is_one_line() {
        let classes = classes("test matrix::links::ext4::link ... ok\n");
        let outcome = Outcome { kernel: "6.12", classes, tally: Tally::default() };
        let expected = r#"{"kernel":"6.12","classes":[{"name":"links","passed":1,"failed":0,"skipped":0}]}"#;
        assert_eq!(outcome.document(), expected);
    }
}
