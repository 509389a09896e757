//! Who acts: conditions on subjects, and what the kernel recorded of each process.

use crate::tables::ObjectKey;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Value of `conditions`: one condition of a row. It holds if everything that it asks for holds.
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
pub struct Condition {
    /// The generation that it belongs to.
    pub generation: u32,
    /// `ROLE_…`: what the row makes of it.
    pub role: u16,
    /// `ASKS_…` bits.
    pub asks: u16,
    /// By which [`MemberKey::list`] its members are found.
    pub list: u32,
    /// Index in `ranges` of the first range of users.
    pub first_uid: u32,
    /// Index in `ranges` of the first range of groups.
    pub first_gid: u32,
    /// How many ranges of users there are.
    pub uid_count: u16,
    /// How many ranges of groups there are.
    pub gid_count: u16,
}

/// It must hold: the scope of a tenant.
pub const ROLE_SCOPE: u16 = 1;
/// One of these must hold.
pub const ROLE_WHEN: u16 = 2;
/// None of these may hold.
pub const ROLE_UNLESS: u16 = 3;

/// [`Condition::asks`]: what the process was started from is a member.
pub const ASKS_EXE: u16 = 1;
/// [`Condition::asks`]: so is that, or what one that it descends from was started from.
pub const ASKS_ANCESTOR: u16 = 2;
/// [`Condition::asks`]: its cgroup or one above is a member.
pub const ASKS_CGROUP: u16 = 4;
/// [`Condition::asks`]: its effective user is in a range.
pub const ASKS_UID: u16 = 8;
/// [`Condition::asks`]: its effective group is in a range.
pub const ASKS_GID: u16 = 16;
/// [`Condition::asks`]: its user namespace is a member.
pub const ASKS_USER_NS: u16 = 32;
/// [`Condition::asks`]: its pid namespace is a member.
pub const ASKS_PID_NS: u16 = 64;
/// [`Condition::asks`]: its mount namespace is a member.
pub const ASKS_MNT_NS: u16 = 128;

/// The most conditions that a row may have.
pub const MAX_CONDITIONS: u16 = 256;
/// The most ranges of users, or of groups, that a condition may have.
pub const MAX_RANGES: u16 = 256;

/// Key of `members`: something that is in a list of a condition.
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
pub struct MemberKey {
    /// A file; or in `ino` the number of a name, of a cgroup or of a namespace.
    pub member: ObjectKey,
    /// [`Condition::list`].
    pub list: u32,
    /// The one `ASKS_…` bit that it answers, or [`MEMBER_NAME`] and that bit.
    pub kind: u32,
}

/// [`MemberKey::kind`]: the executable is known by its name in a directory, [`Image::name`].
pub const MEMBER_NAME: u32 = 1 << 16;

/// Value of `members`.
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
pub struct Member {
    /// The generation that it belongs to.
    pub generation: u32,
    /// Always 0.
    pub reserved: u32,
}

/// Value of `ranges`: numbers of users or groups, both ends included.
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
pub struct Range {
    /// The generation that it belongs to.
    pub generation: u32,
    /// The first number.
    pub first: u32,
    /// The last number.
    pub last: u32,
    /// Always 0.
    pub reserved: u32,
}

/// What a process was started from.
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
pub struct Image {
    /// The file; all zeros for what the kernel started and nobody executed anything in.
    pub file: ObjectKey,
    /// Number of the name by which it was reached: a hash of its directory's key and of the name. 0 if it has none.
    pub name: u64,
}

/// Files that are remembered as what the processes were started from that a process descends from.
pub const LINEAGE: usize = 31;

/// What is recorded of a process, in the storage of its first thread: written by the kernel at exec, copied at fork.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Lineage {
    /// `LINEAGE_…` bits.
    pub flags: u32,
    /// How many of `ancestors` there are.
    pub count: u32,
    /// What it was started from.
    pub exe: Image,
    /// What those were started from that it descends from, and itself before: each once.
    pub ancestors: [Image; LINEAGE],
    /// When the denials began that are counted here, in nanoseconds of `CLOCK_BOOTTIME`.
    pub denied_since: u64,
    /// How many denials by rules that escalate there were since then.
    pub denials: u64,
}

/// `exe` and `ancestors` were recorded.
pub const LINEAGE_KNOWN: u32 = 1;
/// `exe` was found when the probes were armed: a process can have forged before what it seemed to be started from.
pub const LINEAGE_UNPROVEN: u32 = 2;
/// The same of some of `ancestors`.
pub const LINEAGE_ANCESTORS_UNPROVEN: u32 = 4;
/// There are more ancestors, which are not remembered.
pub const LINEAGE_CUT: u32 = 8;
