//! The thread that reads the ring.

use super::order::{Order, Ordered, Step, WINDOW};
use super::state::{Journal, Numbering, Origin, gap_record, malformed};
use super::storms::{Rest, Suppressed, Teller, sweep};
use crate::clock::{boot_offset_ns, unix_ns};
use crate::loader::RuleNames;
use crate::printer::{CpuGap, Item, Outbox, Told};
use aegis_control_api::Record;
use aegis_kernel_abi::{Event, GapReason};
use aegis_probes::{Accounts, Error, EventRing, Malformed};
use crossbeam_channel::{Sender, bounded};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::HashSet;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Counts of the reader; each only grows.
#[derive(Debug, Default)]
pub struct Received {
    /// Events that became records.
    pub events: AtomicU64,
    /// What was in the ring and was no event.
    pub malformed: AtomicU64,
    /// Those of them that had no number by which their loss could be told.
    pub unnumbered: AtomicU64,
}

/// The running reader.
#[derive(Debug)]
pub struct Reader {
    thread: Option<JoinHandle<()>>,
    /// The thread waits until something comes here; if it is closed, it ends and has taken nothing.
    go: Option<Sender<()>>,
    stop: Arc<AtomicBool>,
    /// What it has counted so far.
    pub received: Arc<Received>,
}

/// How long the thread sleeps at most before it looks whether it shall stop.
const LOOK_UP: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// Events that are taken before anything else is looked after.
const AT_ONCE: usize = 1024;

/// How often summaries are made.
const SWEEP: Duration = Duration::from_secs(1);

/// How long the last reading may take, if events come faster than they are read. What is left stays in the ring.
const LAST_READING: Duration = Duration::from_millis(500);

/// Makes a reader that begins, when it is told to, where the last one stopped. The outbox takes the lines for standard
/// output.
///
/// # Errors
/// If no thread can be started.
pub(crate) fn spawn(
    ring: EventRing,
    (numbering, names): (Numbering, RuleNames),
    (journal, outbox): (Journal, Outbox),
    accounts: Arc<Accounts>,
) -> io::Result<Reader> {
    let (stop, received) = (Arc::new(AtomicBool::new(false)), Arc::new(Received::default()));
    let origin = Origin { numbering, boot_offset_ns: boot_offset_ns(), names };
    let records = Records { origin, journal, outbox, received: Arc::clone(&received) };
    let mut work = Work::new(ring, records, accounts);
    let stopped = Arc::clone(&stop);
    let (go, begin) = bounded(1);
    let thread = std::thread::Builder::new().name("ringbuf_reader".to_owned()).spawn(move || {
        if begin.recv().is_err() {
            return;
        }
        work.tell_of_crash();
        while !stopped.load(Ordering::Acquire) {
            let emptied = work.drain();
            work.look_after(emptied);
            if emptied {
                work.wait();
            }
        }
        work.finish();
    })?;
    Ok(Reader { thread: Some(thread), go: Some(go), stop, received })
}

impl Reader {
    /// Lets it take what is in the ring.
    pub fn begin(&mut self) {
        // It waits for this, once; that it is gone is told when it is stopped.
        let _ = self.go.as_ref().map(|go| go.try_send(()));
    }

