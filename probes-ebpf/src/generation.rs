//! Generations in the kernel: staged in the spare bank, read back, then flipped in with one store.
//!
//! Nothing in a bank is changed in place. New inner maps are filled while nobody can reach them, read back and
//! compared, frozen, and only then placed in the bank that is not in force. A bank that was in force is not used
//! again before every decision that might still read it has ended: updating a map of maps waits for that.

use crate::beside;
use crate::error::{Error, call};
use crate::fill::{Fill, Table};
use crate::guarded::Guarded;
use crate::mapped::Mapped;
use crate::object::open_map;
use crate::pins::PinDir;
use crate::subjects::Subjects;
use crate::sys::{self, MapShape};
use crate::tables::Tables;
use aegis_kernel_abi::{
    Active, BANKS, Condition, Entry, Exempt, GenerationInfo, InodeNumber, Member, MemberKey, Operations,
    RULE_PENDING, Range, Row, RuleInfo, SlotKey,
};
use aya_obj::generated::bpf_map_info;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes};

const HASH: u32 = 1;
const ARRAY: u32 = 2;
/// BPF_F_INNER_MAP: the size of an inner array may differ from its template's.
const INNER: u32 = 1 << 12;

/// A table of both banks.
#[derive(Debug)]
struct Banked {
    name: &'static str,
    outer: OwnedFd,
}

impl Banked {
    fn open(pins: &PinDir, name: &'static str) -> Result<Self, Error> {
        open_map(pins, name).map(|outer| Self { name, outer })
    }

    fn place(&self, bank: u32, inner: BorrowedFd<'_>) -> Result<(), Error> {
        use std::os::fd::AsRawFd;
        sys::map_update(self.outer.as_fd(), &bank, &inner.as_raw_fd()).map_err(call("place", self.name))
    }

    /// The inner map of a bank; `None` if it was never filled.
    fn inner(&self, bank: u32) -> Result<Option<OwnedFd>, Error> {
        let mut id = 0_u32;
        let found =
            sys::map_lookup(self.outer.as_fd(), &bank, id.as_mut_bytes()).map_err(call("read", self.name))?;
        if !found {
            return Ok(None);
        }
        sys::map_by_id(id).map(Some).map_err(call("open", self.name))
    }
}

/// All tables of both banks, and which is in force.
#[derive(Debug)]
pub struct Generations {
    /// The word that says which generation is in force.
    active: Mapped,
    objects: Banked,
    slots: Banked,
    rows: Banked,
    rules: Banked,
    exempt: Banked,
    conditions: Banked,
    members: Banked,
    ranges: Banked,
    infos: Banked,
    hits: Banked,
    /// The generation under which no decision of the one before is being made any more, as far as this process knows.
    settled: AtomicU32,
}

/// Places inner maps side by side: each waits for all programs that run, some ten milliseconds, and together they wait
/// once.
fn place_all(bank: u32, inner: &[(&Banked, OwnedFd)]) -> Result<(), Error> {
    let place = |(outer, inner): &(&Banked, OwnedFd)| outer.place(bank, inner.as_fd());
    let works: Vec<_> = inner.iter().map(|one| (one.0.name, move || place(one))).collect();
    std::thread::scope(|scope| {
        let started: Vec<_> = works.iter().map(|(name, work)| beside::start(scope, name, work)).collect();
        // All are waited for, whatever became of one.
        started.into_iter().map(|wait| wait()).collect::<Vec<Result<(), Error>>>().into_iter().collect()
    })
}

/// A generation that stands in the spare bank and decides nothing yet.
#[derive(Debug)]
pub struct Staged {
    info: GenerationInfo,
    load_time: Duration,
    read_back_time: Duration,
}

impl Staged {
    /// What it is.
    #[must_use]
    pub fn info(&self) -> &GenerationInfo {
        &self.info
    }

    /// How long it took to make and fill its tables.
    #[must_use]
    pub fn load_time(&self) -> Duration {
        self.load_time
    }

    /// How long it took to read them back and compare.
    #[must_use]
    pub fn read_back_time(&self) -> Duration {
        self.read_back_time
    }
}

