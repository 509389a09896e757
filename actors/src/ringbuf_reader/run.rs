//! The loop that reads the ring.

use super::order::{Order, Ordered, Step, WINDOW};
use crate::looped::{Looped, readiness};
use crate::sink::CpuGap;
use crate::spool::{Passed, Store};
use crate::ways::Ways;
use aegis_kernel_abi::{Event, GapReason};
use aegis_probes::{Accounts, Error, EventRing, Malformed};
use aegis_supervisor::{BoxError, Child, Life};
use async_trait::async_trait;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::io::unix::AsyncFd;

/// How long the loop waits at most before it looks after what it holds back.
const LOOK_UP: Duration = Duration::from_millis(50);

/// Events that are taken before anything else is looked after.
const AT_ONCE: usize = 256;

/// How long the last reading may take, if events come faster than they are read. What is left stays in the ring.
const LAST_READING: Duration = Duration::from_millis(500);

/// Makes the reader, which begins where the last one stopped.
pub(crate) struct ReaderChild(pub(crate) Ways);

#[async_trait(?Send)]
impl Child for ReaderChild {
    type Actor = Looped;

    async fn init(&self, life: &Life) -> Result<Looped, BoxError> {
        let store = self.0.store().await?;
        let opened = |loader: &mut crate::loader::Loader| {
            Ok::<_, Error>((loader.probes().events()?, loader.probes().accounts()))
        };
        let (ring, accounts) = self.0.loader.run(move |loader, _| opened(loader)).await??;
        let ready = readiness(&ring)?;
        let work = Work::new((ring, ready), store, accounts);
        Ok(Looped::new(life, work.read(life.clone())))
    }
}

/// What came from the ring with a number.
enum Taken {
    Event(Box<Event>),
    Malformed,
}

struct Work {
    ring: EventRing,
    ready: AsyncFd<OwnedFd>,
    store: Arc<Store>,
    accounts: Arc<Accounts>,
    orders: Vec<Order<Taken>>,
    /// The last number that each CPU has given out, as of the last look.
    given: Vec<u64>,
    began: Instant,
    passes: u64,
    since_pass: usize,
    looked: Instant,
}

impl Work {
    fn new((ring, ready): (EventRing, AsyncFd<OwnedFd>), store: Arc<Store>, accounts: Arc<Accounts>) -> Self {
        let begin = |cpu| accounts.taken(cpu).max(accounts.delivered(cpu).upto);
        let orders = (0..accounts.cpus()).map(|cpu| Order::after(begin(cpu))).collect();
        let now = Instant::now();
        let given = vec![0; accounts.cpus() as usize];
        Self {
            given,
            ring,
            ready,
            store,
            accounts,
            orders,
            began: now,
            passes: 0,
            since_pass: 0,
            looked: now,
        }
    }

    async fn read(mut self, life: Life) -> Result<(), BoxError> {
        self.tell_of_crash();
        while !life.is_asked() {
            let emptied = self.drain();
            self.look_after(emptied);
            if !self.store.has_room() {
                tokio::select! {
                    () = self.store.room() => {}
                    () = life.asked() => {}
                }
            } else if emptied {
                self.wait(&life).await?;
            } else {
                tokio::task::yield_now().await;
            }
        }
        self.finish();
        Ok(())
    }

    /// What whoever was killed had taken and not delivered, before anything else. What of it is on its way after all is
    /// left out of the gap by the sink.
    fn tell_of_crash(&self) {
        for cpu in 0..self.accounts.cpus() {
            let (upto, taken) = (self.accounts.delivered(cpu).upto, self.accounts.taken(cpu));
            if upto < taken {
                self.store.pass(Passed::Gap(CpuGap::new(
                    cpu,
                    upto.saturating_add(1),
                    taken,
                    GapReason::Crash,
                )));
            }
        }
    }

    fn step(&self) -> Step {
        Step { now: self.began.elapsed(), passes: self.passes }
    }

