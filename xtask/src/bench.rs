//! `cargo xtask bench`: what the probes cost, counted in instructions of a virtual machine: a number that does not
//! depend on the machine that runs it.

use crate::vm::{self, Added, Job, Series, Settings};
use crate::{setup, workspace};
use anyhow::{Context, Result};
use clap::{Subcommand, ValueEnum};
use std::io;
use std::process::ExitCode;

/// The benchmarks.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// What the probes add to opening and closing a file that no rule concerns, with 1 and with 100,000 rules.
    /// A missed target is shown, and is no failure.
    Decide(Args),
}

/// Options of a benchmark.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How the result is written; with json it is all that is on stdout.
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

/// Formats of the result.
#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Table,
    Json,
}

const PACKAGE: &str = "aegis-bench";
/// Counting makes the machine slow; making 100,000 files and arming as many rules takes most of the time.
const TIMEOUT: u64 = 1_800;

/// Builds what is measured and what measures, runs it, and passes on the status.
pub(crate) fn run(verb: &Verb) -> Result<ExitCode> {
    let Verb::Decide(Args { output }) = verb;
    setup::ensure(setup::Purpose::Tests)?;
    let program = workspace::executable(&["build", "--package", PACKAGE], PACKAGE)?;
    let measuring = Added { from: program, to: format!("/usr/bin/{PACKAGE}").into() };
    let added: Vec<Added> = vm::aegisbpf()?.into_iter().chain([measuring]).collect();
    let format = match output {
        Format::Table => "table",
        Format::Json => "json",
    };
    let command = [PACKAGE, "-o", format].map(str::to_owned);
    let settings = Settings { icount: true, timeout: TIMEOUT, ..Settings::default() };
    let job = Job { series: Series::V6_12, settings: &settings, added: &added, command: &command, out: None };
    eprintln!("bench: starting a virtual machine that counts instructions; this takes some minutes");
    let ending = vm::perform(&job, io::stdout(), io::stderr()).context("the benchmark could not be run")?;
    Ok(ExitCode::from(ending.status()))
}