impl Generations {
    /// Opens the pinned tables; changes nothing.
    ///
    /// # Errors
    /// If one is not there.
    pub fn open(pins: &PinDir) -> Result<Self, Error> {
        Ok(Self {
            active: Mapped::map(open_map(pins, "active")?.as_fd(), "active", size_of::<Active>())?,
            objects: Banked::open(pins, "objects")?,
            slots: Banked::open(pins, "slots")?,
            rows: Banked::open(pins, "rows")?,
            rules: Banked::open(pins, "rules")?,
            exempt: Banked::open(pins, "exempt")?,
            conditions: Banked::open(pins, "conditions")?,
            members: Banked::open(pins, "members")?,
            ranges: Banked::open(pins, "ranges")?,
            infos: Banked::open(pins, "generations")?,
            hits: Banked::open(pins, "hits")?,
            settled: AtomicU32::new(0),
        })
    }

    /// The generation in force; 0 before the first.
    #[must_use]
    pub fn active(&self) -> Active {
        let word = self.active.load(0);
        Active::read_from_bytes(&word.to_ne_bytes()).unwrap_or_default()
    }

    /// Loads tables into the spare bank as the next generation, and proves that the kernel holds what was meant.
    ///
    /// # Errors
    /// If a map cannot be made or filled, or what is read back differs. The generation in force is untouched.
    pub fn stage(&self, tables: Tables) -> Result<Staged, Error> {
        let began = Instant::now();
        // 0 means that nothing is armed; after the last number comes the first of the same bank as 0.
        let generation = match self.active().generation.wrapping_add(1) {
            0 => BANKS,
            next => next,
        };
        let tables = tables.stamped(generation);
        self.load(&tables)?;
        let loaded = Instant::now();
        self.verify(generation, &tables.info)?;
        let (load_time, read_back_time) = (loaded.duration_since(began), loaded.elapsed());
        Ok(Staged { info: tables.info, load_time, read_back_time })
    }

    /// Fills the bank of these tables. They are made side by side, and while the kernel waits for decisions: nobody can reach
    /// them before they are placed.
    fn load(&self, tables: &Tables) -> Result<(), Error> {
        let bank = tables.info.generation % BANKS;
        let objects = || pairs(hash::<InodeNumber, Entry>("objects"), &tables.objects);
        let slots = || pairs(hash::<SlotKey, Entry>("slots"), &tables.slots);
        let rows = || list(array::<Row>("rows"), &tables.rows);
        let rules = || list(array::<RuleInfo>("rules"), &tables.rules);
        let inner = std::thread::scope(|scope| {
            let objects = beside::start(scope, "objects", &objects);
            let slots = beside::start(scope, "slots", &slots);
            let rows = beside::start(scope, "rows", &rows);
            let rules = beside::start(scope, "rules", &rules);
            self.clear(bank)?;
            Ok([
                (&self.objects, objects()?),
                (&self.slots, slots()?),
                (&self.rows, rows()?),
                (&self.rules, rules()?),
                (&self.exempt, pairs(hash::<u64, Exempt>("exempt"), &tables.exempt)?),
                (&self.conditions, list(array::<Condition>("conditions"), &tables.subjects.conditions)?),
                (&self.members, pairs(hash::<MemberKey, Member>("members"), &tables.subjects.members)?),
                (&self.ranges, list(array::<Range>("ranges"), &tables.subjects.ranges)?),
                (&self.hits, no_hits(tables.info.rules)?),
            ])
        })?;
        place_all(bank, &inner)?;
        self.describe(bank, tables.info)
    }

    /// Nothing uses a bank, or tells of what is in it, after this.
    fn clear(&self, bank: u32) -> Result<(), Error> {
        // Decisions that began before the last flip may still read this bank, unless they were waited for.
        if self.settled.load(Ordering::Relaxed) != self.active().generation {
            self.wait(bank)?;
        }
        // Killed in the middle of this, nothing tells of what was there in the words of what comes.
        self.describe(bank, GenerationInfo::new_zeroed())
    }

    fn describe(&self, bank: u32, info: GenerationInfo) -> Result<(), Error> {
        let shape = MapShape { flags: 0, ..array::<GenerationInfo>("generations") };
        self.infos.place(bank, list(shape, &[info])?.as_fd())
    }

