//! The guardian: the main thread of the daemon. It does nothing but look after the supervision, which looks after all
//! parts: that it turns, and that what is in force was proven. Only then does it tell systemd that the daemon is well. It
//! is no actor, so nothing that happens to actors happens to it.

use crate::boot::Boot;
use crate::manager::Manager;
use crate::tree::{HEARTBEAT, SINKS};
use aegis_supervisor::{Handle, Outcome, Pulse, State, Status};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How often it looks.
const LOOK: Duration = Duration::from_millis(250);

/// How long the supervision may be silent. It never waits for anything, so this is long.
const SILENCE: Duration = Duration::from_secs(10);

/// How old the last proof may be: three were due by then.
const PROOF: Duration = Duration::from_secs(200);

/// How long the supervision may take to say how it is. It never waits for anything.
const ANSWER: Duration = Duration::from_secs(1);

/// What became of the supervision.
#[derive(Debug)]
pub(crate) enum Fate {
    /// It has ended.
    Ended(Outcome),
    /// It panicked.
    Panicked,
    /// It is silent.
    Silent,
}

/// The signals that end the daemon.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    reload: Signal,
}

impl Signals {
    /// From now on they no longer end the process by themselves. Needs a runtime.
    pub(crate) fn catch() -> std::io::Result<Self> {
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(Self { terminate, interrupt, reload: signal(SignalKind::hangup())? })
    }
}

/// Looks after the supervision until there is none. If it is only to run once, it is asked to end when all is proven.
pub(crate) async fn watch(
    mut signals: Signals,
    handle: &Handle,
    thread: JoinHandle<std::io::Result<Outcome>>,
    boot: &Arc<Boot>,
    is_once: bool,
) -> std::io::Result<Fate> {
    let mut manager = Manager::of_environment();
    let mut patience = Patience { pulse: handle.pulse(), silent: 0 };
    let mut is_asked = false;
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => is_asked = true,
            _ = signals.interrupt.recv() => is_asked = true,
            _ = signals.reload.recv() => {
                manager.reloading();
                boot.reloads.ask();
            }
            () = tokio::time::sleep(LOOK) => {}
        }
        if thread.is_finished() {
            return match thread.join() {
                Ok(outcome) => outcome.map(Fate::Ended),
                Err(_) => Ok(Fate::Panicked),
            };
        }
        if patience.is_over() {
            return Ok(Fate::Silent);
        }
        if is_asked {
            manager.stopping();
            // Again and again, in case it could not take it in.
            handle.stop();
        }
        if !boot.is_up() {
            continue;
        }
        let is_proven = boot.proof_age() < PROOF;
        if boot.reloads.are_done() {
            manager.reloaded();
        }
        manager.show(boot.generation(), is_proven);
        is_asked |= is_proven && is_once;
        if is_proven && manager.is_watching() && is_well(handle).await {
            manager.pat();
        }
    }
}

/// Whether the daemon does its work.
async fn is_well(handle: &Handle) -> bool {
    let status = tokio::time::timeout(ANSWER, handle.status()).await;
    status.is_ok_and(|status| status.is_ok_and(|status| is_critical_well(&status)))
}

/// Whether every part without which the daemon is none runs, and its heart beats. Sinks are for themselves: one that is
/// degraded is no reason to start everything anew.
fn is_critical_well(status: &Status) -> bool {
    let is_well = |child: &Status| {
        let is_fresh = child.silence.is_none_or(|silence| silence <= HEARTBEAT);
        child.state == State::Running && is_fresh && is_critical_well(child)
    };
    status.children.iter().filter(|child| child.path != SINKS).all(is_well)
}

/// How long the supervision is borne with.
struct Patience {
    pulse: Pulse,
    silent: u32,
}

/// Looks at which the supervision was silent, one after the other, until it is not borne with any longer. They are counted,
/// and not only timed: after SIGSTOP and SIGCONT everybody was silent for long, and is well.
const SILENT_LOOKS: u32 = 8;

impl Patience {
    /// To be asked once in each look.
    fn is_over(&mut self) -> bool {
        self.silent = if self.pulse.silence() > SILENCE { self.silent.saturating_add(1) } else { 0 };
        self.silent >= SILENT_LOOKS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(path: &str, state: State, silence: u64, children: Vec<Status>) -> Status {
        Status {
            path: path.to_owned(),
            state,
            incarnation: 0,
            restarts: 0,
            last_exit: None,
            silence: Some(Duration::from_secs(silence)),
            gauges: Vec::new(),
            children,
        }
    }

    #[test]
    fn only_sinks_may_be_unwell() {
        let sink =
            |state| status(SINKS, State::Running, 0, vec![status("sinks/stdout", state, 0, Vec::new())]);
        let router = |state, silence| {
            let router = status("pipeline/router", state, silence, Vec::new());
            status("pipeline", State::Running, 0, vec![router])
        };
        let whole = |children| status("", State::Running, 0, children);
        let running = || router(State::Running, 1);
        assert!(is_critical_well(&whole(vec![running(), sink(State::Running)])));
        assert!(is_critical_well(&whole(vec![running(), sink(State::Degraded)])));
        assert!(!is_critical_well(&whole(vec![router(State::Waiting, 1), sink(State::Running)])));
        assert!(!is_critical_well(&whole(vec![router(State::Running, 21), sink(State::Running)])));
    }
}
