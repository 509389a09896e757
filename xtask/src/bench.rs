//! `cargo xtask bench`: what the probes cost, counted in instructions of a virtual machine: a number that does not
//! depend on the machine that runs it; what the audit fallback costs, and what it costs to put a policy in force, by the
//! clock of this one.

use crate::format::Format;
use crate::setup;
use crate::vm::{self, Added, Job, Series, Settings};
use crate::workspace::{self, Profile};
use anyhow::{Context, Result};
use clap::Subcommand;
use std::io;
use std::path::Path;
use std::process::{Command, ExitCode};

/// The benchmarks.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// What the probes add to opening and closing a file that no rule concerns, with 1 and with 100,000 rules.
    /// A missed target is shown, and is no failure.
    Decide(Args),
    /// What the audit fallback adds to opening and closing a file and to starting a program, on this machine, by its
    /// clock. Needs root, and a kernel that refuses BPF LSM programs. A missed target is shown, and is no failure.
    Fallback(Args),
    /// What it costs to put policies of 1,000, 10,000 and 100,000 rules in force, step by step, on this machine, by its
    /// clock. Needs the same as `fallback`. A missed target is shown, and is no failure.
    Policy(Args),
}

/// Options of a benchmark.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How the result is written; with json it is all that is on stdout.
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

const PACKAGE: &str = "aegis-bench";
/// Counting makes the machine slow; making 100,000 files and arming as many rules takes most of the time.
const TIMEOUT: u64 = 1_800;

/// Builds what is measured and what measures, runs it, and passes on the status.
pub(crate) fn run(verb: &Verb) -> Result<ExitCode> {
    setup::ensure(setup::Purpose::Tests)?;
    match verb {
        Verb::Decide(Args { output }) => decide(*output),
        Verb::Fallback(Args { output }) => natively("fallback", &["build"], *output),
        // What is measured is our own code as users have it.
        Verb::Policy(Args { output }) => natively("policy", &["build", "--release"], *output),
    }
}

fn decide(output: Format) -> Result<ExitCode> {
    let program = workspace::executable(&["build", "--package", PACKAGE], PACKAGE)?;
    let measuring = Added { from: program, to: format!("/usr/bin/{PACKAGE}").into() };
    let added: Vec<Added> = vm::aegisbpf(Profile::Dev)?.into_iter().chain([measuring]).collect();
    let command = [PACKAGE, "-o", output.word()].map(str::to_owned);
    let settings = Settings { icount: true, timeout: TIMEOUT, ..Settings::default() };
    let job = Job { series: Series::V6_12, settings: &settings, added: &added, command: &command, out: None };
    eprintln!("bench: starting a virtual machine that counts instructions; this takes some minutes");
    let ending = vm::perform(&job, io::stdout(), io::stderr()).context("the benchmark could not be run")?;
    Ok(ExitCode::from(ending.status()))
}

/// Runs the measuring program with a bpf file system that nobody else sees, and the agent on its path.
fn natively(what: &str, build: &[&str], output: Format) -> Result<ExitCode> {
    // Both at once: by themselves they would need the same crates with other features, and build them twice.
    let both = [build, &["--package", PACKAGE, "--package", "aegisbpf"]].concat();
    let program = workspace::executable(&both, PACKAGE)?;
    let agent = workspace::executable(&both, "aegisbpf")?;
    let directory = std::env::temp_dir().join(format!("aegis-bench-{}", std::process::id()));
    std::fs::create_dir_all(directory.join("bpf")).context("cannot make a directory for the benchmark")?;
    let beside = agent.parent().map(Path::display).map(|beside| beside.to_string()).unwrap_or_default();
    let path = format!("{beside}:{}", std::env::var("PATH").unwrap_or_default());
    let mount = "mount -t bpf bpf \"$1/bpf\" && exec \"$0\" \"$2\" \"$1\" -o \"$3\"";
    let status = Command::new("unshare")
        .args(["-m", "sh", "-c", mount])
        .arg(program)
        .arg(&directory)
        .arg(what)
        .arg(output.word())
        .env("PATH", path)
        .status();
    let removed = std::fs::remove_dir_all(&directory);
    let status = status.context("cannot start `unshare`")?;
    removed.with_context(|| format!("cannot remove {}", directory.display()))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}
