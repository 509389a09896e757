//! `cargo xtask vm test`: the in-guest tests, one program, on every kernel.

use super::{Added, Job, Series, Settings, aegisbpf, perform};
use crate::report::{self, Tally, Tee};
use crate::workspace;
use anyhow::{Context, Result};
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = "/usr/bin/aegis-guest-tests";
/// Long enough for every test on a slow machine; a hung one ends the run before CI does.
const TIMEOUT: u64 = 900;

/// Options of `vm test`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where to run: 6.1, 6.12, 6.12-preempt or all.
    #[arg(long, default_value = "all", value_parser = ["6.1", "6.12", "6.12-preempt", "all"])]
    kernel: String,
    /// Only tests whose name contains this.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Run on this machine, whose kernel must load BPF LSM programs.
    #[arg(long)]
    native: bool,
}

impl Args {
    /// Every test on every kernel.
    pub(crate) fn everywhere() -> Self {
        Self { kernel: "all".to_owned(), filter: None, native: false }
    }
}

/// A kernel and how it is booted.
struct Place {
    name: &'static str,
    series: Series,
    cmdline: &'static str,
}

const PLACES: [Place; 3] = [
    Place { name: "6.1", series: Series::V6_1, cmdline: "" },
    Place { name: "6.12", series: Series::V6_12, cmdline: "" },
    // Preemption inside the kernel brings out races that the default hides.
    Place { name: "6.12-preempt", series: Series::V6_12, cmdline: "preempt=full" },
];

/// What happened at one place.
struct Row {
    place: &'static str,
    tally: Tally,
    time: Duration,
}

/// Runs the tests everywhere, prints a table, and returns the sum.
pub(crate) fn run(args: &Args) -> Result<Tally> {
    let build = ["test", "--package", "aegis-tests", "--test", "guest", "--no-run"];
    let program = workspace::executable(&build, "guest")?;
    let mut options = vec!["--test-threads=1".to_owned()];
    options.extend(args.filter.clone());
    let mut rows = Vec::new();
    if args.native {
        rows.push(timed("native", || native(&program, &options))?);
    } else {
        let added = [aegisbpf()?, Some(Added { from: program, to: PROGRAM.into() })];
        let added: Vec<Added> = added.into_iter().flatten().collect();
        for place in PLACES.iter().filter(|place| ["all", place.name].contains(&args.kernel.as_str())) {
            println!("\n== tests on {} ==", place.name);
            rows.push(timed(place.name, || in_guest(place, &added, &options))?);
        }
    }
    Ok(summary(&rows))
}

fn timed(place: &'static str, run: impl FnOnce() -> Result<Tally>) -> Result<Row> {
    let start = Instant::now();
    let mut tally = run()?;
    if tally == Tally::default() {
        eprintln!("{place}: no test ran");
        tally = Tally::BROKEN;
    }
    Ok(Row { place, tally, time: start.elapsed() })
}

fn native(program: &Path, options: &[String]) -> Result<Tally> {
    let mut command = Command::new(program);
    let mut child = command.args(options).stdout(Stdio::piped()).spawn().context("cannot start the tests")?;
    let mut tee = Tee::default();
    if let Some(mut stdout) = child.stdout.take() {
        io::copy(&mut stdout, &mut tee)?;
    }
    report::read(&tee.text(), "native", child.wait()?.success())
}

fn in_guest(place: &Place, added: &[Added], options: &[String]) -> Result<Tally> {
    let settings = Settings { cmdline: place.cmdline.to_owned(), timeout: TIMEOUT, ..Settings::default() };
    let command: Vec<String> = std::iter::once(PROGRAM.to_owned()).chain(options.iter().cloned()).collect();
    let job = Job { series: place.series, settings: &settings, added, command: &command, out: None };
    let tee = Tee::default();
    let ending = perform(&job, tee.clone(), io::stderr())?;
    report::read(&tee.text(), place.name, ending.status() == 0)
}

fn summary(rows: &[Row]) -> Tally {
    let mut sum = Tally::default();
    println!("\n{:<14}{:>8}{:>8}{:>8}{:>10}", "kernel", "passed", "failed", "skipped", "seconds");
    for Row { place, tally, time } in rows {
        let Tally { passed, failed, skipped, .. } = tally;
        let verdict = if tally.good() { "ok" } else { "NOT OK" };
        println!("{place:<14}{passed:>8}{failed:>8}{skipped:>8}{:>10.1}  {verdict}", time.as_secs_f32());
        sum += *tally;
    }
    sum
}
