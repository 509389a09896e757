//! What was put in force on this host, and what was tried. Pure: lines in, lines out.
//!
//! Each change has two lines of the same number: one before the kernel is asked, and one when it is known what became of it.
//! The later line counts. So a daemon that finds a number without its second line knows that it ended in between, and the
//! kernel says on which side of it.

use aegis_control_api::{Deed, HistoryEntry, Outcome};
use std::collections::BTreeMap;

/// Entries that are kept. Those that came into force stay longer than what was refused meanwhile.
const KEPT: usize = 500;
/// Policies that can be rolled back to.
pub(crate) const KEPT_IN_FORCE: usize = 50;
/// More lines than this are written anew without those that no longer count.
const LINES: usize = 4 * KEPT;

/// The history, by number.
#[derive(Debug, Default)]
pub(crate) struct History {
    entries: BTreeMap<u64, HistoryEntry>,
    /// Lines that cannot be read.
    pub(crate) damaged: u64,
    lines: usize,
}

/// Which generation is in force, and of which plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InForce {
    pub(crate) arming: String,
    pub(crate) generation: u32,
    pub(crate) plan_digest: String,
}

impl History {
    /// Reads all lines. A line that is cut or damaged is counted, and costs only itself.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let mut history = Self::default();
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            history.lines += 1;
            match serde_json::from_slice::<HistoryEntry>(line) {
                Ok(entry) => drop(history.entries.insert(entry.number, entry)),
                Err(_) => history.damaged += 1,
            }
        }
        history
    }

    /// Adds entries that are not on the disk.
    pub(crate) fn add(&mut self, entries: &[HistoryEntry]) {
        self.entries.extend(entries.iter().map(|entry| (entry.number, entry.clone())));
    }

    /// The number of the next entry.
    pub(crate) fn next(&self) -> u64 {
        self.entries.last_key_value().map_or(1, |(last, _)| last.saturating_add(1))
    }

    /// All entries, oldest first.
    pub(crate) fn into_entries(self) -> Vec<HistoryEntry> {
        self.entries.into_values().collect()
    }

    /// How what is in force came into force: the newest entry of that plan. By its plan and not by its generation, as the
    /// same plan is in force again under another number when a path on the host has changed.
    pub(crate) fn of(&self, in_force: &InForce) -> Option<&HistoryEntry> {
        let with = |outcome| {
            let is_meant = move |entry: &&HistoryEntry| {
                entry.outcome == outcome
                    && entry.arming == in_force.arming
                    && entry.plan_digest == in_force.plan_digest
            };
            self.entries.values().rev().find(is_meant)
        };
        // Where the history began later, it was only found unchanged.
        with(Outcome::InForce).or_else(|| with(Outcome::Unchanged))
    }

    /// The second lines of all changes that have none: the kernel tells whether they came into force.
    pub(crate) fn settled(&self, in_force: &InForce) -> Vec<HistoryEntry> {
        let newest = self.entries.values().rev().find(|entry| entry.plan_digest == in_force.plan_digest);
        let newest = newest.map(|entry| entry.number);
        let begun = self.entries.values().filter(|entry| entry.outcome == Outcome::Begun);
        let settled = begun.map(|entry| {
            let is_in_force = Some(entry.number) == newest && entry.arming == in_force.arming;
            let (outcome, generation) = match is_in_force {
                true => (Outcome::InForce, Some(in_force.generation)),
                false => (Outcome::Interrupted, None),
            };
            let detail = "the daemon ended meanwhile".to_owned();
            HistoryEntry { outcome, generation, detail, ..entry.clone() }
        });
        settled.collect()
    }

    /// The entry to go back to: the one that was in force as this generation, or without a number the one that was in
    /// force before the one that is.
    pub(crate) fn target(&self, to: Option<u32>, in_force: &InForce) -> Result<&HistoryEntry, String> {
        let candidates = || self.entries.values().rev().filter(|entry| entry.outcome == Outcome::InForce);
        let target = match to {
            Some(generation) => {
                let of_now = candidates().filter(|entry| entry.arming == in_force.arming);
                // Between two entries there are generations of the same plan, for other files on the host.
                of_now
                    .filter(|entry| entry.generation.is_some_and(|known| known <= generation))
                    .max_by_key(|entry| (entry.generation, entry.number))
            }
            None => self.before(in_force),
        };
        let Some(target) = target.filter(|_| to.is_none_or(|to| to <= in_force.generation)) else {
            return Err(match to {
                Some(generation) => format!(
                    "the history does not know generation {generation}: `aegisbpf policy history` shows which it knows \
                     since the probes were armed"
                ),
                None => "the history knows no policy that was in force before this one".to_owned(),
            });
        };
        if target.content.is_empty() {
            return Err(format!(
                "the texts of generation {} could not be kept when it came into force: apply them from their files",
                target.generation.unwrap_or_default()
            ));
        }
        Ok(target)
    }

    /// What was in force before. After going back, that is one more step back.
    fn before(&self, in_force: &InForce) -> Option<&HistoryEntry> {
        let now = self.of(in_force)?;
        // The first time that these texts came into force after others had been.
        let since = self.entries.values().filter(|entry| entry.outcome == Outcome::InForce);
        let first = match now.deed {
            Deed::Rollback => since.clone().find(|entry| entry.content == now.content)?,
            _ => now,
        };
        since.rev().find(|entry| entry.number < first.number && entry.content != now.content)
    }

    /// Whether lines should be dropped, and those that are to be kept then.
    pub(crate) fn pruned(&self) -> Option<Vec<HistoryEntry>> {
        if self.lines <= LINES {
            return None;
        }
        let mut newest = self.entries.values().rev();
        let mut kept: Vec<HistoryEntry> = newest.by_ref().take(KEPT).cloned().collect();
        kept.extend(newest.filter(|entry| entry.outcome == Outcome::InForce).take(KEPT_IN_FORCE).cloned());
        kept.reverse();
        Some(kept)
    }

    /// The digests of texts that someone may still go back to.
    pub(crate) fn contents(&self) -> Vec<&str> {
        let mut contents: Vec<&str> = Vec::new();
        for entry in self.entries.values().rev() {
            let counts =
                matches!(entry.outcome, Outcome::InForce | Outcome::Begun) && !entry.content.is_empty();
            if counts && !contents.contains(&entry.content.as_str()) && contents.len() < KEPT_IN_FORCE {
                contents.push(&entry.content);
            }
        }
        contents
    }
}

