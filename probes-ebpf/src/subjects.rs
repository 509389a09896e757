//! Conditions on who acts, as tables: [`Conditions`] collects those of rules. Rules with the same ones share them.

use crate::error::Error;
use aegis_kernel_abi::{
    ASKS_GID, ASKS_UID, Condition, MAX_CONDITIONS, MAX_RANGES, MEMBER_NAME, Member, MemberKey, ObjectKey,
    ROLE_SCOPE, ROLE_UNLESS, ROLE_WHEN, Range, SlotKey,
};
use std::collections::HashMap;

/// What a rule makes of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// It must hold: the scope of a tenant.
    Scope,
    /// One of these must hold.
    When,
    /// None of these may hold.
    Unless,
}

impl Role {
    fn number(self) -> u16 {
        match self {
            Self::Scope => ROLE_SCOPE,
            Self::When => ROLE_WHEN,
            Self::Unless => ROLE_UNLESS,
        }
    }
}

/// Something that a condition lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Listed {
    /// A file that processes are started from.
    File(ObjectKey),
    /// A name in a directory that they are started by.
    Name(SlotKey),
    /// A cgroup or a namespace.
    Number(u64),
}

/// One condition, with what it names resolved.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Clause {
    /// What the rule makes of it.
    pub role: Role,
    /// `ASKS_…` bits of all that must hold. Where nothing that is listed for one is there, it never holds.
    pub asks: u16,
    /// What is listed, each with its one `ASKS_…` bit.
    pub members: Vec<(u16, Listed)>,
    /// Ranges of users.
    pub uids: Vec<(u32, u32)>,
    /// Ranges of groups.
    pub gids: Vec<(u32, u32)>,
}

/// Whom a rule is about; by default everybody.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Who {
    pub(crate) first: u32,
    pub(crate) count: u16,
    /// The tenant whose rule it is, from 1; 0 if it is the host's.
    pub tenant: u16,
}

/// The tables of conditions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Subjects {
    pub(crate) conditions: Vec<Condition>,
    pub(crate) members: Vec<(MemberKey, Member)>,
    pub(crate) ranges: Vec<Range>,
}

impl Subjects {
    /// Sets every generation number.
    pub(crate) fn stamp(&mut self, generation: u32) {
        self.conditions.iter_mut().for_each(|condition| condition.generation = generation);
        self.members.iter_mut().for_each(|(_, member)| member.generation = generation);
        self.ranges.iter_mut().for_each(|range| range.generation = generation);
    }

    /// The generation number of every entry, with the name of its table.
    pub(crate) fn generations(&self) -> impl Iterator<Item = (&'static str, u32)> {
        let conditions = self.conditions.iter().map(|condition| ("conditions", condition.generation));
        let members = self.members.iter().map(|(_, member)| ("members", member.generation));
        let ranges = self.ranges.iter().map(|range| ("ranges", range.generation));
        conditions.chain(members).chain(ranges)
    }
}

/// Collects conditions.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    subjects: Subjects,
    known: HashMap<Vec<Clause>, (u32, u16)>,
    name_key: [u64; 2],
}

impl Conditions {
    /// With the key of the hash of names.
    pub(crate) fn new(name_key: [u64; 2]) -> Self {
        Self { name_key, ..Self::default() }
    }

    /// The conditions of a rule.
    pub(crate) fn of(&mut self, clauses: Vec<Clause>, tenant: u16) -> Result<Who, Error> {
        if clauses.is_empty() {
            return Ok(Who { tenant, ..Who::default() });
        }
        if let Some((first, count)) = self.known.get(&clauses) {
            return Ok(Who { first: *first, count: *count, tenant });
        }
        let count = u16::try_from(clauses.len()).ok().filter(|count| *count <= MAX_CONDITIONS);
        let count = count.ok_or_else(|| too_many("conditions", clauses.len(), MAX_CONDITIONS))?;
        let first = index(self.subjects.conditions.len())?;
        for clause in &clauses {
            self.add(clause)?;
        }
        self.known.insert(clauses, (first, count));
        Ok(Who { first, count, tenant })
    }

    fn add(&mut self, clause: &Clause) -> Result<(), Error> {
        let list = index(self.subjects.conditions.len())?;
        let mut condition =
            Condition { role: clause.role.number(), asks: clause.asks, list, ..Condition::default() };
        if clause.asks & ASKS_UID != 0 {
            (condition.first_uid, condition.uid_count) = self.ranges("users", &clause.uids)?;
        }
        if clause.asks & ASKS_GID != 0 {
            (condition.first_gid, condition.gid_count) = self.ranges("groups", &clause.gids)?;
        }
        self.subjects.conditions.push(condition);
        for (kind, listed) in &clause.members {
            let number = |ino: u64| ObjectKey { ino, ..ObjectKey::default() };
            let kind = u32::from(*kind);
            let (member, kind) = match listed {
                Listed::File(key) => (*key, kind),
                Listed::Name(slot) => {
                    (number(aegis_decide::slot_number(self.name_key, slot)), kind | MEMBER_NAME)
                }
                Listed::Number(ino) => (number(*ino), kind),
            };
            self.subjects.members.push((MemberKey { member, list, kind }, Member::default()));
        }
        Ok(())
    }

    fn ranges(&mut self, of: &str, ranges: &[(u32, u32)]) -> Result<(u32, u16), Error> {
        let count = u16::try_from(ranges.len()).ok().filter(|count| *count <= MAX_RANGES);
        let count = count.ok_or_else(|| too_many(&format!("ranges of {of}"), ranges.len(), MAX_RANGES))?;
        let first = index(self.subjects.ranges.len())?;
        let range = |(first, last): &(u32, u32)| Range { first: *first, last: *last, ..Range::default() };
        self.subjects.ranges.extend(ranges.iter().map(range));
        Ok((first, count))
    }

    /// All of them, as tables.
    pub(crate) fn build(self) -> Subjects {
        let mut subjects = self.subjects;
        subjects.members.sort_unstable();
        subjects.members.dedup();
        subjects
    }
}

fn too_many(what: &str, count: usize, most: u16) -> Error {
    Error::Unloadable(format!("a rule has {count} {what}; {most} is the most"))
}

fn index(len: usize) -> Result<u32, Error> {
    u32::try_from(len)
        .map_err(|_| Error::Unloadable(format!("{len} conditions are more than a table can hold")))
}
