//! Starts the daemon, lets everything happen to it, and judges.

mod acts;
mod apart;
mod subject;
mod verdict;

use crate::attack::{Attackers, scene};
use crate::plan::{Plan, Scenario};
use crate::report::Report;
use acts::Acts;
use anyhow::{Context, Result};
use clap::ValueEnum;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use subject::Subject;

/// What is to be played.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What is played.
    #[arg(long, value_enum, default_value = "all")]
    scenario: Scenario,
    /// Repeats a plan; a new one is drawn without it. It is printed.
    #[arg(long)]
    seed: Option<u64>,
    /// How long faults come at random. What a scenario plays in full is played in full in any case.
    #[arg(long, default_value_t = 1)]
    minutes: u64,
    /// For the files that are attacked, the daemon's socket and its state, which are removed in the end.
    #[arg(long, value_name = "DIR")]
    directory: PathBuf,
    /// For the pins; on a bpf file system. Without it there is one that nobody else sees, and that ends with this program.
    #[arg(long, value_name = "DIR")]
    pins: Option<PathBuf>,
    /// Within how many milliseconds the daemon must be well after a single fault.
    #[arg(long, value_name = "MS", default_value_t = 2_000)]
    well_within: u64,
    /// How many microseconds attackers wait between two attempts; 0 does not wait. They leave the processors of a small
    /// machine to the daemon then, which is well again sooner.
    #[arg(long, value_name = "US", default_value_t = 0)]
    pause: u64,
    /// How the result is written.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Format,
}

/// Formats of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
}

/// Plays, and prints what held. The exit code says whether everything did.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let Some(pins) = &args.pins else { return apart::run(&args.directory) };
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..));
    eprintln!("chaos: scenario {}, seed {seed}", args.scenario.name());
    // A directory of its own in it: what else is there is none of its business.
    let directory = args.directory.join("chaos");
    let files = directory.join("files");
    std::fs::create_dir_all(&files).with_context(|| format!("cannot make {}", files.display()))?;
    let report = play(args, pins, seed, &directory, &files);
    let removed = std::fs::remove_dir_all(&directory);
    let report = report?;
    removed.with_context(|| format!("cannot remove {}", directory.display()))?;
    match args.output {
        Format::Table => print!("{report}"),
        Format::Json => println!("{}", serde_json::to_string(&report)?),
    }
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn play(args: &Args, pins: &Path, seed: u64, directory: &Path, files: &Path) -> Result<Report> {
    let policy = scene(files).context("cannot make the files that are attacked")?;
    let mut subject = Subject::start(directory, pins, args.scenario.is_inside(), &policy)?;
    let mut attackers = Attackers::start(files, subject.is_enforced(), Duration::from_micros(args.pause));
    let began = Instant::now();
    let mut acts = Acts::new(Duration::from_millis(args.well_within));
    // From here on it has its queues and its first events.
    std::thread::sleep(Duration::from_secs(1));
    acts.begin(&subject)?;
    let mut plan = Plan::new(args.scenario, seed);
    for step in plan.fixed() {
        acts.play(&mut subject, &step)?;
    }
    while began.elapsed() < Duration::from_secs(60 * args.minutes) {
        let Some(step) = plan.next() else { break };
        acts.play(&mut subject, &step)?;
    }
    acts.end(&mut subject)?;
    attackers.stop();
    verdict::judge(args.scenario, seed, &subject, &attackers.tallies(), acts.seen())
}
