//! What is kept of processes. Pure.

use super::redact::Redaction;
use aegis_control_api::{AncestorRecord, ProcessRecord};
use aegis_kernel_abi::{ExecEvent, LINEAGE_KNOWN, LINEAGE_UNPROVEN, ObjectKey, ProcessEvent, ProcessTold};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

/// Processes that are kept: a host has some hundreds, and each takes a kilobyte or less, three at most. When there are
/// more, the one goes that was met least lately; it is counted.
pub(crate) const KEPT: usize = 8_192;
/// How long a process that has ended is kept: as long as its decisions can be on their way, and events wait in the ring.
pub(crate) const GRACE_NS: u64 = 30_000_000_000;
/// Programs that are kept of one process, the newest ones: a decision is told a little after it was made, and the process
/// may be another program by then.
pub(crate) const IMAGES: usize = 4;
/// Ancestors that are kept of a process.
pub(crate) const ANCESTORS: usize = 16;

/// A process, by its id in the initial namespace and when it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) start_time: u64,
}

impl Process {
    fn exec_id(self) -> String {
        format!("{}:{}", self.pid, self.start_time)
    }
}

/// What was started in a process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Image {
    /// Since when, in nanoseconds since boot.
    pub(crate) since_ns: u64,
    /// The file.
    pub(crate) executable: ObjectKey,
    pub(crate) path: Option<String>,
    pub(crate) path_cut: bool,
    /// What may be shown of the arguments.
    pub(crate) argv: Option<Vec<String>>,
    pub(crate) argv_cut: bool,
    pub(crate) unproven: bool,
}

/// A process that was there before it was followed.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) process: Process,
    /// Its parent's id, which need not be who made it.
    pub(crate) parent: u32,
    pub(crate) image: Image,
}

/// A decision, as far as it is asked here who made it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) process: Process,
    pub(crate) time_ns: u64,
    /// What the kernel has recorded.
    pub(crate) executable: ObjectKey,
    /// `LINEAGE_…` bits.
    pub(crate) lineage: u32,
}

#[derive(Debug, Default)]
struct Known {
    /// The oldest first.
    images: VecDeque<Arc<Image>>,
    /// The nearest first.
    ancestors: Vec<Arc<AncestorRecord>>,
    ancestors_cut: bool,
    turn: u64,
}

/// How much is kept, and what could not be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    /// Processes that are known.
    pub(crate) kept: u64,
    /// Those that had to go, as there were too many.
    pub(crate) evicted: u64,
    /// What was in the ring and was no event of a process.
    pub(crate) malformed: u64,
}

/// What is kept of all processes.
#[derive(Debug, Default)]
pub(crate) struct Context {
    known: HashMap<Process, Known>,
    /// Who was met when, the least lately first.
    turns: BTreeMap<u64, Process>,
    turn: u64,
    /// When each ended that is still kept.
    ended: VecDeque<(u64, Process)>,
    evicted: u64,
    malformed: u64,
    redaction: Redaction,
    /// Those that were there before have been found.
    pub(crate) is_scanned: bool,
}

impl Context {
    /// What may be shown of arguments from now on; also of those that are kept.
    pub(crate) fn redact(&mut self, redaction: Redaction) {
        self.redaction = redaction;
    }

    pub(crate) fn redaction(&self) -> &Redaction {
        &self.redaction
    }

    pub(crate) fn sums(&self) -> Sums {
        Sums { kept: self.known.len() as u64, evicted: self.evicted, malformed: self.malformed }
    }

    /// Takes in that something in the ring was no event.
    pub(crate) fn malformed(&mut self) {
        self.malformed += 1;
    }

    /// Takes in what the kernel tells.
    pub(crate) fn told(&mut self, told: ProcessTold<'_>) {
        match told {
            ProcessTold::Exec(event) => self.started(event),
            ProcessTold::Fork(event) => self.made(event),
            ProcessTold::Exit(event) => {
                let ended = process_of(event);
                if self.known.contains_key(&ended) {
                    self.ended.push_back((event.time_ns, ended));
                }
                self.forget_ended(event.time_ns);
            }
        }
    }

    fn started(&mut self, event: &ExecEvent) {
        let path = path_of(event);
        let arguments = event.arguments().map(String::from_utf8_lossy);
        let image = Image {
            since_ns: event.process.time_ns,
            executable: event.process.executable,
            path: (event.path_bytes > 0).then_some(path),
            path_cut: event.path_is_cut(),
            argv: self.redaction.shown(arguments),
            argv_cut: event.argv_is_cut(),
            unproven: event.process.lineage & LINEAGE_UNPROVEN != 0,
        };
        let process = process_of(&event.process);
        // One that was not told of was made by somebody.
        let known = self.meet(process, || Known { ancestors_cut: true, ..Known::default() });
        push(&mut known.images, Arc::new(image));
    }

