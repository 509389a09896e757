//! What was put in force on a host, and what was tried.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What changes which policy is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// `policy apply`.
    Apply,
    /// `policy reset`.
    Reset,
    /// `policy rollback`.
    Rollback,
    /// A change of the local policy, such as `block add`.
    Local,
    /// The daemon was started.
    Start,
    /// The configuration was read again, or its files have changed.
    Reload,
}

impl Deed {
    /// As it is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Reset => "reset",
            Self::Rollback => "rollback",
            Self::Local => "local",
            Self::Start => "start",
            Self::Reload => "reload",
        }
    }
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is being done.
    Begun,
    /// It came into force.
    InForce,
    /// The same was in force already.
    Unchanged,
    /// It was refused, or failed: what was in force before stayed.
    Refused,
    /// The daemon ended meanwhile, and what was in force before stayed.
    Interrupted,
}

impl Outcome {
    /// As it is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::InForce => "in force",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
            Self::Interrupted => "interrupted",
        }
    }
}

/// Who asked over the control socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Asker {
    /// The user.
    pub uid: u32,
    /// Who had logged in to become that user, where the kernel keeps it (`/proc/PID/loginuid`).
    pub login: Option<u32>,
}

/// One change, or the try of one.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// Counts the entries of this host.
    pub number: u64,
    /// When, in nanoseconds since 1970.
    pub at_ns: u64,
    /// What was done.
    pub deed: Deed,
    /// Who asked; none if it was the daemon itself.
    pub by: Option<Asker>,
    /// What became of it.
    pub outcome: Outcome,
    /// The name of the policy; empty if it could not be compiled.
    pub policy: String,
    /// Its serial; 0 if it has none.
    pub serial: u64,
    /// From when on it is not put in force anew, in seconds since 1970.
    pub expires: Option<u64>,
    /// The files that it was made of.
    pub files: Vec<String>,
    /// The keys whose signatures were right and trusted.
    pub signers: Vec<String>,
    /// SHA-256 of the plan, the same on every machine; empty if it could not be compiled.
    pub plan_digest: String,
    /// SHA-256 of its texts, by which they are kept; empty if they are not.
    pub content: String,
    /// Names the arming whose generations are counted.
    pub arming: String,
    /// The generation that came into force.
    pub generation: Option<u32>,
    /// Why it was refused, or what else is to be known.
    pub detail: String,
}

/// What was put in force on this host, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct HistoryReply {
    /// [`API_VERSION`](crate::API_VERSION).
    pub version: u32,
    /// Names the arming of now: generations of another one cannot be told apart by their number.
    pub arming: String,
    /// The entries.
    pub entries: Vec<HistoryEntry>,
    /// Lines of the file that cannot be read.
    pub damaged: u64,
}

/// Asks for an earlier policy to be put in force again.
#[derive(Debug, Clone, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollbackRequest {
    /// The generation whose policy it is to be; none for the one before the one in force.
    #[serde(default)]
    pub to: Option<u32>,
}
