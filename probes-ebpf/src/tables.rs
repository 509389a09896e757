//! The tables of one generation on this host: what a policy becomes once its paths are resolved.
//!
//! [`Builder`] collects what rules say of objects and slots and joins it, so that each object has few rows and
//! equal rulesets are stored once. The result does not depend on the order in which things were added, and has
//! a digest that leaves out the generation's number. This module knows no policy and touches no kernel.

use crate::error::Error;
use crate::say::{Anchor, Escalate, Header, Say};
use crate::subjects::{Clause, Conditions, Subjects, Who};
use aegis_kernel_abi::{
    ANY_DEV, ANY_INO, ENTRY_HAS_SLOTS, ENTRY_HAS_SUBTREE_SLOTS, ENTRY_SECURE_EXEC, ENTRY_SUBTREE, Entry,
    Exempt, GENERATION_HAS_ALLOW, GENERATION_HAS_ANY, GENERATION_HAS_SLOTS, GenerationInfo, InodeNumber,
    MAX_ROWS, Mode, ObjectKey, Operations, POLICY_NAME_BYTES, ROW_ALLOW, ROW_ANY_INODE_GENERATION,
    ROW_SELF_CHECK, ROW_SUBTREE, RULE_ID_BYTES, RULE_PENDING, RULE_SELF_CHECK, Row, RuleInfo, SELF_CHECK_DEV,
    SELF_CHECK_INO, SlotKey,
};
use foldhash::fast::RandomState;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use zerocopy::{FromZeros, Immutable, IntoBytes};

/// Looking things up in it is most of what building costs. Nothing depends on its order; it is another one each time, so
/// that nobody can choose numbers that collide.
type HashMap<K, V> = std::collections::HashMap<K, V, RandomState>;

/// Collects what rules say.
#[derive(Debug, Default)]
pub struct Builder {
    objects: HashMap<InodeNumber, Object>,
    slots: HashMap<SlotKey, Rows>,
    exempt: BTreeSet<u64>,
    secure_slots: BTreeSet<SlotKey>,
    conditions: Conditions,
}

#[derive(Debug, Default)]
struct Object {
    inode_generation: Option<u32>,
    has_slots: bool,
    has_subtree_slots: bool,
    is_secure: bool,
    rows: Rows,
}

/// Rows of something, in the order of a list of them. Most things have one, which needs no memory of its own.
#[derive(Debug, Default)]
enum Rows {
    #[default]
    None,
    One(Row),
    Several(Vec<Row>),
}

impl Rows {
    fn push(&mut self, row: Row) {
        *self = match std::mem::take(self) {
            Self::None => Self::One(row),
            Self::One(first) => Self::Several(vec![first, row]),
            Self::Several(mut rows) => {
                rows.push(row);
                Self::Several(rows)
            }
        };
    }

    fn as_slice(&self) -> &[Row] {
        match self {
            Self::None => &[],
            Self::One(row) => std::slice::from_ref(row),
            Self::Several(rows) => rows,
        }
    }
}

impl FromIterator<Row> for Rows {
    fn from_iter<I: IntoIterator<Item = Row>>(rows: I) -> Self {
        let mut all = Self::None;
        rows.into_iter().for_each(|row| all.push(row));
        all
    }
}

impl PartialEq for Rows {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Rows {}

impl Hash for Rows {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.as_slice().as_bytes());
    }
}

impl Builder {
    /// One with room for so many objects and slots: making more later means moving all that there are. Names of executables
    /// are hashed with the key.
    #[must_use]
    pub fn with_capacity(objects: usize, name_key: [u64; 2]) -> Self {
        Self {
            conditions: Conditions::new(name_key),
            objects: HashMap::with_capacity_and_hasher(objects, RandomState::default()),
            slots: HashMap::with_capacity_and_hasher(objects, RandomState::default()),
            exempt: BTreeSet::new(),
            secure_slots: BTreeSet::new(),
        }
    }

    /// A rule concerns the object that is there now.
    ///
    /// # Errors
    /// If the inode number was resolved before and belonged to another inode then.
    pub fn object(&mut self, key: ObjectKey, say: Say) -> Result<(), Error> {
        self.at(key)?.rows.push(row(say, 0));
        Ok(())
    }

    /// A rule concerns an inode number, whatever inode has it.
    pub fn inode(&mut self, number: InodeNumber, say: Say) {
        self.objects.entry(number).or_default().rows.push(row(say, ROW_ANY_INODE_GENERATION));
    }

