//! When to look again. Pure: the time is an argument, in time since any fixed point.

use std::time::Duration;

/// How long after a change it is looked at: nearly all are done at once, some wait for a disk or a loaded machine.
const LOOKS: [Duration; 3] = [Duration::from_millis(50), Duration::from_secs(1), Duration::from_secs(10)];

/// The least time between two looks, so that whoever makes many changes does not keep the daemon busy.
const PAUSE: Duration = Duration::from_millis(200);
/// And how many times the duration of a look must pass before the next: a tenth of one processor at most.
const SHARE: u32 = 10;

/// The looks that are due.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    due: Vec<Duration>,
    not_before: Duration,
}

impl Schedule {
    /// Something changes now. Looks that are due stay so; those after the last change are moved on.
    pub(crate) fn changed(&mut self, now: Duration) {
        let [soon, later, last] = LOOKS.map(|look| now + look);
        let first = self.due.first().map_or(soon, |first| soon.min(*first));
        self.due = vec![first, later, last];
    }

    /// Something waits that makes no notice when it comes: a look is due now, if none is.
    pub(crate) fn poll(&mut self, now: Duration) {
        if self.due.is_empty() {
            self.due.push(now);
        }
    }

    /// When to look next, if at all.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.due.first().map(|due| self.not_before.max(*due))
    }

    /// A look has ended, and took so long.
    pub(crate) fn looked(&mut self, now: Duration, took: Duration) {
        let began = now.saturating_sub(took);
        self.due.retain(|due| *due > began);
        self.not_before = now + PAUSE.max(took * SHARE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn three_looks_after_a_change() {
        let mut schedule = Schedule::default();
        assert_eq!(schedule.next(), None);
        schedule.changed(at(1_000));
        let mut looks = Vec::new();
        while let Some(next) = schedule.next() {
            looks.push(next);
            schedule.looked(next + at(1), at(1));
        }
        assert_eq!(looks, [at(1_050), at(2_000), at(11_000)]);
    }

    #[test]
    fn many_changes_neither_put_off_nor_flood() {
        let mut schedule = Schedule::default();
        let mut looks = 0;
        for now in (0..10_000).map(at) {
            schedule.changed(now);
            if schedule.next().is_some_and(|next| next <= now) {
                looks += 1;
                schedule.looked(now + at(5), at(5));
            }
        }
        assert!((40..=50).contains(&looks), "{looks} looks in ten seconds");
    }

    #[test]
    fn a_long_look_is_followed_by_a_longer_pause() {
        let mut schedule = Schedule::default();
        schedule.changed(at(0));
        schedule.looked(at(3_050), at(3_000));
        assert_eq!(schedule.next(), Some(at(33_050)), "what was due meanwhile is due after the pause");
    }

    #[test]
    fn a_change_during_a_look_is_looked_at_again() {
        let mut schedule = Schedule::default();
        schedule.changed(at(0));
        schedule.changed(at(60));
        schedule.looked(at(100), at(50));
        assert_eq!(schedule.next(), Some(at(1_060)));
    }
}
