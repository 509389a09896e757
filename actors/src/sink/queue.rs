//! Lines that wait for a sink, and which of them go when it cannot keep up. Pure.

use super::state::{CpuGap, Item, Lost, Told, lose};
use crate::spool::KEPT;
use aegis_kernel_abi::GapReason;
use std::collections::VecDeque;

/// What becomes of lines when a sink cannot keep up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// They wait, as many as the daemon's memory keeps, and what the sink refuses is tried again. Beyond that the oldest
    /// goes.
    Wait,
    /// The oldest goes, and what the sink refuses is given up.
    DropOldest,
    /// The newest goes, and what the sink refuses is given up.
    DropNewest,
}

/// Lines that may wait for a sink that drops: some 4 MB. What finds no room stays readable through the control socket.
pub(crate) const WAITING: usize = 4_096;

impl WhenFull {
    /// How many lines may wait. Those of [`Wait`](Self::Wait) are, but for gaps, the ones that the journal keeps anyway, so
    /// that they cost little twice.
    pub(crate) fn room(self) -> usize {
        match self {
            Self::Wait => KEPT,
            Self::DropOldest | Self::DropNewest => WAITING,
        }
    }
}

/// What waits.
#[derive(Debug, Clone)]
pub(crate) enum Waiting {
    Line(Item),
    /// Numbers whose record is made when it is written.
    Gap(CpuGap),
}

impl Waiting {
    fn told(&self) -> Told {
        match self {
            Self::Line(item) => item.told,
            Self::Gap(gap) => Told::Gap(*gap),
        }
    }

    fn is_summary(&self) -> bool {
        matches!(self.told(), Told::Summary(_))
    }
}

/// Lines that wait for one sink.
#[derive(Debug)]
pub(crate) struct Queue {
    when_full: WhenFull,
    /// The sink is not there: nothing finds room.
    is_off: bool,
    waiting: VecDeque<Waiting>,
    /// Numbers of lines that had to go, before all that wait.
    older: Lost,
    /// Numbers of lines that found no room, behind all that wait.
    newer: Lost,
    /// Summaries that wait.
    summaries: usize,
    /// Summaries that are being written.
    in_hands: usize,
}

impl Queue {
    pub(crate) fn new(when_full: WhenFull) -> Self {
        let (older, newer) = (Lost::new(), Lost::new());
        Self { when_full, is_off: false, waiting: VecDeque::new(), older, newer, summaries: 0, in_hands: 0 }
    }

    /// One whose sink is not there yet.
    pub(crate) fn off(when_full: WhenFull) -> Self {
        Self { is_off: true, ..Self::new(when_full) }
    }

    pub(crate) fn when_full(&self) -> WhenFull {
        self.when_full
    }

    /// Lines for which there is no room any more go, and are told of in gaps.
    pub(crate) fn set_when_full(&mut self, when_full: WhenFull) {
        self.when_full = when_full;
        if !self.is_off {
            self.settle_newer();
            self.make_room();
        }
    }

    /// What found no room has its place before whatever comes from now on.
    fn settle_newer(&mut self) {
        for gap in std::mem::take(&mut self.newer).into_values() {
            self.append(Waiting::Gap(gap));
        }
    }

    /// The sink is there from now on, and is first told what it missed.
    pub(crate) fn turn_on(&mut self) {
        self.is_off = false;
        self.in_hands = 0;
        self.settle_newer();
        self.make_room();
    }

    /// The sink is not there any more: what waits and what comes is in gaps for whoever turns it on again.
    pub(crate) fn turn_off(&mut self) {
        self.is_off = true;
        (self.summaries, self.in_hands) = (0, 0);
        let mut lost = std::mem::take(&mut self.older);
        self.waiting.drain(..).for_each(|waiting| lose(&mut lost, waiting.told(), GapReason::SinkOff));
        let newer = std::mem::take(&mut self.newer);
        newer.into_values().for_each(|gap| lose(&mut lost, Told::Gap(gap), GapReason::SinkOff));
        self.newer = lost;
    }

    pub(crate) fn is_off(&self) -> bool {
        self.is_off
    }

    /// Adds a line at the end. False if it is left out: then its number is told of later, and a summary is made again.
    pub(crate) fn push(&mut self, waiting: Waiting) -> bool {
        if self.is_off {
            lose(&mut self.newer, waiting.told(), GapReason::SinkOff);
            return false;
        }
        if self.when_full != WhenFull::DropNewest {
            self.append(waiting);
            self.make_room();
            return true;
        }
        // What found no room before has its place before what finds some now.
        if self.has_room()
            && let Some(gap) = waiting.told().cpu().and_then(|cpu| self.newer.remove(&cpu))
        {
            self.append(Waiting::Gap(gap));
        }
        let has_room = self.has_room();
        if has_room {
            self.append(waiting);
        } else {
            lose(&mut self.newer, waiting.told(), GapReason::SinkFull);
        }
        has_room
    }

    fn has_room(&self) -> bool {
        self.waiting.len() < self.when_full.room()
    }

    fn append(&mut self, waiting: Waiting) {
        self.summaries += usize::from(waiting.is_summary());
        self.waiting.push_back(waiting);
    }

    /// The oldest go until there are no more than may wait.
    fn make_room(&mut self) {
        while self.waiting.len() > self.when_full.room() {
            let Some(gone) = self.waiting.pop_front() else { return };
            self.summaries -= usize::from(gone.is_summary());
            lose(&mut self.older, gone.told(), GapReason::SinkFull);
        }
    }

    /// What comes next, in the order in which it is to be told of: this many lines at most, and gaps. It is in hands until
    /// [`Queue::done`], or is put back.
    pub(crate) fn take(&mut self, limit: usize) -> Vec<Waiting> {
        let older = std::mem::take(&mut self.older).into_values().map(Waiting::Gap);
        let taken: Vec<Waiting> = self.waiting.drain(..limit.min(self.waiting.len())).collect();
        self.in_hands = taken.iter().filter(|waiting| waiting.is_summary()).count();
        self.summaries -= self.in_hands;
        let newer = if self.waiting.is_empty() { std::mem::take(&mut self.newer) } else { Lost::new() };
        older.chain(taken).chain(newer.into_values().map(Waiting::Gap)).collect()
    }

    /// What was taken was written or given up.
    pub(crate) fn done(&mut self) {
        self.in_hands = 0;
    }

    /// What of it was neither is first in line again.
    pub(crate) fn put_back(&mut self, items: Vec<Item>) {
        self.in_hands = 0;
        // What had to go meanwhile comes behind it.
        let older = std::mem::take(&mut self.older).into_values().map(Waiting::Gap);
        let back: Vec<Waiting> = items.into_iter().map(Waiting::Line).chain(older).collect();
        for waiting in back.into_iter().rev() {
            self.summaries += usize::from(waiting.is_summary());
            self.waiting.push_front(waiting);
        }
        self.make_room();
    }

    /// Whoever wrote is gone, and what he had in his hands with him: summaries that do not wait here are settled, as they
    /// are made again.
    pub(crate) fn begin(&mut self) {
        self.in_hands = 0;
    }

    /// How many lines wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.older.is_empty() && self.newer.is_empty()
    }

    /// Whether a summary waits or is being written.
    pub(crate) fn has_summaries(&self) -> bool {
        self.summaries + self.in_hands > 0
    }
}

#[cfg(test)]
mod tests;
