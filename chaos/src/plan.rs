//! What goes wrong, in which order. Pure: the same seed makes the same plan.

use crate::fault::{Fault, Kind};
use clap::ValueEnum;
use std::time::Duration;

/// Every part of the daemon, by its names from the root.
pub(crate) const PARTS: [&str; 9] = [
    "loader",
    "spool",
    "policy_watcher",
    "sinks/stdout",
    "sinks/events_file",
    "pipeline/router",
    "pipeline/ringbuf_reader",
    "control",
    "health",
];

/// What is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// Each part panics, a part hangs, the process is killed, stopped and ended, and then everything at random.
    All,
    /// Every fault of every part, one after the other.
    Each,
    /// Faults of the process: SIGKILL, SIGTERM, SIGSTOP, and SIGKILL for its helpers. With the unmodified daemon.
    Process,
    /// Each part hangs.
    Hang,
    /// A part fails too often.
    Excess,
    /// Everything at random.
    Random,
}

impl Scenario {
    /// Its word.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Each => "each",
            Self::Process => "process",
            Self::Hang => "hang",
            Self::Excess => "excess",
            Self::Random => "random",
        }
    }

    /// Whether the daemon is the one whose parts can be told to fail.
    pub(crate) fn is_inside(self) -> bool {
        self != Self::Process
    }
}

/// One thing that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// How long before it nothing happens.
    pub(crate) pause: Duration,
    pub(crate) fault: Fault,
    /// Whether the daemon is given the time to be well again afterwards.
    pub(crate) is_single: bool,
}

/// A stop that is shorter than any heartbeat, and one that is longer.
const STOPS: [u64; 2] = [700, 23_000];
/// More often than a supervisor bears in a minute.
const TOO_OFTEN: usize = 13;
const SHORT_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: u64 = 3_000;

/// Makes steps.
pub(crate) struct Plan {
    scenario: Scenario,
    random: fastrand::Rng,
}

impl Plan {
    pub(crate) fn new(scenario: Scenario, seed: u64) -> Self {
        Self { scenario, random: fastrand::Rng::with_seed(seed) }
    }

    /// What is played in full, however long it takes.
    pub(crate) fn fixed(&mut self) -> Vec<Step> {
        let faults: Vec<Fault> = match self.scenario {
            Scenario::All => [
                PARTS.iter().map(|part| inside(part, Kind::Panic)).collect(),
                vec![Fault::Stop(STOPS[0]), Fault::KillHelpers, Fault::Kill, Fault::Terminate],
                vec![inside(self.part(), Kind::Loop)],
            ]
            .concat(),
            // By kind, so that a part that fails has not just failed: restarts wait longer each time.
            Scenario::Each => {
                each_kind().iter().flat_map(|kind| PARTS.iter().map(|part| inside(part, *kind))).collect()
            }
            Scenario::Process => {
                let stops = STOPS.map(Fault::Stop);
                [Fault::Kill, Fault::Terminate, Fault::KillHelpers].into_iter().chain(stops).collect()
            }
            Scenario::Hang => PARTS.iter().map(|part| inside(part, Kind::Loop)).collect(),
            Scenario::Excess => {
                let part = self.part();
                return (0..TOO_OFTEN).map(|_| at_once(inside(part, Kind::Panic))).collect();
            }
            Scenario::Random => Vec::new(),
        };
        faults.into_iter().map(|fault| Step { pause: SHORT_PAUSE, fault, is_single: true }).collect()
    }

    /// One more, at random; none where only what is played in full is asked for.
    pub(crate) fn next(&mut self) -> Option<Step> {
        let is_inside = match self.scenario {
            Scenario::All | Scenario::Random => self.random.u8(..10) < 7,
            Scenario::Process => false,
            _ => return None,
        };
        let fault = if is_inside { inside(self.part(), self.kind()) } else { self.outside() };
        // Now and then the next comes while the daemon still recovers.
        Some(Step { pause: self.pause(), fault, is_single: self.random.u8(..10) < 7 })
    }

    fn part(&mut self) -> &'static str {
        self.random.choice(PARTS).unwrap_or(PARTS[0])
    }

    fn pause(&mut self) -> Duration {
        Duration::from_millis(self.random.u64(..LONGEST_PAUSE))
    }

    fn kind(&mut self) -> Kind {
        // One that hangs takes as long as ten others.
        if self.random.u8(..40) == 0 {
            return Kind::Loop;
        }
        let millis = self.random.u64(..1_500);
        let kinds = [
            Kind::Panic,
            Kind::PanicInStream,
            Kind::Error,
            Kind::End,
            Kind::Block(millis),
            Kind::InitPanic,
            Kind::InitError,
            Kind::InitSlow(millis),
        ];
        self.random.choice(kinds).unwrap_or(Kind::Panic)
    }

    fn outside(&mut self) -> Fault {
        match self.random.u8(..5) {
            0 | 1 => Fault::Kill,
            2 => Fault::Terminate,
            3 => Fault::Stop(self.random.u64(..2_000)),
            _ => Fault::KillHelpers,
        }
    }
}

fn inside(part: &'static str, kind: Kind) -> Fault {
    Fault::Inside { part, kind }
}

fn at_once(fault: Fault) -> Step {
    Step { pause: Duration::ZERO, fault, is_single: false }
}

/// Every kind that the process survives.
fn each_kind() -> [Kind; 8] {
    [
        Kind::Panic,
        Kind::PanicInStream,
        Kind::Error,
        Kind::End,
        Kind::Block(1_000),
        Kind::InitPanic,
        Kind::InitError,
        Kind::InitSlow(500),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn steps(scenario: Scenario, seed: u64, count: usize) -> Vec<Step> {
        let mut plan = Plan::new(scenario, seed);
        let mut steps = plan.fixed();
        steps.extend(std::iter::from_fn(|| plan.next()).take(count));
        steps
    }

    #[test]
    fn a_seed_repeats_its_plan() {
        assert_eq!(steps(Scenario::All, 7, 100), steps(Scenario::All, 7, 100));
        assert_ne!(steps(Scenario::All, 7, 100), steps(Scenario::All, 8, 100));
    }

    #[test]
    fn everything_has_its_turn() {
        let seen: HashSet<String> = steps(Scenario::Random, 1, 2_000)
            .into_iter()
            .map(|step| match step.fault {
                Fault::Inside { part, kind } => format!("{part} {:?}", std::mem::discriminant(&kind)),
                Fault::Stop(_) => "stop".to_owned(),
                other => other.to_string(),
            })
            .collect();
        assert_eq!(seen.len(), PARTS.len() * (each_kind().len() + 1) + 4);
        assert_eq!(steps(Scenario::Each, 1, 9).len(), PARTS.len() * each_kind().len());
        assert!(
            steps(Scenario::Process, 1, 500).iter().all(|step| !matches!(step.fault, Fault::Inside { .. }))
        );
    }
}
