//! `cargo xtask`: every task of the repository is a verb of this program.
#![forbid(unsafe_code)]

mod codegen;
mod process;
mod vm;
mod workspace;

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
    /// Writes the generated files anew.
    Codegen(codegen::Args),
    /// Runs commands and tests in a virtual machine whose kernel enforces.
    #[command(subcommand)]
    Vm(vm::Verb),
}

fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().verb {
        Verb::Codegen(args) => codegen::run(&args).map(|()| ExitCode::SUCCESS),
        Verb::Vm(verb) => vm::run(&verb),
    }
}