    /// Puts a staged generation in force: one store, and every decision is made under the old or the new.
    /// Cannot fail. [`Generations::stage`] waits before it touches a bank again.
    pub fn flip(&self, staged: &Staged) {
        let active = Active {
            generation: staged.info.generation,
            enforced_operations: staged.info.enforced_operations,
        };
        let word = active.as_bytes().try_into().map_or(0, u64::from_ne_bytes);
        self.active.store(0, word);
    }

    /// Waits until no decision is made under the generation before the one in force any more.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn settle(&self) -> Result<(), Error> {
        let active = self.active().generation;
        self.wait(active % BANKS)?;
        self.settled.store(active, Ordering::Relaxed);
        Ok(())
    }

    /// Waits for every decision that is being made: the kernel does before an update of a map of maps returns.
    fn wait(&self, bank: u32) -> Result<(), Error> {
        match self.infos.inner(bank)? {
            Some(inner) => self.infos.place(bank, inner.as_fd()),
            None => Ok(()),
        }
    }

    /// Reads a generation back from the kernel and compares its digest with the one that is expected.
    ///
    /// # Errors
    /// If anything differs, a table is missing, or an entry belongs to another generation.
    pub fn verify(&self, generation: u32, expected: &GenerationInfo) -> Result<(), Error> {
        let tables = self.read_back(generation)?;
        let differs = |table, what: String| Err(Error::ReadBack { table, what });
        if tables.info != *expected {
            return differs("generations", "its description is another".to_owned());
        }
        if let Some((table, found)) = stray(&tables, generation) {
            return differs(table, format!("an entry belongs to generation {found}, not {generation}"));
        }
        if tables.stamped(0).digest() != expected.table_digest {
            return differs(
                "objects, slots, rows, rules, exempt or conditions",
                "its digest is another".to_owned(),
            );
        }
        Ok(())
    }

    /// The description of a generation as the kernel holds it; `None` if there is none.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub fn info(&self, generation: u32) -> Result<Option<GenerationInfo>, Error> {
        let Some(inner) = self.infos.inner(generation % BANKS)? else { return Ok(None) };
        let mut info = GenerationInfo::new_zeroed();
        let found = sys::map_lookup(inner.as_fd(), &0_u32, info.as_mut_bytes())
            .map_err(call("read", "generations"))?;
        Ok(Some(info).filter(|info| found && info.generation == generation))
    }

    /// The ids of a generation's rules, by number.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub fn rule_ids(&self, generation: u32) -> Result<Vec<String>, Error> {
        Ok(self.rules(generation)?.iter().map(|rule| crate::tables::unpadded(&rule.id)).collect())
    }

    /// The ids of the rules of a generation that are pending.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub fn pending_rules(&self, generation: u32) -> Result<Vec<String>, Error> {
        let rules = self.rules(generation)?;
        let pending = rules.iter().filter(|rule| rule.flags & RULE_PENDING != 0);
        Ok(pending.map(|rule| crate::tables::unpadded(&rule.id)).collect())
    }

    /// How full the tables of a generation are: entries as they were loaded, room as it was made. None without one.
    ///
    /// # Errors
    /// If a table cannot be looked at.
    pub fn fills(&self, generation: u32) -> Result<Vec<Fill>, Error> {
        let Some(info) = self.info(generation)? else { return Ok(Vec::new()) };
        let Self { objects, slots, rows, rules, exempt, conditions, members, ranges, .. } = self;
        let mut fills = Vec::new();
        for banked in [rules, objects, slots, rows, exempt, conditions, members, ranges] {
            let table = Table::ALL.into_iter().find(|table| table.word() == banked.name);
            let loaded = table.and_then(|table| table.loaded(&info).map(|entries| (table, entries)));
            let (Some((table, entries)), Some(inner)) = (loaded, banked.inner(generation % BANKS)?) else {
                continue;
            };
            let capacity = capacity(inner.as_fd(), banked.name)?;
            fills.push(Fill { table, entries: entries.into(), capacity });
        }
        Ok(fills)
    }

    /// Bytes of kernel memory in the tables of both banks, as the kernel reckons them.
    ///
    /// # Errors
    /// If a table cannot be looked at.
    pub fn memory(&self) -> Result<u64, Error> {
        let Self { objects, slots, rows, rules, exempt, conditions, members, ranges, infos, hits, .. } = self;
        let tables = [objects, slots, rows, rules, exempt, conditions, members, ranges, infos, hits];
        let mut sum = 0;
        for (table, bank) in tables.iter().flat_map(|table| (0..BANKS).map(move |bank| (table, bank))) {
            if let Some(inner) = table.inner(bank)? {
                sum += sys::map_memory(inner.as_fd()).map_err(call("look at", table.name))?;
            }
        }
        Ok(sum)
    }

    /// The ids of a generation's rules, and what each asks for, by number.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub fn asked(&self, generation: u32) -> Result<Vec<(String, Operations)>, Error> {
        let asked = |rule: &RuleInfo| {
            (crate::tables::unpadded(&rule.id), Operations::from_bits_truncate(rule.operations))
        };
        self.rules(generation).map(|rules| rules.iter().map(asked).collect())
    }

    fn rules(&self, generation: u32) -> Result<Vec<RuleInfo>, Error> {
        let Some(info) = self.info(generation)? else { return Ok(Vec::new()) };
        listed::<RuleInfo>(&self.rules, generation % BANKS, info.rules)
    }

    /// What the rules of a generation say of objects, as the kernel holds it.
    ///
    /// # Errors
    /// If the tables cannot be read.
    pub fn guarded(&self, generation: u32) -> Result<Guarded, Error> {
        self.read_back(generation).map(Guarded::from)
    }

    /// How many decisions each rule of a generation has caused since it was staged, by number. A decision is counted
    /// for the one rule that its event would name.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub fn hits(&self, generation: u32) -> Result<Vec<u64>, Error> {
        let Some(info) = self.info(generation)? else { return Ok(Vec::new()) };
        listed::<u64>(&self.hits, generation % BANKS, info.rules)
    }

    fn read_back(&self, generation: u32) -> Result<Tables, Error> {
        let bank = generation % BANKS;
        let info = self.info(generation)?;
        let info = info.ok_or(Error::ReadBack { table: "generations", what: "it is missing".to_owned() })?;
        let objects = || sorted::<InodeNumber, Entry>(&self.objects, bank);
        let slots = || sorted::<SlotKey, Entry>(&self.slots, bank);
        let rows = || listed::<Row>(&self.rows, bank, info.rows);
        let rules = || listed::<RuleInfo>(&self.rules, bank, info.rules);
        std::thread::scope(|scope| {
            let objects = beside::start(scope, "objects", &objects);
            let slots = beside::start(scope, "slots", &slots);
            let rows = beside::start(scope, "rows", &rows);
            let rules = beside::start(scope, "rules", &rules);
            let exempt = sorted(&self.exempt, bank)?;
            let subjects = Subjects {
                conditions: listed(&self.conditions, bank, info.conditions)?,
                members: sorted(&self.members, bank)?,
                ranges: listed(&self.ranges, bank, info.ranges)?,
            };
            let (objects, slots, rows, rules) = (objects()?, slots()?, rows()?, rules()?);
            Ok(Tables { objects, slots, rows, rules, exempt, subjects, info })
        })
    }
}

