//! One fault after the other, and how the daemon gets over it.

use super::subject::{Subject, Wellness};
use crate::fault::{Fault, Kind};
use crate::plan::Step;
use crate::vitals::Vitals;
use anyhow::{Context, Result};
use rustix::process::{Signal, kill_process};
use std::collections::VecDeque;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) faults: u64,
    /// How long the daemon took to be well after each single fault, and that fault.
    pub(super) recoveries: Vec<(Duration, String)>,
    /// Single faults that it was not well after in time.
    pub(super) late: Vec<String>,
    /// Ends of the process that nobody asked for and no fault explains.
    pub(super) unexpected: Vec<String>,
    /// Parts that hung, and with which exit code the process ended.
    pub(super) hung: Vec<(String, Option<i32>)>,
    /// Ends of the process because a part failed too often.
    pub(super) gave_up: u64,
    /// Faults that did not strike.
    pub(super) in_vain: Vec<String>,
    /// What the process had in the end of each of its lives that was not what it had in the beginning.
    pub(super) leaks: Vec<String>,
    /// Lives that were compared, and the last of them.
    pub(super) compared: u64,
    pub(super) last: Option<(Vitals, Vitals)>,
}

/// Plays.
pub(super) struct Acts {
    well_within: Duration,
    seen: Seen,
    /// What this process had when it was well for the first time.
    baseline: Option<Vitals>,
    /// When parts of this process ended because of a fault.
    exits: VecDeque<Instant>,
}

/// How long a daemon that recovers is waited for: longer than a part may take to start.
const PATIENCE: Duration = Duration::from_secs(120);
/// Heartbeats may be missed for 20 s, a blocked thread has 2 s more, and this is an emulated machine.
const HANGS: Duration = Duration::from_secs(60);
/// Fewer ends of parts than a supervisor bears in a minute: with them come ends of others.
const BORNE: usize = 6;
const PERIOD: Duration = Duration::from_secs(61);
const LOOK: Duration = Duration::from_millis(20);
/// How long threads and descriptors that are on their way out may still be there.
const SETTLES: Duration = Duration::from_secs(5);
/// How long a process may take to end whose socket is closed.
const ENDING: Duration = Duration::from_secs(2);
/// How long helpers are looked for.
const HUNT: Duration = Duration::from_secs(60);

impl Acts {
    pub(super) fn new(well_within: Duration) -> Self {
        Self { well_within, seen: Seen::default(), baseline: None, exits: VecDeque::new() }
    }

    pub(super) fn seen(&self) -> &Seen {
        &self.seen
    }

    /// The daemon runs for the first time.
    pub(super) fn begin(&mut self, subject: &Subject) -> Result<()> {
        self.wait_until_well(subject, &Wellness::default(), None)?;
        self.baseline = Some(subject.vitals()?);
        Ok(())
    }

    /// One step of the plan.
    pub(super) fn play(&mut self, subject: &mut Subject, step: &Step) -> Result<()> {
        std::thread::sleep(step.pause);
        self.meet_end(subject)?;
        if step.is_single {
            self.make_room(subject, &step.fault)?;
        }
        let before = subject.wellness().unwrap_or_default();
        self.seen.faults += 1;
        let begin = self.strike(subject, &step.fault)?;
        if !step.is_single {
            return Ok(());
        }
        let part = match &step.fault {
            Fault::Inside { part, kind } if kind.ends_the_part() && !kind.ends_the_process() => Some(*part),
            _ => None,
        };
        self.recover(subject, &step.fault, begin, &before, part)
    }

    fn recover(
        &mut self,
        subject: &Subject,
        fault: &Fault,
        begin: Instant,
        before: &Wellness,
        part: Option<&str>,
    ) -> Result<()> {
        self.wait_until_well(subject, before, part)?;
        let took = begin.elapsed().saturating_sub(lasts(fault));
        eprintln!("chaos: {fault}: well after {took:.2?}");
        if took > self.well_within {
            self.seen.late.push(format!("{fault} ({took:.2?})"));
        }
        self.seen.recoveries.push((took, fault.to_string()));
        Ok(())
    }

    /// Lets it happen. Returns when it had happened: from then on the daemon recovers.
    fn strike(&mut self, subject: &mut Subject, fault: &Fault) -> Result<Instant> {
        match fault {
            Fault::Inside { part, kind } => self.fail(subject, part, *kind)?,
            Fault::Kill => {
                self.compare(subject);
                subject.agent.kill();
                return self.start_again(subject);
            }
            Fault::Terminate => return self.restart(subject),
            Fault::Stop(millis) => {
                subject.signal(Signal::STOP)?;
                std::thread::sleep(Duration::from_millis(*millis));
                subject.signal(Signal::CONT)?;
            }
            Fault::KillHelpers => self.kill_helpers(subject)?,
        }
        Ok(Instant::now())
    }

