//! `cargo xtask`: every task of the repository is a verb of this program.
#![forbid(unsafe_code)]

mod codegen;

use clap::{Parser, Subcommand};

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
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().verb {
        Verb::Codegen(args) => codegen::run(&args),
    }
}
