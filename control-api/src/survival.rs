//! The survival list: who and what is never denied.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The survival list, and what is to be said of it.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct SurvivalReply {
    /// [`API_VERSION`](crate::API_VERSION).
    pub version: u32,
    /// The process that answers; none if this was read from the pins.
    pub daemon: Option<u32>,
    /// What is on the list.
    pub survivors: Vec<Survivor>,
    /// What belongs on the list and is not there.
    pub missing: Vec<MissingSurvivor>,
    /// What else is to be known, such as what is on the list and of which nobody here knows what it is.
    pub notes: Vec<String>,
}

/// What an entry of the survival list is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SurvivorKind {
    /// A process, by number and start time.
    Process,
    /// A cgroup with all below it, by its id.
    Cgroup,
    /// A file, whoever uses it, by device, inode number and inode generation.
    Object,
}

/// An entry of the survival list.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Survivor {
    /// What it is about.
    pub kind: SurvivorKind,
    /// As the kernel knows it: `pid:start_time`, `cgid:ID`, `major:minor:inode:inode_generation`. Process 1 is that alone.
    pub key: String,
    /// What it is never denied; `all` is everything.
    pub operations: Vec<String>,
    /// What it is, where that is known.
    pub what: Option<String>,
    /// Where it is, as far as that is known.
    pub paths: Vec<String>,
}

/// Something that is not on the survival list, or not for all that it should be.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct MissingSurvivor {
    /// What it is.
    pub what: String,
    /// Where it is.
    pub path: Option<String>,
    /// Why it is missing.
    pub why: String,
    /// What to do about it.
    pub remedy: String,
}
