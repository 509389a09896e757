//! Tables that a test can fill and break at will, and the request that most tests put.

use aegis_decide::{Answer, Request, Subject, Table, Tables, name_hash};
use aegis_kernel_abi::{
    ANY_DEV, ANY_INO, Active, Condition, ENTRY_HAS_SLOTS, ENTRY_HAS_SUBTREE_SLOTS, ENTRY_SUBTREE, Entry,
    GENERATION_HAS_ALLOW, GENERATION_HAS_ANY, GENERATION_HAS_SLOTS, GenerationInfo, Hook, Image, InodeNumber,
    LINEAGE_KNOWN, Lineage, Member, MemberKey, Mode, ObjectKey, Operations, ROW_ALLOW,
    ROW_ANY_INODE_GENERATION, ROW_SUBTREE, RULE_NONE, Range, Reason, Row, SlotKey, Verdict,
};
use std::collections::{BTreeMap, HashMap};
use zerocopy::FromZeros;

/// The generation in force.
pub(crate) const GENERATION: u32 = 7;
const NAME_KEY: [u64; 2] = [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210];
const DEV: u32 = 8 << 20 | 1;

/// The file of most requests, its directory, and its name there. Numbers of inodes have two halves.
pub(crate) const FILE: ObjectKey = ObjectKey { ino: 5 << 32 | 10, dev: DEV, inode_generation: 100 };
pub(crate) const DIRECTORY: ObjectKey = ObjectKey { ino: 6 << 32 | 2, dev: DEV, inode_generation: 55 };
pub(crate) const NAME: &[u8] = b"secret";
/// The directory above, and the root of the file system.
pub(crate) const HIGHER: ObjectKey = ObjectKey { ino: 7 << 32 | 3, dev: DEV, inode_generation: 56 };
pub(crate) const ROOT: ObjectKey = ObjectKey { ino: 2, dev: DEV, inode_generation: 57 };
const ANY: ObjectKey = ObjectKey { ino: ANY_INO, dev: ANY_DEV, inode_generation: 0 };
/// Another file.
pub(crate) const OTHER: ObjectKey = ObjectKey { ino: 11, dev: DEV, inode_generation: 101 };

/// What a rule is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum On {
    Object(ObjectKey),
    /// Whatever inode has the number.
    Inode(InodeNumber),
    Slot(ObjectKey, Vec<u8>),
    /// What is below a directory, and itself.
    Subtree(ObjectKey),
    /// What is below a name in a directory, and what stands there.
    SubtreeSlot(ObjectKey, Vec<u8>),
    /// Whatever the operations can concern.
    Any,
}

/// A rule; its number is its place in the list.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) operations: Operations,
    pub(crate) mode: Mode,
    pub(crate) on: Vec<On>,
    /// The first of its conditions, and how many there are.
    pub(crate) conditions: (u32, u16),
    /// Its tenant, from 1, and whether it allows.
    pub(crate) tenant: u16,
    pub(crate) allows: bool,
}

pub(crate) fn rule(operations: Operations, mode: Mode, on: Vec<On>) -> Rule {
    Rule { operations, mode, on, conditions: (0, 0), tenant: 0, allows: false }
}

pub(crate) fn enforce(operations: Operations, on: On) -> Rule {
    rule(operations, Mode::Enforce, vec![on])
}

pub(crate) fn observe(operations: Operations, on: On) -> Rule {
    rule(operations, Mode::Observe, vec![on])
}

pub(crate) fn number(key: ObjectKey) -> InodeNumber {
    InodeNumber::new(key.ino, key.dev)
}

pub(crate) fn slot(name: &[u8]) -> On {
    On::Slot(DIRECTORY, name.to_vec())
}

fn slot_key(parent: ObjectKey, name: &[u8]) -> SlotKey {
    SlotKey { parent, name_hash: name_hash(NAME_KEY, name).unwrap() }
}

fn flag(is_so: bool, flag: u32) -> u32 {
    if is_so { flag } else { 0 }
}

/// Somebody of whom nothing is recorded.
fn somebody() -> Subject {
    Subject { lineage: None, is_kernel: false, uid: 1000, gid: 1000, namespaces: [1, 2, 3], cgroups: vec![1] }
}

