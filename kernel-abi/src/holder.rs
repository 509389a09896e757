//! What the looking probes tell of those who hold files.

use crate::access::Operations;
use crate::tables::ObjectKey;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// [`Held::kind`] of an open descriptor.
pub const HELD_DESCRIPTOR: u32 = 1;
/// [`Held::kind`] of a mapping.
pub const HELD_MAPPING: u32 = 2;

/// Levels of the cgroup tree above a process that are told, as many as a decision looks at.
pub const CGROUP_LEVELS: u32 = 32;

/// One file that a process holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Held {
    /// The file.
    pub object: ObjectKey,
    /// The file that was opened: another one than `object` for mappings of files on an overlay, which belong to the
    /// real file below.
    pub opened: ObjectKey,
    /// When the process started, in nanoseconds since boot.
    pub start_time: u64,
    /// The number of the descriptor; of a mapping its first address.
    pub first: u64,
    /// The number of the descriptor; of a mapping the address after its last.
    pub end: u64,
    /// Process id in the initial namespace.
    pub pid: u32,
    /// Process id in the namespace of whoever looks.
    pub pid_here: u32,
    /// Thread id in the initial namespace. A thread that is not the first of its process is told of only where it
    /// does not share what the first one has.
    pub tid: u32,
    /// Real user id in the initial namespace.
    pub uid: u32,
    /// `HELD_…`.
    pub kind: u32,
    /// [`Operations`] that go on without being decided.
    pub operations: u32,
    /// Name of the first thread, NUL-padded. Anyone can set it.
    pub comm: [u8; 16],
}

/// One cgroup that a process is in: its own, or one above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Membership {
    /// Id of the cgroup (version 2).
    pub cgroup: u64,
    /// When the process started, in nanoseconds since boot.
    pub start_time: u64,
    /// Process id in the initial namespace.
    pub pid: u32,
    /// Always 0.
    pub reserved: u32,
}

impl Held {
    /// Reads a record and checks every field that has a limited range: bytes from the kernel are untrusted. `None`
    /// if it is not one.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<&Self> {
        let held = Self::ref_from_bytes(bytes).ok()?;
        let descriptor =
            held.kind == HELD_DESCRIPTOR && held.first == held.end && held.first <= MOST_DESCRIPTOR;
        let mapping = held.kind == HELD_MAPPING && held.first < held.end;
        let operations = Operations::from_bits(held.operations).is_some();
        let process = held.pid != 0 && held.pid_here != 0 && held.tid != 0;
        ((descriptor || mapping) && operations && process).then_some(held)
    }
}

/// Descriptors are numbers from 0 to the largest `int`.
const MOST_DESCRIPTOR: u64 = i32::MAX.unsigned_abs() as u64;