    fn made(&mut self, event: &ProcessEvent) {
        let maker = Process { pid: event.maker, start_time: event.maker_start_time };
        let by = self.known.get(&maker);
        let image = by.and_then(|by| by.images.back()).filter(|image| image.executable == event.executable);
        let image = image.cloned();
        let nearest = Arc::new(AncestorRecord {
            exec_id: maker.exec_id(),
            executable: image.as_ref().and_then(|image| image.path.clone()),
            unproven: image.as_ref().is_none_or(|image| image.unproven),
        });
        let above = by.map(|by| by.ancestors.as_slice()).unwrap_or_default();
        let ancestors: Vec<_> = std::iter::once(&nearest).chain(above).take(ANCESTORS).cloned().collect();
        let ancestors_cut = above.len() >= ANCESTORS || by.is_none_or(|by| by.ancestors_cut);
        if by.is_some() {
            self.touch(maker);
        }
        let known = self.meet(process_of(event), Known::default);
        (known.ancestors, known.ancestors_cut) = (ancestors, ancestors_cut);
        // It may have been found already as what it became later.
        if let Some(image) = image.filter(|_| known.images.is_empty()) {
            known.images.push_back(image);
        }
    }

    /// Takes in those that were there before; `is_all` if those that come later are told by the kernel.
    pub(crate) fn found(&mut self, all: Vec<Found>, is_all: bool) {
        let parents: HashMap<u32, (Process, u32, Option<String>)> = all
            .iter()
            .map(|one| (one.process.pid, (one.process, one.parent, one.image.path.clone())))
            .collect();
        for one in all {
            let mut above = one.parent;
            let mut ancestors = Vec::new();
            while let Some((process, parent, path)) = parents.get(&above)
                && ancestors.len() < ANCESTORS
            {
                let (exec_id, executable) = (process.exec_id(), path.clone());
                ancestors.push(Arc::new(AncestorRecord { exec_id, executable, unproven: true }));
                above = *parent;
            }
            let known = self.meet(one.process, Known::default);
            // The kernel knows better.
            if known.images.is_empty() {
                (known.ancestors, known.ancestors_cut) = (ancestors, above != 0);
                known.images.push_back(Arc::new(one.image));
            }
        }
        self.is_scanned = is_all;
    }

    /// Who made a decision, as far as it is known.
    pub(crate) fn of(&mut self, asked: &Asked) -> ProcessRecord {
        let is_recorded = asked.lineage & LINEAGE_KNOWN != 0;
        let key = is_recorded.then_some(asked.executable).filter(|key| *key != ObjectKey::default());
        let mut record = ProcessRecord {
            executable_ino: key.map(|key| key.ino),
            executable_dev: key.map(|key| key.dev),
            executable_inode_generation: key.map(|key| key.inode_generation),
            unproven: !is_recorded || asked.lineage & LINEAGE_UNPROVEN != 0,
            ancestors_cut: true,
            ..ProcessRecord::default()
        };
        self.touch(asked.process);
        let Some(known) = self.known.get(&asked.process) else { return record };
        record.ancestors = known.ancestors.iter().map(|one| (**one).clone()).collect();
        record.ancestors_cut = known.ancestors_cut;
        let mut newest_first = known.images.iter().rev();
        // What was started later than the decision was made, or is not what the kernel has recorded, is not who made it.
        let image = newest_first.find(|image| image.since_ns <= asked.time_ns);
        let Some(image) = image.filter(|image| key == Some(image.executable)) else { return record };
        record.unproven |= image.unproven;
        record.executable = image.path.clone();
        record.executable_cut = image.path_cut;
        record.argv = image.argv.as_ref().and_then(|argv| self.redaction.shown(argv.iter()));
        record.argv_cut = image.argv_cut && record.argv.is_some();
        record
    }

    /// What is kept of a process, which is met now.
    fn meet(&mut self, process: Process, unknown: impl FnOnce() -> Known) -> &mut Known {
        if !self.known.contains_key(&process) && self.known.len() >= KEPT {
            self.evict();
        }
        self.turn += 1;
        let turn = self.turn;
        let known = self.known.entry(process).or_insert_with(unknown);
        self.turns.remove(&known.turn);
        self.turns.insert(turn, process);
        known.turn = turn;
        known
    }

    fn touch(&mut self, process: Process) {
        if self.known.contains_key(&process) {
            self.meet(process, Known::default);
        }
    }

    fn evict(&mut self) {
        if let Some((_, process)) = self.turns.pop_first() {
            self.known.remove(&process);
            self.evicted += 1;
        }
    }

    fn forget_ended(&mut self, now_ns: u64) {
        while let Some((ended, process)) = self.ended.front().copied()
            && now_ns.saturating_sub(ended) > GRACE_NS
        {
            self.ended.pop_front();
            if let Some(known) = self.known.remove(&process) {
                self.turns.remove(&known.turn);
            }
        }
        // Those that were evicted meanwhile are named here still: no more of them than can be kept.
        while self.ended.len() > KEPT {
            self.ended.pop_front();
        }
    }
}

fn push(images: &mut VecDeque<Arc<Image>>, image: Arc<Image>) {
    if images.len() >= IMAGES {
        images.pop_front();
    }
    images.push_back(image);
}

fn process_of(event: &ProcessEvent) -> Process {
    Process { pid: event.pid, start_time: event.start_time }
}

fn path_of(event: &ExecEvent) -> String {
    let mut path = if event.path_is_cut() { "…".to_owned() } else { String::new() };
    for name in event.path_from_root() {
        path.push('/');
        path.push_str(&String::from_utf8_lossy(name));
    }
    path
}

#[cfg(test)]
mod tests;
