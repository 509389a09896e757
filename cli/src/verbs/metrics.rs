//! `metrics`: for Prometheus, on standard output or in a file for node_exporter's textfile collector.

use crate::Common;
use crate::client::Client;
use crate::file;
use aegis_control_api::paths;
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;

/// Options of `metrics`.
#[derive(Debug, Args)]
pub(crate) struct MetricsArgs {
    /// Writes them to this file, which is replaced as a whole; node_exporter reads those whose name ends in `.prom`.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Prints them, always as text. A file is left as it is if no daemon answers: its age tells.
pub(crate) fn run(common: &Common, args: &MetricsArgs) -> Result<()> {
    let text = Client::new(&common.socket, &common.bpffs_root).text(paths::METRICS)?;
    file::put(args.out.as_deref(), &text)
}
