//! What the command and the daemon say to each other over the control socket, and what records look like.
//!
//! HTTP with JSON bodies on a unix socket; every path but that of metrics begins with `/v1`. All types are plain data. Fields may be
//! added; a field that is removed or changes its meaning makes a new version.
#![forbid(unsafe_code)]

mod accounts;
mod history;
mod holder;
mod local;
mod openapi;
mod record;
mod status;
mod survival;
mod tree;

pub use accounts::{AccountsReply, CpuAccount, GapCount, RuleHits};
pub use history::{Asker, Deed, HistoryEntry, HistoryReply, Outcome, RollbackRequest};
pub use holder::{Holder, HolderAction, HolderReport, Holding, LISTED_HOLDERS};
pub use local::{Change, ChangeReply, EntriesReply, EntriesRequest};
pub use openapi::{ROUTES, Route, document};
pub use record::{
    AncestorRecord, BlockRecord, GapRecord, LifecycleRecord, ProcessRecord, Record, StormRecord,
    SummaryRecord,
};
pub use status::{
    ClassStatus, Counts, DaemonStatus, GenerationStatus, LinkStatus, Memory, Posture, Status, UnseenRule,
};
pub use survival::{MissingSurvivor, SurvivalReply, Survivor, SurvivorKind};
pub use tree::{ChildStatus, Gauge, TreeReply};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Version of this API, in every reply that stands alone.
pub const API_VERSION: u32 = 1;

/// Header of a request that names the pin directory it is meant for. A daemon of another one refuses it, so that
/// nobody changes the wrong one by its socket.
pub const ROOT_HEADER: &str = "aegis-bpffs-root";

/// Paths of the API.
pub mod paths {
    /// GET: [`Status`](crate::Status).
    pub const STATUS: &str = "/v1/status";
    /// GET: [`TreeReply`](crate::TreeReply).
    pub const TREE: &str = "/v1/tree";
    /// GET: metrics as text, for Prometheus. Not below `/v1`: this is where scrapers look.
    pub const METRICS: &str = "/metrics";
    /// POST [`ApplyRequest`](crate::ApplyRequest): [`ApplyReply`](crate::ApplyReply).
    pub const APPLY: &str = "/v1/policy/apply";
    /// POST: the empty policy; [`ApplyReply`](crate::ApplyReply).
    pub const RESET: &str = "/v1/policy/reset";
    /// POST [`RollbackRequest`](crate::RollbackRequest): an earlier policy; [`ApplyReply`](crate::ApplyReply).
    pub const ROLLBACK: &str = "/v1/policy/rollback";
    /// GET: [`HistoryReply`](crate::HistoryReply).
    pub const HISTORY: &str = "/v1/policy/history";
    /// GET: [`EntriesReply`](crate::EntriesReply), of what the local policy denies. POST
    /// [`EntriesRequest`](crate::EntriesRequest): [`ChangeReply`](crate::ChangeReply).
    pub const BLOCK: &str = "/v1/block";
    /// As [`BLOCK`], of the cgroups that the local policy exempts.
    pub const ALLOW: &str = "/v1/allow";
    /// As [`BLOCK`], of the addresses and ports that the local policy denies.
    pub const NETWORK: &str = "/v1/network";
    /// GET: [`PolicyReply`](crate::PolicyReply).
    pub const POLICY: &str = "/v1/policy";
    /// Its text.
    pub const POLICY_TEXT: &str = "/v1/policy/text";
    /// GET: [`SurvivalReply`](crate::SurvivalReply).
    pub const SURVIVAL: &str = "/v1/survival";
    /// GET, `?after=N&follow=true`: records as NDJSON.
    pub const EVENTS: &str = "/v1/events";
    /// GET: [`AccountsReply`](crate::AccountsReply).
    pub const ACCOUNTS: &str = "/v1/accounts";
    /// POST: the configuration is read again; [`ReloadReply`](crate::ReloadReply).
    pub const RELOAD: &str = "/v1/config/reload";
    /// POST [`DetachRequest`](crate::DetachRequest): [`DetachReply`](crate::DetachReply).
    pub const DETACH: &str = "/v1/detach";
    /// GET: what this API is, as an OpenAPI 3.1 document.
    pub const OPENAPI: &str = "/v1/openapi.json";
}

/// One policy file.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicySource {
    /// Its name, for diagnostics.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Signatures of exactly these bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<SignatureSource>,
}

impl PolicySource {
    /// One without signatures.
    #[must_use]
    pub fn unsigned(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into(), signatures: Vec::new() }
    }
}

/// A file with a signature.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignatureSource {
    /// Its name, for diagnostics.
    pub name: String,
    /// Its text, as `minisign` or `ssh-keygen -Y sign` makes it.
    pub text: String,
}

