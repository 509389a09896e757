//! The loop of the router.

use super::state::{Origin, gap_record, malformed};
use super::storms::{Rest, Suppressed, Teller, sweep};
use crate::clock::{boot_offset_ns, unix_ns};
use crate::looped::Looped;
use crate::sink::{CpuGap, Item, Told};
use crate::spool::{Passed, Store, line};
use crate::ways::Ways;
use aegis_control_api::Record;
use aegis_kernel_abi::Event;
use aegis_probes::{Accounts, Error};
use aegis_supervisor::{BoxError, Child, Life};
use async_trait::async_trait;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How often summaries are made.
const SWEEP: Duration = Duration::from_secs(1);

/// Events that are routed before anybody else has a turn.
const AT_ONCE: usize = 256;

/// Makes the router.
pub(crate) struct RouterChild(pub(crate) Ways);

#[async_trait(?Send)]
impl Child for RouterChild {
    type Actor = Looped;

    async fn init(&self, life: &Life) -> Result<Looped, BoxError> {
        let store = self.0.store().await?;
        let (accounts, names) =
            self.0.loader.run(|loader, _| (loader.probes().accounts(), loader.names())).await?;
        let origin = Origin { numbering: store.numbering.clone(), boot_offset_ns: boot_offset_ns(), names };
        let told = store.outbox.told().clone();
        let journal_teller = Teller::after(told, accounts.ledger().summarised);
        let router = Router {
            records: Records { origin, store },
            accounts,
            rest: Rest::default(),
            swept: Instant::now(),
            journal_teller,
        };
        Ok(Looped::new(life, router.route(life.clone())))
    }
}

/// Where records go: to the journal, and to standard output.
struct Records {
    origin: Origin,
    store: Arc<Store>,
}

impl Records {
    fn hand_on(&self, record: &Record, told: Told) {
        let line = self.store.journal.push(record);
        // Without room it is told of in a gap, later.
        let _ = self.store.outbox.push(Item { line, told });
    }

    fn event(&self, event: &Event, late: bool) {
        self.store.received.events.fetch_add(1, Ordering::Relaxed);
        let (cpu, sequence) = (event.cpu, event.sequence);
        let told = if late { Told::Late { cpu } } else { Told::Event { cpu, sequence } };
        self.hand_on(&self.origin.record(event, late), told);
    }

    fn gap(&self, gap: CpuGap) {
        self.hand_on(&gap_record(&self.origin.numbering, unix_ns(), &gap), Told::Gap(gap));
    }

    fn pass(&self, passed: Passed) {
        match passed {
            Passed::Event { event, late } => self.event(&event, late),
            Passed::Gap(gap) => self.gap(gap),
            Passed::Malformed => self.hand_on(&malformed(unix_ns()), Told::Other),
        }
    }
}

struct Router {
    records: Records,
    accounts: Arc<Accounts>,
    rest: Rest,
    swept: Instant,
    /// What the journal was told, which goes on where standard output refuses.
    journal_teller: Teller,
}

impl Router {
    async fn route(mut self, life: Life) -> Result<(), BoxError> {
        let mut is_asked = false;
        loop {
            let emptied = self.drain();
            if self.swept.elapsed() >= SWEEP || (is_asked && emptied) {
                self.swept = Instant::now();
                self.summarise();
            }
            if is_asked && emptied {
                return Ok(());
            }
            if emptied {
                tokio::select! {
                    () = self.records.store.more() => {}
                    () = tokio::time::sleep(SWEEP) => {}
                    () = life.asked() => is_asked = true,
                }
            } else {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Routes what waits, up to a limit. Whether nothing waits now.
    fn drain(&self) -> bool {
        for _ in 0..AT_ONCE {
            match self.records.store.next() {
                Some(passed) => self.records.pass(passed),
                None => return true,
            }
        }
        false
    }

    fn summarise(&mut self) {
        if let Err(error) = self.try_summarise() {
            tracing::warn!(%error, "no summaries can be made; they will be later");
        }
    }

    fn suppressed(&self) -> Result<u64, Error> {
        Ok(self.accounts.counters()?.iter().map(|counters| counters.suppressed).sum())
    }

    fn try_summarise(&mut self) -> Result<(), Error> {
        // What is on its way to standard output is settled first: its numbers come before.
        let outbox = &self.records.store.outbox;
        if !outbox.summaries_are_settled() {
            return Ok(());
        }
        let before = self.accounts.ledger().summarised;
        let earlier = self.suppressed()?;
        if earlier <= before {
            self.rest = Rest::default();
        }
        if earlier <= before.min(self.journal_teller.upto()) {
            return Ok(());
        }
        let storms = self.accounts.storms()?;
        let suppressed = Suppressed { earlier, later: self.suppressed()? };
        for summary in self.journal_teller.tell(&storms, suppressed) {
            self.records.store.journal.push(&self.records.origin.summary(&summary));
        }
        let (summaries, rest) = {
            let mut told = outbox.told();
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
            let line = line(&self.records.origin.summary(summary));
            // Without room the rest of them is made again.
            if !outbox.push(Item { line, told: Told::Summary(*summary) }) {
                break;
            }
        }
        Ok(())
    }
}