/// An entry as its line.
pub(crate) fn line(entry: &HistoryEntry) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(entry)?;
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u64, generation: u32, content: &str, outcome: Outcome) -> HistoryEntry {
        let in_force = outcome == Outcome::InForce;
        HistoryEntry {
            number,
            at_ns: number,
            deed: Deed::Apply,
            by: None,
            outcome,
            policy: "p".to_owned(),
            serial: 0,
            expires: None,
            files: Vec::new(),
            signers: Vec::new(),
            plan_digest: format!("plan-{content}"),
            content: content.to_owned(),
            arming: "a".to_owned(),
            generation: in_force.then_some(generation),
            detail: String::new(),
        }
    }

    fn history(entries: &[HistoryEntry]) -> History {
        let lines: Vec<u8> = entries.iter().flat_map(|entry| line(entry).unwrap()).collect();
        History::parse(&lines)
    }

    fn now(generation: u32, content: &str) -> InForce {
        InForce { arming: "a".to_owned(), generation, plan_digest: format!("plan-{content}") }
    }

    #[test]
    fn a_damaged_line_costs_only_itself() {
        let mut bytes = line(&entry(1, 1, "x", Outcome::InForce)).unwrap();
        bytes.extend(b"{\"number\":2\n\xff\xfe\n\n");
        bytes.extend(line(&entry(3, 2, "y", Outcome::InForce)).unwrap());
        bytes.extend(b"{\"cut");
        let history = History::parse(&bytes);
        assert_eq!((history.damaged, history.next()), (3, 4));
        assert_eq!(history.into_entries().len(), 2);
    }

    #[test]
    fn what_was_begun_is_settled_by_the_kernel() {
        let x = entry(1, 1, "x", Outcome::InForce);
        let begun = entry(2, 0, "y", Outcome::Begun);
        let rows = [
            (now(2, "y"), Outcome::InForce, Some(2)),
            (now(1, "x"), Outcome::Interrupted, None),
            (InForce { arming: "b".to_owned(), ..now(2, "y") }, Outcome::Interrupted, None),
        ];
        for (in_force, outcome, generation) in rows {
            let settled = history(&[x.clone(), begun.clone()]).settled(&in_force);
            let found: Vec<_> =
                settled.iter().map(|entry| (entry.number, entry.outcome, entry.generation)).collect();
            assert_eq!(found, [(2, outcome, generation)], "{in_force:?}");
        }
        // A later change of the same plan is the one that counts.
        let later = history(&[begun.clone(), HistoryEntry { number: 3, ..begun }]).settled(&now(2, "y"));
        assert_eq!(
            later.iter().map(|entry| entry.outcome).collect::<Vec<_>>(),
            [Outcome::Interrupted, Outcome::InForce]
        );
    }

    #[test]
    fn going_back_goes_back_one_more() {
        let mut entries: Vec<_> = [("x", 1), ("y", 2), ("z", 5)]
            .iter()
            .map(|(content, number)| entry(u64::from(*number), *number, content, Outcome::InForce))
            .collect();
        entries.push(entry(6, 0, "w", Outcome::Refused));
        let target = |entries: &[HistoryEntry], to, in_force: InForce| {
            history(entries).target(to, &in_force).map(|entry| entry.content.clone()).map_err(|_| ())
        };
        let rows: [(Option<u32>, Result<&str, ()>); 7] = [
            (None, Ok("y")),
            (Some(1), Ok("x")),
            // Generations 3 and 4 were of the plan of 2.
            (Some(4), Ok("y")),
            (Some(5), Ok("z")),
            (Some(7), Err(())),
            (Some(0), Err(())),
            (None, Ok("y")),
        ];
        for (to, expected) in rows {
            assert_eq!(target(&entries, to, now(5, "z")), expected.map(str::to_owned), "{to:?}");
        }
        entries.push(HistoryEntry { deed: Deed::Rollback, ..entry(7, 6, "y", Outcome::InForce) });
        assert_eq!(target(&entries, None, now(6, "y")), Ok("x".to_owned()));
        entries.push(HistoryEntry { deed: Deed::Rollback, ..entry(8, 7, "x", Outcome::InForce) });
        assert_eq!(target(&entries, None, now(7, "x")), Err(()), "there is nothing before the first");
        // Another arming counts its generations anew.
        let other = InForce { arming: "b".to_owned(), ..now(1, "x") };
        assert_eq!(target(&entries, Some(1), other), Err(()));
    }

    #[test]
    fn what_was_refused_does_not_drive_out_what_was_in_force() {
        let mut entries = vec![entry(1, 1, "x", Outcome::InForce), entry(2, 2, "y", Outcome::InForce)];
        assert!(history(&entries).pruned().is_none());
        entries.extend((3..3 + LINES as u64).map(|number| entry(number, 0, "w", Outcome::Refused)));
        let kept = history(&entries).pruned().unwrap();
        assert_eq!(kept.len(), KEPT + 2);
        assert_eq!(
            kept.iter().map(|entry| entry.number).take(3).collect::<Vec<_>>(),
            [1, 2, 3 + LINES as u64 - KEPT as u64]
        );
        let again = history(&kept);
        assert!(again.pruned().is_none());
        assert_eq!(again.contents(), ["y", "x"]);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_a_history(bytes: Vec<u8>) {
            let history = History::parse(&bytes);
            let in_force = now(1, "x");
            drop((history.settled(&in_force), history.pruned(), history.next()));
            assert!(history.target(Some(2), &in_force).is_err());
        }
    }
}
