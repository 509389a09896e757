//! What can go wrong between Aegis and the kernel. Each error names the operation and the object.

use aegis_kernel_abi::Hook;
use std::io;
use std::path::{Path, PathBuf};

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call failed.
    #[error("cannot {operation} {object}")]
    Call {
        /// What was tried.
        operation: &'static str,
        /// On what.
        object: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel's own type information cannot be read.
    #[error(
        "cannot read the kernel's BTF at /sys/kernel/btf/vmlinux: {0}; a kernel with CONFIG_DEBUG_INFO_BTF is needed"
    )]
    Btf(String),
    /// The object in this binary could not be loaded.
    #[error("cannot load the probes: {0}")]
    Object(String),
    /// The kernel refuses LSM programs.
    #[error("the kernel refuses to load the probe on {}: {message}", hook.word())]
    LsmRefused {
        /// The first hook that was refused.
        hook: Hook,
        /// What it said.
        message: String,
    },
    /// The kernel takes LSM programs and does not call them.
    #[error("the probe on {} is attached, but the kernel does not call it: `bpf` is not among the security modules in force", hook.word())]
    LsmNotCalled {
        /// The first hook that was not called.
        hook: Hook,
    },
    /// The kernel refuses LSM programs, and the probes of the audit fallback as well.
    #[error("{refused}; and the audit fallback: {fallback}")]
    NoFallback {
        /// Why there is nothing that denies.
        refused: String,
        /// Why there is nothing that reports.
        fallback: String,
    },
    /// Probes of the audit fallback are armed, which deny nothing, and that will not do.
    #[error("the probes pinned below {} are those of the audit fallback: the kernel refuses BPF LSM programs, and nothing is blocked", .0.display())]
    FallbackFound(PathBuf),
    /// The directory for pins is on no bpf file system.
    #[error("{} is not on a bpf file system; mount one with `mount -t bpf bpf /sys/fs/bpf`, or name another place with --bpffs-root", .0.display())]
    NoBpffs(PathBuf),
    /// Something else keeps its pins there.
    #[error("{} holds pins that are not ours ({found}); name another place with --bpffs-root, or remove them yourself", path.display())]
    ForeignPins {
        /// The directory.
        path: PathBuf,
        /// The first name that is not ours.
        found: String,
    },
    /// Another daemon has this pin directory.
    #[error("another daemon is running with {}; there is one per pin directory", .0.display())]
    Locked(PathBuf),
    /// Probes of another build are armed.
    #[error("the probes pinned below {} are those of another version ({what} differs) and go on deciding; take them down with the `detach` of that version, then start again", path.display())]
    OtherVersion {
        /// The directory.
        path: PathBuf,
        /// What is not the same.
        what: &'static str,
    },
    /// Nothing is armed.
    #[error("nothing is armed below {}", .0.display())]
    NotArmed(PathBuf),
    /// What the kernel holds is not what was written.
    #[error("the table {table} that was read back from the kernel is not what was loaded: {what}")]
    ReadBack {
        /// Which table.
        table: &'static str,
        /// How it differs.
        what: String,
    },
    /// The self-check was not answered by our rule in our generation.
    #[error("the self-check on {} was not {} by generation {generation}: {why}", hook.word(), if hook.is_tracepoint() { "seen" } else { "denied" })]
    NotProven {
        /// Where.
        hook: Hook,
        /// Under what.
        generation: u32,
        /// What happened instead.
        why: String,
    },
    /// A policy that the tables cannot hold.
    #[error("{0}")]
    Unloadable(String),
}

/// Names what was tried, for `map_err`.
pub(crate) fn call(
    operation: &'static str,
    object: impl std::fmt::Display,
) -> impl FnOnce(io::Error) -> Error {
    let object = format!("{object}");
    move |source| Error::Call { operation, object, source }
}

/// The same for an object that has a path.
pub(crate) fn call_path(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let object = path.display().to_string();
    move |source| Error::Call { operation, object, source }
}
