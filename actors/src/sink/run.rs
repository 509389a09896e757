//! The loop that writes to standard output, at its own pace.

use super::state::{CpuGap, Item, Lost, Queue, Told, in_turn, lose, written};
use crate::clock::unix_ns;
use crate::lock::locked;
use crate::looped::Looped;
use crate::router::{Numbering, Summary, gap_record};
use crate::spool::line;
use crate::ways::Ways;
use aegis_kernel_abi::{Delivered, GapReason, StormKey, Summarised};
use aegis_probes::Accounts;
use aegis_supervisor::{BoxError, Child, Life};
use async_trait::async_trait;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;

/// What was told of each storm.
pub(crate) type ToldStorms = HashMap<StormKey, Summarised>;

/// Where it is written down how far the lines have come.
pub(crate) trait Books {
    fn delivered(&self, cpu: u32) -> Delivered;
    fn set_delivered(&mut self, cpu: u32, delivered: &Delivered);
    fn tell(&mut self, summary: &Summary);
}

/// Lines on their way to standard output.
#[derive(Debug, Clone)]
pub(crate) struct Outbox(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    more: Notify,
    told: Mutex<ToldStorms>,
}

impl Outbox {
    pub(crate) fn new(told: ToldStorms) -> Self {
        Self(Arc::new(Shared { queue: Mutex::default(), more: Notify::new(), told: Mutex::new(told) }))
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

    /// For whoever writes from now on.
    fn begin(&self) {
        locked(&self.0.queue).begin();
    }

    /// How many lines wait.
    pub(crate) fn waiting(&self) -> u64 {
        locked(&self.0.queue).len() as u64
    }

    /// Everything that is there.
    fn take(&self) -> (Vec<Item>, Lost) {
        locked(&self.0.queue).take()
    }

    fn is_empty(&self) -> bool {
        locked(&self.0.queue).is_empty()
    }

    /// Waits until there may be something.
    async fn more(&self) {
        self.0.more.notified().await;
    }
}

/// Makes the writer of standard output.
pub(crate) struct StdoutChild(pub(crate) Ways);

#[async_trait(?Send)]
impl Child for StdoutChild {
    type Actor = Looped;