    fn fail(&mut self, subject: &mut Subject, part: &'static str, kind: Kind) -> Result<()> {
        if let Err(error) = subject.fail(part, kind) {
            // Another fault may be ending the process just now.
            std::thread::sleep(ENDING);
            if !self.meet_end(subject)? {
                self.seen.in_vain.push(format!("{error:#}"));
            }
            return Ok(());
        }
        let now = Instant::now();
        self.exits.extend((0..kind.exits()).map(|_| now));
        if kind.ends_the_process() {
            let ended = subject.wait_for_end(HANGS).with_context(|| format!("{part} hangs"))?;
            self.seen.hung.push((part.to_owned(), ended.code()));
            self.start_again(subject)?;
        }
        Ok(())
    }

    /// Starts the daemon anew. It has adopted what is armed when this returns; returns when it began.
    fn start_again(&mut self, subject: &mut Subject) -> Result<Instant> {
        self.exits.clear();
        let begin = Instant::now();
        subject.agent.start_again();
        self.wait_until_well(subject, &Wellness::default(), None)?;
        self.baseline = Some(subject.vitals()?);
        Ok(begin)
    }

    fn restart(&mut self, subject: &mut Subject) -> Result<Instant> {
        self.compare(subject);
        let ended = subject.agent.terminate();
        if !ended.success() {
            self.seen.unexpected.push(format!("{ended} after SIGTERM: {}", last_words(subject)));
        }
        self.start_again(subject)
    }

    /// Kills what the daemon starts to prove the policy with, once that has begun. The policy stays in force, and is proven
    /// by the next apply.
    fn kill_helpers(&mut self, subject: &Subject) -> Result<()> {
        let mut applying = subject.apply().stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let deadline = Instant::now() + HUNT;
        while applying.try_wait()?.is_none() && Instant::now() < deadline {
            for child in subject.children()? {
                // It may have ended by itself.
                let _ = kill_process(child, Signal::KILL);
            }
        }
        applying.wait()?;
        let again = subject.apply().output()?;
        if !again.status.success() {
            let said = String::from_utf8_lossy(&again.stderr).into_owned();
            self.seen.unexpected.push(format!("an apply after its helpers were killed failed: {said}"));
        }
        Ok(())
    }

    /// Has a process with room for one more fault: where too many parts end in a minute their supervisor gives up, and
    /// that is another scenario.
    fn make_room(&mut self, subject: &mut Subject, fault: &Fault) -> Result<()> {
        let Fault::Inside { kind, .. } = fault else { return Ok(()) };
        while self.exits.front().is_some_and(|exit| exit.elapsed() > PERIOD) {
            self.exits.pop_front();
        }
        if self.exits.len() + kind.exits() <= BORNE {
            return Ok(());
        }
        eprintln!("chaos: a new process, as this one has borne enough");
        self.restart(subject).map(drop)
    }

    /// If the process has ended by itself, tells why, and starts another. Whether it had.
    fn meet_end(&mut self, subject: &mut Subject) -> Result<bool> {
        let Some(ended) = subject.agent.try_wait() else { return Ok(false) };
        let words = last_words(subject);
        if ended.code() == Some(1) && words.contains("gave up") && self.exits.len() > BORNE {
            self.seen.gave_up += 1;
        } else {
            self.seen.unexpected.push(format!("{ended}: {words}"));
        }
        self.start_again(subject)?;
        Ok(true)
    }

    /// Waits until the daemon is well. It is seen when it is not.
    fn wait_until_well(&self, subject: &Subject, before: &Wellness, part: Option<&str>) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = subject.wellness();
            if now.as_ref().is_some_and(|now| now.is_well_after(before, part)) {
                return Ok(());
            }
            let long = || format!("it is not well: {now:?}; it says: {}", last_words(subject));
            (Instant::now() < deadline).then_some(()).with_context(long)?;
            std::thread::sleep(LOOK);
        }
    }

    /// Compares what the process has with what it had.
    fn compare(&mut self, subject: &Subject) {
        let Some(before) = self.baseline else { return };
        let deadline = Instant::now() + SETTLES;
        let now = loop {
            // One that has ended has nothing.
            let Ok(now) = subject.vitals() else { return };
            if now.is_back_at(&before) || Instant::now() > deadline {
                break now;
            }
            std::thread::sleep(LOOK);
        };
        self.seen.compared += 1;
        self.seen.last = Some((before, now));
        if !now.is_back_at(&before) {
            self.seen.leaks.push(format!("{before:?} became {now:?}"));
        }
    }

    /// Everything has happened: the daemon gets well, and everything is told.
    pub(super) fn end(&mut self, subject: &mut Subject) -> Result<()> {
        // Whatever is about to end it does so by now.
        std::thread::sleep(Duration::from_secs(1));
        self.meet_end(subject)?;
        self.wait_until_well(subject, &Wellness::default(), None)?;
        self.compare(subject);
        Ok(())
    }
}

fn lasts(fault: &Fault) -> Duration {
    match fault {
        Fault::Inside { kind, .. } => kind.lasts(),
        _ => Duration::ZERO,
    }
}

/// The last lines that the daemon has said.
fn last_words(subject: &Subject) -> String {
    const LINES: usize = 5;
    let log = subject.agent.log();
    let lines: Vec<&str> = log.lines().collect();
    lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default().join(" | ")
}
