//! What the kernel tells the daemon: decisions that were reported, and how many there were.

use crate::access::{Hook, Operations, Reason, Verdict};
use crate::subject::{LINEAGE_ANCESTORS_UNPROVEN, LINEAGE_CUT, LINEAGE_KNOWN, LINEAGE_UNPROVEN};
use crate::tables::{ABI_VERSION, HOOKS, ObjectKey};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

/// Bytes for the path of an event.
pub const PATH_BYTES: usize = 616;
/// Components of a path that a probe walks.
pub const PATH_DEPTH: u32 = 32;
/// [`Event::kind`] of a decision that was reported.
pub const EVENT_DECISION: u8 = 1;
/// [`Event::flags`]: components nearest to the root are missing from the path.
pub const FLAG_PATH_CUT: u8 = 1;

/// One reported decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Event {
    /// [`ABI_VERSION`].
    pub abi_version: u16,
    /// `EVENT_…`.
    pub kind: u8,
    /// [`Hook`].
    pub hook: u8,
    /// [`Verdict`].
    pub verdict: u8,
    /// [`Reason`].
    pub reason: u8,
    /// Signal that the process got; 0 is none.
    pub signal: u8,
    /// `FLAG_…` bits.
    pub flags: u8,
    /// Where it was decided.
    pub cpu: u32,
    /// Generation it was decided under.
    pub generation: u32,
    /// Counts the decisions of this CPU that were to be sent, from 1.
    pub sequence: u64,
    /// Nanoseconds of `CLOCK_BOOTTIME`.
    pub time_ns: u64,
    /// [`Operations`] that were asked for.
    pub operations: u32,
    /// Rule number, or `RULE_NONE`.
    pub rule: u32,
    /// Process (thread group) id in the initial namespace.
    pub pid: u32,
    /// Thread id in the initial namespace.
    pub tid: u32,
    /// When the process started, in nanoseconds since boot.
    pub start_time: u64,
    /// When its parent started.
    pub parent_start_time: u64,
    /// Process id of its parent.
    pub ppid: u32,
    /// Real user id in the initial namespace.
    pub uid: u32,
    /// Real group id in the initial namespace.
    pub gid: u32,
    /// Inode number of the mount namespace.
    pub mount_namespace: u32,
    /// Inode number of the pid namespace that children of the task are born into.
    pub pid_namespace: u32,
    /// Used bytes of `path`.
    pub path_bytes: u16,
    /// Components in `path`.
    pub path_components: u16,
    /// Id of its cgroup (version 2).
    pub cgroup: u64,
    /// What was acted upon.
    pub object: ObjectKey,
    /// What the process was started from, as the kernel recorded it; all zeros if that is not known, or nothing.
    pub executable: ObjectKey,
    /// `LINEAGE_…` bits of that record; 0 if there is none.
    pub lineage: u32,
    /// Always 0.
    pub reserved: u32,
    /// Name of the thread, NUL-padded. Anyone can set it: it tells, it proves nothing.
    pub comm: [u8; 16],
    /// Names of the path's components, each ended by NUL, the file itself first, its root last. They are those
    /// of the dentry that was used, not what the caller typed.
    pub path: [u8; PATH_BYTES],
}

/// Per-CPU counts; each only grows. Every reported decision is counted once more, when its fate is known: as
/// submitted, suppressed or dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Counters {
    /// Events that went into the ring.
    pub submitted: u64,
    /// Decisions that were folded: counted instead of sent.
    pub suppressed: u64,
    /// Events for which the ring had no room.
    pub dropped: u64,
    /// The last sequence number given out. Those that are folded get none.
    pub sequence: u64,
    /// Decisions that were to be reported. Counted before all of the above, and behind them, so that who reads
    /// from the beginning on never finds more fates than decisions.
    pub reported: u64,
    /// Requests that could not be decided by the rules, whatever became of them.
    pub undecidable: u64,
    /// Requests that a rule would have denied and the survival list let through.
    pub survived: u64,
    /// Requests that a rule would have denied and an exempt cgroup let through.
    pub exempted: u64,
    /// What the audit fallback noticed and could not look at: nobody knows what a rule would have said.
    pub unseen: u64,
    /// Process events for which their ring had no room.
    pub untold: u64,
    /// Requests answered with `audit`, by hook.
    pub audited: [u64; HOOKS],
    /// Requests answered with `deny`, by hook.
    pub denied: [u64; HOOKS],
}

