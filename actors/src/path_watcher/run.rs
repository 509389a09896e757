//! The thread that waits for changes.

use super::state::Schedule;
use crate::tree::Daemon;
use aegis_probes::NoticeRing;
use crossbeam_channel::{Sender, bounded};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The mounts of our namespace; the kernel signals an exceptional condition when they change.
const MOUNTS: &str = "/proc/self/mountinfo";

/// How long the thread sleeps at most before it looks whether it shall stop.
const LOOK_UP: Duration = Duration::from_millis(200);

/// How often what is pending is looked for without a notice.
const POLL: Duration = Duration::from_secs(5);

/// The running watcher; dropping it ends it.
#[derive(Debug)]
pub struct PathWatcher {
    thread: Option<JoinHandle<()>>,
    /// The thread waits for the daemon; if this is closed, it ends.
    go: Option<Sender<Arc<Daemon>>>,
    stop: Arc<AtomicBool>,
}

/// Makes a watcher that begins when it gets the daemon. Changes from now on count.
///
/// # Errors
/// If no thread can be started, or the mounts cannot be read.
pub fn spawn(notices: NoticeRing) -> io::Result<PathWatcher> {
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let mounts = File::open(MOUNTS)?;
    let (go, begin) = bounded(1);
    let thread = std::thread::Builder::new().name("path_watcher".to_owned()).spawn(move || {
        let Ok(daemon) = begin.recv() else { return };
        let (schedule, began) = (Schedule::default(), Instant::now());
        let mut work =
            Work { notices, mounts, daemon, schedule, began, generation: 0, polled: Duration::ZERO };
        while !stopped.load(Ordering::Acquire) {
            work.wait();
            work.look_if_due();
        }
    })?;
    Ok(PathWatcher { thread: Some(thread), go: Some(go), stop })
}

impl PathWatcher {
    /// Lets it watch for this daemon.
    pub fn begin(&mut self, daemon: &Arc<Daemon>) {
        // It waits for this, once; that it is gone is told when it is dropped.
        let _ = self.go.as_ref().map(|go| go.try_send(Arc::clone(daemon)));
    }
}

impl Drop for PathWatcher {
    fn drop(&mut self) {
        self.go = None;
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(
                "the watcher of paths panicked; rules on names that got other files wait for an apply"
            );
        }
    }
}

struct Work {
    notices: NoticeRing,
    mounts: File,
    daemon: Arc<Daemon>,
    schedule: Schedule,
    began: Instant,
    /// The generation that was in force at the last look.
    generation: u32,
    /// When it was last asked whether something is pending.
    polled: Duration,
}

impl Work {
    fn wait(&mut self) {
        let until_due = self.schedule.next().map(|due| due.saturating_sub(self.began.elapsed()));
        let patience = until_due.map_or(LOOK_UP, |due| due.min(LOOK_UP));
        let (notices, mounts) = (self.notices.as_fd(), self.mounts.as_fd());
        let mut ready = [PollFd::new(&notices, PollFlags::IN), PollFd::new(&mounts, PollFlags::PRI)];
        let patience = Timespec {
            tv_sec: i64::try_from(patience.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: patience.subsec_nanos().into(),
        };
        // An error here (EINTR) only means looking earlier.
        let _ = poll(&mut ready, Some(&patience));
        let is_mounted = ready[1].revents().intersects(PollFlags::PRI | PollFlags::ERR);
        if self.notices.take_all().is_some() {
            self.schedule.changed(self.began.elapsed());
        }
        // What changed between the walk and the flip made no notice, as the rules were not in force yet.
        let generation = self.daemon.loader().active_generation();
        if std::mem::replace(&mut self.generation, generation) != generation {
            self.schedule.changed(self.began.elapsed());
        }
        // Mounting and new cgroups make no notice. Only what is pending has something to gain from them.
        let now = self.began.elapsed();
        let is_due = now.saturating_sub(self.polled) >= POLL;
        if (is_mounted || is_due) && self.daemon.loader().pending().is_ok_and(|pending| !pending.is_empty()) {
            if is_mounted {
                self.schedule.changed(now);
            } else {
                self.schedule.poll(now);
            }
        }
        if is_due {
            self.polled = now;
        }
    }

    fn look_if_due(&mut self) {
        let start = self.began.elapsed();
        if self.schedule.next().is_none_or(|due| due > start) {
            return;
        }
        self.daemon.resolve_again();
        let end = self.began.elapsed();
        self.schedule.looked(end, end.saturating_sub(start));
    }
}
