//! Keys and values of the tables that a generation consists of, and of those that outlive generations.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Version of everything in this crate. A daemon adopts pinned probes only if theirs is the same.
pub const ABI_VERSION: u32 = 6;

/// Identity of a file, directory or other inode, as the kernel sees it. Never derived from `stat()`.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Default,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(C)]
pub struct ObjectKey {
    /// `inode->i_ino`.
    pub ino: u64,
    /// `inode->i_sb->s_dev`, the kernel's encoding: major << 20 | minor.
    pub dev: u32,
    /// `inode->i_generation`: tells apart inodes that had the same number one after the other.
    pub inode_generation: u32,
}

/// Key of the `objects` table: an inode number. Only one inode has it at a time, so the entry carries the inode
/// generation, and rules that name an inode by number need no second look-up.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Default,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(C)]
pub struct InodeNumber {
    /// `inode->i_ino` as two words. It is laid out as in [`ObjectKey`], whose beginning the probes use as the key of a
    /// look-up. With twelve bytes instead of sixteen the kernel's hash of it takes half the work, and these
    /// hashes are what most of a decision is spent on.
    pub ino: [u32; 2],
    /// `inode->i_sb->s_dev`.
    pub dev: u32,
}

impl InodeNumber {
    /// An inode by its number on a device, which is in the kernel's encoding.
    #[must_use]
    pub const fn new(ino: u64, dev: u32) -> Self {
        Self { ino: zerocopy::transmute!(ino), dev }
    }
}

/// Key of the `slots` table: a name in a directory, whatever is found there.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Default,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(C)]
pub struct SlotKey {
    /// The directory.
    pub parent: ObjectKey,
    /// SipHash of the name under the key in [`Identity`].
    pub name_hash: u64,
}

/// Value of `objects` and `slots`: which rows concern it.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Default,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(C)]
pub struct Entry {
    /// The generation that this entry belongs to; another one is a mixture.
    pub generation: u32,
    /// For objects: the inode generation at which paths were resolved to it.
    pub inode_generation: u32,
    /// Index of its first row in `rows`.
    pub first_row: u32,
    /// How many rows it has, at most [`MAX_ROWS`].
    pub row_count: u16,
    /// `ENTRY_…` bits.
    pub flags: u16,
}

/// This directory has slots: the names of files opened in it must be looked up.
pub const ENTRY_HAS_SLOTS: u16 = 1;
/// Some row of this directory concerns what is below it, too: [`ROW_SUBTREE`].
pub const ENTRY_SUBTREE: u16 = 2;
/// Some slot of this directory has a row that concerns what is below what stands there.
pub const ENTRY_HAS_SUBTREE_SLOTS: u16 = 4;
/// What is started from this file is excepted from a rule: it runs with secure-exec, so that nobody makes it load code
/// of his own.
pub const ENTRY_SECURE_EXEC: u16 = 8;

/// The most rows an entry may have: what a probe looks at. Rows of one object on which nobody is named are joined when
/// compiling, so that their number depends on the operations and kinds of rows that exist; those about somebody stay as
/// many as there are such rules. The kernel walks them for the probes (`bpf_loop`), so it makes no difference to the verifier
/// how many they are.
pub const MAX_ROWS: u16 = 512;

/// The most directories with rules on their subtrees that may be above one object.
pub const MAX_SUBTREES: usize = 5;
/// Directories and mounts that a probe walks up from what is acted upon. A path has 4,095 bytes, and as many as half of
/// them may be directories, so that this is not the most that there can be: beyond it a walk is incomplete.
pub const WALK_STEPS: u32 = 1024;

/// One row of `rows`: what happens on some operations of one object.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Default,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(C)]
pub struct Row {
    /// The generation that this row belongs to.
    pub generation: u32,
    /// [`Operations`](crate::Operations) bits it concerns.
    pub operations: u32,
    /// Rule number: index in `rules`.
    pub rule: u32,
    /// [`Mode`](crate::Mode).
    pub mode: u8,
    /// Signal that the process gets when this row denies; 0 is none.
    pub signal: u8,
    /// `ROW_…` bits.
    pub flags: u16,
    /// Index of its first condition in `conditions`.
    pub first_condition: u32,
    /// How many conditions it has; without any it is about everybody.
    pub condition_count: u16,
    /// The tenant whose row it is, from 1; 0 if it is the host's.
    pub tenant: u16,
}

