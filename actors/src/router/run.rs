//! The loop of the router.

use super::processes::Processes;
use super::state::{Origin, gap_record, malformed};
use super::storms::{Rest, Suppressed, Teller, sweep};
use crate::boot::Boot;
use crate::clock::{boot_offset_ns, unix_ns};
use crate::looped::Looped;
use crate::reload::Live;
use crate::sink::{CpuGap, Item, Outbox, Told, Waiting};
use crate::spool::{Passed, Store, line};
use crate::ways::Ways;
use aegis_control_api::Record;
use aegis_kernel_abi::{Event, Storm, StormKey};
use aegis_probes::{Accounts, Error};
use aegis_supervisor::{BoxError, Child, Life};
use async_trait::async_trait;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often summaries are made.
const SWEEP: Duration = Duration::from_secs(1);

/// How often what happens to processes is taken in at least: the kernel wakes nobody for it, and its ring has room for
/// hundreds of programs that are started.
const LOOK_UP: Duration = Duration::from_millis(100);

/// Events that are routed before anybody else has a turn.
const AT_ONCE: usize = 256;

/// Makes the router.
pub(crate) struct RouterChild(pub(crate) Ways);

#[async_trait(?Send)]
impl Child for RouterChild {
    type Actor = Looped;

    async fn init(&self, life: &Life) -> Result<Looped, BoxError> {
        let store = self.0.store().await?;
        let opened = |loader: &mut crate::loader::Loader| {
            let probes = loader.probes();
            Ok::<_, Error>((probes.accounts(), loader.names(), probes.processes()?))
        };
        let (accounts, names, ring) = self.0.loader.run(move |loader, _| opened(loader)).await??;
        let origin = Origin { numbering: store.numbering.clone(), boot_offset_ns: boot_offset_ns(), names };
        let progress = store.outbox.progress().clone().unwrap_or_default();
        let journal_teller = Teller::after(progress.told, progress.summarised);
        let rests = store.outboxes().map(|outbox| (outbox.clone(), Rest::default())).collect();
        let mut router = Router {
            records: Records { origin, processes: Processes::new(ring, Arc::clone(&store)), store },
            boot: Arc::clone(&self.0.boot),
            settings: self.0.boot.settings(),
            has_looked: false,
            accounts,
            rests,
            swept: Instant::now(),
            journal_teller,
        };
        router.begin();
        Ok(Looped::new(life, router.route(life.clone())))
    }
}

/// Where records go: to the journal, and to each sink.
struct Records {
    origin: Origin,
    processes: Processes,
    store: Arc<Store>,
}

impl Records {
    fn hand_on(&self, record: &Record, told: Told) {
        let line = self.store.journal.push(record);
        for outbox in self.store.outboxes() {
            // Without room it is told of in a gap, later.
            let _ = outbox.push(Waiting::Line(Item { line: Arc::clone(&line), told }));
        }
    }

    fn event(&mut self, event: &Event, late: bool) {
        self.store.received.events.fetch_add(1, Ordering::Relaxed);
        let (cpu, sequence) = (event.cpu, event.sequence);
        let told = if late { Told::Late { cpu } } else { Told::Event { cpu, sequence } };
        let process = self.processes.of(event);
        self.hand_on(&self.origin.record(event, late, process), told);
    }

    fn gap(&self, gap: CpuGap) {
        self.hand_on(&gap_record(&self.origin.numbering, unix_ns(), &gap), Told::Gap(gap));
    }

    fn pass(&mut self, passed: Passed) {
        match passed {
            Passed::Event { event, late } => self.event(&event, late),
            Passed::Gap(gap) => self.gap(gap),
            Passed::Malformed => self.hand_on(&malformed(unix_ns()), Told::Other),
        }
    }
}

struct Router {
    records: Records,
    boot: Arc<Boot>,
    settings: watch::Receiver<Live>,
    /// It was looked who is there, whether they are followed or not.
    has_looked: bool,
    accounts: Arc<Accounts>,
    /// For each sink, what its last sweep left without a storm.
    rests: Vec<(Outbox, Rest)>,
    swept: Instant,
    /// What the journal was told, which goes on where sinks refuse.
    journal_teller: Teller,
}

impl Router {
    /// Before the daemon is up: whoever is there now may be gone when a record is made of what it did.
    fn begin(&mut self) {
        // First: what is hidden must not be kept.
        self.redact();
        self.find_others();
    }

    fn redact(&mut self) {
        let live = self.settings.borrow_and_update().clone();
        self.records.store.context().redact(live.redaction);
    }

    /// Without rules nobody follows processes, so those that are there must be found again once that begins.
    fn find_others(&mut self) {
        let are_followed = self.boot.generation() > 0;
        if are_followed || !self.has_looked {
            self.has_looked = true;
            self.records.processes.find_others(are_followed);
        }
    }

    /// Looks after what is known of processes.
    fn follow(&mut self) {
        if self.settings.has_changed().unwrap_or(false) {
            self.redact();
        }
        self.find_others();
        self.records.processes.take_all();
    }

    async fn route(mut self, life: Life) -> Result<(), BoxError> {
        let mut is_asked = false;
        loop {
            self.follow();
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
                    () = tokio::time::sleep(LOOK_UP) => {}
                    () = life.asked() => is_asked = true,
                }
            } else {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Routes what waits, up to a limit. Whether nothing waits now.
    fn drain(&mut self) -> bool {
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
        let earlier = self.suppressed()?;
        let mut due = earlier > self.journal_teller.upto();
        for (outbox, rest) in &mut self.rests {
            match outbox.summarised() {
                Some(before) if before < earlier => due = true,
                Some(_) => *rest = Rest::default(),
                None => {}
            }
        }
        if !due {
            return Ok(());
        }
        let storms = self.accounts.storms()?;
        let suppressed = Suppressed { earlier, later: self.suppressed()? };
        for summary in self.journal_teller.tell(&storms, suppressed) {
            self.records.store.journal.push(&self.records.origin.summary(&summary));
        }
        self.forget_all_but(&storms)?;
        let origin = &self.records.origin;
        for (outbox, rest) in &mut self.rests {
            // What is on its way to a sink is settled first: its numbers come before.
            let Some(before) = outbox.summarised() else { continue };
            let swept = outbox
                .progress()
                .as_ref()
                .map(|known| sweep(&storms, &known.told, before, suppressed, *rest));
            let Some((summaries, left)) = swept else { continue };
            *rest = left;
            for summary in &summaries {
                let item = Item { line: line(&origin.summary(summary)), told: Told::Summary(*summary) };
                // Without room the rest of them is made again.
                if !outbox.push(Waiting::Line(item)) {
                    break;
                }
            }
        }
        Ok(())
    }

    /// What the kernel has forgotten need not be known any more.
    fn forget_all_but(&self, storms: &[(StormKey, Storm)]) -> Result<(), Error> {
        let living: HashSet<_> = storms.iter().map(|(key, _)| *key).collect();
        drop(forget_all_but(&living, &self.records.store.events_file));
        for key in forget_all_but(&living, &self.records.store.outbox) {
            self.accounts.forget_summarised(&key)?;
        }
        Ok(())
    }
}

/// Which storms a sink knows no more.
fn forget_all_but(living: &HashSet<StormKey>, outbox: &Outbox) -> Vec<StormKey> {
    let mut progress = outbox.progress();
    let Some(progress) = &mut *progress else { return Vec::new() };
    let gone = progress.told.extract_if(|key, _| !living.contains(key)).map(|(key, _)| key);
    gone.collect()
}
