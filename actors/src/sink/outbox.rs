//! Lines on their way to one sink, and how far it has come. Shared between whoever hands lines on and whoever writes
//! them, and outlives both.

use super::queue::{Queue, Waiting, WhenFull};
use super::state::Item;
use crate::lock::locked;
use aegis_kernel_abi::{Delivered, StormKey, Summarised};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::Notify;

/// What was told of each storm.
pub(crate) type ToldStorms = HashMap<StormKey, Summarised>;

/// What was told in a sink.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Every folded decision up to this number.
    pub(crate) summarised: u64,
    /// How much of each storm they were.
    pub(crate) told: ToldStorms,
    /// What became of the numbers of each CPU; empty for standard output, where this is with the pins.
    pub(crate) delivered: Vec<Delivered>,
}

/// Lines on their way to one sink. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Outbox(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    more: Notify,
    progress: Mutex<Option<Progress>>,
}

impl Outbox {
    /// One without lines. How far its sink has come need not be known yet.
    pub(crate) fn new(when_full: WhenFull, progress: Option<Progress>) -> Self {
        let queue = Mutex::new(Queue::new(when_full));
        Self(Arc::new(Shared { queue, more: Notify::new(), progress: Mutex::new(progress) }))
    }

    /// One whose sink is not there yet.
    pub(crate) fn off(when_full: WhenFull) -> Self {
        let queue = Mutex::new(Queue::off(when_full));
        Self(Arc::new(Shared { queue, more: Notify::new(), progress: Mutex::default() }))
    }

    /// The sink is there from now on.
    pub(super) fn turn_on(&self) {
        locked(&self.0.queue).turn_on();
    }

    /// The sink is not there any more. What it has not got is in gaps if it ever comes back.
    pub(super) fn turn_off(&self) {
        locked(&self.0.queue).turn_off();
    }

    /// Adds a line; never waits. False if there is no room for it.
    pub(crate) fn push(&self, waiting: Waiting) -> bool {
        let pushed = locked(&self.0.queue).push(waiting);
        self.0.more.notify_one();
        pushed
    }

    /// What happens when the sink cannot keep up.
    pub(super) fn when_full(&self) -> WhenFull {
        locked(&self.0.queue).when_full()
    }

    /// Has something else happen when the sink cannot keep up, from now on. Whoever writes looks at its settings anew.
    pub(crate) fn set_when_full(&self, when_full: WhenFull) {
        locked(&self.0.queue).set_when_full(when_full);
        self.0.more.notify_one();
    }

    /// How many folded decisions were told of, if the sink is there, this is known, and all summaries are settled.
    pub(crate) fn summarised(&self) -> Option<u64> {
        {
            let queue = locked(&self.0.queue);
            if queue.is_off() || queue.has_summaries() {
                return None;
            }
        }
        self.progress().as_ref().map(|progress| progress.summarised)
    }

    /// How far the sink has come; none before this is known.
    pub(crate) fn progress(&self) -> MutexGuard<'_, Option<Progress>> {
        locked(&self.0.progress)
    }

    /// For whoever writes from now on.
    pub(super) fn begin(&self) {
        locked(&self.0.queue).begin();
    }

    /// How many lines wait.
    pub(crate) fn waiting(&self) -> u64 {
        locked(&self.0.queue).len() as u64
    }

    /// What comes next; see [`Queue::take`].
    pub(super) fn take(&self, limit: usize) -> Vec<Waiting> {
        locked(&self.0.queue).take(limit)
    }

    /// What was taken is settled.
    pub(super) fn done(&self) {
        locked(&self.0.queue).done();
    }

    /// This of what was taken is to come next again.
    pub(super) fn put_back(&self, items: Vec<Item>) {
        locked(&self.0.queue).put_back(items);
    }

    pub(super) fn is_empty(&self) -> bool {
        locked(&self.0.queue).is_empty()
    }

    /// Waits until there may be something.
    pub(super) async fn more(&self) {
        self.0.more.notified().await;
    }
}
