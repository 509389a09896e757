//! The local policy: what `block`, `allow` and `network deny` add to the policy in force.

use crate::ApplyReply;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a list is to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The entries are to be on it.
    Add,
    /// The entries, which must be on it, are to be taken off.
    Delete,
    /// Nothing is to be on it.
    Clear,
}

/// Asks for a list to be changed.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntriesRequest {
    /// How.
    pub change: Change,
    /// Paths, inodes, cgroups, addresses or ports as formats 1 and 2 write them; none to clear.
    #[serde(default)]
    pub entries: Vec<String>,
}

/// A list of the local policy.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct EntriesReply {
    /// [`API_VERSION`](crate::API_VERSION).
    pub version: u32,
    /// The file of the local policy, whether or not it is there.
    pub file: String,
    /// What is on the list, as format 1 writes it.
    pub entries: Vec<String>,
}

/// A list was changed, in the kernel and in the file.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct ChangeReply {
    /// [`API_VERSION`](crate::API_VERSION).
    pub version: u32,
    /// What was put on the list or taken off; what was as wanted already is left out.
    pub changed: Vec<String>,
    /// What is on the list now.
    pub entries: Vec<String>,
    /// The policy in force now.
    pub applied: ApplyReply,
}
