//! Who holds what the policy in force forbids: found by asking the kernel after the flip, so that nobody opens
//! anything in between; told, or killed.

use super::run::Loader;
use super::{LoadError, step};
use aegis_control_api::{Holder, HolderAction, HolderReport, Holding, LISTED_HOLDERS};
use aegis_kernel_abi::{HELD_DESCRIPTOR, Held, Kind, Mode, ObjectKey};
use aegis_probes::{Concern, Error, Guarded, HolderProbes, Survivors, unpadded};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// How often the kernel is asked again after processes were killed: their children have what they had.
const ROUNDS: usize = 8;

/// Processes that are waited for at the same time. Each needs a descriptor; the usual limit on those is 1024.
const BATCH: usize = 250;

/// How long processes of one batch may take to end. One that waits for a device does not end before it answers.
const PATIENCE: Duration = Duration::from_secs(1);

/// A process: its id in the initial namespace and its start time.
type Process = (u32, u64);

impl Loader {
    /// Finds out who holds what the generation in force forbids, and does what is to be done about it. Cannot undo
    /// the apply: what went wrong is in the report.
    pub fn holders(&mut self, action: HolderAction) -> HolderReport {
        let mut report = HolderReport::default();
        if let Err(error) = self.look_for_holders(action, &mut report) {
            report.error = Some(error.whole());
        }
        report
    }

    fn look_for_holders(&mut self, action: HolderAction, report: &mut HolderReport) -> Result<(), LoadError> {
        // Where nothing can be blocked nobody is killed either.
        let action = if self.kind() == Kind::Fallback { HolderAction::Report } else { action };
        let generation = self.active_generation();
        let guarded = self.probes().generations().guarded(generation);
        let guarded = guarded.map_err(step("read the generation in force"))?;
        if guarded.is_empty() {
            return Ok(());
        }
        let survivors = self.probes().survivors().map_err(step("read the survival list"))?;
        if self.holder_probes.is_none() {
            let loaded = HolderProbes::load().map_err(step("load the probes that find holders"))?;
            self.holder_probes = Some(loaded);
        }
        let Some(probes) = &self.holder_probes else { return Ok(()) };
        let world = World { probes, guarded, survivors };
        let mut tally = Tally::default();
        let done = world.rounds(action, &mut tally);
        // Also if it broke off: who was killed must be told.
        tally.tell(report, |rule| self.names().get(generation, rule));
        done.map_err(step("find holders"))
    }
}

/// What is needed to judge a holder.
struct World<'a> {
    probes: &'a HolderProbes,
    guarded: Guarded,
    survivors: Survivors,
}

/// A holder that is to be told.
struct Judged {
    held: Held,
    concern: Concern,
    path: Option<String>,
}

/// What one look found.
#[derive(Default)]
struct Found {
    listed: Vec<Judged>,
    enforced: u64,
    observed: u64,
    spared: u64,
    /// Processes that an enforcing rule is on, with their ids in our pid namespace.
    offending: BTreeMap<Process, u32>,
    /// The cgroups of processes that were judged; none if the process was gone.
    cgroups: HashMap<Process, Option<Vec<u64>>>,
    /// The mapping that was judged last: a file is mapped in several pieces, one after the other.
    last: Option<(Process, ObjectKey, bool)>,
}

/// What came of all looks.
#[derive(Default)]
struct Tally {
    listed: Vec<Judged>,
    found: u64,
    spared: u64,
    killed: BTreeSet<Process>,
    left: u64,
}

impl World<'_> {
    /// Looks once, or kills and looks again until nobody is found any more.
    fn rounds(&self, action: HolderAction, tally: &mut Tally) -> Result<(), Error> {
        let mut known = BTreeSet::new();
        for round in 0..=ROUNDS {
            let found = self.find(&known)?;
            let offending = tally.add(found, round == 0);
            if action == HolderAction::Report || round == ROUNDS {
                tally.left += offending.len() as u64;
                break;
            }
            if offending.is_empty() {
                break;
            }
            let mut alive = offending.len();
            let victims: Vec<_> = offending.iter().map(|(process, here)| (*process, *here)).collect();
            for batch in victims.chunks(BATCH) {
                let ended = self.kill(batch, &mut tally.killed);
                alive = alive.saturating_sub(ended);
            }
            tally.left += alive as u64;
            known.extend(offending.into_keys());
        }
        Ok(())
    }

    /// One look at all processes, but for ourselves and those that are known already.
    fn find(&self, known: &BTreeSet<Process>) -> Result<Found, Error> {
        let mut found = Found::default();
        let mut failed = None;
        self.probes.each(|held| {
            let skipped = held.pid_here == std::process::id() || known.contains(&process(held));
            if !skipped && let Some(concern) = self.guarded.concern(held) {
                let judged = self.judge(held, concern, &mut found);
                failed = failed.take().or(judged.err());
            }
        })?;
        failed.map_or(Ok(found), Err)
    }

    fn judge(&self, held: &Held, concern: Concern, found: &mut Found) -> Result<(), Error> {
        let process = process(held);
        let cgroups = match found.cgroups.entry(process) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(self.cgroups(held)?),
        };
        let Some(cgroups) = cgroups else { return Ok(()) };
        let spared = self.guarded.spared(held, concern.operations, cgroups, &self.survivors).is_some();
        let mapping = (held.kind != HELD_DESCRIPTOR).then_some((process, held.opened, spared));
        let goes_on = mapping.is_some() && found.last == mapping;
        found.last = mapping;
        if spared {
            found.spared += u64::from(!goes_on);
        } else {
            found.take(held, concern, goes_on);
        }
        Ok(())
    }

    /// The cgroups of a holder; none if it is gone.
    fn cgroups(&self, held: &Held) -> Result<Option<Vec<u64>>, Error> {
        let memberships = self.probes.memberships(held.pid_here)?;
        let same = memberships.first().is_some_and(|first| (first.pid, first.start_time) == process(held));
        Ok(same.then(|| memberships.iter().map(|membership| membership.cgroup).collect()))
    }

    /// Kills processes and waits for them; how many are gone. Those that had ended by themselves are not counted as
    /// killed.
    fn kill(&self, victims: &[(Process, u32)], killed: &mut BTreeSet<Process>) -> usize {
        let mut gone = 0;
        let mut dying = Vec::with_capacity(victims.len());
        for (process, here) in victims {
            match self.signal(*process, *here) {
                Ok(Some(descriptor)) => dying.push((*process, descriptor)),
                Ok(None) => gone += 1,
                Err(why) => tracing::error!(pid = process.0, why, "a holder cannot be killed"),
            }
        }
        let deadline = Instant::now() + PATIENCE;
        for (process, descriptor) in &dying {
            if ended(descriptor, deadline) {
                gone += 1;
                killed.insert(*process);
                tracing::warn!(pid = process.0, "killed, as it held what the policy forbids");
            }
        }
        gone
    }

    /// Sends SIGKILL to a process by a descriptor of it, and to no other one that has its number by now. `None` if it
    /// is gone.
    fn signal(&self, process: Process, here: u32) -> Result<Option<OwnedFd>, String> {
        let pid = i32::try_from(here).ok().and_then(Pid::from_raw).ok_or("its number is none")?;
        let descriptor = match pidfd_open(pid, PidfdFlags::empty()) {
            Err(Errno::SRCH) => return Ok(None),
            opened => opened.map_err(|errno| errno.to_string())?,
        };
        // Asked after the descriptor was opened: whoever had the number at either time has it at both.
        let now = self.probes.memberships(here).map_err(|error| error.to_string())?;
        if now.first().is_none_or(|now| (now.pid, now.start_time) != process) {
            return Ok(None);
        }
        match pidfd_send_signal(&descriptor, Signal::KILL) {
            Err(Errno::SRCH) => Ok(None),
            sent => sent.map(|()| Some(descriptor)).map_err(|errno| errno.to_string()),
        }
    }
}