/// The record of a process that was started from these files, the last one now.
pub(crate) fn lineage(files: &[ObjectKey]) -> Lineage {
    let mut lineage = Lineage::new_zeroed();
    lineage.flags = LINEAGE_KNOWN;
    for file in files {
        if lineage.exe.file.ino != 0 {
            lineage.ancestors[lineage.count as usize] = lineage.exe;
            lineage.count += 1;
        }
        lineage.exe = Image { file: *file, name: 0 };
    }
    lineage
}

/// All tables of one generation, and who asks.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) active: Active,
    pub(crate) info: Option<GenerationInfo>,
    pub(crate) objects: HashMap<InodeNumber, Entry>,
    pub(crate) slots: HashMap<SlotKey, Entry>,
    pub(crate) rows: Vec<Row>,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) members: HashMap<MemberKey, Member>,
    pub(crate) ranges: Vec<Range>,
    pub(crate) subject: Subject,
    pub(crate) missing: Vec<Table>,
    /// Operations that the survival list lets through.
    pub(crate) survives: Operations,
    pub(crate) exempt: bool,
    /// The error that is met wherever it could be.
    pub(crate) forced: u32,
}

impl World {
    /// One row for each rule and thing it is about.
    pub(crate) fn armed(rules: &[Rule]) -> Self {
        let mut objects: BTreeMap<InodeNumber, Vec<Row>> = BTreeMap::new();
        let mut slots: BTreeMap<SlotKey, Vec<Row>> = BTreeMap::new();
        for (number_of_rule, rule) in (0..).zip(rules) {
            let row = Row {
                generation: GENERATION,
                operations: rule.operations.bits(),
                rule: number_of_rule,
                mode: rule.mode as u8,
                flags: if rule.allows { ROW_ALLOW } else { 0 },
                first_condition: rule.conditions.0,
                condition_count: rule.conditions.1,
                tenant: rule.tenant,
                ..Row::default()
            };
            let below = Row { flags: row.flags | ROW_SUBTREE, ..row };
            for on in &rule.on {
                match on {
                    On::Object(key) => objects.entry(number(*key)).or_default().push(row),
                    On::Inode(at) => {
                        let row = Row { flags: row.flags | ROW_ANY_INODE_GENERATION, ..row };
                        objects.entry(*at).or_default().push(row);
                    }
                    On::Slot(parent, name) => {
                        objects.entry(number(*parent)).or_default();
                        slots.entry(slot_key(*parent, name)).or_default().push(row);
                    }
                    On::Subtree(key) => objects.entry(number(*key)).or_default().push(below),
                    On::SubtreeSlot(parent, name) => {
                        objects.entry(number(*parent)).or_default();
                        slots.entry(slot_key(*parent, name)).or_default().push(below);
                    }
                    On::Any => objects.entry(number(ANY)).or_default().push(row),
                }
            }
        }
        let mut world = Self::bare(rules);
        for (at, rows) in objects {
            let is_above = rows.iter().any(|row| row.flags & ROW_SUBTREE != 0);
            let entry = world.entry(rows);
            let flags = if is_above { ENTRY_SUBTREE } else { 0 };
            world.objects.insert(at, Entry { flags, ..entry });
        }
        for (key, rows) in slots {
            let is_above = rows.iter().any(|row| row.flags & ROW_SUBTREE != 0);
            let entry = world.entry(rows);
            world.slots.insert(key, entry);
            world.of(key.parent).flags |=
                ENTRY_HAS_SLOTS | if is_above { ENTRY_HAS_SUBTREE_SLOTS } else { 0 };
            world.info().flags |= GENERATION_HAS_SLOTS;
        }
        world.settle_generations(rules);
        world
    }

    fn bare(rules: &[Rule]) -> Self {
        let all = |wanted: fn(&&Rule) -> bool| {
            rules.iter().filter(wanted).fold(0, |all, rule| all | rule.operations.bits())
        };
        let info = GenerationInfo {
            generation: GENERATION,
            operations: all(|rule| !rule.allows),
            enforced_operations: all(|rule| rule.mode == Mode::Enforce && !rule.allows),
            subtree_operations: all(|rule| {
                rule.on.iter().any(|on| matches!(on, On::Subtree(_) | On::SubtreeSlot(..)))
            }),
            flags: flag(rules.iter().any(|rule| rule.allows), GENERATION_HAS_ALLOW)
                | flag(rules.iter().any(|rule| rule.on.contains(&On::Any)), GENERATION_HAS_ANY),
            ..GenerationInfo::new_zeroed()
        };
        Self {
            active: Active { generation: GENERATION, enforced_operations: info.enforced_operations },
            info: Some(info),
            objects: HashMap::new(),
            slots: HashMap::new(),
            rows: Vec::new(),
            conditions: Vec::new(),
            members: HashMap::new(),
            ranges: Vec::new(),
            subject: somebody(),
            missing: Vec::new(),
            survives: Operations::empty(),
            exempt: false,
            forced: 0,
        }
    }