/// Nothing has been counted. Not derived: arrays as long as these have no default.
impl Default for Counters {
    fn default() -> Self {
        Self::new_zeroed()
    }
}

/// Why bytes from the ring are not an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventError {
    /// Not the size of an event: this many bytes.
    Size(usize),
    /// Another version of the ABI.
    Version(u16),
    /// A field has a value that does not exist: the field and the value.
    Field(&'static str, u64),
}

impl core::fmt::Display for EventError {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Size(size) => {
                write!(out, "event of {size} bytes where {} were expected", size_of::<Event>())
            }
            Self::Version(version) => write!(out, "event of ABI version {version}, this is {ABI_VERSION}"),
            Self::Field(field, value) => write!(out, "event field {field} has the impossible value {value}"),
        }
    }
}

impl core::error::Error for EventError {}

/// Whether these are `LINEAGE_…` bits.
pub(crate) fn is_lineage(bits: u32) -> bool {
    bits & !(LINEAGE_KNOWN | LINEAGE_UNPROVEN | LINEAGE_ANCESTORS_UNPROVEN | LINEAGE_CUT) == 0
}

/// Whether an executable can come with these bits: one that is not known is all zeros.
pub(crate) fn is_known(executable: &ObjectKey, lineage: u32) -> bool {
    lineage & LINEAGE_KNOWN != 0 || *executable == ObjectKey::default()
}

impl Event {
    /// Reads an event and checks every field that has a limited range: bytes from the kernel are untrusted.
    ///
    /// # Errors
    /// Tells the first thing that is wrong with them.
    pub fn decode(bytes: &[u8]) -> Result<&Self, EventError> {
        let event = Self::ref_from_bytes(bytes).map_err(|_| EventError::Size(bytes.len()))?;
        if u32::from(event.abi_version) != ABI_VERSION {
            return Err(EventError::Version(event.abi_version));
        }
        event.check().map(|()| event)
    }

    /// The CPU and the sequence number of bytes that are no event, if they have the form of one of this version: so
    /// that it is known at least which one is lost. They are as untrusted as the rest.
    #[must_use]
    pub fn number(bytes: &[u8]) -> Option<(u32, u64)> {
        let event = Self::ref_from_bytes(bytes).ok()?;
        (u32::from(event.abi_version) == ABI_VERSION).then_some((event.cpu, event.sequence))
    }

    fn check(&self) -> Result<(), EventError> {
        let known = [
            ("kind", u64::from(self.kind), self.kind == EVENT_DECISION),
            ("hook", self.hook.into(), Hook::from_byte(self.hook).is_some()),
            ("verdict", self.verdict.into(), Verdict::from_byte(self.verdict).is_some()),
            ("reason", self.reason.into(), Reason::from_byte(self.reason).is_some()),
            ("flags", self.flags.into(), self.flags & !FLAG_PATH_CUT == 0),
            ("operations", self.operations.into(), Operations::from_bits(self.operations).is_some()),
            ("sequence", self.sequence, self.sequence != 0),
            ("lineage", self.lineage.into(), is_lineage(self.lineage)),
            ("executable", self.executable.ino, is_known(&self.executable, self.lineage)),
            ("path_bytes", self.path_bytes.into(), usize::from(self.path_bytes) <= PATH_BYTES),
        ];
        match known.into_iter().find(|(_, _, valid)| !valid) {
            Some((field, value, _)) => Err(EventError::Field(field, value)),
            None => Ok(()),
        }
    }

    /// The components of the path, from the root down. They are bytes: names need not be UTF-8.
    pub fn path_from_root(&self) -> impl Iterator<Item = &[u8]> {
        let used = self.path.get(..usize::from(self.path_bytes)).unwrap_or_default();
        used.split(|byte| *byte == 0).rev().filter(|name| !name.is_empty())
    }

    /// Whether components nearest to the root are missing from the path.
    #[must_use]
    pub fn path_is_cut(&self) -> bool {
        self.flags & FLAG_PATH_CUT != 0
    }
}
