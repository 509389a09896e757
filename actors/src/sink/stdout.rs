//! Standard output as a sink. Its account is kept with the pins.

use super::outbox::Outbox;
use super::press::{Books, Out, Press};
use crate::looped::Looped;
use crate::router::Summary;
use crate::ways::Ways;
use aegis_kernel_abi::Delivered;
use aegis_probes::Accounts;
use aegis_supervisor::{BoxError, Child, Life};
use async_trait::async_trait;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::Arc;

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
        let press = Press::new(out, books, store.numbering.clone(), torn);
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
    if press.print_all(&outbox, life.asked()).await {
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

impl Out for StandardOutput {
    fn name(&self) -> String {
        "standard output".to_owned()
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

    fn summarised(&self) -> u64 {
        self.accounts.ledger().summarised
    }

    fn tell(&mut self, summary: &Summary) {
        if let Some((key, told)) = summary.storm {
            // If it cannot be written, the next daemon may count it to a wrong storm, but not twice.
            if let Err(error) = self.accounts.set_summarised(&key, &told) {
                tracing::warn!(%error, "what was told of a storm cannot be kept for the next daemon");
            }
        }
        if let Some(progress) = &mut *self.outbox.progress() {
            progress.told.extend(summary.storm);
            progress.summarised = summary.last;
        }
        // Last: killed before this, the next daemon tells of the same numbers again, which can be seen.
        self.accounts.set_summarised_total(summary.last);
    }
}
