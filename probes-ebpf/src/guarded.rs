//! What the rules in force say of those who hold files already. Pure.
//!
//! Whoever holds a file counts only if he could not get now what he has: opening or mapping it anew would be denied,
//! or reported by a rule that only observes. So a descriptor for writing is none of the concerns of a rule on
//! `truncate`, which is decided at each truncation. Rules on names are not looked at: what is found at a path when a
//! policy is applied is an object of its own.

use crate::tables::Tables;
use aegis_kernel_abi::{
    Entry, Held, InodeNumber, Mode, ObjectKey, Operations, ROW_ALLOW, ROW_ANY_INODE_GENERATION,
    ROW_SELF_CHECK, Row, SURVIVAL_CGROUP, SURVIVAL_OBJECT, SURVIVAL_PROCESS, Survival, SurvivalKey,
};
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

/// The survival list.
pub type Survivors = HashMap<SurvivalKey, Survival>;

/// The operations that are decided once and go on afterwards.
const LASTING: Operations = Operations::READ
    .union(Operations::WRITE)
    .union(Operations::APPEND)
    .union(Operations::EXEC)
    .union(Operations::MAP_EXEC);

/// What a generation says of objects.
#[derive(Debug, Clone, Default)]
pub struct Guarded {
    /// In the order of their keys.
    objects: Vec<(InodeNumber, Entry)>,
    rows: Vec<Row>,
    exempt: BTreeSet<u64>,
}

/// What rules say of something that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Concern {
    /// The rule that would decide: one that enforces over one that observes, then the lower number.
    pub rule: u32,
    /// What it would do.
    pub mode: Mode,
    /// The operations that go on although rules are on them.
    pub operations: Operations,
}

impl Concern {
    /// Both as one.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let stronger = if other.strength() < self.strength() { other } else { self };
        Self { operations: self.operations | other.operations, ..stronger }
    }

    fn strength(self) -> (Reverse<Mode>, u32) {
        (Reverse(self.mode), self.rule)
    }
}

/// Why a holder is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spared {
    /// The survival list lets it through.
    Survival,
    /// The policy exempts its cgroup.
    Exempt,
}

impl From<Tables> for Guarded {
    fn from(tables: Tables) -> Self {
        let mut objects = tables.objects;
        objects.sort_unstable_by_key(|(key, _)| *key);
        let exempt = tables.exempt.into_iter().map(|(cgroup, _)| cgroup).collect();
        Self { objects, rows: tables.rows, exempt }
    }
}

impl Guarded {
    /// Whether no rule is on anything that can be held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.rows.iter().any(|row| counts(row) && !(operations(row) & LASTING).is_empty())
    }

    /// What the rules say of something that is held; `None` if nothing.
    #[must_use]
    pub fn concern(&self, held: &Held) -> Option<Concern> {
        let held_for = Operations::from_bits_truncate(held.operations) & LASTING;
        let on = |object: ObjectKey| self.rows_on(object).filter_map(move |row| concern(row, held_for));
        let below = on(held.object);
        let above = Some(held.opened).filter(|opened| *opened != held.object);
        below.chain(above.into_iter().flat_map(on)).reduce(Concern::and)
    }

    fn rows_on(&self, object: ObjectKey) -> impl Iterator<Item = &Row> {
        let inode_generation = object.inode_generation;
        let number = InodeNumber::new(object.ino, object.dev);
        let found = self.objects.binary_search_by_key(&number, |(key, _)| *key).ok();
        let entry = found.and_then(|at| self.objects.get(at)).map(|(_, entry)| *entry).unwrap_or_default();
        let first = usize::try_from(entry.first_row).unwrap_or(usize::MAX);
        let rows = self.rows.get(first..).unwrap_or_default().iter().take(usize::from(entry.row_count));
        rows.filter(move |row| {
            let same = entry.inode_generation == inode_generation;
            counts(row) && (same || row.flags & ROW_ANY_INODE_GENERATION != 0)
        })
    }

    /// Whether a holder would be let through all the same. `cgroups` are the ids of its cgroup and of those above.
    #[must_use]
    pub fn spared(
        &self,
        held: &Held,
        operations: Operations,
        cgroups: &[u64],
        survivors: &Survivors,
    ) -> Option<Spared> {
        let survives = |kind: u32, object: ObjectKey| {
            let found = survivors.get(&SurvivalKey { object, kind, reserved: 0 });
            found.is_some_and(|survival| {
                Operations::from_bits_retain(survival.operations).contains(operations)
            })
        };
        let process = ObjectKey { ino: held.start_time, dev: held.pid, inode_generation: 0 };
        let cgroup = |ino: &u64| survives(SURVIVAL_CGROUP, ObjectKey { ino: *ino, ..ObjectKey::default() });
        // Without process 1 there is no host.
        let survivor = held.pid == 1
            || survives(SURVIVAL_OBJECT, held.object)
            || survives(SURVIVAL_OBJECT, held.opened)
            || survives(SURVIVAL_PROCESS, process)
            || cgroups.iter().any(cgroup);
        if survivor {
            return Some(Spared::Survival);
        }
        cgroups.iter().any(|cgroup| self.exempt.contains(cgroup)).then_some(Spared::Exempt)
    }
}

/// Rows of the self-check concern nobody who holds anything. Whether one that is about somebody concerned a holder is not
/// known any more: he is not to be killed for it.
fn counts(row: &Row) -> bool {
    row.flags & (ROW_SELF_CHECK | ROW_ALLOW) == 0 && row.condition_count == 0
}

fn operations(row: &Row) -> Operations {
    Operations::from_bits_retain(row.operations)
}

fn concern(row: &Row, held_for: Operations) -> Option<Concern> {
    let operations = operations(row) & held_for;
    // A number that is no mode must not be shown, or acted upon, as enforcing.
    let mode = Mode::from_byte(row.mode).unwrap_or(Mode::Observe);
    (!operations.is_empty()).then_some(Concern { rule: row.rule, mode, operations })
}

#[cfg(test)]
mod tests;
