//! What a child knows of its own run: how it is asked to end, how it says that it failed, and its heartbeat.

use super::BoxError;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// A number that a child shows, such as the depth of a queue.
type Gauge = Box<dyn Fn() -> u64 + Send + Sync>;

/// One run of a child. Clones are the same run.
#[derive(Clone)]
pub struct Life(Arc<Shared>);

struct Shared {
    path: String,
    incarnation: u32,
    began: Instant,
    /// Milliseconds since `began` of the last beat.
    beat: AtomicU64,
    /// Milliseconds since `began` until which no beat is expected.
    excused: AtomicU64,
    is_ready: AtomicBool,
    /// Whether it is to end.
    asked: watch::Sender<bool>,
    /// Whether it has failed.
    failed: watch::Sender<bool>,
    error: Mutex<Option<String>>,
    gauges: Mutex<Vec<(&'static str, Gauge)>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whatever is done under these locks is done at once or not at all.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Life {
    pub(super) fn new(path: &str, incarnation: u32) -> Self {
        Self(Arc::new(Shared {
            path: path.to_owned(),
            incarnation,
            began: Instant::now(),
            beat: AtomicU64::new(0),
            excused: AtomicU64::new(0),
            is_ready: AtomicBool::new(false),
            asked: watch::Sender::new(false),
            failed: watch::Sender::new(false),
            error: Mutex::new(None),
            gauges: Mutex::new(Vec::new()),
        }))
    }

    /// Its names from the root.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// How often it was started before.
    #[must_use]
    pub fn incarnation(&self) -> u32 {
        self.0.incarnation
    }

    /// Says that it cannot go on. An actor is stopped then, and ends with this error; it goes on until it next waits.
    pub fn fail(&self, error: impl Into<BoxError>) {
        let error: BoxError = error.into();
        // The first error is the cause of the others.
        locked(&self.0.error).get_or_insert_with(|| chain(&*error));
        self.0.failed.send_replace(true);
    }

    /// Waits until it is to end.
    pub async fn asked(&self) {
        // An error would mean that the sender is gone, which is part of this.
        let _ = self.0.asked.subscribe().wait_for(|asked| *asked).await;
    }

    /// Whether it is to end.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        *self.0.asked.borrow()
    }

    /// One heartbeat more.
    pub fn beat(&self) {
        self.0.beat.store(millis(self.0.began.elapsed()), Ordering::Release);
    }

    /// Excuses the heartbeat for work that blocks the thread, until the guard is dropped, but no longer than this.
    pub fn busy(&self, at_most: Duration) -> Busy {
        let until = millis(self.0.began.elapsed().saturating_add(at_most));
        let before = self.0.excused.swap(until, Ordering::AcqRel);
        Busy { life: self.clone(), before }
    }

    /// Shows a number under a name.
    pub fn gauge(&self, name: &'static str, read: impl Fn() -> u64 + Send + Sync + 'static) {
        locked(&self.0.gauges).push((name, Box::new(read)));
    }

    pub(super) fn gauges(&self) -> Vec<(&'static str, u64)> {
        locked(&self.0.gauges).iter().map(|(name, read)| (*name, read())).collect()
    }

    pub(super) fn ask(&self) {
        self.0.asked.send_replace(true);
    }

    pub(super) async fn failed(&self) {
        let _ = self.0.failed.subscribe().wait_for(|failed| *failed).await;
    }

    pub(super) fn error(&self) -> Option<String> {
        locked(&self.0.error).clone()
    }

    /// From now on its heartbeat counts.
    pub(super) fn ready(&self) {
        self.beat();
        self.0.is_ready.store(true, Ordering::Release);
    }

    /// How long it has lived.
    pub(super) fn age(&self) -> Duration {
        self.0.began.elapsed()
    }

    /// How old its last heartbeat is; none before it is ready. Time that it was excused for does not count.
    pub(super) fn silence(&self) -> Option<Duration> {
        if !self.0.is_ready.load(Ordering::Acquire) {
            return None;
        }
        // In this order: a beat that comes in between makes it younger only.
        let excused = self.0.excused.load(Ordering::Acquire);
        let last = self.0.beat.load(Ordering::Acquire).max(excused);
        Some(Duration::from_millis(millis(self.0.began.elapsed()).saturating_sub(last)))
    }
}

impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Life({} {})", self.0.path, self.0.incarnation)
    }
}

/// An error and what it is due to, in one line.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Excuses a heartbeat while it lives.
#[derive(Debug)]
#[must_use]
pub struct Busy {
    life: Life,
    before: u64,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.life.beat();
        self.life.0.excused.store(self.before, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_excused_only_for_a_time() {
        let life = Life::new("child", 0);
        assert_eq!(life.silence(), None, "not ready yet");
        life.ready();
        let busy = life.busy(Duration::from_secs(1000));
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(life.silence(), Some(Duration::ZERO));
        drop(busy);
        std::thread::sleep(Duration::from_millis(20));
        assert!(life.silence().is_some_and(|silence| silence >= Duration::from_millis(19)));
        let _busy = life.busy(Duration::ZERO);
        std::thread::sleep(Duration::from_millis(20));
        assert!(life.silence().is_some_and(|silence| silence >= Duration::from_millis(19)));
    }

    #[test]
    fn the_first_error_is_the_one() {
        let life = Life::new("child", 0);
        life.fail("one");
        life.fail("two");
        assert_eq!(life.error().as_deref(), Some("one"));
    }
}
