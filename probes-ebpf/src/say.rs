//! What rules say, in the words of the tables.

use crate::subjects::Who;
use aegis_kernel_abi::{Mode, Operations, ROW_ANCHOR, ROW_FOLLOW};
use std::collections::BTreeSet;

/// What one rule says of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Say {
    /// Number of the rule.
    pub rule: u32,
    /// The operations it concerns.
    pub operations: Operations,
    /// How it wants them to end, with the modes of policy and command line taken in.
    pub mode: Mode,
    /// The kernel's number of the signal that a process gets whom an enforcing rule denies; 0 is none.
    pub signal: u8,
    /// Whether it also concerns what is below a directory.
    pub subtree: bool,
    /// Whether it allows what rules of the same tenant would deny.
    pub allow: bool,
    /// Whom it is about.
    pub who: Who,
}

impl Say {
    /// One of everybody, on a thing itself, that sends no signal.
    #[must_use]
    pub fn plain(rule: u32, operations: Operations, mode: Mode) -> Self {
        Self { rule, operations, mode, signal: 0, subtree: false, allow: false, who: Who::default() }
    }
}

/// A signal that becomes SIGKILL for a process that goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Escalate {
    /// With which denial of one process, counted from 1; 0 is never.
    pub after: u32,
    /// Within how many seconds.
    pub within_seconds: u32,
}

/// What happens to what stands on the way to a rule's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// It is kept where it is, as the rule's mode wants it.
    Hold,
    /// It may move; the daemon is told.
    Follow,
}

impl Anchor {
    pub(crate) fn flags(self) -> u16 {
        match self {
            Self::Hold => ROW_ANCHOR,
            Self::Follow => ROW_ANCHOR | ROW_FOLLOW,
        }
    }

    /// A rule that follows forbids nothing here, whatever its mode.
    pub(crate) fn say(self, say: Say, operations: Operations) -> Say {
        let mode = if self == Self::Hold { say.mode } else { Mode::Observe };
        // No signal: who tries this meant something else, and may only have tried.
        Say { operations, mode, signal: 0, subtree: false, ..say }
    }
}

/// What a generation is, beside its tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header<'a> {
    /// The policy's name; at most [`POLICY_NAME_BYTES`](aegis_kernel_abi::POLICY_NAME_BYTES) - 1 bytes count.
    pub policy: String,
    /// The policy's serial number, 0 if it has none.
    pub serial: u64,
    /// Mode of command line and policy.
    pub mode: Mode,
    /// Digest of the plan.
    pub plan_digest: [u8; 32],
    /// Ids of the rules in the order of their numbers.
    pub rules: Vec<&'a str>,
    /// Numbers of the rules that are pending.
    pub pending: BTreeSet<u32>,
    /// What each of them asks for, in the same order.
    pub asked: Vec<Operations>,
    /// When the signal of each becomes SIGKILL, in the same order.
    pub escalate: Vec<Escalate>,
    /// Nanoseconds since 1970.
    pub built_at_ns: u64,
}