    /// Stops after everything that is in the ring has been read, if it has begun.
    pub fn stop(&mut self) {
        self.go = None;
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(
                "the reader of the event ring panicked; events stay in the ring for the next daemon"
            );
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What came from the ring with a number.
enum Taken {
    Event(Box<Event>),
    Malformed,
}

/// Where records go: to the journal, and to standard output.
struct Records {
    origin: Origin,
    journal: Journal,
    outbox: Outbox,
    received: Arc<Received>,
}

impl Records {
    fn hand_on(&self, record: &Record, told: Told) {
        let line = self.journal.push(record);
        // Without room it is told of in a gap, later.
        let _ = self.outbox.push(Item { line, told });
    }

    fn event(&self, event: &Event, late: bool) {
        self.received.events.fetch_add(1, Ordering::Relaxed);
        let (cpu, sequence) = (event.cpu, event.sequence);
        let told = if late { Told::Late { cpu } } else { Told::Event { cpu, sequence } };
        self.hand_on(&self.origin.record(event, late), told);
    }

    fn gap(&self, gap: CpuGap) {
        self.hand_on(&gap_record(&self.origin.numbering, unix_ns(), &gap), Told::Gap(gap));
    }

    fn ordered(&self, cpu: u32, ordered: Ordered<Taken>) {
        match ordered {
            Ordered::InTurn { item: Taken::Event(event), .. } => self.event(&event, false),
            Ordered::Late { item: Taken::Event(event), .. } => self.event(&event, true),
            Ordered::InTurn { sequence, item: Taken::Malformed } => {
                self.gap(CpuGap::new(cpu, sequence, sequence, GapReason::Malformed));
            }
            // Its number is in a gap already.
            Ordered::Late { item: Taken::Malformed, .. } => {}
            Ordered::Gap { first, last } => self.gap(CpuGap::new(cpu, first, last, GapReason::Dropped)),
        }
    }

    fn malformed(&self, wrong: Malformed, has_number: bool) {
        tracing::error!(error = %wrong.error, "an event from the kernel cannot be decoded and is left out");
        self.received.malformed.fetch_add(1, Ordering::Relaxed);
        if !has_number {
            self.received.unnumbered.fetch_add(1, Ordering::Relaxed);
            self.hand_on(&malformed(unix_ns()), Told::Other);
        }
    }
}

struct Work {
    ring: EventRing,
    records: Records,
    accounts: Arc<Accounts>,
    orders: Vec<Order<Taken>>,
    /// The last number that each CPU has given out, as of the last look.
    given: Vec<u64>,
    suppressed: u64,
    began: Instant,
    passes: u64,
    since_pass: usize,
    looked: Instant,
    swept: Instant,
    rest: Rest,
    /// What the journal was told, which goes on where standard output refuses.
    journal_teller: Teller,
}

impl Work {
    fn new(ring: EventRing, records: Records, accounts: Arc<Accounts>) -> Self {
        let begin = |cpu| accounts.taken(cpu).max(accounts.delivered(cpu).upto);
        let orders = (0..accounts.cpus()).map(|cpu| Order::after(begin(cpu))).collect();
        let now = Instant::now();
        let journal_teller = Teller::after(records.outbox.told().clone(), accounts.ledger().summarised);
        Self {
            given: vec![0; accounts.cpus() as usize],
            suppressed: 0,
            ring,
            records,
            accounts,
            orders,
            began: now,
            passes: 0,
            since_pass: 0,
            looked: now,
            swept: now,
            rest: Rest::default(),
            journal_teller,
        }
    }

    /// What a daemon that was killed had taken and not delivered, before anything else.
    fn tell_of_crash(&self) {
        for cpu in 0..self.accounts.cpus() {
            let (upto, taken) = (self.accounts.delivered(cpu).upto, self.accounts.taken(cpu));
            if upto < taken {
                self.records.gap(CpuGap::new(cpu, upto.saturating_add(1), taken, GapReason::Crash));
            }
        }
    }

    fn step(&self) -> Step {
        Step { now: self.began.elapsed(), passes: self.passes }
    }

    /// Takes what is in the ring, up to a limit. Whether it is empty now.
    fn drain(&mut self) -> bool {
        for _ in 0..AT_ONCE {
            if !self.take_one() {
                self.passes = self.passes.saturating_add(1);
                self.since_pass = 0;
                return true;
            }
            self.since_pass += 1;
            // Everything that was in the ring at the last pass has left it by now.
            if self.since_pass > self.ring.capacity() {
                self.passes = self.passes.saturating_add(1);
                self.since_pass = 0;
            }
        }
        false
    }

    fn take_one(&mut self) -> bool {
        let Self { ring, accounts, given, suppressed, .. } = self;
        // Whether the kernel can have given out the number; the bytes are untrusted.
        let mut is_given = |cpu: u32, sequence: u64| {
            let known = |given: &[u64]| given.get(cpu as usize).is_some_and(|last| sequence <= *last);
            sequence > 0 && (known(given) || (look(accounts, given, suppressed).is_ok() && known(given)))
        };
        let taken = ring.next(|event| {
            let number = match &event {
                Ok(event) => Some((event.cpu, event.sequence)),
                Err(malformed) => malformed.number,
            };
            let number = number.filter(|(cpu, sequence)| is_given(*cpu, *sequence));
            if let Some((cpu, sequence)) = number {
                // Before its room in the ring is given back: killed in between, it comes twice and is not lost.
                accounts.set_taken(cpu, accounts.taken(cpu).max(sequence));
            }
            (number, event.map(|event| Box::new(*event)))
        });
        let Some((number, event)) = taken else { return false };
        match (number, event) {
            (Some((cpu, sequence)), Ok(event)) => self.put_in_order(cpu, sequence, Taken::Event(event)),
            (Some((cpu, sequence)), Err(malformed)) => {
                self.records.malformed(malformed, true);
                self.put_in_order(cpu, sequence, Taken::Malformed);
            }
            (None, Err(malformed)) => self.records.malformed(malformed, false),
            (None, Ok(event)) => {
                let error = aegis_kernel_abi::EventError::Field("sequence", event.sequence);
                self.records.malformed(Malformed { error, number: None }, false);
            }
        }
        true
    }

    fn put_in_order(&mut self, cpu: u32, sequence: u64, taken: Taken) {
        let (step, mut out) = (self.step(), Vec::new());
        if let Some(order) = self.orders.get_mut(cpu as usize) {
            order.push(step, sequence, taken, &mut out);
        }
        out.into_iter().for_each(|ordered| self.records.ordered(cpu, ordered));
    }

    /// Gives up what was waited for long enough, and makes summaries.
    fn look_after(&mut self, emptied: bool) {
        // What is in the ring tells by itself how far the numbers are; an empty one does not.
        if emptied && self.looked.elapsed() >= WINDOW {
            self.looked = Instant::now();
            self.look_at_counters();
        }
        let step = self.step();
        for (cpu, order) in (0..).zip(&mut self.orders) {
            let mut out = Vec::new();
            order.tick(step, &mut out);
            out.into_iter().for_each(|ordered| self.records.ordered(cpu, ordered));
        }
        if self.swept.elapsed() >= SWEEP {
            self.swept = Instant::now();
            self.summarise();
        }
    }

    fn look_at_counters(&mut self) {
        if let Err(error) = look(&self.accounts, &mut self.given, &mut self.suppressed) {
            tracing::warn!(%error, "the counters of the kernel cannot be read");
            return;
        }
        let step = self.step();
        for (order, given) in self.orders.iter_mut().zip(&self.given) {
            order.know(step, *given);
        }
    }

    fn summarise(&mut self) {
        if let Err(error) = self.try_summarise() {
            tracing::warn!(%error, "no summaries can be made; they will be later");
        }
    }

    fn try_summarise(&mut self) -> Result<(), Error> {
        // What is on its way to standard output is settled first: its numbers come before.
        if !self.records.outbox.summaries_are_settled() {
            return Ok(());
        }
        let before = self.accounts.ledger().summarised;
        look(&self.accounts, &mut self.given, &mut self.suppressed)?;
        if self.suppressed <= before {
            self.rest = Rest::default();
        }
        if self.suppressed <= before.min(self.journal_teller.upto()) {
            return Ok(());
        }
        let earlier = self.suppressed;
        let storms = self.accounts.storms()?;
        look(&self.accounts, &mut self.given, &mut self.suppressed)?;
        let suppressed = Suppressed { earlier, later: self.suppressed };
        for summary in self.journal_teller.tell(&storms, suppressed) {
            self.records.journal.push(&self.records.origin.summary(&summary));
        }
        let (summaries, rest) = {
            let mut told = self.records.outbox.told();
            let living: HashSet<_> = storms.iter().map(|(key, _)| *key).collect();
            let gone: Vec<_> = told.keys().filter(|key| !living.contains(*key)).copied().collect();
            for key in gone {
                told.remove(&key);
                self.accounts.forget_summarised(&key)?;
            }
            sweep(&storms, &told, before, suppressed, self.rest)
        };
        self.rest = rest;
        for summary in &summaries {
            let line = super::state::line(&self.records.origin.summary(summary));
            // Without room the rest of them is made again.
            if !self.records.outbox.push(Item { line, told: Told::Summary(*summary) }) {
                break;
            }
        }
        Ok(())
    }

    fn wait(&self) {
        let ring = self.ring.as_fd();
        // An error here (EINTR) only means looking into the ring earlier.
        let _ = poll(&mut [PollFd::new(&ring, PollFlags::IN)], Some(&LOOK_UP));
    }

    /// Delivers what came in before the stop, and what is held back.
    fn finish(&mut self) {
        let begin = Instant::now();
        while !self.drain() && begin.elapsed() < LAST_READING {}
        for (cpu, order) in (0..).zip(&mut self.orders) {
            let mut out = Vec::new();
            order.finish(&mut out);
            out.into_iter().for_each(|ordered| self.records.ordered(cpu, ordered));
        }
        self.summarise();
    }
}

/// Looks at what the kernel has counted.
fn look(accounts: &Accounts, given: &mut [u64], suppressed: &mut u64) -> Result<(), Error> {
    let counters = accounts.counters()?;
    given.iter_mut().zip(&counters).for_each(|(given, counters)| *given = counters.sequence);
    *suppressed = counters.iter().map(|counters| counters.suppressed).sum();
    Ok(())
}
