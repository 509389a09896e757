//! Counts restarts within a period.

use crate::spec::Intensity;
use std::collections::VecDeque;
use std::time::Duration;

/// The restarts that still count.
#[derive(Debug, Clone, Default)]
pub(super) struct Window(VecDeque<Duration>);

impl Window {
    /// Counts one more. False if these are too many.
    pub(super) fn add(&mut self, now: Duration, intensity: Intensity) -> bool {
        self.0.push_back(now);
        self.forget(now, intensity);
        // More than are borne are never kept, so what is forgotten later was not needed.
        self.0.len() <= intensity.restarts as usize
    }

    /// How many count now.
    pub(super) fn count(&self, now: Duration, intensity: Intensity) -> u32 {
        let counts = self.0.iter().filter(|then| is_within(**then, now, intensity)).count();
        u32::try_from(counts).unwrap_or(u32::MAX)
    }

    fn forget(&mut self, now: Duration, intensity: Intensity) {
        while self.0.front().is_some_and(|then| !is_within(*then, now, intensity)) {
            self.0.pop_front();
        }
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// OTP: a restart counts as long as it is not older than the period.
fn is_within(then: Duration, now: Duration, intensity: Intensity) -> bool {
    now.saturating_sub(then) <= intensity.period
}
