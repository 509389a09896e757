//! The thread that writes to standard output, at its own pace.

use super::state::{CpuGap, Item, Lost, Queue, Told, lose, written};
use crate::clock::unix_ns;
use crate::ringbuf_reader::{Numbering, Summary, gap_record, line};
use aegis_kernel_abi::{Delivered, GapReason, StormKey, Summarised};
use aegis_probes::Accounts;
use crossbeam_channel::{Receiver, bounded};
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What was told of each storm.
pub(crate) type ToldStorms = HashMap<StormKey, Summarised>;

/// Where the printer writes down how far it has come.
pub(crate) trait Books {
    fn delivered(&self, cpu: u32) -> Delivered;
    fn set_delivered(&mut self, cpu: u32, delivered: &Delivered);
    fn tell(&mut self, summary: &Summary);
}

/// Lines on their way to standard output.
#[derive(Debug, Clone)]
pub struct Outbox(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    closed: AtomicBool,
    more: Condvar,
    told: Mutex<ToldStorms>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change under these locks is whole before anything can panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Outbox {
    fn new(told: ToldStorms) -> Self {
        let (queue, closed) = (Mutex::default(), AtomicBool::new(false));
        Self(Arc::new(Shared { queue, closed, more: Condvar::new(), told: Mutex::new(told) }))
    }

    /// Adds a line; never waits. False if there is no room.
    pub(crate) fn push(&self, item: Item) -> bool {
        let pushed = locked(&self.0.queue).push(item);
        self.0.more.notify_one();
        pushed
    }

    /// Whether all summaries are settled.
    pub(crate) fn summaries_are_settled(&self) -> bool {
        !locked(&self.0.queue).has_summaries()
    }

    /// What was told of each storm so far.
    pub(crate) fn told(&self) -> MutexGuard<'_, ToldStorms> {
        locked(&self.0.told)
    }

    fn close(&self) {
        self.0.closed.store(true, Ordering::Release);
        // Whoever looked before this waits by now, and is woken.
        let _queue = locked(&self.0.queue);
        self.0.more.notify_one();
    }

    /// Waits for lines, or until it is closed, or for that time; then everything that is there, and whether it is
    /// closed.
    fn take(&self, patience: Duration) -> (Vec<Item>, Lost, bool) {
        let queue = locked(&self.0.queue);
        let idle = |queue: &mut Queue| queue.is_empty() && !self.0.closed.load(Ordering::Acquire);
        let waited = self.0.more.wait_timeout_while(queue, patience, idle);
        let mut queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        let (items, lost) = queue.take();
        (items, lost, self.0.closed.load(Ordering::Acquire))
    }
}

/// The running printer.
#[derive(Debug)]
pub struct Printer {
    /// Where lines are put for it.
    pub outbox: Outbox,
    done: Receiver<()>,
}

impl Printer {
    /// Ends it once everything is written, and waits for that, but not longer. False if standard output did not take
    /// everything: what it did not take is told of by the next daemon.
    #[must_use]
    pub fn end(self, patience: Duration) -> bool {
        self.outbox.close();
        self.done.recv_timeout(patience).is_ok()
    }
}

impl Drop for Printer {
    fn drop(&mut self) {
        self.outbox.close();
    }
}

/// Starts writing. The ledger does not say yet that somebody writes: that is for when there is something to write.
///
/// # Errors
/// If no thread can be started, or the accounts cannot be read.
pub(crate) fn spawn(accounts: Arc<Accounts>, numbering: Numbering) -> io::Result<Printer> {
    let told = accounts.summarised().map_err(io::Error::other)?;
    let outbox = Outbox::new(told.into_iter().collect());
    // After a daemon that was killed, what it did not finish is a line of its own.
    let torn = accounts.ledger().reading != 0;
    let books = PinnedBooks { accounts, outbox: outbox.clone() };
    // Not the buffered one of the library: what it takes shall have been written.
    let out = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let mut press = Press { out, books, numbering, failed: Lost::new(), torn, complained: false };
    let (finished, done) = bounded(1);
    let mine = outbox.clone();
    std::thread::Builder::new().name("printer".to_owned()).spawn(move || {
        if press.print_all(&mine) {
            let _ = finished.send(());
        }
    })?;
    Ok(Printer { outbox, done })
}

/// The accounts that are pinned.
struct PinnedBooks {
    accounts: Arc<Accounts>,
    outbox: Outbox,
}

impl Books for PinnedBooks {
    fn delivered(&self, cpu: u32) -> Delivered {
        self.accounts.delivered(cpu)
    }

    fn set_delivered(&mut self, cpu: u32, delivered: &Delivered) {
        self.accounts.set_delivered(cpu, delivered);
    }

