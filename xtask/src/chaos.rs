//! `cargo xtask chaos`: lets the daemon and its parts fail while attackers try what the policy denies.

use crate::format::Format;
use crate::vm::{self, Added, Job, Series, Settings};
use crate::workspace::{self, Profile};
use crate::{process, setup};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, io};

/// Options of `chaos`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What is played: all, each (every fault of every part), process, hang, excess or random.
    #[arg(long, value_name = "SCENARIO", default_value = "all")]
    scenario: String,
    /// Repeats the plan of a run, which printed it.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// How long faults come at random, in the scenarios that have such.
    #[arg(long, value_name = "M", default_value_t = 1)]
    minutes: u64,
    /// Run in a virtual machine with this kernel, instead of on this machine, where nothing but files of its own is named
    /// by a rule, and the pins are in a file system of its own. Needs root there.
    #[arg(long)]
    kernel: Option<Series>,
    /// How the result is written; with json it is all that is on stdout.
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

const PACKAGE: &str = "aegis-chaos";
/// Within how many milliseconds a daemon is well again in an emulated machine: it does everything ten times slower and more,
/// while attackers take all they can.
const WELL_IN_GUEST: &str = "90000";
/// For everything but the minutes that are asked for.
const TIMEOUT: u64 = 1_800;

/// Builds everything, plays, and passes on the status.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    setup::ensure(setup::Purpose::Tests)?;
    let Args { scenario, minutes, .. } = args;
    let output = args.output.word();
    let mut words = vec!["attack".to_owned(), "--scenario".to_owned(), scenario.clone()];
    words.extend(["--minutes".to_owned(), minutes.to_string(), "--output".to_owned(), output.to_owned()]);
    words.extend(args.seed.into_iter().flat_map(|seed| ["--seed".to_owned(), seed.to_string()]));
    match args.kernel {
        None => native(&program(Profile::Dev)?, &words),
        Some(series) => in_guest(&words, series, *minutes),
    }
}

/// The program, freshly built.
fn program(profile: Profile) -> Result<PathBuf> {
    workspace::executable(&[&["build", "--package", PACKAGE], profile.options()].concat(), PACKAGE)
}

/// The program, freshly built, at its place in the guest.
pub(crate) fn added(profile: Profile) -> Result<Added> {
    Ok(Added { from: program(profile)?, to: format!("/usr/bin/{PACKAGE}").into() })
}

fn native(program: &Path, words: &[String]) -> Result<ExitCode> {
    let agent = workspace::executable(&["build", "--package", "aegisbpf"], "aegisbpf")?;
    let beside = agent.parent().map(Path::to_owned).unwrap_or_default();
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(std::iter::once(beside).chain(env::split_paths(&path)))?;
    let directory = env::temp_dir().join(format!("aegis-chaos-{}", std::process::id()));
    let mut command = Command::new(program);
    let status = process::status(command.args(words).arg("--directory").arg(&directory).env("PATH", path));
    // If it could not clean up, what is left is for people to look at.
    std::fs::remove_dir(&directory).with_context(|| format!("cannot remove {}", directory.display()))?;
    status
}

fn in_guest(words: &[String], series: Series, minutes: u64) -> Result<ExitCode> {
    let added: Vec<Added> = vm::aegisbpf(Profile::Dev)?.into_iter().chain([added(Profile::Dev)?]).collect();
    let places = ["--directory", "/scratch/chaos", "--pins", "/sys/fs/bpf/aegis-chaos"];
    let limit = ["--well-within", WELL_IN_GUEST];
    let rest = places.into_iter().chain(limit).map(str::to_owned);
    let command: Vec<String> =
        std::iter::once(PACKAGE.to_owned()).chain(words.iter().cloned()).chain(rest).collect();
    let settings = Settings { timeout: minutes * 60 + TIMEOUT, ..Settings::default() };
    let job = Job { series, settings: &settings, added: &added, command: &command, out: None };
    eprintln!("chaos: starting a virtual machine with Linux {}", series.name());
    let ending = vm::perform(&job, io::stdout(), io::stderr()).context("chaos could not be played")?;
    Ok(ExitCode::from(ending.status()))
}
