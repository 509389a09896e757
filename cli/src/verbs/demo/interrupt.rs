//! Signals that end the demo: taken note of, so that it can clean up before it ends.

use anyhow::{Context, Result, bail};
use std::future::poll_fn;
use std::task::Poll;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Takes note of signals from the moment it is made. They are looked at between steps, each of which is short.
#[derive(Debug)]
pub(super) struct Interrupt {
    runtime: Runtime,
    signals: Vec<(&'static str, Signal)>,
}

impl Interrupt {
    /// Begins.
    pub(super) fn watch() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let entered = runtime.enter();
        let kinds = [
            ("SIGINT", SignalKind::interrupt()),
            ("SIGTERM", SignalKind::terminate()),
            ("SIGHUP", SignalKind::hangup()),
        ];
        let listen = |(name, kind)| Ok((name, signal(kind)?));
        let signals: std::io::Result<Vec<_>> = kinds.into_iter().map(listen).collect();
        drop(entered);
        Ok(Self { signals: signals.context("cannot listen for signals")?, runtime })
    }

    /// Fails if a signal has come.
    pub(super) fn check(&mut self) -> Result<()> {
        let Self { runtime, signals } = self;
        let came = runtime.block_on(async {
            // Gives the runtime a turn, in which it sees what has come.
            tokio::task::yield_now().await;
            poll_fn(|context| {
                let mut come =
                    signals.iter_mut().map(|(name, signal)| (*name, signal.poll_recv(context).is_ready()));
                Poll::Ready(come.find_map(|(name, is_there)| is_there.then_some(name)))
            })
            .await
        });
        match came {
            Some(name) => bail!("the demo was ended by {name}; what it had made is removed"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;
    use std::time::{Duration, Instant};

    #[test]
    fn a_signal_is_seen() {
        let mut interrupt = Interrupt::watch().unwrap();
        interrupt.check().unwrap();
        // The shell's own kill: the program is not on every machine.
        let kill = format!("kill -HUP {}", std::process::id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        let deadline = Instant::now() + Duration::from_secs(10);
        while interrupt.check().is_ok() {
            assert!(Instant::now() < deadline, "the signal was not seen");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
