//! `events`: the daemon's records as NDJSON.

use crate::Common;
use crate::client::Client;
use aegis_control_api::paths;
use anyhow::Result;
use clap::Args;
use std::io::Write;

/// Options of `events`.
#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// Wait for more instead of ending after the last.
    #[arg(short, long)]
    follow: bool,
    /// Leave out records up to this number; the daemon counts them from 1.
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    after: u64,
}

/// Prints records until there are no more, or nobody reads them.
pub(crate) fn run(common: &Common, args: &EventsArgs) -> Result<()> {
    let path = format!("{}?after={}&follow={}", paths::EVENTS, args.after, args.follow);
    let mut output = std::io::stdout().lock();
    Client::new(&common.socket, &common.bpffs_root)
        .stream(&path, |bytes| output.write_all(bytes).and_then(|()| output.flush()).is_ok())
}
