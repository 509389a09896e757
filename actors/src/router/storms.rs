//! Summaries of what was folded. Pure.
//!
//! Folded decisions are numbered, over all CPUs, in the order in which summaries tell of them: the first summary
//! tells of 1 to n, and so on. Who has the summaries of several daemons sees by the numbers that nothing is missing
//! and what was told twice. Which storm a number belongs to is as good as the kernel's table: a storm that was
//! displaced from it leaves numbers that belong to none.

use aegis_kernel_abi::{Storm, StormKey, Summarised};
use std::collections::{HashMap, HashSet};

/// What one summary tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Of which storm, and what has then been told of it; none if the kernel knows it no more.
    pub(crate) storm: Option<(StormKey, Summarised)>,
    /// The first and the last number.
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// When the first and the last of them may have been made, in nanoseconds since boot; 0 where unknown.
    pub(crate) from_ns: u64,
    pub(crate) to_ns: u64,
}

/// Summaries of one sweep, at most, so that they do not displace events. Nothing is lost: the next sweep goes on.
pub(crate) const SUMMARIES: usize = 512;

/// What the last sweep left without a storm. It may belong to one whose count was on its way: only what two sweeps
/// in a row find is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Rest(u64);

/// The sum of all that was folded: as it was before the storms were read, and after. Everything in the first has come
/// to its storm by then, unless the storm is gone; and no more than the second can be in storms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Suppressed {
    pub(crate) earlier: u64,
    pub(crate) later: u64,
}

/// The summaries to be made. `told` is what has been told of each storm, `before` the sum of everything that has been
/// told.
pub(crate) fn sweep(
    storms: &[(StormKey, Storm)],
    told: &HashMap<StormKey, Summarised>,
    before: u64,
    suppressed: Suppressed,
    rest: Rest,
) -> (Vec<Summary>, Rest) {
    let mut at = before;
    let mut summaries = Vec::new();
    for (key, storm) in storms {
        let known = told.get(key).filter(|known| known.since == storm.since).copied().unwrap_or_default();
        // Never more than there is, whatever the table says.
        let count = storm.suppressed.saturating_sub(known.count).min(suppressed.later.saturating_sub(at));
        if count == 0 {
            continue;
        }
        if summaries.len() == SUMMARIES {
            return (summaries, rest);
        }
        let now = Summarised { since: storm.since, count: storm.suppressed, last: storm.last };
        let from_ns = if known.count > 0 { known.last } else { storm.since };
        let (first, last) = (at + 1, at + count);
        summaries.push(Summary { storm: Some((*key, now)), first, last, from_ns, to_ns: storm.last });
        at = last;
    }
    let left = suppressed.earlier.saturating_sub(at);
    let sure = left.min(rest.0);
    if sure > 0 {
        summaries.push(Summary { storm: None, first: at + 1, last: at + sure, from_ns: 0, to_ns: 0 });
    }
    (summaries, Rest(left - sure))
}

/// Tells a reader that never refuses: each number once. As long as a sink takes everything, too, both are told the
/// same; after it refused, its summaries may have other limits.
#[derive(Debug)]
pub(crate) struct Teller {
    told: HashMap<StormKey, Summarised>,
    upto: u64,
    rest: Rest,
}

impl Teller {
    /// Goes on after what was told.
    pub(crate) fn after(told: HashMap<StormKey, Summarised>, upto: u64) -> Self {
        Self { told, upto, rest: Rest::default() }
    }

    /// The last number that was told.
    pub(crate) fn upto(&self) -> u64 {
        self.upto
    }

