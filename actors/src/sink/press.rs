//! Writes lines to a sink, at its own pace, and keeps the account of what was written: order, gaps, and another attempt
//! at what was refused. What a sink is, and where its account is kept, is not known here.

use super::outbox::Outbox;
use super::queue::{Waiting, WhenFull};
use super::state::{CpuGap, Item, Lost, Told, in_turn, lose, written};
use crate::clock::unix_ns;
use crate::router::{Numbering, Summary, gap_record};
use crate::spool::line;
use aegis_kernel_abi::{Delivered, GapReason};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, ErrorKind, Write};
use std::time::Duration;

/// Where it is written down how far the lines have come.
pub(super) trait Books {
    fn delivered(&self, cpu: u32) -> Delivered;
    fn set_delivered(&mut self, cpu: u32, delivered: &Delivered);
    /// How many folded decisions were told of.
    fn summarised(&self) -> u64;
    fn tell(&mut self, summary: &Summary);
    /// All of what was set since the last time is to last from now on, where it does not by itself.
    fn keep(&mut self) {}
}

/// Where lines go.
pub(super) trait Out: Write {
    /// What people call it.
    fn name(&self) -> String;

    /// Before each attempt. Says whether lines go elsewhere from now on: then, whether the last line there is not whole.
    ///
    /// # Errors
    /// If nothing can be written now.
    fn prepare(&mut self) -> io::Result<Option<bool>> {
        Ok(None)
    }
}

/// Lines that are written and accounted for at a time: what a kill in between can make appear twice, and what whoever
/// writes takes with him when he dies.
const AT_ONCE: usize = 64;

/// How long what could not be written waits for another attempt.
const RETRY: Duration = Duration::from_secs(1);

/// How long a sink that takes nothing more just now is left alone.
const PAUSE: Duration = Duration::from_millis(5);

/// Writes and accounts.
pub(super) struct Press<W, B> {
    out: W,
    books: B,
    numbering: Numbering,
    /// What could not be written, was given up, and is to be told of.
    failed: Lost,
    /// The last line is not whole.
    torn: bool,
    /// The last attempt failed.
    is_refused: bool,
}

impl<W: Out, B: Books> Press<W, B> {
    /// One that goes on behind what was written, which may end in the middle of a line.
    pub(super) fn new(out: W, books: B, numbering: Numbering, torn: bool) -> Self {
        Self { out, books, numbering, failed: Lost::new(), torn, is_refused: false }
    }

    /// Prints until this resolves and nothing is left. True if everything was written.
    pub(super) async fn print_all(&mut self, outbox: &Outbox, end: impl Future<Output = ()>) -> bool {
        let mut end = std::pin::pin!(end);
        let mut is_asked = false;
        loop {
            self.print_until_empty(outbox).await;
            if is_asked {
                return self.failed.is_empty() && outbox.is_empty();
            }
            // What waits for another attempt is not hurried by what comes behind it.
            let waits = self.is_refused && outbox.when_full() == WhenFull::Wait;
            tokio::select! {
                () = outbox.more(), if !waits => {}
                () = &mut end => is_asked = true,
                () = tokio::time::sleep(RETRY), if self.is_refused => {}
            }
        }
    }

    /// Prints until nothing waits, or what waits has to wait for another attempt.
    pub(super) async fn print_until_empty(&mut self, outbox: &Outbox) {
        loop {
            let refused = self.print(outbox.take(AT_ONCE)).await;
            if outbox.when_full() == WhenFull::Wait {
                outbox.put_back(refused);
                if self.is_refused {
                    return;
                }
            } else {
                self.give_up(&refused);
                outbox.done();
            }
            if outbox.is_empty() {
                return;
            }
            // Its heart must beat, and whoever ends it be heard, also if there is always more to write.
            tokio::task::yield_now().await;
        }
    }

