//! What the kernel is doing, in numbers and in one word per class.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the kernel is really doing on a class of hooks. Never the mode that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize, Deserialize)]
pub enum Posture {
    /// Denies; proven by a self-check and by the tables that were read back.
    #[serde(rename = "ENFORCE")]
    Enforce,
    /// Reports only; proven likewise.
    #[serde(rename = "OBSERVE")]
    Observe,
    /// The kernel refuses BPF LSM programs: what the policy would deny is reported, and nothing is blocked. That the
    /// probes see is proven likewise.
    #[serde(rename = "AUDIT_FALLBACK")]
    AuditFallback,
    /// Attached, but the last proof failed.
    #[serde(rename = "DEGRADED")]
    Degraded,
    /// Not attached: no rule needed it.
    #[serde(rename = "OFF")]
    Off,
}

impl Posture {
    /// Each of them.
    pub const ALL: [Self; 5] = [Self::Enforce, Self::Observe, Self::AuditFallback, Self::Degraded, Self::Off];

    /// The word that is printed.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Enforce => "ENFORCE",
            Self::Observe => "OBSERVE",
            Self::AuditFallback => "AUDIT_FALLBACK",
            Self::Degraded => "DEGRADED",
            Self::Off => "OFF",
        }
    }
}

/// A class of hooks.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct ClassStatus {
    /// `file`, `exec` …
    pub class: String,
    /// What the kernel is doing there.
    pub posture: Posture,
    /// When it was last proven, in nanoseconds since 1970.
    pub proven_at_ns: Option<u64>,
    /// Why it is not proven.
    pub why: Option<String>,
}

/// A generation.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct GenerationStatus {
    /// Its number.
    pub generation: u32,
    /// The policy's name.
    pub policy: String,
    /// The policy's serial, 0 if it has none.
    pub serial: u64,
    /// Mode that command line and policy agree upon.
    pub mode: String,
    /// SHA-256 of the plan, in hex: the same on every machine.
    pub plan_digest: String,
    /// SHA-256 of this host's tables, in hex.
    pub table_digest: String,
    /// When its tables were built, in nanoseconds since 1970.
    pub built_at_ns: u64,
    /// Number of rules.
    pub rules: u32,
    /// Number of objects and directories in the tables.
    pub objects: u32,
    /// Number of names in directories.
    pub slots: u32,
    /// Number of rows.
    pub rows: u32,
    /// Number of exempt cgroups.
    pub exempt: u32,
}

/// A link that enforces.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct LinkStatus {
    /// The hook, by the kernel's name.
    pub hook: String,
    /// The kernel's id of the link.
    pub link_id: u32,
    /// The kernel's id of the program.
    pub program_id: u32,
    /// Runs that the kernel left out because the program was running on that CPU already; must stay 0.
    pub recursion_misses: u64,
    /// Runs of the program that the kernel has counted: it counts while `kernel.bpf_stats_enabled` is 1.
    #[serde(default)]
    pub run_count: u64,
    /// How long those took, in nanoseconds.
    #[serde(default)]
    pub run_time_ns: u64,
}

/// Counts since arming, over all CPUs.
#[derive(Debug, Clone, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Counts {
    /// Requests answered with deny.
    pub denied: u64,
    /// Requests answered with audit.
    pub audited: u64,
    /// Requests that the rules could not decide.
    pub undecidable: u64,
    /// What the audit fallback noticed and could not look at.
    #[serde(default)]
    pub unseen: u64,
    /// Requests that the survival list let through.
    pub survived: u64,
    /// Requests that an exempt cgroup let through.
    pub exempted: u64,
    /// Decisions that were to be reported.
    pub reported: u64,
    /// Events that went into the ring.
    pub submitted: u64,
    /// Decisions that were folded: counted instead of sent.
    pub suppressed: u64,
    /// Events for which the ring had no room.
    pub dropped: u64,
    /// Events that the daemon has read since it started; none without a daemon.
    pub received: Option<u64>,
    /// Events that could not be decoded.
    pub malformed: Option<u64>,
}

/// The answer to `status`.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Status {
    /// [`API_VERSION`](crate::API_VERSION).
    pub version: u32,
    /// Whether a daemon answered; if not, this was read from the pins.
    pub daemon: Option<DaemonStatus>,
    /// Where the pins are.
    pub bpffs_root: String,
    /// The generation in force; none before the first.
    pub generation: Option<GenerationStatus>,
    /// Each class of hooks.
    pub classes: Vec<ClassStatus>,
    /// The links that enforce.
    pub links: Vec<LinkStatus>,
    /// Counts since arming.
    pub counts: Counts,
    /// Rules that are without effect on some path until it can be resolved.
    pub pending: Vec<crate::PendingRule>,
    /// What it costs.
    pub memory: Memory,
    /// Which kind of probes is loaded: `lsm`, which can deny, or `fallback`, which cannot.
    pub probes: String,
    /// What must be known about this host: that nothing is blocked. None where the probes can deny.
    pub notice: Option<String>,
    /// Rules that ask for what the probes cannot see.
    pub unseen: Vec<UnseenRule>,
}

/// Memory that is used.
#[derive(Debug, Clone, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Memory {
    /// Bytes of kernel memory in the tables of both banks.
    pub tables_bytes: u64,
    /// Bytes of the daemon that are in memory now; none without a daemon.
    pub resident_bytes: Option<u64>,
    /// The most there ever were.
    pub peak_bytes: Option<u64>,
}

/// A rule that asks for operations which the probes on this host cannot see: there it has no effect.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct UnseenRule {
    /// Its id.
    pub rule: String,
    /// The operations that are not seen.
    pub operations: Vec<String>,
}

/// The daemon.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct DaemonStatus {
    /// Its process id.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// Whether it found the probes armed.
    pub adopted: bool,
}

impl Status {
    /// The posture of the host as a whole: the weakest of the classes that are on.
    #[must_use]
    pub fn posture(&self) -> Posture {
        let on = self.classes.iter().map(|class| class.posture).filter(|posture| *posture != Posture::Off);
        on.max().unwrap_or(Posture::Off)
    }
}
