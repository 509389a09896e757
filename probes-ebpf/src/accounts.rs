//! The accounts: counters of each CPU, storms that are folded, and how far the reader has come.
//!
//! What the reader writes lies in mapped memory or in tables that are pinned, so that the next daemon goes on where
//! the last one was killed, and anybody with the pins can check the sums. This module moves the numbers; what
//! follows from them is not its concern.

use crate::error::{Error, call};
use crate::fill::{Fill, Table};
use crate::generation::capacity;
use crate::mapped::Mapped;
use crate::object::open_map;
use crate::pins::PinDir;
use crate::sys;
use aegis_kernel_abi::{
    Counters, Delivered, GAP_REASONS, HOOKS, Ledger, ReaderMark, Storm, StormKey, Summarised,
};
use aya_obj::generated::bpf_map_info;
use std::mem::offset_of;
use std::os::fd::{AsFd, OwnedFd};
use zerocopy::FromBytes;

/// The accounts of one pin directory.
#[derive(Debug)]
pub struct Accounts {
    cpus: u32,
    counters: OwnedFd,
    storms: OwnedFd,
    summarised: OwnedFd,
    ledger: Mapped,
    reader: Mapped,
}

/// Words of a value in mapped memory.
const fn words<T>() -> usize {
    size_of::<T>() / size_of::<u64>()
}

const fn word(offset: usize) -> usize {
    offset / size_of::<u64>()
}

/// More than `storms` and `summarised` can hold.
const STORMS_READ: u32 = 16_384;

/// How many CPUs the host can have.
pub(crate) fn possible_cpus() -> Result<u32, Error> {
    let cpus = aya::util::nr_cpus().map_err(|(path, error)| call("read", path)(error))?;
    u32::try_from(cpus).map_err(|_| Error::Object(format!("{cpus} CPUs are too many")))
}

impl Accounts {
    /// Opens them; changes nothing.
    ///
    /// # Errors
    /// If a map is not there or has values of another size.
    pub fn open(pins: &PinDir) -> Result<Self, Error> {
        let (cpus, ledger, reader) = (possible_cpus()?, open_map(pins, "ledger")?, open_map(pins, "reader")?);
        let accounts = Self {
            cpus,
            counters: open_map(pins, "counters")?,
            storms: open_map(pins, "storms")?,
            summarised: open_map(pins, "summarised")?,
            ledger: Mapped::map(ledger.as_fd(), "ledger", size_of::<Ledger>())?,
            reader: Mapped::map(reader.as_fd(), "reader", cpus as usize * size_of::<ReaderMark>())?,
        };
        let described: bpf_map_info =
            sys::describe(accounts.counters.as_fd()).map_err(call("describe", "counters"))?;
        if described.value_size as usize != size_of::<Counters>() {
            return Err(Error::ReadBack {
                table: "counters",
                what: "its values have another size".to_owned(),
            });
        }
        Ok(accounts)
    }

    /// How many CPUs the host can have; they are numbered from 0.
    #[must_use]
    pub fn cpus(&self) -> u32 {
        self.cpus
    }