/// Asks for a policy to be put in force.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplyRequest {
    /// The files that make up the policy.
    pub sources: Vec<PolicySource>,
    /// What is done about those who hold what the policy forbids.
    #[serde(default)]
    pub holders: HolderAction,
    /// Whether it must be signed, even if the daemon's configuration does not say so.
    #[serde(default)]
    pub require_signature: bool,
    /// Whether everything is only tried, up to what would be loaded: then nothing changes.
    #[serde(default)]
    pub dry_run: bool,
}

/// A policy is in force; after a dry run, would be.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct ApplyReply {
    /// [`API_VERSION`].
    pub version: u32,
    /// The generation that is in force now.
    pub generation: GenerationStatus,
    /// False if the same tables were in force already.
    pub changed: bool,
    /// What the compiler warned of, as text.
    pub warnings: Vec<String>,
    /// Who held what the policy forbids when it had come into force.
    #[serde(default)]
    pub holders: HolderReport,
    /// Rules that are without effect on some path until it can be resolved.
    pub pending: Vec<PendingRule>,
    /// What else is to be known about it, such as what became of the local policy.
    #[serde(default)]
    pub notes: Vec<String>,
    /// What must be known about this host: that nothing is blocked. None where the probes can deny.
    pub notice: Option<String>,
    /// Rules that ask for what the probes cannot see.
    pub unseen: Vec<UnseenRule>,
    /// What it did and how long each step took, in order.
    #[serde(default)]
    pub steps: Vec<Step>,
}

/// A step of putting a policy in force.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Step {
    /// Which: `verify`, `compile`, `record`, `resolve`, `build`, `attach`, `load`, `read_back`, `prove`, `flip`, `settle`. Tables that are in
    /// force already are not loaded, flipped in or waited for.
    pub step: String,
    /// How long it took.
    pub microseconds: u64,
}

/// A rule that is pending: the way to its file is not there. The daemon tries again when something changes.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct PendingRule {
    /// Its id.
    pub rule: String,
    /// The paths that cannot be resolved; empty if this was read from the pins, which do not tell.
    pub paths: Vec<String>,
}

/// The policy in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct PolicyReply {
    /// [`API_VERSION`].
    pub version: u32,
    /// The generation in force; none before the first.
    pub generation: Option<GenerationStatus>,
    /// The ids of its rules, by number.
    pub rules: Vec<String>,
    /// How it came into force; none if that is not known here.
    #[serde(default)]
    pub entry: Option<HistoryEntry>,
    /// Rules that are without effect on some path until it can be resolved.
    #[serde(default)]
    pub pending: Vec<PendingRule>,
    /// Since when it has expired. It stays in force.
    #[serde(default)]
    pub expired: Option<String>,
    /// The highest serial of a signed policy that was put in force here; 0 before the first.
    #[serde(default)]
    pub highest_serial: u64,
}

/// The policy in force as a text.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct PolicyTextReply {
    /// [`API_VERSION`].
    pub version: u32,
    /// The generation in force.
    pub generation: u32,
    /// One text in format 3 with its meaning, that of the local policy included.
    pub text: String,
}

/// The configuration was read again and taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReloadReply {
    /// [`API_VERSION`].
    pub version: u32,
    /// Keys of what is different now; `policy.files` if other tables are in force.
    pub changed: Vec<String>,
    /// Keys that have changed since the daemon was started and need a new start.
    pub needs_start: Vec<String>,
    /// What was put in force; none if the policy was not touched.
    pub applied: Option<ApplyReply>,
}

/// Asks for everything to be taken down.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetachRequest {
    /// Why; goes into the record.
    pub reason: String,
}

/// Everything is down.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct DetachReply {
    /// [`API_VERSION`].
    pub version: u32,
    /// The links that ended.
    pub links: Vec<LinkStatus>,
    /// Events that were in the ring and that no daemon was there to deliver.
    pub undelivered: u64,
}

/// Why a request was not carried out. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Refusal {
    /// What kind of refusal.
    pub kind: RefusalKind,
    /// Cause and remedy, as text of one or more lines.
    pub message: String,
}

/// Kinds of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// The policy is wrong, or cannot be resolved on this host.
    Policy,
    /// The caller may not do this.
    NotPermitted,
    /// The request is meant for another pin directory than that of this daemon.
    OtherRoot,
    /// The request itself is wrong: no such path, a method that the path does not take, a body that is too large, came
    /// too slowly, or is not what is expected there.
    Request,
    /// There are as many connections or followers as may be at a time; it can be tried again.
    Busy,
    /// The kernel or the daemon could not do it.
    Failed,
}