/// An entry of another generation than the one it should belong to.
fn stray(tables: &Tables, generation: u32) -> Option<(&'static str, u32)> {
    let objects = tables.objects.iter().map(|(_, entry)| ("objects", entry.generation));
    let slots = tables.slots.iter().map(|(_, entry)| ("slots", entry.generation));
    let rows = tables.rows.iter().map(|row| ("rows", row.generation));
    let exempt = tables.exempt.iter().map(|(_, exempt)| ("exempt", exempt.generation));
    let subjects = tables.subjects.generations();
    objects.chain(slots).chain(rows).chain(exempt).chain(subjects).find(|(_, found)| *found != generation)
}

/// Entries that a map has room for; of a ring, bytes.
pub(crate) fn capacity(map: BorrowedFd<'_>, name: &'static str) -> Result<u64, Error> {
    sys::describe::<bpf_map_info>(map).map(|info| info.max_entries.into()).map_err(call("describe", name))
}

fn size<T>() -> u32 {
    u32::try_from(size_of::<T>()).unwrap_or(u32::MAX)
}

fn hash<K, V>(name: &'static str) -> MapShape {
    MapShape {
        name,
        map_type: HASH,
        key_size: size::<K>(),
        value_size: size::<V>(),
        max_entries: 1,
        flags: 0,
    }
}

