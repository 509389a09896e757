//! Which policy is in force, as text: the sources that were applied, and the local policy, a file of format 1 that
//! `block` and `allow` edit. What is on its lists is in force: a change goes into the kernel and into the file, or
//! into neither.

mod archive;
mod candidate;
mod content;
mod files;
mod history;
mod left;
mod records;
mod run;
mod serial;
mod state;
mod vouch;

pub use left::policy_as_left;
pub(crate) use run::{Begun, Policies};
pub(crate) use state::List;
pub use vouch::TrustSettings;

use crate::loader::LoadError;
use aegis_control_api::{Asker, Deed, PolicySource};
use std::path::{Path, PathBuf};

/// What is kept on the disk, as bytes: for whoever tries what becomes of it when it is damaged.
pub mod kept {
    pub use super::archive::{accepted_from_bytes, accepted_to_bytes};
    pub use super::content::{Content, content_name};
    pub use super::history::{History, InForce, line};
}

/// Who changes what is in force, and by what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    /// By what.
    pub(crate) deed: Deed,
    /// Who asked; none if nobody did.
    pub(crate) by: Option<Asker>,
    /// Whether whoever asks wants only a signed policy.
    pub(crate) must_be_signed: bool,
}

/// What a daemon is to begin with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum FirstPolicy {
    /// What is in force, or was in force last on this host.
    #[default]
    AsItWas,
    /// This. If it is wrong the daemon does not start: somebody is there to put it right.
    Ordered(Vec<PolicySource>),
    /// What the configuration names, or why that cannot be read. If it is wrong the daemon begins as it was, and says so:
    /// a host that starts must not be open because of a slip in a file.
    Configured(Result<Vec<PolicySource>, String>),
}

/// Whether something was in force on this host that a daemon can go on with.
#[must_use]
pub fn was_in_force(state_directory: &Path, bpffs_root: &Path) -> bool {
    files::StateDirectory::new(state_directory.to_owned()).read_applied().is_some() || bpffs_root.exists()
}

/// Why a policy was not put in force, or a list not changed.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The loader could not do it.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A policy or an entry is wrong. Cause and remedy, as text of one or more lines.
    #[error("{0}")]
    Wrong(String),
    /// It is not signed as it must be, or is older than one that was in force.
    #[error("{0}")]
    Untrusted(String),
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
