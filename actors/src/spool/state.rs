//! The store: what is between the ring and the sinks. Pure but for its locks.

use crate::clock::unix_ns;
use crate::context::Context;
use crate::lock::locked;
use crate::router::Numbering;
use crate::sink::{CpuGap, Outbox, Progress, Waiting, WhenFull};
use aegis_control_api::{API_VERSION, LifecycleRecord, Record};
use aegis_kernel_abi::{Event, GapReason};
use std::collections::VecDeque;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::{Notify, watch};

/// Events that wait for the router before the reader of the ring takes no more from it: some 1 MB, and what
/// the router gets done with when the daemon is to end. What it holds back for their order still finds room. As long as
/// it takes nothing, events wait in the ring, and the kernel counts what finds no room there.
pub(crate) const TO_ROUTE: usize = 1_024;

/// What the reader of the ring hands on, in the order of each CPU's numbers.
#[derive(Debug)]
pub(crate) enum Passed {
    Event {
        event: Box<Event>,
        late: bool,
    },
    Gap(CpuGap),
    /// Something in the ring that was no event and had no number.
    Malformed,
}

/// Counts of the reader; each only grows.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// Events that became records.
    pub events: AtomicU64,
    /// What was in the ring and was no event.
    pub malformed: AtomicU64,
    /// Those of them that had no number by which their loss could be told.
    pub unnumbered: AtomicU64,
}

/// What happens when sinks cannot keep up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WhenFulls {
    pub(crate) stdout: WhenFull,
    pub(crate) events_file: WhenFull,
}

/// Everything that is on its way.
#[derive(Debug)]
pub(crate) struct Store {
    /// Where the numbers of events count from.
    pub(crate) numbering: Numbering,
    /// The newest records.
    pub(crate) journal: Journal,
    /// Lines for standard output.
    pub(crate) outbox: Outbox,
    /// Lines for the events file, while there is one.
    pub(crate) events_file: Outbox,
    /// How far standard output had come before this.
    pub(crate) before: Progress,
    pub(crate) received: Received,
    /// Who acts.
    context: Mutex<Context>,
    passed: Mutex<VecDeque<Passed>>,
    more: Notify,
    room: Notify,
}

impl Store {
    pub(crate) fn new(journal: Journal, numbering: Numbering, sinks: WhenFulls, before: Progress) -> Self {
        Self {
            numbering,
            journal,
            outbox: Outbox::new(sinks.stdout, Some(before.clone())),
            events_file: Outbox::off(sinks.events_file),
            before,
            received: Received::default(),
            context: Mutex::default(),
            passed: Mutex::default(),
            more: Notify::new(),
            room: Notify::new(),
        }
    }

    /// What is known of processes.
    pub(crate) fn context(&self) -> MutexGuard<'_, Context> {
        locked(&self.context)
    }

    /// Where lines go.
    pub(crate) fn outboxes(&self) -> impl Iterator<Item = &Outbox> {
        [&self.outbox, &self.events_file].into_iter()
    }

    /// Has the events file tell of the numbers of a CPU that were taken from the ring before this, as far as they are not
    /// told of there: nobody hands them on any more. Before anything else is handed on.
    pub(crate) fn were_taken(&self, cpu: u32, upto: u64) {
        if upto > 0 {
            self.events_file.push(Waiting::Gap(CpuGap::new(cpu, 1, upto, GapReason::Crash)));
        }
    }

    fn passed(&self) -> MutexGuard<'_, VecDeque<Passed>> {
        locked(&self.passed)
    }

    /// Whether the reader may take more from the ring.
    pub(crate) fn has_room(&self) -> bool {
        self.passed().len() < TO_ROUTE
    }

    /// Waits until it may.
    pub(crate) async fn room(&self) {
        while !self.has_room() {
            self.room.notified().await;
        }
    }

    /// Hands something on to the router. Never waits.
    pub(crate) fn pass(&self, passed: Passed) {
        self.passed().push_back(passed);
        self.more.notify_one();
    }

    /// What comes next for the router.
    pub(crate) fn next(&self) -> Option<Passed> {
        let next = self.passed().pop_front();
        self.room.notify_one();
        next
    }

    /// Waits until there may be something.
    pub(crate) async fn more(&self) {
        self.more.notified().await;
    }

    /// How many wait for the router.
    pub(crate) fn waiting(&self) -> u64 {
        self.passed().len() as u64
    }
}

/// A record as it is written: one line of JSON, without the end of the line.
pub(crate) type Line = Arc<str>;