    async fn init(&self, life: &Life) -> Result<Looped, BoxError> {
        let store = self.0.store().await?;
        let accounts = self.0.loader.run(|loader, _| loader.probes().accounts()).await?;
        let outbox = store.outbox.clone();
        outbox.begin();
        // After one that was killed, what it did not finish is a line of its own.
        let torn = accounts.ledger().reading != 0;
        let books = PinnedBooks { accounts: Arc::clone(&accounts), outbox: outbox.clone() };
        let out = StandardOutput(File::from(io::stdout().as_fd().try_clone_to_owned()?));
        let numbering = store.numbering.clone();
        let press = Press { out, books, numbering, failed: Lost::new(), torn, complained: false };
        accounts.set_reading(true);
        Ok(Looped::new(life, write(press, outbox, accounts, life.clone())))
    }
}

async fn write(
    mut press: Press<StandardOutput, PinnedBooks>,
    outbox: Outbox,
    accounts: Arc<Accounts>,
    life: Life,
) -> Result<(), BoxError> {
    if press.print_all(&outbox, &life).await {
        accounts.set_reading(false);
    } else {
        tracing::warn!(
            "standard output did not take all records; the next daemon tells which are missing there"
        );
    }
    Ok(())
}

/// Standard output, which may be a pipe whose reader is slow. It is not made non-blocking, as others may share it: it is
/// asked whether it takes something, and given no more at a time than it takes then.
struct StandardOutput(File);

/// What a pipe takes at once if it takes anything: `PIPE_BUF`.
const PIECE: usize = 4_096;

impl Write for StandardOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let fd = self.0.as_fd();
        let mut ready = [PollFd::new(&fd, PollFlags::OUT)];
        poll(&mut ready, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
        if ready[0].revents().is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let piece = bytes.get(..PIECE).unwrap_or(bytes);
        self.0.write(piece)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
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

/// How long what could not be written waits for another attempt.
const RETRY: Duration = Duration::from_secs(1);

/// How long a standard output that takes nothing more is left alone.
const PAUSE: Duration = Duration::from_millis(5);

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
    /// Prints until it is asked to end and nothing is left. True if everything was written.
    async fn print_all(&mut self, outbox: &Outbox, life: &Life) -> bool {
        loop {
            self.print_until_empty(outbox).await;
            if life.is_asked() {
                return self.failed.is_empty();
            }
            tokio::select! {
                () = outbox.more() => {}
                () = life.asked() => {}
                () = tokio::time::sleep(RETRY), if !self.failed.is_empty() => {}
            }
        }
    }

    async fn print_until_empty(&mut self, outbox: &Outbox) {
        loop {
            let (items, lost) = outbox.take();
            let summaries = items.iter().filter(|item| matches!(item.told, Told::Summary(_))).count();
            self.print(items, lost).await;
            (0..summaries).for_each(|_| locked(&outbox.0.queue).summary_done());
            if outbox.is_empty() {
                return;
            }
        }
    }

    /// Prints what failed before, what waits, and what found no room after it; in this order, which is that of the
    /// numbers of each CPU.
    async fn print(&mut self, items: Vec<Item>, lost: Lost) {
        let failed = std::mem::take(&mut self.failed);
        let before: Vec<Item> = failed.into_values().map(|gap| self.gap(gap)).collect();
        let after: Vec<Item> = lost.into_values().map(|gap| self.gap(gap)).collect();
        let all = self.in_turn(before.into_iter().chain(items).chain(after));
        for some in all.chunks(AT_ONCE) {
            if self.failed.is_empty() {
                self.write(some).await;
                // Its heart must beat, and whoever ends it be heard, also if there is always more to write.
                tokio::task::yield_now().await;
            } else {
                // Behind what failed: it must not come before its gap.
                some.iter().for_each(|item| lose(&mut self.failed, item.told, GapReason::StdoutFailed));
            }
        }
    }

    /// Each line in the place of its number; see [`in_turn`].
    fn in_turn(&self, items: impl Iterator<Item = Item>) -> Vec<Item> {
        let mut upto: HashMap<u32, u64> = HashMap::new();
        let mut all = Vec::new();
        for item in items {
            let Some(cpu) = item.told.cpu() else {
                all.push(item);
                continue;
            };
            let last = upto.entry(cpu).or_insert_with(|| self.books.delivered(cpu).upto);
            let (missing, told) = in_turn(*last, item.told);
            all.extend(missing.map(|gap| self.gap(gap)));
            match told {
                Some(Told::Gap(gap)) if told != Some(item.told) => all.push(self.gap(gap)),
                Some(told) => all.push(Item { told, ..item }),
                None => {}
            }
            *last = (*last).max(told.or(missing.map(Told::Gap)).and_then(|told| told.last()).unwrap_or(0));
        }
        all
    }

    fn gap(&self, gap: CpuGap) -> Item {
        let record = gap_record(&self.numbering, unix_ns(), &gap);
        Item { line: line(&record), told: Told::Gap(gap) }
    }

    async fn write(&mut self, items: &[Item]) {
        let mut bytes = if self.torn { b"\n".to_vec() } else { Vec::new() };
        let end = |item: &Item| {
            bytes.extend_from_slice(item.line.as_bytes());
            bytes.push(b'\n');
            bytes.len()
        };
        let ends: Vec<usize> = items.iter().map(end).collect();
        let (taken, error) = write_some(&mut self.out, &bytes).await;
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
async fn write_some(out: &mut impl Write, bytes: &[u8]) -> (usize, Option<io::Error>) {
    let mut taken = 0;
    while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
        match out.write(rest) {
            Ok(0) => return (taken, Some(ErrorKind::WriteZero.into())),
            Ok(count) => taken += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => tokio::time::sleep(PAUSE).await,
            Err(error) => return (taken, Some(error)),
        }
    }
    (taken, None)
}

#[cfg(test)]
mod tests;