    /// A rule concerns a name in a directory.
    ///
    /// # Errors
    /// As for [`Builder::object`], of the directory.
    pub fn slot(&mut self, key: SlotKey, say: Say) -> Result<(), Error> {
        let parent = self.at(key.parent)?;
        parent.has_slots = true;
        parent.has_subtree_slots |= say.subtree;
        self.slots.entry(key).or_default().push(row(say, 0));
        Ok(())
    }

    /// A directory or link stands on the way to a file of a rule.
    ///
    /// # Errors
    /// As for [`Builder::object`].
    pub fn anchor(&mut self, key: ObjectKey, anchor: Anchor, say: Say) -> Result<(), Error> {
        let say = anchor.say(say, Operations::RENAME | Operations::UNLINK);
        let row = row(say, anchor.flags());
        let rows = &mut self.at(key)?.rows;
        // A directory stands on the way of as many paths as there are below it, and their rules mostly say the same.
        if !rows.as_slice().iter().take(LOOKED_AT).any(|known| outdoes(known, &row)) {
            rows.push(row);
        }
        Ok(())
    }

    /// Nothing is there yet where the way to a file of a rule goes on: what is made there would be on it.
    ///
    /// # Errors
    /// As for [`Builder::object`], of the directory.
    pub fn missing(&mut self, key: SlotKey, anchor: Anchor, say: Say) -> Result<(), Error> {
        self.at(key.parent)?.has_slots = true;
        let say = anchor.say(say, Operations::MAKING);
        self.slots.entry(key).or_default().push(row(say, anchor.flags()));
        Ok(())
    }

    /// A rule concerns whatever its operations can.
    pub fn any(&mut self, say: Say) {
        self.objects.entry(number(ANY)).or_default().rows.push(row(say, 0));
    }

    /// What is started from a file is excepted from a rule.
    ///
    /// # Errors
    /// As for [`Builder::object`].
    pub fn secure(&mut self, key: ObjectKey) -> Result<(), Error> {
        self.at(key)?.is_secure = true;
        Ok(())
    }

    /// So is whatever is started by a name in a directory.
    ///
    /// # Errors
    /// As for [`Builder::object`], of the directory.
    pub fn secure_slot(&mut self, key: SlotKey) -> Result<(), Error> {
        self.at(key.parent)?.has_slots = true;
        self.slots.entry(key).or_default();
        self.secure_slots.insert(key);
        Ok(())
    }

    /// Whom a rule is about: the one who says so of all its objects. A tenant is a number from 1.
    ///
    /// # Errors
    /// If there are more conditions, or ranges in one, than a probe can look at.
    pub fn who(&mut self, clauses: Vec<Clause>, tenant: u16) -> Result<Who, Error> {
        self.conditions.of(clauses, tenant)
    }

    /// A cgroup is excepted from all rules, with all below it.
    pub fn exempt(&mut self, cgroup: u64) {
        self.exempt.insert(cgroup);
    }

    fn at(&mut self, key: ObjectKey) -> Result<&mut Object, Error> {
        let object = self.objects.entry(number(key)).or_default();
        match object.inode_generation.replace(key.inode_generation) {
            Some(before) if before != key.inode_generation => Err(Error::Unloadable(format!(
                "two files have the number {} on device {}: it was replaced while paths were being resolved (try again), or \
                 they are in different btrfs subvolumes (name one of them only)",
                key.ino, key.dev
            ))),
            _ => Ok(object),
        }
    }