/// The row concerns the inode number whatever inode generation it has now.
pub const ROW_ANY_INODE_GENERATION: u16 = 1;
/// The row concerns the task that makes the self-check, and nobody else.
pub const ROW_SELF_CHECK: u16 = 2;
/// The row keeps a directory or link on the way to a rule's file where it is, or keeps a missing one missing.
pub const ROW_ANCHOR: u16 = 4;
/// The row of an anchor whose rule follows: nothing is decided, and the daemon is told that something moved.
pub const ROW_FOLLOW: u16 = 8;
/// The row concerns what is below the directory as well.
pub const ROW_SUBTREE: u16 = 16;
/// The row allows: rows of the same tenant do not deny what it concerns. Its operations are those that it allows and those
/// that no row of the tenant denies.
pub const ROW_ALLOW: u16 = 32;

/// The most tenants that may have rows which allow: the probes note them as bits of a word.
pub const MAX_ALLOWING_TENANTS: u16 = 63;

/// Number of the object whose rows concern whatever the operation can concern. No inode has it.
pub const ANY_INO: u64 = u64::MAX - 1;
/// Its device. No file system has it.
pub const ANY_DEV: u32 = u32::MAX;

/// Number of the object in whose place the self-check's operations are decided. No inode has it.
pub const SELF_CHECK_INO: u64 = u64::MAX;
/// Its device. No file system has it.
pub const SELF_CHECK_DEV: u32 = u32::MAX;

/// Rule number of [`ROW_SELF_CHECK`] rows.
pub const RULE_SELF_CHECK: u32 = 0xffff_fffe;
/// Rule number in events that no single rule caused.
pub const RULE_NONE: u32 = 0xffff_ffff;

/// Bytes of a rule's id in [`RuleInfo`], with the NUL that ends it.
pub const RULE_ID_BYTES: usize = 64;

/// Value of `rules`: the id of a rule, so that events can be read with nothing but the pins.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct RuleInfo {
    /// UTF-8, padded with NUL.
    pub id: [u8; RULE_ID_BYTES],
    /// `RULE_…` bits.
    pub flags: u32,
    /// [`Operations`](crate::Operations) bits it concerns, so that it can be told which of them nobody sees.
    pub operations: u32,
    /// With which denial of one process its signal becomes SIGKILL, counted from 1; 0 is never.
    pub escalate_after: u32,
    /// Within how many seconds.
    pub escalate_within: u32,
}

/// A path of the rule could not be resolved: it is without effect there until it can.
pub const RULE_PENDING: u32 = 1;

/// Value of `exempt`, keyed by cgroup id: the cgroup and all below it are excepted from the rules.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Default,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(C)]
pub struct Exempt {
    /// The generation that this entry belongs to.
    pub generation: u32,
    /// Always 0.
    pub reserved: u32,
}

/// Bytes of [`GenerationInfo::policy`], with the NUL that ends it.
pub const POLICY_NAME_BYTES: usize = 64;

/// The one value of `generations`: what a generation as a whole is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct GenerationInfo {
    /// Its number; its tables stand in bank `generation & 1`.
    pub generation: u32,
    /// `GENERATION_…` bits.
    pub flags: u32,
    /// Operations that any rule concerns, or that change what a slot of a rule stands for.
    pub operations: u32,
    /// Operations that an enforcing rule concerns: undecidable requests for these are denied.
    pub enforced_operations: u32,
    /// Number of rules.
    pub rules: u32,
    /// Number of entries in `objects`.
    pub objects: u32,
    /// Number of entries in `slots`.
    pub slots: u32,
    /// Number of entries in `rows`.
    pub rows: u32,
    /// Number of entries in `exempt`.
    pub exempt: u32,
    /// Number of entries in `conditions`.
    pub conditions: u32,
    /// Number of entries in `members`.
    pub members: u32,
    /// Number of entries in `ranges`.
    pub ranges: u32,
    /// Always 0.
    pub reserved: u32,
    /// [`Mode`](crate::Mode) that the command line and the policy agree upon.
    pub mode: u32,
    /// Number of rules that are pending.
    pub pending: u32,
    /// Operations that a rule on a subtree concerns: for these, directories above are looked at.
    pub subtree_operations: u32,
    /// The policy's serial number, 0 if it has none.
    pub serial: u64,
    /// When it was compiled to tables, in nanoseconds since 1970 (`CLOCK_REALTIME`).
    pub built_at_ns: u64,
    /// SHA-256 of the plan: the same on every machine.
    pub plan_digest: [u8; 32],
    /// SHA-256 of the tables of this host, without generation numbers.
    pub table_digest: [u8; 32],
    /// The policy's name: UTF-8, padded with NUL.
    pub policy: [u8; POLICY_NAME_BYTES],
}

/// Some directory has slots. Without it, probes look at no parent.
pub const GENERATION_HAS_SLOTS: u32 = 1;
/// Some rule is on whatever its operations can concern.
pub const GENERATION_HAS_ANY: u32 = 2;
/// Some row allows.
pub const GENERATION_HAS_ALLOW: u32 = 4;

