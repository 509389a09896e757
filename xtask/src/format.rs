//! How results are written: the same choice for every task that has some.

use clap::ValueEnum;

/// Formats of a result.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// One JSON document.
    Json,
}

impl Format {
    /// Its word, as the programs that a task starts take it too.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Json => "json",
        }
    }
}
