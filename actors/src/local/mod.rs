//! Which policy is in force, as text: the sources that were applied, and the local policy, a file of format 1 that
//! `block` and `allow` edit. What is on its lists is in force: a change goes into the kernel and into the file, or
//! into neither.

mod files;
mod run;
mod state;

pub(crate) use run::Policies;
pub(crate) use state::List;

use crate::loader::LoadError;
use std::path::PathBuf;

/// Why a policy was not put in force, or a list not changed.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The loader could not do it.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A policy or an entry is wrong. Cause and remedy, as text of one or more lines.
    #[error("{0}")]
    Wrong(String),
    /// Nobody knows what the local policy would have to be joined with.
    #[error(
        "the policy in force was applied by a daemon whose files are not known here, so nothing can be added to it: \
         put it in force again with `aegisbpf policy apply`, and repeat the command"
    )]
    UnknownSources,
    /// Something about the state directory.
    #[error("cannot {operation} {path}: {source}{consequence}", path = .path.display())]
    File {
        /// What was tried.
        operation: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
        /// What that means for kernel and file, where it must be said.
        consequence: String,
    },
}

impl PolicyError {
    /// The error with all of its causes.
    #[must_use]
    pub fn whole(&self) -> String {
        match self {
            Self::Load(error) => error.whole(),
            other => other.to_string(),
        }
    }
}