/// Whether a process has ended, or does so before the deadline: its descriptor can be read then.
fn ended(process: &OwnedFd, deadline: Instant) -> bool {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout =
            Timespec { tv_sec: left.as_secs().try_into().unwrap_or(0), tv_nsec: left.subsec_nanos().into() };
        match poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&timeout)) {
            Err(Errno::INTR) => {}
            ready => return ready.is_ok_and(|count| count > 0),
        }
    }
}

impl Found {
    /// Takes in a holder. Pieces of one file in memory are one mapping.
    fn take(&mut self, held: &Held, concern: Concern, goes_on: bool) {
        if concern.mode == Mode::Enforce {
            self.offending.insert(process(held), held.pid_here);
        }
        if goes_on {
            let complete = self.enforced + self.observed == self.listed.len() as u64;
            if let Some(last) = self.listed.last_mut().filter(|_| complete) {
                let joined = last.concern.and(concern);
                if joined.mode != last.concern.mode {
                    self.observed -= 1;
                    self.enforced += 1;
                }
                last.held.end = held.end;
                last.concern = joined;
            }
            return;
        }
        let count = if concern.mode == Mode::Enforce { &mut self.enforced } else { &mut self.observed };
        *count += 1;
        if self.listed.len() < LISTED_HOLDERS {
            self.listed.push(Judged { held: *held, concern, path: path(held) });
        }
    }
}

impl Tally {
    /// Adds what a look found. Later looks add only whom enforcing rules are on: the others were found before.
    fn add(&mut self, found: Found, first: bool) -> BTreeMap<Process, u32> {
        self.found += found.enforced;
        if first {
            self.found += found.observed;
            self.spared = found.spared;
        }
        let more = found.listed.into_iter().filter(|judged| first || judged.concern.mode == Mode::Enforce);
        self.listed.extend(more.take(LISTED_HOLDERS.saturating_sub(self.listed.len())));
        found.offending
    }

    fn tell(self, report: &mut HolderReport, rule_id: impl Fn(u32) -> Option<String>) {
        let Self { listed, found, spared, killed, left } = self;
        *report =
            HolderReport { found, spared, killed: killed.len() as u64, left, ..HolderReport::default() };
        report.listed = listed
            .into_iter()
            .map(|Judged { held, concern, path }| Holder {
                pid: held.pid,
                start_time: held.start_time,
                uid: held.uid,
                comm: unpadded(&held.comm),
                holds: holding(&held),
                operations: concern.operations.words().map(str::to_owned).collect(),
                rule: rule_id(concern.rule),
                mode: concern.mode.word().to_owned(),
                path,
                killed: killed.contains(&process(&held)),
            })
            .collect();
    }
}

fn process(held: &Held) -> Process {
    (held.pid, held.start_time)
}

fn holding(held: &Held) -> Holding {
    match u32::try_from(held.first) {
        Ok(number) if held.kind == HELD_DESCRIPTOR => Holding::Descriptor(number),
        _ => Holding::Mapping { start: held.first, end: held.end },
    }
}

/// The path of what is held, as the kernel tells it. If the process has ended meanwhile there is none, or that of
/// another process: the path is shown and decides nothing.
fn path(held: &Held) -> Option<String> {
    let (pid, first, end) = (held.pid_here, held.first, held.end);
    let link = match holding(held) {
        Holding::Descriptor(number) => format!("/proc/{pid}/fd/{number}"),
        Holding::Mapping { .. } => format!("/proc/{pid}/map_files/{first:x}-{end:x}"),
    };
    std::fs::read_link(link).ok().map(|path| path.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests;
