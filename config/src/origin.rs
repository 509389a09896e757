//! Where a value is from.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Where a value is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    BuiltIn,
    /// A line of a file.
    File {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// A variable of the environment, by its name.
    Variable(String),
    /// An option of the command line, such as `--observe`.
    Flag(String),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::BuiltIn => out.write_str("built in"),
            Self::File { path, line } => {
                write!(out, "{}:{line}", crate::text::harmless(&path.display().to_string()))
            }
            Self::Variable(name) => write!(out, "${name}"),
            Self::Flag(option) => out.write_str(option),
        }
    }
}

/// Where each value is from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origins(pub(crate) BTreeMap<&'static str, Origin>);

impl Origins {
    /// Where the value of a key is from, such as `policy.mode`.
    #[must_use]
    pub fn of(&self, key: &str) -> &Origin {
        self.0.get(key).unwrap_or(&Origin::BuiltIn)
    }
}
