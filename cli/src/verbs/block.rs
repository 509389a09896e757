//! `block`: what the local policy denies.

use super::entries::{change, list};
use crate::Common;
use aegis_control_api::{Change, paths};
use anyhow::Result;
use clap::Subcommand;

/// What can be done with the list of denied files.
#[derive(Debug, Subcommand)]
pub(crate) enum BlockVerb {
    /// Denies reading, writing and starting these files, beside what the policy denies. On any error nothing
    /// changes.
    Add {
        /// Absolute paths, or inodes as `DEV:INO` or `MAJOR:MINOR:INO`.
        #[arg(required = true, value_name = "ENTRY")]
        entries: Vec<String>,
    },
    /// Takes these off the list. What the policy itself denies stays denied.
    Del {
        /// As `list` prints them.
        #[arg(required = true, value_name = "ENTRY")]
        entries: Vec<String>,
    },
    /// Prints the list.
    List,
    /// Takes everything off the list.
    Clear,
}

/// Runs the verb.
pub(crate) fn run(common: &Common, verb: &BlockVerb) -> Result<()> {
    match verb {
        BlockVerb::Add { entries } => change(common, paths::BLOCK, Change::Add, entries),
        BlockVerb::Del { entries } => change(common, paths::BLOCK, Change::Delete, entries),
        BlockVerb::List => list(common, paths::BLOCK),
        BlockVerb::Clear => change(common, paths::BLOCK, Change::Clear, &[]),
    }
}
