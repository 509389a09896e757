//! `cargo xtask fuzz`: gives the policy language, what verifies signatures, and what reads kept files, texts that a fuzzer finds, and tells what did not hold.

mod libfuzzer;

use crate::format::Format;
use crate::{process, setup, workspace};
use anyhow::{Context, Result, bail};
use libfuzzer::{Job, Played};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::thread;
use std::time::Duration;

/// Options of `fuzz`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What is tried: all, format3, format1, values, merged, signatures or state.
    #[arg(long, value_name = "TARGET", default_value = "all")]
    target: String,
    /// For how long each target is tried.
    #[arg(long, value_name = "M", default_value_t = 1)]
    minutes: u64,
    /// The same in seconds.
    #[arg(long, value_name = "S", conflicts_with = "minutes")]
    seconds: Option<u64>,
    /// How many targets are tried at the same time, each on one core.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
    /// Tries this file alone, once, such as one that was found.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["minutes", "seconds", "jobs"])]
    input: Option<PathBuf>,
    /// How the result is written; with json it is all that is on stdout.
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

/// Where inputs, logs and findings are kept.
const FOLDER: &str = "target/fuzz";

/// What must hold, as a program: this one is there before there is a compiler for the probes, and what is tried uses those.
struct Inputs(PathBuf);

impl Inputs {
    fn build() -> Result<Self> {
        let build = ["build", "--quiet", "--package", "aegis-fuzz", "--example", "inputs"];
        workspace::executable(&build, "inputs").map(Self)
    }

    /// The targets that are meant by a name.
    fn chosen(&self, name: &str) -> Result<Vec<String>> {
        let list = process::output(Command::new(&self.0).arg("list"))?;
        let all: Vec<String> = list.lines().map(str::to_owned).collect();
        match name {
            "all" => Ok(all),
            name if all.iter().any(|target| target == name) => Ok(vec![name.to_owned()]),
            name => bail!("there is no target `{name}`; there are all, {}", all.join(", ")),
        }
    }

    /// Writes the seeds and words of a target.
    fn write(&self, target: &str, folder: &Path) -> Result<()> {
        process::run(Command::new(&self.0).args(["write", target]).arg(folder))
    }

    /// Whether all holds of one input. The targets are ordinary functions.
    fn hold(&self, target: &str, file: &Path) -> Result<bool> {
        let status = Command::new(&self.0).args(["try", target]).arg(file).status();
        match status.with_context(|| format!("cannot start {}", self.0.display()))?.code() {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => bail!("{target}: {} could not be tried", file.display()),
        }
    }
}

/// Builds the targets, plays them, and tells what came of each.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    // To try one input needs no fuzzer.
    if args.input.is_none() {
        setup::ensure(setup::Purpose::Fuzz)?;
    }
    let inputs = Inputs::build()?;
    let targets = inputs.chosen(&args.target)?;
    let good = match &args.input {
        Some(file) => once(&inputs, &targets, file)?,
        None => play(&inputs, &targets, args)?,
    };
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether all holds of one input, of all targets.
fn once(inputs: &Inputs, targets: &[String], file: &Path) -> Result<bool> {
    let held = targets.iter().map(|target| inputs.hold(target, file)).collect::<Result<Vec<_>>>()?;
    Ok(held.into_iter().all(|held| held))
}

/// Whether nothing was found.
fn play(inputs: &Inputs, targets: &[String], args: &Args) -> Result<bool> {
    let folder = workspace::root().join(FOLDER);
    let programs = libfuzzer::build(&folder)?;
    let time = Duration::from_secs(args.seconds.unwrap_or(args.minutes * 60));
    let mut played = Vec::new();
    for targets in targets.chunks(args.jobs.into()) {
        let jobs = targets.iter().map(|target| Job::ready(inputs, target, &programs, &folder, time));
        let jobs: Vec<Job> = jobs.collect::<Result<_>>()?;
        thread::scope(|scope| {
            let running: Vec<_> = jobs.iter().map(|job| scope.spawn(|| job.play())).collect();
            for thread in running {
                played.push(thread.join().unwrap_or_else(|_| bail!("a run of this program panicked"))?);
            }
            anyhow::Ok(())
        })?;
    }
    match args.output {
        Format::Table => table(&played),
        Format::Json => println!("{}", serde_json::to_string_pretty(&as_json(&played))?),
    }
    played.iter().for_each(tell);
    Ok(played.iter().all(|played| played.finding.is_none()))
}

fn table(played: &[Played]) {
    println!(
        "{:<10}{:>12}{:>10}{:>10}{:>8}{:>10}{:>9}",
        "target", "executions", "per s", "coverage", "corpus", "findings", "seconds"
    );
    for played in played {
        let Played { target, executions, coverage, corpus, elapsed, .. } = played;
        let (rate, findings) = (played.rate(), u8::from(played.finding.is_some()));
        let seconds = elapsed.as_secs_f64();
        println!(
            "{target:<10}{executions:>12}{rate:>10}{coverage:>10}{corpus:>8}{findings:>10}{seconds:>9.1}"
        );
    }
}

fn as_json(played: &[Played]) -> serde_json::Value {
    let row = |played: &Played| {
        json!({
            "target": played.target,
            "executions": played.executions,
            "executions_per_second": played.rate(),
            "coverage": played.coverage,
            "corpus": played.corpus,
            "findings": u8::from(played.finding.is_some()),
            "input": played.finding.as_ref().map(|finding| finding.input.display().to_string()),
            "elapsed_seconds": played.elapsed.as_secs_f64(),
        })
    };
    json!({ "targets": played.iter().map(row).collect::<Vec<_>>() })
}

fn tell(played: &Played) {
    let Some(finding) = &played.finding else { return };
    let (target, input) = (&played.target, finding.input.display());
    eprintln!(
        "\n{}\n{target}: something does not hold; the input is {input}\n  again: cargo xtask fuzz --target {target} \
         --input {input}\n  when it is mended: keep the input in fuzz/seeds/{target}/",
        finding.said
    );
}
