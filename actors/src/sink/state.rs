//! What lines tell, and what is told of those that could not be written. Pure.

use crate::router::Summary;
use crate::spool::Line;
use aegis_kernel_abi::{Delivered, GAP_REASONS, GapReason};
use std::collections::BTreeMap;

/// Sequence numbers of a CPU that are not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CpuGap {
    pub(crate) cpu: u32,
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// How many for each reason; their sum is all of them.
    pub(crate) parts: [u64; GAP_REASONS],
}

impl CpuGap {
    /// Numbers that are missing for one reason.
    pub(crate) fn new(cpu: u32, first: u64, last: u64, reason: GapReason) -> Self {
        let mut parts = [0; GAP_REASONS];
        add(&mut parts, reason, last.saturating_sub(first).saturating_add(1));
        Self { cpu, first, last, parts }
    }

    /// What is left of it from this number on. Reasons that were joined in it cannot be parted by number: the one that its
    /// record gives stands for all of what is left.
    pub(crate) fn from(self, first: u64) -> Option<Self> {
        if self.last < first {
            None
        } else if self.first < first {
            Some(Self::new(self.cpu, first, self.last, self.reason()))
        } else {
            Some(self)
        }
    }

    /// The reason that its record gives: what was lost here is told before what was lost earlier.
    pub(crate) fn reason(&self) -> GapReason {
        let order = [
            GapReason::SinkFailed,
            GapReason::SinkFull,
            GapReason::SinkOff,
            GapReason::Crash,
            GapReason::Malformed,
            GapReason::Dropped,
        ];
        let has = |reason: &GapReason| self.parts.get(*reason as usize).is_some_and(|count| *count > 0);
        order.into_iter().find(has).unwrap_or(GapReason::Dropped)
    }
}

fn add(parts: &mut [u64; GAP_REASONS], reason: GapReason, count: u64) {
    if let Some(part) = parts.get_mut(reason as usize) {
        *part = part.saturating_add(count);
    }
}

/// What a line tells, for the accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// An event, in its turn.
    Event { cpu: u32, sequence: u64 },
    /// An event whose number was told of in a gap.
    Late { cpu: u32 },
    /// Numbers that are not delivered, in their turn.
    Gap(CpuGap),
    /// Decisions that were folded.
    Summary(Summary),
    /// Nothing that has a number.
    Other,
}

impl Told {
    /// The CPU whose numbers it tells of.
    pub(crate) fn cpu(&self) -> Option<u32> {
        match self {
            Self::Event { cpu, .. } | Self::Late { cpu } | Self::Gap(CpuGap { cpu, .. }) => Some(*cpu),
            Self::Summary(_) | Self::Other => None,
        }
    }

    /// The last number that it tells of in turn.
    pub(crate) fn last(&self) -> Option<u64> {
        match self {
            Self::Event { sequence, .. } => Some(*sequence),
            Self::Gap(gap) => Some(gap.last),
            Self::Late { .. } | Self::Summary(_) | Self::Other => None,
        }
    }
}

/// A line and what it tells.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) line: Line,
    pub(crate) told: Told,
}

/// Numbers that were in turn and not written, by CPU: one range each, as nothing of that CPU is written meanwhile.
pub(crate) type Lost = BTreeMap<u32, CpuGap>;

/// Takes what was not written into `lost`. What has no number in turn is only forgotten: a late event is in a gap
/// already, and a summary is made again.
pub(crate) fn lose(lost: &mut Lost, told: Told, reason: GapReason) {
    let gap = match told {
        Told::Event { cpu, sequence } => CpuGap::new(cpu, sequence, sequence, reason),
        Told::Gap(gap) => gap,
        Told::Late { .. } | Told::Summary(_) | Told::Other => return,
    };
    let Some(known) = lost.get_mut(&gap.cpu) else {
        lost.insert(gap.cpu, gap);
        return;
    };
    let next = known.last.saturating_add(1);
    // Numbers that somebody had in his hands when he died.
    if gap.first > next {
        add(&mut known.parts, GapReason::Crash, gap.first - next);
    }
    if let Some(gap) = gap.from(next) {
        known.last = gap.last;
        known.parts.iter_mut().zip(gap.parts).for_each(|(sum, part)| *sum = sum.saturating_add(part));
    }
}

/// What is written for a line in the place of its number, after everything up to `upto` was: numbers that nobody told of
/// come before it as a gap, and what was told before is not told as if it were new. Whoever hands lines on may die with
/// some of them in his hands, and begin anew with others.
pub(crate) fn in_turn(upto: u64, told: Told) -> (Option<CpuGap>, Option<Told>) {
    let next = upto.saturating_add(1);
    let missing = |cpu: u32, first: u64| {
        (first > next).then(|| CpuGap::new(cpu, next, first.saturating_sub(1), GapReason::Crash))
    };
    match told {
        Told::Event { cpu, sequence } if sequence < next => (None, Some(Told::Late { cpu })),
        Told::Event { cpu, sequence } => (missing(cpu, sequence), Some(told)),
        Told::Gap(gap) => (missing(gap.cpu, gap.first), gap.from(next).map(Told::Gap)),
        Told::Late { .. } | Told::Summary(_) | Told::Other => (None, Some(told)),
    }
}

/// Takes what was written into the account of its CPU.
pub(crate) fn written(delivered: &mut Delivered, told: Told) {
    match told {
        Told::Event { sequence, .. } => {
            delivered.upto = sequence;
            delivered.events = delivered.events.saturating_add(1);
        }
        Told::Late { .. } => delivered.late = delivered.late.saturating_add(1),
        Told::Gap(gap) => {
            delivered.upto = gap.last;
            delivered.gaps.iter_mut().zip(gap.parts).for_each(|(sum, part)| *sum = sum.saturating_add(part));
        }
        Told::Summary(_) | Told::Other => {}
    }
}
