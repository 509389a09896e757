//! What held, and what did not.

use serde::Serialize;
use std::fmt;

/// The result of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Repeats the run, as far as its plan.
    pub(crate) seed: u64,
    pub(crate) scenario: &'static str,
    /// The kernel, as it calls itself.
    pub(crate) kernel: String,
    /// What the kernel did with what the policy denies.
    pub(crate) posture: &'static str,
    /// How often something was tried that the policy denies.
    pub(crate) attempts: u64,
    /// How often it was neither denied nor, where nothing is enforced, seen.
    pub(crate) breaches: u64,
    /// How often something was let fail.
    pub(crate) faults: u64,
    pub(crate) invariants: Vec<Invariant>,
}

/// Something that must hold whatever fails.
#[derive(Debug, Serialize)]
pub(crate) struct Invariant {
    pub(crate) name: &'static str,
    pub(crate) held: bool,
    /// What was seen.
    pub(crate) seen: String,
}

impl Report {
    /// Whether everything held.
    pub(crate) fn is_good(&self) -> bool {
        self.breaches == 0 && self.invariants.iter().all(|invariant| invariant.held)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, scenario, kernel, posture, attempts, breaches, faults, invariants } = self;
        writeln!(f, "scenario {scenario}, seed {seed}, Linux {kernel}, {posture}")?;
        writeln!(f, "{attempts} attempts, {breaches} breaches, {faults} faults\n")?;
        for Invariant { name, held, seen } in invariants {
            writeln!(f, "{:<8} {name}: {seen}", if *held { "held" } else { "BROKEN" })?;
        }
        Ok(())
    }
}