    /// The next summaries; they count as told.
    pub(crate) fn tell(&mut self, storms: &[(StormKey, Storm)], suppressed: Suppressed) -> Vec<Summary> {
        let living: HashSet<_> = storms.iter().map(|(key, _)| *key).collect();
        self.told.retain(|key, _| living.contains(key));
        let (summaries, rest) = sweep(storms, &self.told, self.upto, suppressed, self.rest);
        self.rest = rest;
        for summary in &summaries {
            self.told.extend(summary.storm);
            self.upto = summary.last;
        }
        summaries
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(rule: u32) -> StormKey {
        StormKey { rule, ..StormKey::default() }
    }

    fn storm(since: u64, suppressed: u64) -> Storm {
        Storm { since, suppressed, last: since + suppressed, ..Storm::default() }
    }

    fn all(suppressed: u64) -> Suppressed {
        Suppressed { earlier: suppressed, later: suppressed }
    }

    #[test]
    fn growth_is_told_once() {
        let mut told = HashMap::new();
        let (summaries, _) = sweep(&[(key(1), storm(5, 10))], &told, 0, all(10), Rest::default());
        assert_eq!((summaries.len(), summaries[0].first, summaries[0].last), (1, 1, 10));
        assert_eq!((summaries[0].from_ns, summaries[0].to_ns), (5, 15));
        told.extend(summaries[0].storm);
        assert_eq!(sweep(&[(key(1), storm(5, 10))], &told, 10, all(10), Rest::default()).0, []);
        let (summaries, _) = sweep(&[(key(1), storm(5, 12))], &told, 10, all(12), Rest::default());
        assert_eq!((summaries[0].first, summaries[0].last, summaries[0].from_ns), (11, 12, 15));
    }

    #[test]
    fn what_was_displaced_is_told_without_a_storm_by_the_second_sweep() {
        let (none, rest) = sweep(&[], &HashMap::new(), 3, all(8), Rest::default());
        assert_eq!(none, []);
        let (summaries, rest) = sweep(&[], &HashMap::new(), 3, all(10), rest);
        assert_eq!((summaries[0].storm, summaries[0].first, summaries[0].last), (None, 4, 8));
        let (summaries, _) = sweep(&[], &HashMap::new(), 8, all(10), rest);
        assert_eq!((summaries[0].first, summaries[0].last), (9, 10));
    }

    #[test]
    fn a_storm_that_came_back_is_another() {
        let told = HashMap::from([(key(1), Summarised { since: 5, count: 10, last: 15 })]);
        let (summaries, _) = sweep(&[(key(1), storm(50, 4))], &told, 10, all(14), Rest::default());
        assert_eq!((summaries[0].first, summaries[0].last, summaries[0].from_ns), (11, 14, 50));
    }

    #[test]
    fn the_journal_is_told_once_whatever_standard_output_takes() {
        let mut journal = Teller::after(HashMap::new(), 0);
        let range = |told: Vec<Summary>| told.iter().map(|told| (told.first, told.last)).collect::<Vec<_>>();
        let storms = [(key(1), storm(5, 10)), (key(2), storm(5, 3))];
        assert_eq!(range(journal.tell(&storms, all(13))), [(1, 10), (11, 13)]);
        // Standard output took nothing of it: its next sweep makes the same again, the journal's makes none.
        let (again, _) = sweep(&storms, &HashMap::new(), 0, all(13), Rest::default());
        assert_eq!(again.len(), 2);
        (0..3).for_each(|_| assert_eq!(journal.tell(&storms, all(13)), []));
        // What grew is told of the storm that grew.
        let told = journal.tell(&[(key(1), storm(5, 15)), (key(2), storm(5, 3))], all(18));
        assert_eq!(told[0].storm.map(|(key, _)| key), Some(key(1)));
        assert_eq!((range(told), journal.upto()), (vec![(14, 18)], 18));
    }

    #[test]
    fn no_more_is_told_than_was_folded() {
        let (summaries, _) = sweep(
            &[(key(1), storm(5, 10)), (key(2), storm(5, 10))],
            &HashMap::new(),
            0,
            all(12),
            Rest::default(),
        );
        assert_eq!(
            summaries.iter().map(|told| (told.first, told.last)).collect::<Vec<_>>(),
            [(1, 10), (11, 12)]
        );
    }

    proptest! {
        /// Storms grow, are displaced, come back, and the reader is killed between telling and writing it down: the
        /// numbers that were told are 1…N in the end.
        #[test]
        fn everything_is_told(steps in prop::collection::vec((0_u32..4, 0_u64..50, 0_u8..8), 1..80)) {
            let mut storms: HashMap<StormKey, Storm> = HashMap::new();
            let (mut told, mut before, mut suppressed, mut rest) = (HashMap::new(), 0, 0, Rest::default());
            let mut covered = 0;
            for (clock, (rule, grow, what)) in steps.into_iter().enumerate() {
                let fresh = storm(clock as u64, 0);
                storms.entry(key(rule)).or_insert(fresh).suppressed += grow;
                suppressed += grow;
                match what {
                    0 => drop(storms.remove(&key(rule))),
                    1..5 => {
                        let list: Vec<_> = storms.iter().map(|(key, storm)| (*key, *storm)).collect();
                        let (summaries, left) = sweep(&list, &told, before, all(suppressed), rest);
                        rest = left;
                        for summary in summaries {
                            prop_assert!(summary.first <= covered + 1);
                            covered = covered.max(summary.last);
                            // Killed before it was written down.
                            if what == 4 { rest = Rest::default(); break; }
                            told.extend(summary.storm);
                            before = summary.last;
                        }
                    }
                    _ => {}
                }
                prop_assert!(covered <= suppressed);
            }
            let list: Vec<_> = storms.iter().map(|(key, storm)| (*key, *storm)).collect();
            for _ in 0..2 {
                let (summaries, left) = sweep(&list, &told, before, all(suppressed), rest);
                rest = left;
                for summary in summaries {
                    prop_assert!(summary.first <= covered + 1);
                    covered = covered.max(summary.last);
                    told.extend(summary.storm);
                    before = summary.last;
                }
            }
            prop_assert_eq!(covered, suppressed);
        }
    }
}
