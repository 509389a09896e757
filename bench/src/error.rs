//! What can go wrong while measuring.

use std::io;

/// An error of this program.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// This may be a machine that somebody uses.
    #[error(
        "this arms the machine it runs on: run it by `cargo xtask bench`, which sets {0} in a virtual one"
    )]
    NotInMachine(&'static str),
    /// A system call failed.
    #[error("cannot {operation} {object}: {source}")]
    Call {
        /// What was tried.
        operation: &'static str,
        /// On what.
        object: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The empty program could not be attached.
    #[error(transparent)]
    Probes(#[from] aegis_probes::Error),
    /// The agent did not do what it was told.
    #[error("`{command}` failed: {said}")]
    Agent {
        /// What it was to do.
        command: String,
        /// What it said instead.
        said: String,
    },
    /// A program that is measured did not do what it is there for.
    #[error("{0} ended with {1}")]
    Ended(String, std::process::ExitStatus),
    /// Nothing was reported of what must have been.
    #[error(
        "nothing was audited, although a rule in observe mode was met: what was measured is not what it should be"
    )]
    NotAudited,
    /// The kernel takes probes that deny: there is no fallback to measure.
    #[error(
        "this kernel takes BPF LSM programs, so the audit fallback was not armed; measure where it refuses them"
    )]
    NotFallback,
    /// The policy in force does not deny what it must: measuring it would mean nothing.
    #[error("a rule denies operations on {0}, and they went through")]
    NotDenied(String),
}

/// Names what was tried, for `map_err`.
pub(crate) fn call<E: Into<io::Error>>(
    operation: &'static str,
    object: impl std::fmt::Display,
) -> impl FnOnce(E) -> Error {
    move |source| Error::Call { operation, object: object.to_string(), source: source.into() }
}