    /// Takes what is in the ring, up to a limit. Whether it is empty now.
    fn drain(&mut self) -> bool {
        for _ in 0..AT_ONCE {
            if !self.store.has_room() {
                return false;
            }
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
        let Self { ring, accounts, given, .. } = self;
        // Whether the kernel can have given out the number; the bytes are untrusted.
        let mut is_given = |cpu: u32, sequence: u64| {
            let known = |given: &[u64]| given.get(cpu as usize).is_some_and(|last| sequence <= *last);
            sequence > 0 && (known(given) || (look(accounts, given).is_ok() && known(given)))
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
                self.malformed(malformed, true);
                self.put_in_order(cpu, sequence, Taken::Malformed);
            }
            (None, Err(malformed)) => self.malformed(malformed, false),
            (None, Ok(event)) => {
                let error = aegis_kernel_abi::EventError::Field("sequence", event.sequence);
                self.malformed(Malformed { error, number: None }, false);
            }
        }
        true
    }

    fn put_in_order(&mut self, cpu: u32, sequence: u64, taken: Taken) {
        let (step, mut out) = (self.step(), Vec::new());
        if let Some(order) = self.orders.get_mut(cpu as usize) {
            order.push(step, sequence, taken, &mut out);
        }
        out.into_iter().for_each(|ordered| ordered_on(&self.store, cpu, ordered));
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
            out.into_iter().for_each(|ordered| ordered_on(&self.store, cpu, ordered));
        }
    }

    fn look_at_counters(&mut self) {
        if let Err(error) = look(&self.accounts, &mut self.given) {
            tracing::warn!(%error, "the counters of the kernel cannot be read");
            return;
        }
        let step = self.step();
        for (order, given) in self.orders.iter_mut().zip(&self.given) {
            order.know(step, *given);
        }
    }

    async fn wait(&self, life: &Life) -> Result<(), BoxError> {
        tokio::select! {
            ready = self.ready.readable() => ready?.clear_ready(),
            () = tokio::time::sleep(LOOK_UP) => {}
            () = life.asked() => {}
        }
        Ok(())
    }

    fn malformed(&self, wrong: Malformed, has_number: bool) {
        tracing::error!(error = %wrong.error, "an event from the kernel cannot be decoded and is left out");
        self.store.received.malformed.fetch_add(1, Ordering::Relaxed);
        if !has_number {
            self.store.received.unnumbered.fetch_add(1, Ordering::Relaxed);
            self.store.pass(Passed::Malformed);
        }
    }

    /// Delivers what came in before the stop, and what is held back.
    fn finish(&mut self) {
        let begin = Instant::now();
        while self.store.has_room() && !self.drain() && begin.elapsed() < LAST_READING {}
        for (cpu, order) in (0..).zip(&mut self.orders) {
            let mut out = Vec::new();
            order.finish(&mut out);
            out.into_iter().for_each(|ordered| ordered_on(&self.store, cpu, ordered));
        }
    }
}

/// Hands on what came out of the order.
fn ordered_on(store: &Store, cpu: u32, ordered: Ordered<Taken>) {
    store.pass(match ordered {
        Ordered::InTurn { item: Taken::Event(event), .. } => Passed::Event { event, late: false },
        Ordered::Late { item: Taken::Event(event), .. } => Passed::Event { event, late: true },
        Ordered::InTurn { sequence, item: Taken::Malformed } => {
            Passed::Gap(CpuGap::new(cpu, sequence, sequence, GapReason::Malformed))
        }
        // Its number is in a gap already.
        Ordered::Late { item: Taken::Malformed, .. } => return,
        Ordered::Gap { first, last } => Passed::Gap(CpuGap::new(cpu, first, last, GapReason::Dropped)),
    });
}

/// Looks at what the kernel has given out.
fn look(accounts: &Accounts, given: &mut [u64]) -> Result<(), Error> {
    let counters = accounts.counters()?;
    given.iter_mut().zip(&counters).for_each(|(given, counters)| *given = counters.sequence);
    Ok(())
}
