//! `allow`: the cgroups that the local policy exempts.

use super::entries::{change, list};
use crate::Common;
use aegis_control_api::{Change, paths};
use anyhow::Result;
use clap::Subcommand;

/// What can be done with the list of exempt cgroups.
#[derive(Debug, Subcommand)]
pub(crate) enum AllowVerb {
    /// Excepts these cgroups, with all below them, from all rules. On any error nothing changes.
    Add {
        /// Paths in the cgroup hierarchy, with its mount point or without, or `cgid:NUMBER`.
        #[arg(required = true, value_name = "CGROUP")]
        cgroups: Vec<String>,
    },
    /// Takes these off the list. What the policy itself exempts stays exempt.
    Del {
        /// As `list` prints them.
        #[arg(required = true, value_name = "CGROUP")]
        cgroups: Vec<String>,
    },
    /// Prints the list.
    List,
}

/// Runs the verb.
pub(crate) fn run(common: &Common, verb: &AllowVerb) -> Result<()> {
    match verb {
        AllowVerb::Add { cgroups } => change(common, paths::ALLOW, Change::Add, cgroups),
        AllowVerb::Del { cgroups } => change(common, paths::ALLOW, Change::Delete, cgroups),
        AllowVerb::List => list(common, paths::ALLOW),
    }
}
