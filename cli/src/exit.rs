//! Exit codes, in one place. Scripts depend on them: a code never changes its meaning.

use std::process::ExitCode;

/// How the command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done.
    Ok = 0,
    /// It failed; nothing has changed unless the message says so.
    Failed = 1,
    // 2, wrong usage, is clap's own.
    /// The caller may not do this.
    NotPermitted = 3,
    /// No daemon answers on the control socket.
    Unreachable = 4,
    /// Something is not as it should be, although the command itself worked.
    Degraded = 5,
    /// The policy or the configuration is wrong, or cannot be resolved on this host. Nothing has changed.
    Refused = 6,
    /// The kernel refuses BPF LSM programs: nothing can be enforced on this host.
    NoLsm = 7,
    /// A part of the daemon hung and could not be ended. What is armed goes on deciding; the next daemon adopts it.
    Hung = 8,
}

impl Exit {
    const ALL: [Self; 8] = [
        Self::Ok,
        Self::Failed,
        Self::NotPermitted,
        Self::Unreachable,
        Self::Degraded,
        Self::Refused,
        Self::NoLsm,
        Self::Hung,
    ];

    /// The meaning of a code, as another run of this program ended with it.
    pub(crate) fn from_code(code: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|exit| *exit as i32 == code)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// What `--help` says about exit codes.
pub(crate) const HELP: &str = "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not permitted, 4 daemon unreachable, \
5 degraded, 6 policy or configuration refused, 7 the kernel refuses BPF LSM programs, 8 a part of the daemon hung.";

/// An error that knows its exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Whether an error says that no daemon answers.
pub(crate) fn is_unreachable(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Failure>().is_some_and(|failure| failure.exit == Exit::Unreachable)
}