    /// Prints gaps of what was given up before, and what comes next: in this order, which is that of the numbers of each
    /// CPU. Returns what was refused.
    async fn print(&mut self, waiting: Vec<Waiting>) -> Vec<Item> {
        let failed = std::mem::take(&mut self.failed);
        let mut items = self.in_turn(failed.into_values().map(Waiting::Gap).chain(waiting));
        if items.is_empty() {
            // Somewhere else to write to is opened as soon as it is known.
            if let Err(error) = self.prepare() {
                self.judge(Some(error));
            }
            return items;
        }
        let written = self.write(&items).await;
        items.split_off(written)
    }

    /// Takes what was refused into gaps.
    fn give_up(&mut self, refused: &[Item]) {
        refused.iter().for_each(|item| lose(&mut self.failed, item.told, GapReason::SinkFailed));
    }

    /// Each line in the place of its number; see [`in_turn`]. A summary that is not the next, as the one before it was not
    /// written, is left out: it is made again, and its numbers would be told twice.
    fn in_turn(&self, waiting: impl Iterator<Item = Waiting>) -> Vec<Item> {
        let mut upto: HashMap<u32, u64> = HashMap::new();
        let mut summarised = self.books.summarised();
        let mut all = Vec::new();
        for one in waiting {
            let item = match one {
                Waiting::Line(item) => item,
                Waiting::Gap(gap) => self.gap(gap),
            };
            if let Told::Summary(summary) = item.told {
                if summary.first == summarised.saturating_add(1) {
                    summarised = summary.last;
                    all.push(item);
                }
                continue;
            }
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

    fn prepare(&mut self) -> io::Result<()> {
        if let Some(torn) = self.out.prepare()? {
            self.torn = torn;
        }
        Ok(())
    }

    /// Writes and accounts for lines. How many were written.
    async fn write(&mut self, items: &[Item]) -> usize {
        let prepared = self.prepare();
        let mut bytes = if self.torn { b"\n".to_vec() } else { Vec::new() };
        let begin = bytes.len();
        let end = |item: &Item| {
            bytes.extend_from_slice(item.line.as_bytes());
            bytes.push(b'\n');
            bytes.len()
        };
        let ends: Vec<usize> = items.iter().map(end).collect();
        let (taken, error) = match prepared {
            Ok(()) => write_some(&mut self.out, &bytes).await,
            Err(error) => (0, Some(error)),
        };
        if taken > 0 {
            self.torn = taken != begin && !ends.contains(&taken);
        }
        self.judge(error);
        let whole = ends.iter().take_while(|end| **end <= taken).count();
        self.account(items.get(..whole).unwrap_or(items));
        whole
    }

    /// Tells people when it begins to fail, and when it is over.
    fn judge(&mut self, error: Option<io::Error>) {
        let (name, was_refused) = (self.out.name(), self.is_refused);
        self.is_refused = error.is_some();
        match error {
            Some(error) if !was_refused => tracing::warn!(
                %error,
                "records cannot be written to {name}; it is tried again, and they stay readable by `events`"
            ),
            None if was_refused => tracing::info!("records are written to {name} again"),
            _ => {}
        }
    }

    fn account(&mut self, items: &[Item]) {
        let mut changed: BTreeMap<u32, Delivered> = BTreeMap::new();
        let mut summaries = Vec::new();
        for item in items {
            match item.told {
                Told::Summary(summary) => summaries.push(summary),
                Told::Event { cpu, .. } | Told::Late { cpu } | Told::Gap(CpuGap { cpu, .. }) => {
                    let delivered = changed.entry(cpu).or_insert_with(|| self.books.delivered(cpu));
                    written(delivered, item.told);
                }
                Told::Other => {}
            }
        }
        changed.iter().for_each(|(cpu, delivered)| self.books.set_delivered(*cpu, delivered));
        summaries.iter().for_each(|summary| self.books.tell(summary));
        if !items.is_empty() {
            self.books.keep();
        }
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
