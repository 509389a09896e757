//! How long the steps of putting a policy in force take. The time is an argument.

use aegis_control_api::Step;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Sees each step of putting a policy in force when it has ended. For whoever wants to know what becomes of a policy whose
/// daemon ends there; nobody else sees anything.
#[derive(Clone, Default)]
pub struct Witness(Option<Arc<Sees>>);

type Sees = dyn Fn(&str) + Send + Sync;

impl Witness {
    /// One that does this at each step.
    pub fn new(sees: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(sees)))
    }

    /// A step has ended.
    pub(crate) fn reached(&self, step: &str) {
        if let Some(sees) = &self.0 {
            sees(step);
        }
    }
}

impl std::fmt::Debug for Witness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Witness")
    }
}

/// Times steps that follow each other.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    witness: Witness,
    /// When the step that is being done began.
    since: Instant,
    steps: Vec<Step>,
}

impl Stopwatch {
    /// The first step begins.
    pub(crate) fn start(now: Instant, witness: Witness) -> Self {
        Self { witness, since: now, steps: Vec::new() }
    }

    /// A step has ended, and the next begins.
    pub(crate) fn ended(&mut self, step: &str, now: Instant) {
        let took = now.saturating_duration_since(self.since);
        self.steps.push(timed(step, took));
        self.since = now;
        self.witness.reached(step);
    }

    /// Steps have ended that were timed where they were done, and the next begins.
    pub(crate) fn ended_with(&mut self, steps: &[(&str, Duration)], now: Instant) {
        self.steps.extend(steps.iter().map(|(step, took)| timed(step, *took)));
        self.since = now;
        steps.iter().for_each(|(step, _)| self.witness.reached(step));
    }

    /// All steps, in order.
    pub(crate) fn into_steps(self) -> Vec<Step> {
        self.steps
    }
}

fn timed(step: &str, took: Duration) -> Step {
    let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    Step { step: step.to_owned(), microseconds }
}

/// Tells whoever reads what is logged for debugging.
pub(crate) fn log(steps: &[Step]) {
    for Step { step, microseconds } in steps {
        tracing::debug!(step, microseconds, "a step of putting a policy in force");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_takes_what_lies_between_its_ends() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut watch = Stopwatch::start(start, Witness::default());
        watch.ended("first", at(2));
        let within = [("second", Duration::from_millis(1)), ("third", Duration::from_micros(7))];
        watch.ended_with(&within, at(10));
        watch.ended("fourth", at(13));
        // A clock that went back counts nothing.
        watch.ended("fifth", at(12));
        let steps = watch.into_steps();
        let steps: Vec<_> = steps.iter().map(|step| (step.step.as_str(), step.microseconds)).collect();
        let expected = [("first", 2_000), ("second", 1_000), ("third", 7), ("fourth", 3_000), ("fifth", 0)];
        assert_eq!(steps, expected);
    }
}