    /// Joins all that was said.
    ///
    /// # Errors
    /// If an object has more rows than a probe can walk, or a number does not fit its field.
    pub fn build(mut self, header: &Header<'_>) -> Result<Tables, Error> {
        // Denied to the task that makes the self-check, and to nobody else.
        let say = Say::plain(RULE_SELF_CHECK, Operations::all(), Mode::Enforce);
        let check = InodeNumber::new(SELF_CHECK_INO, SELF_CHECK_DEV);
        self.objects.entry(check).or_default().rows.push(row(say, ROW_SELF_CHECK));
        let mut rulesets = Rulesets::with_capacity(self.objects.len().max(self.slots.len()));
        let objects = sorted(self.objects.into_iter().map(|(key, object)| (key, rulesets.take(&object))));
        let slots = sorted(self.slots.into_iter().map(|(key, rows)| {
            let is_secure = self.secure_slots.contains(&key);
            let object = Object { rows, is_secure, ..Object::default() };
            (key, rulesets.take(&object))
        }));
        let (rows, places) = rulesets.lay_out();
        let objects = entries(objects, &places)?;
        let slots = entries(slots, &places)?;
        let exempt: Vec<_> = self.exempt.into_iter().map(|id| (id, Exempt::default())).collect();
        let asked = header.asked.iter().map(Operations::bits).chain(std::iter::repeat(0));
        let escalate = header.escalate.iter().copied().chain(std::iter::repeat(Escalate::default()));
        let rules = (0..).zip(header.rules.iter().zip(asked).zip(escalate));
        let rules = rules.map(|(number, ((id, operations), escalate))| RuleInfo {
            id: padded::<RULE_ID_BYTES>(id),
            flags: if header.pending.contains(&number) { RULE_PENDING } else { 0 },
            operations,
            escalate_after: escalate.after,
            escalate_within: escalate.within_seconds,
        });
        let (rules, subjects) = (rules.collect(), self.conditions.build());
        let info = GenerationInfo::new_zeroed();
        let mut tables = Tables { objects, slots, rows, rules, exempt, subjects, info };
        tables.info = tables.describe(header)?;
        Ok(tables)
    }
}

/// Rows among which one is looked for that makes another one needless: more would cost more than they save.
const LOOKED_AT: usize = 8;

/// Whether nothing of a row would be left beside this one when they are joined.
fn outdoes(known: &Row, row: &Row) -> bool {
    let is_stronger = known.mode > row.mode || known.mode == row.mode && known.rule < row.rule;
    let same = known.flags == row.flags && about(known) == about(row);
    is_stronger && same && known.operations & row.operations == row.operations
}

fn sorted<K: Ord + Copy, V>(pairs: impl Iterator<Item = (K, V)>) -> Vec<(K, V)> {
    let mut pairs: Vec<(K, V)> = pairs.collect();
    pairs.sort_unstable_by_key(|(key, _)| *key);
    pairs
}

fn number(key: ObjectKey) -> InodeNumber {
    InodeNumber::new(key.ino, key.dev)
}

/// In whose place the rows stand that concern whatever the operation can.
const ANY: ObjectKey = ObjectKey { ino: ANY_INO, dev: ANY_DEV, inode_generation: 0 };

fn row(say: Say, flags: u16) -> Row {
    // What only observes stops nobody.
    let signal = if say.mode == Mode::Enforce { say.signal } else { 0 };
    let (operations, mode) = (say.operations.bits(), say.mode as u8);
    let flags = flags | if say.subtree { ROW_SUBTREE } else { 0 };
    let Who { first, count, tenant } = say.who;
    let row =
        Row { operations, flags, first_condition: first, condition_count: count, tenant, ..Row::default() };
    // Which rule allows is of no account, so that all that allow are one.
    if say.allow {
        Row { flags: flags | ROW_ALLOW, ..row }
    } else {
        Row { rule: say.rule, mode, signal, ..row }
    }
}

/// Whom a row is about.
fn about(row: &Row) -> Who {
    Who { first: row.first_condition, count: row.condition_count, tenant: row.tenant }
}

/// How strong a row is: by its mode, then its rule, which it says with a signal.
type Strength = (std::cmp::Reverse<u8>, u32, u8);

/// For each kind of row, those whom it is about and each operation the strongest rule stays: enforce over observe, then the lower number.
fn join(rows: &[Row]) -> Rows {
    // Most objects and slots have one rule: nothing is to be joined.
    if let [row] = rows {
        return if row.operations == 0 { Rows::None } else { Rows::One(*row) };
    }
    let mut strongest: BTreeMap<(u16, Who, u32), Strength> = BTreeMap::new();
    for row in rows {
        for operation in Operations::from_bits_retain(row.operations).iter() {
            let strength = (std::cmp::Reverse(row.mode), row.rule, row.signal);
            let best = strongest.entry((row.flags, about(row), operation.bits())).or_insert(strength);
            *best = strength.min(*best);
        }
    }
    let mut joined: BTreeMap<(u16, Who, Strength), u32> = BTreeMap::new();
    for ((flags, who, operation), strength) in strongest {
        *joined.entry((flags, who, strength)).or_default() |= operation;
    }
    joined
        .into_iter()
        .map(|((flags, who, (mode, rule, signal)), operations)| Row {
            operations,
            rule,
            mode: mode.0,
            signal,
            flags,
            first_condition: who.first,
            condition_count: who.count,
            tenant: who.tenant,
            ..Row::default()
        })
        .collect()
}

