//! `cargo xtask demo`: a small attack, played in a virtual machine, and what the kernel said to it.

use crate::format::Format;
use crate::vm::{self, Job, Series, Settings};
use crate::workspace::{self, Profile};
use crate::{process, setup};
use anyhow::{Context, Result};
use std::io;
use std::process::{Command, ExitCode};

/// Options of `demo`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Play on this machine, whose kernel must load BPF LSM programs, instead of in a virtual one.
    #[arg(long, conflicts_with = "kernel")]
    native: bool,
    /// How the result is written; with json it is all that is on stdout.
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
    /// Kernel of the virtual machine.
    #[arg(long, default_value = "6.12")]
    kernel: Series,
}

/// Builds aegisbpf, plays its demo and passes on the status.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    setup::ensure(setup::Purpose::Tests)?;
    let demo = ["demo", "-o", args.output.word()];
    if args.native {
        let program = workspace::executable(&["build", "--package", "aegisbpf"], "aegisbpf")?;
        return process::status(Command::new(program).args(demo));
    }
    let added: Vec<vm::Added> = vm::aegisbpf(Profile::Dev)?.into_iter().collect();
    eprintln!("demo: starting a virtual machine with Linux {}", args.kernel.name());
    let command: Vec<String> = std::iter::once("aegisbpf").chain(demo).map(str::to_owned).collect();
    let settings = Settings::default();
    let job = Job { series: args.kernel, settings: &settings, added: &added, command: &command, out: None };
    let ending = vm::perform(&job, io::stdout(), io::stderr()).context("the demo could not be played")?;
    Ok(ExitCode::from(ending.status()))
}