    fn entry(&mut self, rows: Vec<Row>) -> Entry {
        let first_row = u32::try_from(self.rows.len()).unwrap();
        let row_count = u16::try_from(rows.len()).unwrap();
        self.rows.extend(rows);
        Entry { generation: GENERATION, first_row, row_count, ..Entry::default() }
    }

    /// An inode rule knows no inode generation; path rules and slots do.
    fn settle_generations(&mut self, rules: &[Rule]) {
        for on in rules.iter().flat_map(|rule| &rule.on) {
            if let On::Object(key) | On::Slot(key, _) | On::Subtree(key) | On::SubtreeSlot(key, _) = on {
                self.of(*key).inode_generation = key.inode_generation;
            }
        }
    }

    /// Lets every rule see the same request, with anything put in its place in the tables.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub(crate) fn info(&mut self) -> &mut GenerationInfo {
        self.info.as_mut().unwrap()
    }

    /// The entry of an object.
    pub(crate) fn of(&mut self, key: ObjectKey) -> &mut Entry {
        self.objects.get_mut(&number(key)).unwrap()
    }

    /// The entry of the one slot.
    pub(crate) fn of_slot(&mut self) -> &mut Entry {
        self.slots.values_mut().next().unwrap()
    }
}

impl Tables for World {
    fn active(&self) -> Active {
        self.active
    }

    fn generation(&self) -> Option<&GenerationInfo> {
        self.info.as_ref()
    }

    fn has(&self, table: Table) -> bool {
        !self.missing.contains(&table)
    }

    fn object(&self, key: &InodeNumber) -> Option<&Entry> {
        self.objects.get(key)
    }

    fn slot(&self, key: &SlotKey) -> Option<&Entry> {
        self.slots.get(key)
    }

    fn row(&self, index: u32) -> Option<&Row> {
        self.rows.get(index as usize)
    }

    fn condition(&self, index: u32) -> Option<&Condition> {
        self.conditions.get(index as usize)
    }

    fn member(&self, key: &MemberKey) -> Option<&Member> {
        self.members.get(key)
    }

    fn range(&self, index: u32) -> Option<&Range> {
        self.ranges.get(index as usize)
    }

    fn subject(&self) -> &Subject {
        &self.subject
    }

    fn name_key(&self) -> [u64; 2] {
        NAME_KEY
    }

    fn survives(&self, _object: &ObjectKey, operations: Operations) -> bool {
        !operations.is_empty() && self.survives.contains(operations)
    }

    fn is_exempt(&self) -> bool {
        self.exempt
    }

    fn forced(&self) -> u32 {
        self.forced
    }
}

/// Opening [`FILE`] by its name for reading.
pub(crate) const REQUEST: Request<'static> = Request {
    object: FILE,
    name: Some((DIRECTORY, NAME)),
    above: &[(DIRECTORY, NAME), (HIGHER, b"directory"), (ROOT, b"higher")],
    is_whole: true,
    operations: Operations::READ,
    hook: Hook::FileOpen,
};

pub(crate) fn answer(verdict: Verdict, rule: u32, reason: Reason) -> Answer {
    Answer { generation: GENERATION, rule, verdict, reason, notice: false, secure: false }
}

/// The answer to what no rule concerns.
pub(crate) fn unconcerned() -> Answer {
    answer(Verdict::Allow, RULE_NONE, Reason::None)
}

/// What is decided; whether something moves is another matter.
pub(crate) fn decide(world: &World, request: &Request<'_>) -> Answer {
    Answer { notice: false, ..aegis_decide::decide(world, request) }
}

pub(crate) fn check(what: &str, world: &World, request: &Request<'_>, expected: Answer) {
    assert_eq!(decide(world, request), expected, "{what}");
}
