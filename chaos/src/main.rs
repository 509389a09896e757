//! `aegis-chaos`: lets the daemon and its parts fail, at random moments that a seed repeats, while attackers try what the
//! policy denies, and tells what held all the same.
//!
//! It has two faces: `daemon` is the daemon whose parts fail when they are told to; `attack` starts that daemon, or the
//! real one, and does everything to it. It arms rules on files of its own only; `cargo xtask chaos` gives it a bpf file
//! system of its own, too, or a whole virtual machine.
#![forbid(unsafe_code)]
#![allow(clippy::panic, reason = "panics are what it is there for")]
#![allow(clippy::expect_used, reason = "it is a test: what it cannot do ends it")]
#![allow(clippy::disallowed_methods, reason = "no part of the daemon: its threads end with it")]

mod attack;
mod daemon;
mod director;
mod fault;
mod inside;
mod plan;
mod report;
mod vitals;

use aegis_actors::host::{HELPER_ARGUMENT, RAN_ARGUMENT, helper_main};
use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(
    name = "aegis-chaos",
    about = "Lets the daemon and its parts fail, and tells what held all the same"
)]
struct Cli {
    #[command(subcommand)]
    face: Face,
}

#[derive(Subcommand)]
enum Face {
    /// The daemon whose parts fail when they are told to.
    Daemon(daemon::Args),
    /// Starts a daemon and lets it fail.
    Attack(director::Args),
}

fn main() -> ExitCode {
    // As the program of a daemon it is also the helper of the self-check.
    match std::env::args().nth(1).as_deref() {
        Some(HELPER_ARGUMENT) => {
            return ending(helper_main().map_err(Into::into).map(|()| ExitCode::SUCCESS));
        }
        Some(RAN_ARGUMENT) => {
            println!("0");
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    ending(match Cli::parse().face {
        Face::Daemon(args) => daemon::run(args),
        Face::Attack(args) => director::run(&args),
    })
}

fn ending(result: Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        eprintln!("aegis-chaos: {error:#}");
        ExitCode::FAILURE
    })
}