    /// The counters of each CPU.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn counters(&self) -> Result<Vec<Counters>, Error> {
        let mut values = vec![0_u8; (self.cpus as usize).saturating_mul(size_of::<Counters>())];
        sys::map_lookup(self.counters.as_fd(), &0_u32, &mut values).map_err(call("read", "counters"))?;
        let one = |bytes: &[u8]| Counters::read_from_bytes(bytes).unwrap_or_default();
        Ok(values.chunks_exact(size_of::<Counters>()).map(one).collect())
    }

    /// The highest sequence number of a CPU that was taken from the ring.
    #[must_use]
    pub fn taken(&self, cpu: u32) -> u64 {
        self.reader.load(mark(cpu))
    }

    /// Says that events of a CPU up to this number were taken.
    pub fn set_taken(&self, cpu: u32, sequence: u64) {
        if cpu < self.cpus {
            self.reader.store(mark(cpu), sequence);
        }
    }

    /// What became of the numbers of a CPU.
    #[must_use]
    pub fn delivered(&self, cpu: u32) -> Delivered {
        let turn = self.reader.load(mark(cpu) + TURN);
        let field = |field: usize| self.reader.load(mark(cpu) + page(turn) + field);
        let mut delivered =
            Delivered { upto: field(0), events: field(1), late: field(2), gaps: [0; GAP_REASONS] };
        delivered.gaps.iter_mut().zip(3..).for_each(|(gap, index)| *gap = field(index));
        delivered
    }

    /// Says so. Killed at any moment, either the old or the new is there as a whole. For one writer at a time.
    pub fn set_delivered(&self, cpu: u32, delivered: &Delivered) {
        if cpu >= self.cpus {
            return;
        }
        let turn = self.reader.load(mark(cpu) + TURN).wrapping_add(1);
        let fields = [delivered.upto, delivered.events, delivered.late];
        for (index, value) in fields.iter().chain(&delivered.gaps).enumerate() {
            self.reader.store(mark(cpu) + page(turn) + index, *value);
        }
        self.reader.store(mark(cpu) + TURN, turn);
    }

    /// The storms that the kernel knows. To be read before the counters: then no more was folded in all of them
    /// than in sum.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn storms(&self) -> Result<Vec<(StormKey, Storm)>, Error> {
        let (keys, values) =
            sys::map_read_all(self.storms.as_fd(), STORMS_READ).map_err(call("read", "storms"))?;
        Ok(keys.into_iter().zip(values).collect())
    }

    /// What summaries have told of each storm.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn summarised(&self) -> Result<Vec<(StormKey, Summarised)>, Error> {
        let (keys, values) =
            sys::map_read_all(self.summarised.as_fd(), STORMS_READ).map_err(call("read", "summarised"))?;
        Ok(keys.into_iter().zip(values).collect())
    }

    /// How full the tables of storms are.
    ///
    /// # Errors
    /// If one cannot be read.
    pub(crate) fn fills(&self) -> Result<[Fill; 2], Error> {
        let room = |table: &OwnedFd, name| capacity(table.as_fd(), name);
        let (storms, summarised) = (self.storms()?.len() as u64, self.summarised()?.len() as u64);
        Ok([
            Fill { table: Table::Storms, entries: storms, capacity: room(&self.storms, "storms")? },
            Fill {
                table: Table::Summarised,
                entries: summarised,
                capacity: room(&self.summarised, "summarised")?,
            },
        ])
    }

    /// Says what was told of a storm.
    ///
    /// # Errors
    /// If the table is full.
    pub fn set_summarised(&self, key: &StormKey, told: &Summarised) -> Result<(), Error> {
        sys::map_update(self.summarised.as_fd(), key, told).map_err(call("write", "summarised"))
    }

    /// Forgets a storm that the kernel has forgotten.
    ///
    /// # Errors
    /// If the table cannot be written.
    pub fn forget_summarised(&self, key: &StormKey) -> Result<(), Error> {
        sys::map_delete(self.summarised.as_fd(), key).map_err(call("write", "summarised"))
    }

    /// How many folded decisions summaries have told of, and how many equal decisions are sent in a second.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        let field = |offset| self.ledger.load(word(offset));
        Ledger {
            events_per_second: field(offset_of!(Ledger, events_per_second)),
            summarised: field(offset_of!(Ledger, summarised)),
            reading: field(offset_of!(Ledger, reading)),
        }
    }

    /// Sets how many equal decisions are sent in a second before the others are folded; 0 folds none.
    pub fn set_events_per_second(&self, limit: u32) {
        self.ledger.store(word(offset_of!(Ledger, events_per_second)), limit.into());
    }

    /// Says how many folded decisions summaries have told of.
    pub fn set_summarised_total(&self, count: u64) {
        self.ledger.store(word(offset_of!(Ledger, summarised)), count);
    }

    /// Says that a reader is at work, or that it has ended in good order.
    pub fn set_reading(&self, reading: bool) {
        self.ledger.store(word(offset_of!(Ledger, reading)), reading.into());
    }
}

/// Where the mark of a CPU begins, in words.
fn mark(cpu: u32) -> usize {
    cpu as usize * words::<ReaderMark>() + word(offset_of!(ReaderMark, taken))
}

/// Where its turn is.
const TURN: usize = word(offset_of!(ReaderMark, turn));

/// Where the page is that holds at a turn.
fn page(turn: u64) -> usize {
    word(offset_of!(ReaderMark, pages)) + if turn & 1 == 0 { 0 } else { words::<Delivered>() }
}

/// The sum over all CPUs.
pub(crate) fn sum(counters: &[Counters]) -> Counters {
    let mut sum = Counters::default();
    let add_all = |sum: &mut [u64; HOOKS], one: &[u64; HOOKS]| {
        sum.iter_mut().zip(one).for_each(|(sum, one)| *sum += one);
    };
    for one in counters {
        sum.reported += one.reported;
        sum.submitted += one.submitted;
        sum.suppressed += one.suppressed;
        sum.dropped += one.dropped;
        sum.sequence += one.sequence;
        sum.undecidable += one.undecidable;
        sum.survived += one.survived;
        sum.exempted += one.exempted;
        sum.unseen += one.unseen;
        sum.untold += one.untold;
        add_all(&mut sum.audited, &one.audited);
        add_all(&mut sum.denied, &one.denied);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words are counted by hand above; the order of fields is that of the structs.
    #[test]
    fn words_are_those_of_the_structs() {
        assert_eq!(offset_of!(ReaderMark, taken), 0);
        assert_eq!((offset_of!(Delivered, upto), offset_of!(Delivered, events)), (0, 8));
        assert_eq!((offset_of!(Delivered, late), offset_of!(Delivered, gaps)), (16, 24));
        assert_eq!(words::<Delivered>(), 3 + GAP_REASONS);
        assert_eq!(page(1) - page(0), words::<Delivered>());
        assert_eq!(mark(1), words::<ReaderMark>());
    }
}
