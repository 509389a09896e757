//! Records out of events, and the journal that keeps the newest of them. Pure but for the journal's lock.

use super::storms::Summary;
use crate::clock::unix_ns;
use crate::loader::RuleNames;
use crate::printer::CpuGap;
use aegis_control_api::{
    API_VERSION, BlockRecord, GapRecord, LifecycleRecord, Record, StormRecord, SummaryRecord,
};
use aegis_kernel_abi::{Event, GapReason, Hook, Operations, RULE_NONE, Reason, StormKey, Verdict};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// Where numbers of events count from 1: another arming, or another boot, gives them out again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Numbering {
    pub(crate) boot_id: String,
    pub(crate) arming_id: String,
}

/// What all records of one daemon share.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) numbering: Numbering,
    /// Nanoseconds since 1970 at the start of `CLOCK_BOOTTIME`.
    pub(crate) boot_offset_ns: u64,
    pub(crate) names: RuleNames,
}

impl Origin {
    /// The record of an event.
    pub(crate) fn record(&self, event: &Event, late: bool) -> Record {
        let rule_number = Some(event.rule).filter(|rule| *rule != RULE_NONE);
        Record::Block(Box::new(BlockRecord {
            version: API_VERSION,
            boot_id: self.numbering.boot_id.clone(),
            arming_id: self.numbering.arming_id.clone(),
            cpu: event.cpu,
            sequence: event.sequence,
            late,
            time_ns: event.time_ns.saturating_add(self.boot_offset_ns),
            boottime_ns: event.time_ns,
            action: action(event.verdict).to_owned(),
            verdict: Verdict::from_byte(event.verdict).map_or("unknown", Verdict::word).to_owned(),
            reason: Reason::from_byte(event.reason).map_or("unknown", Reason::word).to_owned(),
            signal: event.signal,
            generation: event.generation,
            rule: rule_number.and_then(|rule| self.names.get(event.generation, rule)),
            rule_number,
            hook: Hook::from_byte(event.hook).map_or("unknown", Hook::word).to_owned(),
            operations: words(event.operations),
            pid: event.pid,
            tid: event.tid,
            ppid: event.ppid,
            start_time: event.start_time,
            parent_start_time: event.parent_start_time,
            exec_id: format!("{}:{}", event.pid, event.start_time),
            parent_exec_id: format!("{}:{}", event.ppid, event.parent_start_time),
            uid: event.uid,
            gid: event.gid,
            cgid: event.cgroup,
            mount_namespace: event.mount_namespace,
            pid_namespace: event.pid_namespace,
            comm: aegis_probes::unpadded(&event.comm),
            ino: event.object.ino,
            dev: event.object.dev,
            inode_generation: event.object.inode_generation,
            path: path(event),
            path_cut: event.path_is_cut(),
        }))
    }

    /// The record of decisions that were folded.
    pub(crate) fn summary(&self, summary: &Summary) -> Record {
        Record::Summary(Box::new(SummaryRecord {
            version: API_VERSION,
            boot_id: self.numbering.boot_id.clone(),
            arming_id: self.numbering.arming_id.clone(),
            first: summary.first,
            last: summary.last,
            count: summary.last.saturating_sub(summary.first).saturating_add(1),
            of: summary.storm.map(|(key, _)| self.storm(&key, summary)),
        }))
    }

    fn storm(&self, key: &StormKey, summary: &Summary) -> StormRecord {
        let rule_number = Some(key.rule).filter(|rule| *rule != RULE_NONE);
        StormRecord {
            from_ns: summary.from_ns.saturating_add(self.boot_offset_ns),
            to_ns: summary.to_ns.saturating_add(self.boot_offset_ns),
            action: action(key.verdict).to_owned(),
            verdict: Verdict::from_byte(key.verdict).map_or("unknown", Verdict::word).to_owned(),
            reason: Reason::from_byte(key.reason).map_or("unknown", Reason::word).to_owned(),
            generation: key.generation,
            rule: rule_number.and_then(|rule| self.names.get(key.generation, rule)),
            rule_number,
            hook: Hook::from_byte(key.hook).map_or("unknown", Hook::word).to_owned(),
            operations: words(key.operations),
            ino: key.object.ino,
            dev: key.object.dev,
            inode_generation: key.object.inode_generation,
            executable_ino: key.executable.ino,
            executable_dev: key.executable.dev,
        }
    }
}

fn action(verdict: u8) -> &'static str {
    if Verdict::from_byte(verdict) == Some(Verdict::Deny) { "BLOCK" } else { "AUDIT" }
}

fn words(operations: u32) -> Vec<String> {
    Operations::from_bits_retain(operations).words().map(str::to_owned).collect()
}

/// The record of numbers that are not delivered.
pub(crate) fn gap_record(numbering: &Numbering, time_ns: u64, gap: &CpuGap) -> Record {
    Record::Gap(GapRecord {
        version: API_VERSION,
        time_ns,
        reason: gap.reason().word().to_owned(),
        count: gap.last.saturating_sub(gap.first).saturating_add(1),
        boot_id: Some(numbering.boot_id.clone()),
        arming_id: Some(numbering.arming_id.clone()),
        cpu: Some(gap.cpu),
        first: Some(gap.first),
        last: Some(gap.last),
    })
}

/// The record of losses that have no number.
pub(crate) fn unnumbered_gap(time_ns: u64, reason: &str, count: u64) -> Record {
    let (version, reason) = (API_VERSION, reason.to_owned());
    Record::Gap(GapRecord {
        version,
        time_ns,
        reason,
        count,
        boot_id: None,
        arming_id: None,
        cpu: None,
        first: None,
        last: None,
    })
}

/// The same for one thing in the ring that was no event.
pub(crate) fn malformed(time_ns: u64) -> Record {
    unnumbered_gap(time_ns, GapReason::Malformed.word(), 1)
}

/// The path as people write it. What is cut off at the root shows as `…`.
fn path(event: &Event) -> String {
    let mut path = if event.path_is_cut() { "…".to_owned() } else { String::new() };
    for name in event.path_from_root() {
        path.push('/');
        path.push_str(&String::from_utf8_lossy(name));
    }
    if path.is_empty() { "/".to_owned() } else { path }
}

/// A record as it is written: one line of JSON, without the end of the line.
pub type Line = Arc<str>;

/// A record as a line. These types have nothing that JSON cannot hold; if they had, an empty line would stand here.
pub(crate) fn line(record: &Record) -> Line {
    serde_json::to_string(record).unwrap_or_default().into()
}

/// Lines that the journal keeps. About a kilobyte each: some 16 MB at most. When it is full the oldest goes, and
/// readers that had not come to it get a gap record with the count.
const KEPT: usize = 16_384;

/// The newest records, numbered from 1.
#[derive(Debug, Clone)]
pub struct Journal {
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
    pub fn of(arming_id: &str) -> Self {
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
    pub fn push(&self, record: &Record) -> Line {
        let line = line(record);
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
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
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    /// The next lines after number `after`, at most `limit`; how many before them are gone; and the number of
    /// the last that is returned.
    #[must_use]
    pub fn after(&self, after: u64, limit: usize) -> (Vec<Line>, u64, u64) {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
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
