//! Who holds what a policy forbids, from before it was in force.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most holders that a reply names one by one.
pub const LISTED_HOLDERS: usize = 1_000;

/// What is done about holders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HolderAction {
    /// They are told.
    #[default]
    Report,
    /// They are told, and those that an enforcing rule is on are killed.
    Kill,
}

/// What was found when a policy had come into force.
#[derive(Debug, Clone, PartialEq, Eq, Default, JsonSchema, Serialize, Deserialize)]
pub struct HolderReport {
    /// The first [`LISTED_HOLDERS`] of them.
    pub listed: Vec<Holder>,
    /// How many there are.
    pub found: u64,
    /// How many more there are that the survival list or an exempt cgroup lets through. They are not listed.
    pub spared: u64,
    /// Processes that were killed.
    pub killed: u64,
    /// Processes that an enforcing rule is on and that live and hold on.
    pub left: u64,
    /// Why this is not the whole truth; none if it is.
    pub error: Option<String>,
}

/// A process that holds a file which it could not open or map any more.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Holder {
    /// Process id in the initial namespace.
    pub pid: u32,
    /// When the process started, in nanoseconds since boot: pids are reused.
    pub start_time: u64,
    /// Real user id in the initial namespace.
    pub uid: u32,
    /// Name of its first thread, which it can set itself.
    pub comm: String,
    /// By what it holds the file.
    pub holds: Holding,
    /// The operations that go on although rules are on them.
    pub operations: Vec<String>,
    /// The id of the rule, if it is known.
    pub rule: Option<String>,
    /// What that rule would do: `enforce` or `observe`. Those that are observed are never killed.
    pub mode: String,
    /// The path of the file, where the kernel tells one.
    pub path: Option<String>,
    /// Whether the process was killed for it.
    pub killed: bool,
}

/// By what a file is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holding {
    /// By a descriptor: its number.
    Descriptor(u32),
    /// By memory: from the first address of its first mapping to the end of its last one.
    Mapping {
        /// The first address.
        start: u64,
        /// The address after the last one.
        end: u64,
    },
}
