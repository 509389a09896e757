//! `events`: the daemon's records as NDJSON, and the account of them.

pub(super) mod account;

use crate::Common;
use crate::client::Client;
use aegis_control_api::paths;
use anyhow::Result;
use clap::{Args, Subcommand};
use std::io::Write;

/// Options of `events`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct EventsArgs {
    #[command(subcommand)]
    verb: Option<EventsVerb>,
    /// Wait for more instead of ending after the last.
    #[arg(short, long)]
    follow: bool,
    /// Leave out records up to this number; the daemon counts them from 1.
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    after: u64,
}

#[derive(Debug, Subcommand)]
enum EventsVerb {
    /// Adds up what became of every decision that was to be reported, and says whether anything is missing. Works
    /// without a daemon.
    Account,
}

/// Prints records until there are no more, or nobody reads them.
pub(crate) fn run(common: &Common, args: &EventsArgs) -> Result<()> {
    if matches!(args.verb, Some(EventsVerb::Account)) {
        return account::run(common);
    }
    let path = format!("{}?after={}&follow={}", paths::EVENTS, args.after, args.follow);
    let mut output = std::io::stdout().lock();
    Client::new(&common.socket, &common.bpffs_root)
        .stream(&path, |bytes| output.write_all(bytes).and_then(|()| output.flush()).is_ok())
}