fn array<V>(name: &'static str) -> MapShape {
    MapShape { name, map_type: ARRAY, key_size: 4, value_size: size::<V>(), max_entries: 1, flags: INNER }
}

/// Not frozen: the probes count in it, from 0.
fn no_hits(rules: u32) -> Result<OwnedFd, Error> {
    let shape = MapShape { max_entries: rules.max(1), ..array::<u64>("hits") };
    sys::map_create(&shape).map_err(call("create", "hits"))
}

/// Makes a map of keys and values.
fn pairs<K, V>(shape: MapShape, entries: &[(K, V)]) -> Result<OwnedFd, Error>
where
    K: IntoBytes + Immutable + Copy,
    V: IntoBytes + Immutable + Copy,
{
    let (keys, values): (Vec<K>, Vec<V>) = entries.iter().copied().unzip();
    filled(shape, &keys, &values)
}

/// Makes an array.
fn list<V: IntoBytes + Immutable>(shape: MapShape, values: &[V]) -> Result<OwnedFd, Error> {
    let keys: Vec<u32> = (0..).take(values.len()).collect();
    filled(shape, &keys, values)
}

/// Makes a map with just these entries, and freezes it.
fn filled<K, V>(shape: MapShape, keys: &[K], values: &[V]) -> Result<OwnedFd, Error>
where
    K: IntoBytes + Immutable,
    V: IntoBytes + Immutable,
{
    let max_entries = u32::try_from(keys.len().max(1))
        .map_err(|_| Error::Unloadable(format!("{} entries are too many for {}", keys.len(), shape.name)))?;
    let map = sys::map_create(&MapShape { max_entries, ..shape }).map_err(call("create", shape.name))?;
    sys::map_update_batch(map.as_fd(), keys, values).map_err(call("fill", shape.name))?;
    sys::map_freeze(map.as_fd()).map_err(call("freeze", shape.name))?;
    Ok(map)
}

/// All keys and values of a table.
fn all<K, V>(banked: &Banked, bank: u32) -> Result<(Vec<K>, Vec<V>), Error>
where
    K: FromBytes + IntoBytes + Immutable + Clone,
    V: FromBytes + IntoBytes + Immutable + Clone,
{
    let missing = || Error::ReadBack { table: banked.name, what: "it is missing".to_owned() };
    let inner = banked.inner(bank)?.ok_or_else(missing)?;
    let info: bpf_map_info = sys::describe(inner.as_fd()).map_err(call("describe", banked.name))?;
    if info.key_size != size::<K>() || info.value_size != size::<V>() {
        return Err(Error::ReadBack { table: banked.name, what: "its entries have another size".to_owned() });
    }
    sys::map_read_all::<K, V>(inner.as_fd(), info.max_entries).map_err(call("read back", banked.name))
}

/// The entries of a table in the order of their keys.
fn sorted<K, V>(banked: &Banked, bank: u32) -> Result<Vec<(K, V)>, Error>
where
    K: FromBytes + IntoBytes + Immutable + Copy + Ord,
    V: FromBytes + IntoBytes + Immutable + Clone,
{
    let (keys, values) = all::<K, V>(banked, bank)?;
    let mut entries: Vec<(K, V)> = keys.into_iter().zip(values).collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    Ok(entries)
}

/// The elements of an array. An empty one has one element all the same.
fn listed<V>(banked: &Banked, bank: u32, count: u32) -> Result<Vec<V>, Error>
where
    V: FromBytes + IntoBytes + Immutable + Clone,
{
    let (numbers, mut elements) = all::<u32, V>(banked, bank)?;
    let differs = |what| Err(Error::ReadBack { table: banked.name, what });
    if elements.len() != count.max(1) as usize {
        return differs(format!("it has {} elements", elements.len()));
    }
    // The kernel gives those of an array in their order.
    if !numbers.into_iter().eq(0..count.max(1)) {
        return differs("its elements are not in order".to_owned());
    }
    elements.truncate(count as usize);
    Ok(elements)
}
