//! Records: one JSON object per line. Names are those of the C++ AegisBPF where the meaning is the same.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One line of the event stream.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Record {
    /// A decision that was reported.
    Block(Box<BlockRecord>),
    /// Decisions that were folded, as there were too many of them.
    Summary(Box<SummaryRecord>),
    /// Something was lost.
    Gap(GapRecord),
    /// The agent itself did something.
    Lifecycle(LifecycleRecord),
}

/// A decision that was reported. `(boot_id, arming_id, cpu, sequence)` is its identity, for removing
/// doubles.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct BlockRecord {
    /// [`API_VERSION`](crate::API_VERSION).
    pub version: u32,
    /// The boot in which it happened.
    pub boot_id: String,
    /// The arming of the probes that decided it. After `detach`, the next arming counts from 1 again.
    #[serde(default)]
    pub arming_id: String,
    /// The CPU on which it was decided.
    pub cpu: u32,
    /// Counts the decisions of that CPU that were to be sent, from 1.
    pub sequence: u64,
    /// Whether a gap record has already said that this one is lost. It is not.
    #[serde(default)]
    pub late: bool,
    /// When, in nanoseconds since 1970, reckoned from the clock of the boot.
    pub time_ns: u64,
    /// When, in nanoseconds since boot, suspend included.
    pub boottime_ns: u64,
    /// `BLOCK` if it was denied, `AUDIT` if it would have been.
    pub action: String,
    /// `deny` or `audit`.
    pub verdict: String,
    /// Why: `object`, `slot` …
    pub reason: String,
    /// Number of the signal that the process got with it; 0 is none.
    pub signal: u8,
    /// The generation it was decided under.
    pub generation: u32,
    /// The rule's id; none if no single rule caused it, or the ids of that generation are gone.
    pub rule: Option<String>,
    /// The rule's number in that generation.
    pub rule_number: Option<u32>,
    /// The hook, by the kernel's name.
    pub hook: String,
    /// The operations that were asked for.
    pub operations: Vec<String>,
    /// Process id in the initial namespace.
    pub pid: u32,
    /// Thread id in the initial namespace.
    pub tid: u32,
    /// Parent's process id.
    pub ppid: u32,
    /// When the process started, in nanoseconds since boot.
    pub start_time: u64,
    /// When the parent started.
    pub parent_start_time: u64,
    /// `pid:start_time`.
    pub exec_id: String,
    /// `ppid:parent_start_time`.
    pub parent_exec_id: String,
    /// Real user id.
    pub uid: u32,
    /// Real group id.
    pub gid: u32,
    /// Id of the cgroup.
    pub cgid: u64,
    /// Inode number of the mount namespace.
    pub mount_namespace: u32,
    /// Inode number of the pid namespace.
    pub pid_namespace: u32,
    /// Name of the thread. Anyone can set it.
    pub comm: String,
    /// Inode number of the object.
    pub ino: u64,
    /// Device of the object, in the kernel's encoding.
    pub dev: u32,
    /// Inode generation of the object.
    pub inode_generation: u32,
    /// Path of the dentry that was used, as seen from the root of its mount namespace.
    pub path: String,
    /// Whether components nearest to the root are missing from the path.
    pub path_cut: bool,
    /// Who acted, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Box<ProcessRecord>>,
}

/// What is known of a process. What is not known is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct ProcessRecord {
    /// Inode number of what it was started from, as the kernel recorded it then. The process cannot change it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executable_ino: Option<u64>,
    /// Its device, in the kernel's encoding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executable_dev: Option<u32>,
    /// Its inode generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executable_inode_generation: Option<u32>,
    /// Whether what is said of it was only found later, and not recorded when it was started: it can have forged it
    /// before.
    pub unproven: bool,
    /// Path of what it was started from, when it was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executable: Option<String>,
    /// Whether components nearest to the root are missing from that path.
    #[serde(default)]
    pub executable_cut: bool,
    /// Its arguments, when it was started. Those that contain a word of `context.hidden_words`, or follow an option that
    /// does, are `***`. Whoever starts a program chooses them freely: they tell, they prove nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argv: Option<Vec<String>>,
    /// Whether arguments, or the end of one, are missing.
    #[serde(default)]
    pub argv_cut: bool,
    /// Who made it, who made that one, and so on: the nearest first.
    #[serde(default)]
    pub ancestors: Vec<AncestorRecord>,
    /// Whether there are more of them, or can be.
    #[serde(default)]
    pub ancestors_cut: bool,
    /// Id of the container that its cgroup belongs to, by the name that container runtimes give cgroups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_id: Option<String>,
}

