//! `metrics`: for Prometheus, on standard output or in a file for node_exporter's textfile collector.

use crate::Common;
use crate::client::Client;
use crate::output;
use aegis_control_api::paths;
use anyhow::{Context, Result};
use clap::Args;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

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
    match &args.out {
        Some(path) => {
            replace(path, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
        }
        None => {
            output::line(text.trim_end());
            Ok(())
        }
    }
}

/// Whoever reads the file meanwhile finds the old or the new one. It is for everybody to read, as node_exporter is not
/// root. What is left behind by one that was killed does not end in `.prom`, so that nobody reads it.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let unfinished = path.with_file_name(format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id()));
    // Never one that is there: others may write to the directory, and what is there may be a link of theirs.
    let file = OpenOptions::new().write(true).create_new(true).open(&unfinished)?;
    let written = write(file, bytes).and_then(|()| std::fs::rename(&unfinished, path));
    if written.is_err() {
        // The error is what is told; a file too many does no harm.
        let _ = std::fs::remove_file(&unfinished);
    }
    written
}

fn write(mut file: File, bytes: &[u8]) -> io::Result<()> {
    // Whatever the umask is.
    file.set_permissions(Permissions::from_mode(0o644))?;
    file.write_all(bytes)
}