/// Rulesets, each stored once, by the order in which they came. That order means nothing.
struct Rulesets {
    numbers: HashMap<Rows, usize>,
}

/// An object whose ruleset is known but has no place yet.
struct Placed {
    inode_generation: u32,
    flags: u16,
    /// The number of its ruleset.
    ruleset: usize,
}

/// Where a ruleset begins, and how many rows it has.
type RowRange = (u32, usize);

impl Rulesets {
    fn with_capacity(rulesets: usize) -> Self {
        Self { numbers: HashMap::with_capacity_and_hasher(rulesets, RandomState::default()) }
    }

    fn take(&mut self, object: &Object) -> Placed {
        let next = self.numbers.len();
        let ruleset = *self.numbers.entry(join(object.rows.as_slice())).or_insert(next);
        let subtree = object.rows.as_slice().iter().any(|row| row.flags & ROW_SUBTREE != 0);
        let flags = [
            (object.has_slots, ENTRY_HAS_SLOTS),
            (subtree, ENTRY_SUBTREE),
            (object.has_subtree_slots, ENTRY_HAS_SUBTREE_SLOTS),
            (object.is_secure, ENTRY_SECURE_EXEC),
        ];
        let flags = flags.into_iter().filter(|(is_so, _)| *is_so).fold(0, |all, (_, flag)| all | flag);
        Placed { inode_generation: object.inode_generation.unwrap_or(0), flags, ruleset }
    }

    /// Gives every ruleset its place, in their own order. The places are by number.
    fn lay_out(self) -> (Vec<Row>, Vec<RowRange>) {
        let mut places = vec![(u32::MAX, 0); self.numbers.len()];
        let mut rows: Vec<Row> = Vec::new();
        let mut rulesets: Vec<_> = self.numbers.into_iter().collect();
        rulesets.sort_unstable_by(|(one, _), (other, _)| one.as_slice().cmp(other.as_slice()));
        for (ruleset, number) in rulesets {
            if let Some(place) = places.get_mut(number) {
                *place = (u32::try_from(rows.len()).unwrap_or(u32::MAX), ruleset.as_slice().len());
            }
            rows.extend_from_slice(ruleset.as_slice());
        }
        (rows, places)
    }
}

fn entries<K>(placed: Vec<(K, Placed)>, places: &[RowRange]) -> Result<Vec<(K, Entry)>, Error> {
    let entry = |Placed { inode_generation, flags, ruleset }| {
        let (first_row, rows) = places.get(ruleset).copied().unwrap_or((u32::MAX, 0));
        let row_count = u16::try_from(rows).ok().filter(|count| *count <= MAX_ROWS);
        let row_count = row_count
            .ok_or_else(|| Error::Unloadable(format!("an object has {rows} rows; {MAX_ROWS} is the most")))?;
        Ok(Entry { generation: 0, inode_generation, first_row, row_count, flags })
    };
    placed.into_iter().map(|(key, placed)| Ok((key, entry(placed)?))).collect()
}

/// Text in a field of fixed size. What does not fit is cut; the last byte stays NUL.
fn padded<const N: usize>(text: &str) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.iter_mut().take(N.saturating_sub(1)).zip(text.bytes()).for_each(|(to, from)| *to = from);
    bytes
}

/// Text out of such a field.
#[must_use]
pub fn unpadded(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

/// All tables of one generation. Generation numbers in it are 0 until it is staged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tables {
    pub(crate) objects: Vec<(InodeNumber, Entry)>,
    pub(crate) slots: Vec<(SlotKey, Entry)>,
    pub(crate) rows: Vec<Row>,
    pub(crate) rules: Vec<RuleInfo>,
    pub(crate) exempt: Vec<(u64, Exempt)>,
    pub(crate) subjects: Subjects,
    pub(crate) info: GenerationInfo,
}

impl Tables {
    /// What the generation is.
    #[must_use]
    pub fn info(&self) -> &GenerationInfo {
        &self.info
    }