/// One from whom a process descends, as it was when it made the next one.
#[derive(Debug, Clone, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct AncestorRecord {
    /// `pid:start_time`.
    pub exec_id: String,
    /// Path of what it was started from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executable: Option<String>,
    /// Whether this was only found later.
    pub unproven: bool,
}

/// Decisions that were folded: equal ones, of which the first of each second have records of their own. `first` and
/// `last` are its identity within an arming: summaries number what they tell of from 1 on, over all CPUs.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct SummaryRecord {
    /// [`API_VERSION`](crate::API_VERSION).
    pub version: u32,
    /// The boot in which they happened.
    pub boot_id: String,
    /// The arming of the probes that folded them.
    #[serde(default)]
    pub arming_id: String,
    /// The number of the first folded decision that this tells of.
    pub first: u64,
    /// The number of the last one.
    pub last: u64,
    /// How many they are.
    pub count: u64,
    /// What they had in common; none if they were of several kinds that are no longer known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<StormRecord>,
}

/// What folded decisions have in common.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct StormRecord {
    /// None was made before, in nanoseconds since 1970.
    pub from_ns: u64,
    /// None was made after.
    pub to_ns: u64,
    /// `BLOCK` if they were denied, `AUDIT` if they would have been.
    pub action: String,
    /// `deny` or `audit`.
    pub verdict: String,
    /// Why: `object`, `slot` …
    pub reason: String,
    /// The generation they were decided under.
    pub generation: u32,
    /// The rule's id; none if no single rule caused them, or the ids of that generation are gone.
    pub rule: Option<String>,
    /// The rule's number in that generation.
    pub rule_number: Option<u32>,
    /// The hook, by the kernel's name.
    pub hook: String,
    /// The operations that were asked for.
    pub operations: Vec<String>,
    /// Inode number of the object, or of its directory if there was nothing yet.
    pub ino: u64,
    /// Its device, in the kernel's encoding.
    pub dev: u32,
    /// Its inode generation.
    pub inode_generation: u32,
    /// Inode number of the executable, as the memory of the process names it. Who tries can change it.
    pub executable_ino: u64,
    /// Its device.
    pub executable_dev: u32,
}

/// What was lost. With `cpu`, these are the numbers from `first` to `last` of that CPU.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct GapRecord {
    /// [`API_VERSION`](crate::API_VERSION).
    pub version: u32,
    /// When it was noticed, in nanoseconds since 1970.
    pub time_ns: u64,
    /// Why: `dropped`, `crash`, `sink_full`, `sink_failed`, `sink_off`, `malformed`; or `evicted` from the daemon's memory
    /// before this reader came.
    pub reason: String,
    /// How many records.
    pub count: u64,
    /// The boot whose numbers these are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<String>,
    /// The arming whose numbers these are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arming_id: Option<String>,
    /// The CPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<u32>,
    /// The first number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// The last number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<u64>,
}

/// Something that the agent did.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct LifecycleRecord {
    /// [`API_VERSION`](crate::API_VERSION).
    pub version: u32,
    /// When, in nanoseconds since 1970.
    pub time_ns: u64,
    /// The arming whose generation this is.
    #[serde(default)]
    pub arming_id: String,
    /// `armed`, `adopted`, `applied`, `detached` …
    pub what: String,
    /// The generation in force afterwards.
    pub generation: u32,
    /// In words.
    pub detail: String,
}
