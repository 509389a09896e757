//! How reported decisions are accounted for: what is folded in the kernel, and how far the reader has come.

use crate::tables::ObjectKey;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// What makes reported decisions equal enough to be folded: key of `storms` and `summarised`.
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
pub struct StormKey {
    /// What was acted upon; its directory where there is nothing yet.
    pub object: ObjectKey,
    /// The executable of the task, as its memory names it. It can be forged: nothing but folding goes by it.
    pub executable: ObjectKey,
    /// The generation that decided.
    pub generation: u32,
    /// Rule number, or `RULE_NONE`.
    pub rule: u32,
    /// [`Operations`](crate::Operations) that were asked for.
    pub operations: u32,
    /// [`Hook`](crate::Hook).
    pub hook: u8,
    /// [`Verdict`](crate::Verdict).
    pub verdict: u8,
    /// [`Reason`](crate::Reason).
    pub reason: u8,
    /// Always 0.
    pub reserved: u8,
}

/// Value of `storms`: what became of the decisions with one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Storm {
    /// When the first of them was made, in nanoseconds of `CLOCK_BOOTTIME`: tells this entry from an earlier one
    /// with the same key, which was displaced.
    pub since: u64,
    /// When the second began in which they are counted.
    pub window: u64,
    /// How many there were in that second.
    pub in_window: u64,
    /// How many were folded. Only grows.
    pub suppressed: u64,
    /// When the last of them was folded.
    pub last: u64,
}

/// Value of `summarised`: how much of a [`Storm`] summaries have told of. Written by the reader alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Summarised {
    /// [`Storm::since`] of the entry that is meant.
    pub since: u64,
    /// How many folded decisions.
    pub count: u64,
    /// [`Storm::last`] as of then.
    pub last: u64,
}

/// The one value of `ledger`, in memory that is shared with the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Ledger {
    /// How many equal decisions are sent in a second before the others are folded; 0 folds none. Read by probes.
    pub events_per_second: u64,
    /// How many folded decisions summaries have told of.
    pub summarised: u64,
    /// 1 from the start of a reader to its orderly end: if it is found set, the last one was killed.
    pub reading: u64,
}

/// Number of [`GapReason`](crate::GapReason)s.
pub const GAP_REASONS: usize = 6;

/// What became of the numbers of one CPU up to one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Delivered {
    /// Every number up to this one was delivered or told of in a gap: the sum of `events` and `gaps`.
    pub upto: u64,
    /// Events that were delivered in their turn.
    pub events: u64,
    /// Events that were delivered after their number had been told of in a gap.
    pub late: u64,
    /// Numbers in gaps, by [`GapReason`](crate::GapReason).
    pub gaps: [u64; GAP_REASONS],
}

/// Value of `reader`, one for each CPU that the host can have: how far reading and delivering have come. Outlives
/// the daemon, so that the next one knows what the last one had taken and not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ReaderMark {
    /// The highest sequence number that was taken from the ring. Stored before its room there is given back.
    pub taken: u64,
    /// Which of `pages` holds: its lowest bit. The other one is written and then this word, so that the end of the
    /// writer at any moment leaves a whole page.
    pub turn: u64,
    /// What was delivered, twice.
    pub pages: [Delivered; 2],
}