    fn describe(&self, header: &Header<'_>) -> Result<GenerationInfo, Error> {
        let count = |what: &str, len: usize| {
            u32::try_from(len)
                .map_err(|_| Error::Unloadable(format!("{len} {what} are more than a table can hold")))
        };
        let everyone = || self.rows.iter().filter(|row| row.flags & ROW_SELF_CHECK == 0);
        let denying = || everyone().filter(|row| row.flags & ROW_ALLOW == 0);
        let enforcing = || denying().filter(|row| row.mode == Mode::Enforce as u8);
        let on_subtrees = || everyone().filter(|row| row.flags & ROW_SUBTREE != 0);
        // What is made or moved in the name of a slot is looked at, whatever the rules say about it.
        let mut entries =
            self.objects.iter().map(|(_, entry)| entry).chain(self.slots.iter().map(|(_, entry)| entry));
        let is_secure = entries.any(|entry| entry.flags & ENTRY_SECURE_EXEC != 0);
        // What is excepted from a rule is looked at when it is started.
        let started = if is_secure { Operations::EXEC } else { Operations::empty() };
        let on_slots = if self.slots.is_empty() { Operations::empty() } else { Operations::ON_NAMES };
        Ok(GenerationInfo {
            generation: 0,
            flags: self.flags(),
            operations: denying().fold(0, |all, row| all | row.operations) | on_slots.bits() | started.bits(),
            enforced_operations: enforcing().fold(0, |all, row| all | row.operations),
            rules: count("rules", self.rules.len())?,
            objects: count("objects", self.objects.len())?,
            slots: count("slots", self.slots.len())?,
            rows: count("rows", self.rows.len())?,
            exempt: count("exempt cgroups", self.exempt.len())?,
            conditions: count("conditions", self.subjects.conditions.len())?,
            members: count("members of conditions", self.subjects.members.len())?,
            ranges: count("ranges of users and groups", self.subjects.ranges.len())?,
            reserved: 0,
            mode: u32::from(header.mode as u8),
            pending: count("pending rules", header.pending.len())?,
            subtree_operations: on_subtrees().fold(0, |all, row| all | row.operations),
            serial: header.serial,
            built_at_ns: header.built_at_ns,
            plan_digest: header.plan_digest,
            table_digest: self.digest(),
            policy: padded::<POLICY_NAME_BYTES>(&header.policy),
        })
    }

    fn flags(&self) -> u32 {
        let any = number(ANY);
        let has_any = self.objects.iter().any(|(key, _)| *key == any);
        let allows = self.rows.iter().any(|row| row.flags & ROW_ALLOW != 0);
        let flags = [
            (!self.slots.is_empty(), GENERATION_HAS_SLOTS),
            (has_any, GENERATION_HAS_ANY),
            (allows, GENERATION_HAS_ALLOW),
        ];
        flags.into_iter().filter(|(is_so, _)| *is_so).fold(0, |all, (_, flag)| all | flag)
    }

    /// SHA-256 over keys, entries, rows, rule ids and exempt cgroups, without generation numbers.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash_pairs(&mut hash, "objects", &self.objects);
        hash_pairs(&mut hash, "slots", &self.slots);
        hash_list(&mut hash, "rows", &self.rows);
        hash_list(&mut hash, "rules", &self.rules);
        hash_pairs(&mut hash, "exempt", &self.exempt);
        hash_list(&mut hash, "conditions", &self.subjects.conditions);
        hash_pairs(&mut hash, "members", &self.subjects.members);
        hash_list(&mut hash, "ranges", &self.subjects.ranges);
        hash.finalize().into()
    }

    /// The same with every generation number set.
    pub(crate) fn stamped(mut self, generation: u32) -> Self {
        self.objects.iter_mut().for_each(|(_, entry)| entry.generation = generation);
        self.slots.iter_mut().for_each(|(_, entry)| entry.generation = generation);
        self.rows.iter_mut().for_each(|row| row.generation = generation);
        self.exempt.iter_mut().for_each(|(_, exempt)| exempt.generation = generation);
        self.subjects.stamp(generation);
        self.info.generation = generation;
        self
    }
}

fn hash_list<T: IntoBytes + Immutable>(hash: &mut Sha256, name: &str, list: &[T]) {
    hash.update(name.as_bytes());
    hash.update((list.len() as u64).to_le_bytes());
    hash.update(list.as_bytes());
}

fn hash_pairs<K: IntoBytes + Immutable, V: IntoBytes + Immutable>(
    hash: &mut Sha256,
    name: &str,
    pairs: &[(K, V)],
) {
    hash.update(name.as_bytes());
    hash.update((pairs.len() as u64).to_le_bytes());
    // Some together: hashing each by itself takes as long again.
    let mut bytes = Vec::new();
    for some in pairs.chunks(1024) {
        bytes.clear();
        for (key, value) in some {
            bytes.extend_from_slice(key.as_bytes());
            bytes.extend_from_slice(value.as_bytes());
        }
        hash.update(&bytes);
    }
}

#[cfg(test)]
mod tests;
