//! The thread that reads the ring.

use super::state::{Journal, Line, Origin};
use crate::clock::{boot_id, boot_offset_ns};
use crate::loader::RuleNames;
use aegis_kernel_abi::{Event, EventError};
use aegis_probes::EventRing;
use crossbeam_channel::{Sender, TrySendError};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

/// Counts of the reader; each only grows.
#[derive(Debug, Default)]
pub struct Received {
    /// Events that became records.
    pub events: AtomicU64,
    /// Bytes in the ring that were no event.
    pub malformed: AtomicU64,
    /// Lines that standard output was too slow for.
    pub unprinted: AtomicU64,
}

/// The running reader.
#[derive(Debug)]
pub struct Reader {
    thread: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    /// What it has counted so far.
    pub received: Arc<Received>,
}

/// How long the thread sleeps at most before it looks whether it shall stop.
const LOOK_UP: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// Starts reading. `printer` takes lines for standard output, if they are wanted there.
///
/// # Errors
/// If no thread can be started.
pub fn spawn(
    ring: EventRing,
    names: RuleNames,
    journal: Journal,
    printer: Option<Sender<Line>>,
) -> io::Result<Reader> {
    let (stop, received) = (Arc::new(AtomicBool::new(false)), Arc::new(Received::default()));
    let origin = Origin { boot_id: boot_id(), boot_offset_ns: boot_offset_ns(), names };
    let mut work = Work { ring, origin, journal, printer, received: Arc::clone(&received) };
    let stopped = Arc::clone(&stop);
    let thread = std::thread::Builder::new().name("ringbuf_reader".to_owned()).spawn(move || {
        while !stopped.load(Ordering::Acquire) {
            work.drain();
            work.wait();
        }
        // What came in before the stop is delivered.
        work.drain();
    })?;
    Ok(Reader { thread: Some(thread), stop, received })
}

impl Reader {
    /// Stops after everything that is in the ring has been read.
    pub fn stop(&mut self) {
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

struct Work {
    ring: EventRing,
    origin: Origin,
    journal: Journal,
    printer: Option<Sender<Line>>,
    received: Arc<Received>,
}

impl Work {
    fn drain(&mut self) {
        let Self { ring, origin, journal, printer, received } = self;
        let take = |event: Result<&Event, EventError>| match event {
            Ok(event) => {
                received.events.fetch_add(1, Ordering::Relaxed);
                let line = journal.push(&origin.record(event));
                if let (Some(line), Some(printer)) = (line, printer.as_ref()) {
                    print(printer, line, received);
                }
            }
            Err(error) => {
                received.malformed.fetch_add(1, Ordering::Relaxed);
                tracing::error!(%error, "an event from the kernel cannot be decoded and is left out");
            }
        };
        while ring.next(take).is_some() {}
    }

    fn wait(&self) {
        let ring = self.ring.as_fd();
        // An error here (EINTR) only means looking into the ring earlier.
        let _ = poll(&mut [PollFd::new(&ring, PollFlags::IN)], Some(&LOOK_UP));
    }
}

/// Never waits: a terminal or pipe that is too slow loses lines, which are counted and stay in the journal.
fn print(printer: &Sender<Line>, line: Line, received: &Received) {
    if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = printer.try_send(line) {
        received.unprinted.fetch_add(1, Ordering::Relaxed);
    }
}
