//! What outlives every actor: how the daemon started, and who is to be told of what happens to its parts.

use crate::clock::unix_ns;
use crate::local::FirstPolicy;
use crate::lock::locked;
use crate::metrics::Listener;
use crate::reload::{Configuration, Live, Reloads};
use crate::spool::Journal;
use crate::tree::RunError;
use aegis_supervisor::{BoxError, Handle, Report, What};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// The daemon as a whole.
#[derive(Default)]
pub(crate) struct Boot {
    /// When, in nanoseconds since 1970.
    started_ns: u64,
    /// Everything has started once.
    is_up: AtomicBool,
    /// Why something could not be started the first time.
    error: Mutex<Option<RunError>>,
    /// What it is to begin with, until that is in force: whoever is started again later finds what is in force then.
    first: Mutex<FirstPolicy>,
    /// The supervision, once there is one.
    handle: OnceLock<Handle>,
    journal: Mutex<Option<Journal>>,
    /// The settings that a reload can change.
    live: watch::Sender<Live>,
    /// Where metrics are answered beside the control socket.
    metrics: watch::Sender<Option<Arc<Listener>>>,
    /// Where they are read again, if they can be. Whoever holds it reloads.
    pub(crate) configuration: tokio::sync::Mutex<Option<Arc<dyn Configuration>>>,
    /// Reloads that were asked for by a signal, and those of them that are done.
    pub(crate) reloads: Reloads,
    generation: AtomicU32,
    /// When the generation in force was last proven.
    proven: Mutex<Option<Instant>>,
}

impl std::fmt::Debug for Boot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Boot").field("is_up", &self.is_up).finish_non_exhaustive()
    }
}

impl Boot {
    pub(crate) fn new(first: FirstPolicy, live: Live, configuration: Option<Arc<dyn Configuration>>) -> Self {
        let configuration = tokio::sync::Mutex::new(configuration);
        let (first, live) = (Mutex::new(first), watch::Sender::new(live));
        Self { started_ns: unix_ns(), first, live, configuration, ..Self::default() }
    }

    /// When the daemon was started, in nanoseconds since 1970.
    pub(crate) fn started_ns(&self) -> u64 {
        self.started_ns
    }

    /// Keeps the error of a first start with its type, for the exit code; what is returned says it to the supervisor.
    pub(crate) fn failed(&self, error: RunError) -> BoxError {
        let told = error.whole();
        if !self.is_up() {
            // The first is the cause of the others.
            locked(&self.error).get_or_insert(error);
        }
        told.into()
    }

    pub(crate) fn take_error(&self) -> Option<RunError> {
        locked(&self.error).take()
    }

    pub(crate) fn take_first(&self) -> FirstPolicy {
        std::mem::take(&mut locked(&self.first))
    }

    /// The settings as they are now.
    pub(crate) fn live(&self) -> Live {
        self.live.borrow().clone()
    }

    pub(crate) fn set_live(&self, live: Live) {
        self.live.send_replace(live);
    }

    /// The settings as they are now and will be, for whoever follows their changes.
    pub(crate) fn settings(&self) -> watch::Receiver<Live> {
        self.live.subscribe()
    }

    /// Where metrics are answered, now and later.
    pub(crate) fn metrics(&self) -> watch::Receiver<Option<Arc<Listener>>> {
        self.metrics.subscribe()
    }

    pub(crate) fn set_metrics(&self, listener: Option<Listener>) {
        self.metrics.send_replace(listener.map(Arc::new));
    }

    pub(crate) fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Acquire)
    }

    /// Everything has started. No error of a first start is kept then, as one would have ended the daemon.
    pub(crate) fn up(&self) {
        self.is_up.store(true, Ordering::Release);
    }

    /// What is in force was proven just now.
    pub(crate) fn proven(&self) {
        *locked(&self.proven) = Some(Instant::now());
    }

    /// How long ago it was proven.
    pub(crate) fn proof_age(&self) -> Duration {
        locked(&self.proven).map_or(Duration::MAX, |proven| proven.elapsed())
    }

    pub(crate) fn set_handle(&self, handle: Handle) {
        // There is one daemon in a process.
        let _ = self.handle.set(handle);
    }

    pub(crate) fn handle(&self) -> Option<&Handle> {
        self.handle.get()
    }

    pub(crate) fn set_journal(&self, journal: Journal) {
        *locked(&self.journal) = Some(journal);
    }

    /// The generation in force, as of the last time that the loader did something.
    pub(crate) fn generation(&self) -> u32 {
        self.generation.load(Ordering::Acquire)
    }

    pub(crate) fn set_generation(&self, generation: u32) {
        self.generation.store(generation, Ordering::Release);
    }

    /// Files and directories whose change is a reason to read the configuration again.
    pub(crate) async fn watched(&self) -> Vec<PathBuf> {
        self.configuration
            .lock()
            .await
            .as_ref()
            .map(|configuration| configuration.watched())
            .unwrap_or_default()
    }

    /// Adds a record of what the daemon did, if there is a journal by now.
    pub(crate) fn did(&self, what: &str, detail: &str) {
        if let Some(journal) = &*locked(&self.journal) {
            journal.did(what, self.generation(), detail);
        }
    }

    /// Tells people and the journal what happened to a part of the daemon.
    pub(crate) fn observe(&self, report: &Report) {
        let Report { path, incarnation, what } = report;
        let (word, text) = match what {
            What::Ended(exit) => ("ended", exit.to_string()),
            What::Restarting(exit, wait) => ("restarting", format!("it {exit}; started again in {wait:?}")),
            What::StoppedBadly(exit) => ("stopped_badly", format!("it {exit}")),
            What::GaveUp(count) => ("gave_up", format!("{count} failures are too many")),
            What::Degraded(exit, retry) => ("degraded", format!("it {exit}; tried again every {retry:?}")),
            What::Recovered => ("recovered", String::new()),
        };
        let path = if path.is_empty() { "supervision" } else { path };
        if !self.is_up() && matches!(what, What::Ended(_)) {
            // A start that fails ends the daemon, which says so with all it knows.
            tracing::debug!(child = path, incarnation, "{word}: {text}");
        } else if matches!(what, What::Recovered) {
            tracing::info!(child = path, incarnation, "{word}");
        } else {
            tracing::error!(child = path, incarnation, "{word}: {text}");
        }
        self.did(&format!("child_{word}"), &format!("{path} {incarnation}: {text}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_first_start_leaves_its_error() {
        let boot = Boot::new(FirstPolicy::AsItWas, Live::default(), None);
        let error = |text: &str| RunError::Ended(text.to_owned());
        drop(boot.failed(error("cause")));
        drop(boot.failed(error("consequence")));
        assert!(boot.take_error().is_some_and(|first| first.to_string().contains("cause")));
        boot.up();
        let told = boot.failed(error("later"));
        assert!(told.to_string().contains("later") && boot.take_error().is_none());
        assert_eq!(boot.proof_age(), Duration::MAX, "nothing was proven");
    }
}
