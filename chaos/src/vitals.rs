//! What a process has: threads, descriptors, memory.

use anyhow::{Context, Result};
use rustix::process::Pid;
use std::fs;

/// What a process has at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Vitals {
    pub(crate) threads: u64,
    pub(crate) descriptors: u64,
    /// Memory that is resident and its own, in kB.
    pub(crate) memory: u64,
}

/// How much memory may grow: the journal keeps its newest records in memory, some 16 MB when it is full; and they lie
/// among what a restarted loader needed for a moment to read the kernel's types, so that this is kept for the next one.
const GROWTH: u64 = 48_000;

impl Vitals {
    /// Of a process.
    pub(crate) fn of(pid: Pid) -> Result<Self> {
        let folder = format!("/proc/{}", pid.as_raw_nonzero());
        let status = fs::read_to_string(format!("{folder}/status")).context("the daemon is gone")?;
        let descriptors = fs::read_dir(format!("{folder}/fd")).context("the daemon is gone")?.count() as u64;
        let number = |field: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(field))?;
            line.split_whitespace().next()?.parse().ok()
        };
        let threads = number("Threads:").context("no number of threads")?;
        let memory = number("RssAnon:").context("no size of memory")?;
        Ok(Self { threads, descriptors, memory })
    }

    /// Whether it has what it had, and not more. Who adopts probes needs fewer descriptors than who arms them.
    pub(crate) fn is_back_at(&self, before: &Self) -> bool {
        self.threads == before.threads
            && self.descriptors <= before.descriptors
            && self.memory <= before.memory + GROWTH
    }
}

/// The processes that a process has started and not waited for.
pub(crate) fn children(of: Pid) -> Vec<Pid> {
    let tasks = fs::read_dir(format!("/proc/{}/task", of.as_raw_nonzero())).into_iter().flatten().flatten();
    let read = |task: fs::DirEntry| fs::read_to_string(task.path().join("children")).unwrap_or_default();
    let all: String = tasks.map(read).collect::<Vec<_>>().join(" ");
    all.split_whitespace().filter_map(|word| Pid::from_raw(word.parse().ok()?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_what_it_has() {
        let vitals = Vitals::of(rustix::process::getpid()).expect("this process");
        assert!(vitals.threads >= 1 && vitals.descriptors >= 3 && vitals.memory > 0, "{vitals:?}");
        let more = |threads, descriptors, memory| Vitals {
            threads: vitals.threads + threads,
            descriptors: vitals.descriptors + descriptors,
            memory: vitals.memory + memory,
        };
        assert!(more(0, 0, GROWTH).is_back_at(&vitals));
        assert!(!more(0, 0, GROWTH + 1).is_back_at(&vitals));
        assert!(!more(1, 0, 0).is_back_at(&vitals) && !more(0, 1, 0).is_back_at(&vitals));
    }
}
