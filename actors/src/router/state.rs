//! Records out of events. Pure.

use super::storms::Summary;
use crate::loader::RuleNames;
use crate::sink::CpuGap;
use aegis_control_api::{
    API_VERSION, BlockRecord, GapRecord, ProcessRecord, Record, StormRecord, SummaryRecord,
};
use aegis_kernel_abi::{Event, GapReason, Hook, Operations, RULE_NONE, Reason, StormKey, Verdict};

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
    /// The record of an event, with what is known of who acted.
    pub(crate) fn record(&self, event: &Event, late: bool, process: ProcessRecord) -> Record {
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
            process: Some(Box::new(process)),
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