    fn tell(&mut self, summary: &Summary) {
        // One that is not the next, as the one before it was not written, is made again.
        if summary.first != self.accounts.ledger().summarised.saturating_add(1) {
            return;
        }
        if let Some((key, told)) = summary.storm {
            // If it cannot be written, the next daemon may count it to a wrong storm, but not twice.
            if let Err(error) = self.accounts.set_summarised(&key, &told) {
                tracing::warn!(%error, "what was told of a storm cannot be kept for the next daemon");
            }
            self.outbox.told().insert(key, told);
        }
        // Last: killed before this, the next daemon tells of the same numbers again, which can be seen.
        self.accounts.set_summarised_total(summary.last);
    }
}

/// Lines that are written and accounted for at a time: what a kill in between can make appear twice.
const AT_ONCE: usize = 64;

/// How long it sleeps when there is nothing to write and nothing to try again.
const LONG: Duration = Duration::from_secs(3600);

/// How long what could not be written waits for another attempt.
const RETRY: Duration = Duration::from_secs(1);

/// How long a standard output that does not wait by itself is left alone when it takes nothing more.
const PAUSE: Duration = Duration::from_millis(10);

/// Writes and accounts.
struct Press<W, B> {
    out: W,
    books: B,
    numbering: Numbering,
    /// What could not be written and is to be told of.
    failed: Lost,
    /// The last line is not whole.
    torn: bool,
    complained: bool,
}

impl<W: Write, B: Books> Press<W, B> {
    /// Prints until the outbox is closed. True if everything was written.
    fn print_all(&mut self, outbox: &Outbox) -> bool {
        loop {
            let patience = if self.failed.is_empty() { LONG } else { RETRY };
            let (items, lost, closed) = outbox.take(patience);
            let summaries = items.iter().filter(|item| matches!(item.told, Told::Summary(_))).count();
            self.print(items, lost);
            (0..summaries).for_each(|_| locked(&outbox.0.queue).summary_done());
            if closed && locked(&outbox.0.queue).is_empty() {
                return self.failed.is_empty();
            }
        }
    }

    /// Prints what failed before, what waits, and what found no room after it; in this order, which is that of the
    /// numbers of each CPU.
    fn print(&mut self, items: Vec<Item>, lost: Lost) {
        let failed = std::mem::take(&mut self.failed);
        let before: Vec<Item> = failed.into_values().map(|gap| self.gap(gap)).collect();
        let after: Vec<Item> = lost.into_values().map(|gap| self.gap(gap)).collect();
        let all: Vec<Item> = before.into_iter().chain(items).chain(after).collect();
        for some in all.chunks(AT_ONCE) {
            if self.failed.is_empty() {
                self.write(some);
            } else {
                // Behind what failed: it must not come before its gap.
                some.iter().for_each(|item| lose(&mut self.failed, item.told, GapReason::StdoutFailed));
            }
        }
    }

    fn gap(&self, gap: CpuGap) -> Item {
        let record = gap_record(&self.numbering, unix_ns(), &gap);
        Item { line: line(&record), told: Told::Gap(gap) }
    }

    fn write(&mut self, items: &[Item]) {
        let mut bytes = if self.torn { b"\n".to_vec() } else { Vec::new() };
        let end = |item: &Item| {
            bytes.extend_from_slice(item.line.as_bytes());
            bytes.push(b'\n');
            bytes.len()
        };
        let ends: Vec<usize> = items.iter().map(end).collect();
        let (taken, error) = write_some(&mut self.out, &bytes);
        if taken > 0 {
            self.torn = taken < bytes.len() && !ends.contains(&taken);
        }
        if let Some(error) = error
            && !std::mem::replace(&mut self.complained, true)
        {
            tracing::warn!(%error, "records cannot be written to standard output; they stay readable by `events`");
        }
        self.account(items, &ends, taken);
    }

    fn account(&mut self, items: &[Item], ends: &[usize], taken: usize) {
        let mut changed: HashMap<u32, Delivered> = HashMap::new();
        let mut summaries = Vec::new();
        for (item, end) in items.iter().zip(ends) {
            if *end > taken {
                lose(&mut self.failed, item.told, GapReason::StdoutFailed);
                continue;
            }
            match item.told {
                Told::Summary(summary) => summaries.push(summary),
                Told::Event { cpu, .. } | Told::Late { cpu } | Told::Gap(CpuGap { cpu, .. }) => {
                    let delivered = changed.entry(cpu).or_insert_with(|| self.books.delivered(cpu));
                    written(delivered, item.told);
                }
                Told::Other => {}
            }
        }
        let cpus: BTreeSet<u32> = changed.keys().copied().collect();
        for cpu in cpus {
            if let Some(delivered) = changed.get(&cpu) {
                self.books.set_delivered(cpu, delivered);
            }
        }
        summaries.iter().for_each(|summary| self.books.tell(summary));
    }
}

/// Writes as much as it takes: how many bytes, and why not more.
fn write_some(out: &mut impl Write, bytes: &[u8]) -> (usize, Option<io::Error>) {
    let mut taken = 0;
    while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
        match out.write(rest) {
            Ok(0) => return (taken, Some(ErrorKind::WriteZero.into())),
            Ok(count) => taken += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(PAUSE),
            Err(error) => return (taken, Some(error)),
        }
    }
    (taken, None)
}

#[cfg(test)]
mod tests;