/// Number of banks that each table of a generation has.
pub const BANKS: u32 = 2;

/// Key of `survival`. What it means depends on `kind`.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Default,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(C)]
pub struct SurvivalKey {
    /// An object; or in `ino` a cgroup id; or in `ino` the start time and in `dev` the pid of a process.
    pub object: ObjectKey,
    /// `SURVIVAL_…`.
    pub kind: u32,
    /// Always 0.
    pub reserved: u32,
}

/// [`SurvivalKey`] of an object that is never denied to anyone.
pub const SURVIVAL_OBJECT: u32 = 1;
/// [`SurvivalKey`] of a cgroup that is never denied anything.
pub const SURVIVAL_CGROUP: u32 = 2;
/// [`SurvivalKey`] of a process that is never denied anything.
pub const SURVIVAL_PROCESS: u32 = 3;

/// Value of `survival`: the operations that are never denied.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Default,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(C)]
pub struct Survival {
    /// [`Operations`](crate::Operations) bits.
    pub operations: u32,
    /// Always 0.
    pub reserved: u32,
}

/// The one value of `identity`: who loaded these probes, so that a later daemon knows whether to adopt them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Identity {
    /// [`ABI_VERSION`](crate::ABI_VERSION) of the probes. Stays the first field in all versions.
    pub abi_version: u32,
    /// Size of this struct.
    pub size: u32,
    /// Key of the name hash. Drawn anew each time the probes are armed.
    pub name_key: [u64; 2],
    /// SHA-256 of the compiled object.
    pub object_digest: [u8; 32],
    /// Tag of each program, in the order of [`Hook`](crate::Hook); zeros where it is not loaded.
    pub program_tags: [u64; HOOKS],
    /// [`Kind`](crate::Kind) of the object that is loaded.
    pub kind: u32,
    /// Always 0.
    pub reserved: u32,
}

/// Number of hooks.
pub const HOOKS: usize = 34;

/// The one value of `active`: written as one aligned 64-bit store into mapped memory, which is the flip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Active {
    /// The generation in force; 0 before the first.
    pub generation: u32,
    /// Its enforced operations, kept here so that a missing table is denied rightly.
    pub enforced_operations: u32,
}

/// The one value of `accepted`: the newest signed policy that was put in force since the probes were armed. The probes do
/// not look at it; it is pinned beside them so that it outlasts whoever removes it from the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Accepted {
    /// Its serial; 0 before the first.
    pub serial: u64,
    /// SHA-256 of its texts, as the daemon joins them.
    pub digest: [u8; 32],
}

/// The one value of `self_check`: the task whose requests are decided as a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct SelfCheck {
    /// Its pid in the initial namespace; 0 when no self-check is going on.
    pub pid: u32,
    /// The generation to decide under, which may be the one in the spare bank.
    pub generation: u32,
    /// When the process started, in nanoseconds since boot: pids are reused.
    pub start_time: u64,
    /// The [`Hook`](crate::Hook) to be proven; [`ROW_SELF_CHECK`] rows are ignored on all others.
    pub hook: u32,
    /// Copied into [`Proof::token`], so that an old proof is not taken for a new one.
    pub token: u32,
}

/// Value of `proofs`, one for each hook: what the probe answered to the last self-check there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Proof {
    /// [`SelfCheck::token`] of the check that this answers.
    pub token: u32,
    /// The generation that was decided under.
    pub generation: u32,
    /// The rule that answered; must be [`RULE_SELF_CHECK`].
    pub rule: u32,
    /// [`Verdict`](crate::Verdict); must be deny.
    pub verdict: u8,
    /// [`Reason`](crate::Reason).
    pub reason: u8,
    /// Always 0.
    pub reserved: u16,
    /// When, in nanoseconds of `CLOCK_BOOTTIME`.
    pub time_ns: u64,
    /// What the probe saw as the object: that its view of the kernel's structs is right shows here.
    pub object: ObjectKey,
}

/// Tells the daemon that what a name stands for may be about to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Notice {
    /// The generation whose rules are concerned.
    pub generation: u32,
    /// [`Hook`](crate::Hook) that saw it.
    pub hook: u32,
    /// When, in nanoseconds of `CLOCK_BOOTTIME`.
    pub time_ns: u64,
}

/// What the resolving probe says of one open descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Resolved {
    /// The descriptor's number.
    pub descriptor: u32,
    /// Always 0.
    pub reserved: u32,
    /// What it is open on.
    pub object: ObjectKey,
}

/// What the resolving probe says of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Process {
    /// Its pid in the initial namespace.
    pub pid: u32,
    /// Always 0.
    pub reserved: u32,
    /// When it started, in nanoseconds since boot.
    pub start_time: u64,
}
