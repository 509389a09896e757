//! What is measured: what is done, with which files, and under which policy.

use crate::error::Error;
use aegis_probes::bench::{self, Empty};
use serde::Serialize;

/// What is done over and over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) enum Operation {
    /// A file is opened and closed.
    #[serde(rename = "open+close")]
    Open,
    /// A small static program is started in a new process, and its end is waited for.
    #[serde(rename = "start+wait")]
    Start,
    /// A file is made, and its name is taken away.
    #[serde(rename = "create+unlink")]
    Unlink,
}

impl Operation {
    /// Every operation, in the order of the report.
    pub(crate) const ALL: [Self; 3] = [Self::Open, Self::Start, Self::Unlink];

    /// How it is told.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Open => "open+close",
            Self::Start => "start+wait",
            Self::Unlink => "create+unlink",
        }
    }

    /// Attaches the empty program to the hook that such an operation is denied by.
    pub(crate) fn attach_empty(self) -> Result<Empty, Error> {
        let attach = match self {
            Self::Open => bench::attach_empty,
            Self::Start => bench::attach_empty_start,
            Self::Unlink => bench::attach_empty_unlink,
        };
        attach().map_err(Error::from)
    }

    /// What is measured with the empty program attached.
    pub(crate) fn reference(self) -> Case {
        match self {
            Self::Open => Case::Plain,
            Self::Start => Case::Start,
            Self::Unlink => Case::Unlink,
        }
    }
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Case {
    /// Opening files in directories that no rule concerns.
    Plain,
    /// Opening files whose neighbours have rules.
    Beside,
    /// Opening files below 4 directories, while a rule is on another subtree.
    Depth4,
    /// The same below 12.
    Depth12,
    /// Opening a file that a rule in observe mode is on.
    Observed,
    /// Opening a file that a rule denies.
    Denied,
    /// Opening a file with a rule that is about another user.
    OtherUser,
    /// Opening a file with a rule that is about another program.
    OtherProgram,
    /// Starting a program that no rule concerns.
    Start,
    /// Making and removing a file that no rule concerns.
    Unlink,
}

impl Case {
    /// Every case.
    pub(crate) const ALL: [Self; 10] = [
        Self::Plain,
        Self::Beside,
        Self::Depth4,
        Self::Depth12,
        Self::Observed,
        Self::Denied,
        Self::OtherUser,
        Self::OtherProgram,
        Self::Start,
        Self::Unlink,
    ];

    /// What is done.
    pub(crate) fn operation(self) -> Operation {
        match self {
            Self::Start => Operation::Start,
            Self::Unlink => Operation::Unlink,
            _ => Operation::Open,
        }
    }

    /// How it is told.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Plain => "directory without slots",
            Self::Beside => "directory with slots",
            Self::Depth4 => "another subtree, below 4 directories",
            Self::Depth12 => "another subtree, below 12 directories",
            Self::Observed => "observed",
            Self::Denied => "denied (and so not opened)",
            Self::OtherUser => "a rule about another user",
            Self::OtherProgram => "a rule about another program",
            Self::Start | Self::Unlink => "no rule concerns it",
        }
    }
}

/// What is in force while cases are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    /// The first so many rules on the reading of files.
    Files(u32),
    /// One rule on a subtree.
    Subtree,
    /// Rules on the files that are measured.
    Matching,
    /// One rule, on all operations that are measured.
    Everything,
}

impl Policy {
    /// What is measured under it.
    pub(crate) fn cases(self) -> &'static [Case] {
        match self {
            Self::Files(_) => &[Case::Plain, Case::Beside],
            Self::Subtree => &[Case::Depth4, Case::Depth12],
            Self::Matching => &[Case::Observed, Case::Denied, Case::OtherUser, Case::OtherProgram],
            Self::Everything => &[Case::Start, Case::Unlink],
        }
    }
}