/// A record as a line. These types have nothing that JSON cannot hold; if they had, an empty line would stand here.
pub(crate) fn line(record: &Record) -> Line {
    serde_json::to_string(record).unwrap_or_default().into()
}

/// Lines that the journal keeps. About a kilobyte each: some 16 MB at most. When it is full the oldest goes, and
/// readers that had not come to it get a gap record with the count.
pub(crate) const KEPT: usize = 16_384;

/// The newest records, numbered from 1.
#[derive(Debug, Clone)]
pub(crate) struct Journal {
    lines: Arc<Mutex<Lines>>,
    last: watch::Sender<u64>,
    arming_id: Arc<str>,
}

#[derive(Debug, Default)]
struct Lines {
    first: u64,
    kept: VecDeque<Line>,
}

impl Default for Journal {
    fn default() -> Self {
        let lines = Lines { first: 1, kept: VecDeque::new() };
        Self { lines: Arc::new(Mutex::new(lines)), last: watch::Sender::new(0), arming_id: "".into() }
    }
}

impl Journal {
    /// One for the records of an arming.
    #[must_use]
    pub(crate) fn of(arming_id: &str) -> Self {
        Self { arming_id: arming_id.into(), ..Self::default() }
    }

    /// Adds a record of what the agent did.
    pub(crate) fn did(&self, what: &str, generation: u32, detail: &str) {
        self.push(&Record::Lifecycle(LifecycleRecord {
            version: API_VERSION,
            time_ns: unix_ns(),
            arming_id: self.arming_id.to_string(),
            what: what.to_owned(),
            generation,
            detail: detail.to_owned(),
        }));
    }

    /// Adds a record and wakes those who follow.
    pub(crate) fn push(&self, record: &Record) -> Line {
        let line = line(record);
        let mut lines = locked(&self.lines);
        if lines.kept.len() == KEPT {
            lines.kept.pop_front();
            lines.first += 1;
        }
        lines.kept.push_back(Arc::clone(&line));
        let last = lines.first + lines.kept.len() as u64 - 1;
        drop(lines);
        self.last.send_replace(last);
        line
    }

    /// The number of the newest record, and a way to wait for the next.
    #[must_use]
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    /// The next lines after number `after`, at most `limit`; how many before them are gone; and the number of
    /// the last that is returned.
    #[must_use]
    pub(crate) fn after(&self, after: u64, limit: usize) -> (Vec<Line>, u64, u64) {
        let lines = locked(&self.lines);
        let next = after.saturating_add(1);
        let gone = lines.first.saturating_sub(next);
        let skip = usize::try_from(next.saturating_sub(lines.first)).unwrap_or(usize::MAX);
        let found: Vec<Line> = lines.kept.iter().skip(skip).take(limit).cloned().collect();
        let last = next.max(lines.first).saturating_add(found.len() as u64).saturating_sub(1);
        (found, gone, last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::router::{gap_record, unnumbered_gap};

    fn pushed(count: u64) -> Journal {
        let journal = Journal::default();
        (0..count).for_each(|number| drop(journal.push(&unnumbered_gap(number, "test", 1))));
        journal
    }

    #[test]
    fn a_reader_gets_every_line_once() {
        let journal = pushed(5);
        let (lines, gone, last) = journal.after(0, 3);
        assert_eq!((lines.len(), gone, last), (3, 0, 3));
        let (lines, gone, last) = journal.after(last, 10);
        assert_eq!((lines.len(), gone, last), (2, 0, 5));
        assert_eq!(journal.after(last, 10), (Vec::new(), 0, 5));
    }

    #[test]
    fn records_name_their_arming() {
        let journal = Journal::of("0123");
        journal.did("armed", 0, "");
        let gap = CpuGap::new(1, 5, 9, GapReason::Dropped);
        journal.push(&gap_record(
            &Numbering { boot_id: "b".to_owned(), arming_id: "0123".to_owned() },
            7,
            &gap,
        ));
        let (lines, ..) = journal.after(0, 9);
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().all(|line| line.contains("\"arming_id\":\"0123\"")), "{lines:?}");
    }

    #[test]
    fn a_late_reader_is_told_what_is_gone() {
        let journal = pushed(KEPT as u64 + 7);
        let (lines, gone, last) = journal.after(0, 1);
        assert_eq!((lines.len(), gone, last), (1, 7, 8));
        assert!(lines[0].contains("\"time_ns\":7,"));
    }
}
