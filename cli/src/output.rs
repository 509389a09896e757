//! Results on standard output, as tables for people or JSON for programs; everything else on standard error.

use anyhow::Result;
use clap::{Args, ValueEnum};
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use std::io::Write;

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// One JSON document.
    Json,
}

/// Another word for `--output json`, of the verbs that had it in the C++ AegisBPF.
#[derive(Debug, Args)]
pub(crate) struct JsonArgs {
    /// The same as `--output json`.
    #[arg(long, conflicts_with = "output")]
    json: bool,
}

impl JsonArgs {
    /// How results are written, if `--output` or its default says this.
    pub(crate) fn or(&self, output: Format) -> Format {
        if self.json { Format::Json } else { output }
    }
}

/// Writes a line to standard output. If nobody reads it any more there is nobody to tell.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Writes an error to standard error.
pub(crate) fn complain(message: &str) {
    let _ = writeln!(std::io::stderr(), "aegisbpf: {message}");
}

/// Writes a note to standard error.
pub(crate) fn note(message: &str) {
    let _ = writeln!(std::io::stderr(), "{message}");
}

/// Writes one JSON document.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<()> {
    line(&serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Writes a table with a head. No line ends with blanks, whatever is in the longest.
pub(crate) fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(head);
    for row in rows {
        table.add_row(row);
    }
    line(&table.trim_fmt());
}
