//! The parts of the daemon.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The daemon as the tree of its parts.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct TreeReply {
    /// [`API_VERSION`](crate::API_VERSION).
    pub version: u32,
    /// The supervisor of all.
    pub root: ChildStatus,
}

/// A supervisor or worker, and what is below it.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct ChildStatus {
    /// Its names from the root, with `/` between them; the root's is empty.
    pub path: String,
    /// `ended`, `starting`, `running`, `stopping`, `waiting` for its restart, or `degraded`: it failed too often and is
    /// only tried again from time to time.
    pub state: String,
    /// How often it was started before.
    pub incarnation: u32,
    /// Restarts that count now: of a supervisor among its children, of a worker its own where it has a count of its own.
    pub restarts: u32,
    /// The kind of its last exit; none if it never ended.
    pub last_exit: Option<String>,
    /// The last exit in words.
    pub last_exit_detail: Option<String>,
    /// How old its last heartbeat is, in milliseconds; none for a supervisor, and while it is not ready.
    pub heartbeat_age_ms: Option<u64>,
    /// Numbers that it shows, such as depths of queues.
    pub gauges: Vec<Gauge>,
    /// What is below it.
    pub children: Vec<ChildStatus>,
}

/// A number under a name.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Gauge {
    /// Its name.
    pub name: String,
    /// Its value now.
    pub value: u64,
}
