//! How a rule answers.

use super::words::words;

/// What a rule does with what it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum Action {
    /// It is denied.
    #[default]
    Deny = 1,
    /// Rules of the same tenant do not deny it. Rules of the host still do.
    Allow = 2,
}

/// What a process gets whom an enforcing rule denies something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Signal {
    /// Nothing but the error.
    None = 0,
    /// SIGINT.
    Int = 2,
    /// SIGKILL.
    Kill = 9,
    /// SIGTERM.
    Term = 15,
}

/// When a signal becomes SIGKILL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Escalation {
    /// With which denial of one process, counted from 1.
    pub after: u32,
    /// Within how many seconds.
    pub within_seconds: u32,
}

words!(Action: Deny "deny", Allow "allow");
words!(Signal: None "none", Int "int", Kill "kill", Term "term");
