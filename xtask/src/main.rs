//! `cargo xtask`: every task of the repository is a verb of this program.
#![forbid(unsafe_code)]
#![allow(clippy::disallowed_methods, reason = "no daemon: what is spawned ends with the task")]

mod bench;
mod chaos;
mod ci;
mod codegen;
mod compat;
mod demo;
mod format;
mod fuzz;
mod process;
mod promtool;
mod report;
mod setup;
mod test;
mod tidy;
mod vm;
mod workspace;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Tasks of the Aegis repository")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Installs what the other verbs need; they do it by themselves, too.
    Setup,
    /// Plays a small attack and shows what the kernel allowed and denied.
    Demo(demo::Args),
    /// Runs every test, on this machine and in virtual ones.
    Test,
    /// Runs every check that a change must pass.
    Ci,
    /// Measures what the probes cost.
    #[command(subcommand)]
    Bench(bench::Verb),
    /// Lets the daemon and its parts fail while attackers try what the policy denies, and tells what held.
    Chaos(chaos::Args),
    /// Gives the policy language, and what verifies signatures, texts that a fuzzer finds, and tells what did not hold.
    Fuzz(fuzz::Args),
    /// Runs commands and tests in a virtual machine whose kernel enforces.
    #[command(subcommand)]
    Vm(vm::Verb),
    /// Measures what each kernel makes of the probes, and writes it down.
    Compat(compat::Args),
    /// Writes the generated files anew.
    Codegen(codegen::Args),
    /// Checks the rules of the repository that no compiler checks.
    Tidy,
}

fn main() -> ExitCode {
    run(&Cli::parse().verb).unwrap_or_else(|error| {
        // Without a backtrace, whatever the environment asks for: these errors say what to do.
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(verb: &Verb) -> Result<ExitCode> {
    let done = |()| ExitCode::SUCCESS;
    match verb {
        Verb::Setup => setup::ensure(setup::Purpose::All).map(done),
        Verb::Demo(args) => demo::run(args),
        Verb::Test => test::run(),
        Verb::Ci => Ok(ci::run()),
        Verb::Bench(verb) => bench::run(verb),
        Verb::Chaos(args) => chaos::run(args),
        Verb::Fuzz(args) => fuzz::run(args),
        Verb::Vm(verb) => vm::run(verb),
        Verb::Compat(args) => compat::run(args),
        Verb::Codegen(args) => codegen::run(args).map(done),
        Verb::Tidy => tidy::run().map(done),
    }
}
