//! What the service manager is told, by sd_notify(3), if there is one.

use sd_notify::NotifyState;
use std::time::{Duration, Instant};

/// The service manager.
pub(crate) struct Manager {
    /// How often its watchdog is told that all is well: twice as often as it wants to hear; none if it does not.
    every: Option<Duration>,
    patted: Option<Instant>,
    shown: Option<Shown>,
    is_ready: bool,
    is_stopping: bool,
    is_reloading: bool,
}

/// What was shown last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shown {
    generation: u32,
    is_proven: bool,
}

impl Manager {
    /// The one that has started this process. See sd_watchdog_enabled(3).
    pub(crate) fn of_environment() -> Self {
        let every = sd_notify::watchdog_enabled().map(|limit| limit / 2);
        Self { every, patted: None, shown: None, is_ready: false, is_stopping: false, is_reloading: false }
    }

    /// Shows what is in force. The service has started when that was proven for the first time.
    pub(crate) fn show(&mut self, generation: u32, is_proven: bool) {
        if is_proven && !std::mem::replace(&mut self.is_ready, true) {
            tell(&[NotifyState::Ready]);
        }
        let now = Shown { generation, is_proven };
        if !self.is_stopping && self.shown.replace(now) != Some(now) {
            tell(&[NotifyState::Status(&now.words())]);
        }
    }

    /// The configuration is read again: `Type=notify-reload` of systemd 253 waits until [`Self::reloaded`].
    pub(crate) fn reloading(&mut self) {
        self.is_reloading = true;
        // In one datagram, as systemd has it: the time is how it tells this reload from an earlier one.
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(error) => tracing::warn!(%error, "the service manager cannot be told of the reload"),
        }
    }

    /// It was, and was taken or refused.
    pub(crate) fn reloaded(&mut self) {
        if std::mem::replace(&mut self.is_reloading, false) {
            tell(&[NotifyState::Ready]);
        }
    }

    /// The daemon is about to end.
    pub(crate) fn stopping(&mut self) {
        if !std::mem::replace(&mut self.is_stopping, true) {
            let status = "ending; what is armed goes on deciding";
            tell(&[NotifyState::Stopping, NotifyState::Status(status)]);
        }
    }

    /// Whether its watchdog wants to hear something now.
    pub(crate) fn is_watching(&self) -> bool {
        self.every.is_some_and(|every| self.patted.is_none_or(|patted| patted.elapsed() >= every))
    }

    /// Tells its watchdog that all is well.
    pub(crate) fn pat(&mut self) {
        self.patted = Some(Instant::now());
        tell(&[NotifyState::Watchdog]);
    }
}

impl Shown {
    fn words(self) -> String {
        let Self { generation, is_proven } = self;
        match (generation, is_proven) {
            (0, true) => "armed; no policy is in force".to_owned(),
            (_, true) => format!("generation {generation} is in force and proven"),
            (_, false) => format!("generation {generation} could not be proven: see `aegisbpf status`"),
        }
    }
}

/// Without a manager nobody is told. One that cannot be told is told again at the next change, or ends this process, and
/// then another one adopts what is armed.
fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the service manager cannot be told how the daemon is");
    }
}
