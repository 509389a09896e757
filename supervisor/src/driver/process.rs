//! Processes as children.

use super::life::{Life, chain};
use super::{Begin, BoxError, Limits, Start, Told};
use crate::exit::{Cause, Exit};
use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use tokio::process::{ChildStderr, ChildStdin, ChildStdout, Command};

/// What is left of a process that has been started: its pipes, as far as its command asks for some.
#[derive(Debug)]
pub struct Io {
    /// Its standard input.
    pub stdin: Option<ChildStdin>,
    /// Its standard output.
    pub stdout: Option<ChildStdout>,
    /// Its standard error.
    pub stderr: Option<ChildStderr>,
}

/// A process that can be a child. It is asked to end by SIGTERM, ended by SIGKILL, and does not outlive its driver's
/// orderly end. Its exit status 0 is normal.
#[async_trait(?Send)]
pub trait Process: Send + Sync + 'static {
    /// What is to be run, each time that it is started.
    ///
    /// # Errors
    /// Whatever keeps it from being run. That counts as a failed start.
    fn command(&self, life: &Life) -> Result<Command, BoxError>;

    /// Waits until it is ready, and takes its pipes. Runs on the driver's thread, so it must not block.
    ///
    /// # Errors
    /// If it cannot be ready. It is ended then, which counts as a failed start.
    async fn ready(&self, io: Io, life: &Life) -> Result<(), BoxError> {
        let _ = (io, life);
        Ok(())
    }
}

pub(super) struct ProcessWork<P: Process> {
    pub(super) process: Arc<P>,
    pub(super) limits: Limits,
}

impl<P: Process> Begin for ProcessWork<P> {
    fn begin(&self, start: Start) -> std::io::Result<()> {
        let (process, limits) = (Arc::clone(&self.process), self.limits);
        #[expect(clippy::disallowed_methods, reason = "this is the supervisor")]
        tokio::task::spawn_local(async move {
            let Start { run, life, tell, kill, .. } = start;
            let exit = {
                let told = || tell.send(Told::Started(run));
                Running { process, limits, life: &life }.live(kill, told).await
            };
            // The driver is gone if this fails, and with it whoever wants to know.
            let _ = tell.send(Told::Ended(run, exit)).await;
        });
        Ok(())
    }

    fn limits(&self) -> Limits {
        self.limits
    }
}

struct Running<'a, P: Process> {
    process: Arc<P>,
    limits: Limits,
    life: &'a Life,
}

impl<P: Process> Running<'_, P> {
    async fn live<F>(&self, mut kill: tokio::sync::oneshot::Receiver<()>, told: impl FnOnce() -> F) -> Exit
    where
        F: Future<Output = Result<(), tokio::sync::mpsc::error::SendError<Told>>>,
    {
        let mut child = match self.spawn() {
            Ok(child) => child,
            Err(error) => return Exit::Failed(chain(&*error)),
        };
        let io = Io { stdin: child.stdin.take(), stdout: child.stdout.take(), stderr: child.stderr.take() };
        let failed = tokio::select! {
            biased;
            _ = &mut kill => Some(Exit::Killed),
            () = self.life.asked() => None,
            ready = self.process.ready(io, self.life) => ready.err().map(|error| Exit::Failed(chain(&*error))),
            status = child.wait() => return start_ended(status),
            () = tokio::time::sleep(self.limits.start) => Some(Exit::InitTimeout),
        };
        if let Some(exit) = failed {
            return forced(&mut child, exit).await;
        }
        if !self.life.is_asked() {
            self.life.ready();
            let _ = told().await;
        }
        self.watch(child, kill).await
    }

    fn spawn(&self) -> Result<tokio::process::Child, BoxError> {
        // If the driver is dropped in the middle of something, the process does not stay behind.
        Ok(self.process.command(self.life)?.kill_on_drop(true).spawn()?)
    }

    async fn watch(
        &self,
        mut child: tokio::process::Child,
        mut kill: tokio::sync::oneshot::Receiver<()>,
    ) -> Exit {
        let mut is_told = false;
        loop {
            tokio::select! {
                biased;
                status = child.wait() => {
                    return status.map_or_else(|error| Exit::Failed(chain(&error)), |status| self.ended(status));
                }
                _ = &mut kill => return forced(&mut child, Exit::Killed).await,
                () = self.life.failed() => {
                    let error = self.life.error().unwrap_or_default();
                    return forced(&mut child, Exit::Failed(error)).await;
                }
                () = self.life.asked(), if !is_told => {
                    is_told = true;
                    terminate(&child);
                }
            }
        }
    }

    fn ended(&self, status: ExitStatus) -> Exit {
        let is_asked = self.life.is_asked();
        match (status.code(), status.signal()) {
            (Some(0), _) if is_asked => Exit::Shutdown(Cause::Asked),
            (Some(0), _) => Exit::Normal,
            (_, Some(signal)) if is_asked && signal == Signal::TERM.as_raw() => Exit::Shutdown(Cause::Asked),
            (_, Some(signal)) if signal == Signal::KILL.as_raw() => Exit::Killed,
            _ => Exit::Failed(status.to_string()),
        }
    }
}

/// A process that ended before it was ready has failed to start, whatever it says.
fn start_ended(status: std::io::Result<ExitStatus>) -> Exit {
    let how = status.map_or_else(|error| chain(&error), |status| status.to_string());
    Exit::Failed(format!("it ended before it was ready: {how}"))
}

fn terminate(child: &tokio::process::Child) {
    // Not reaped yet, so the number is still its own.
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // An error means that it has ended, which is seen next.
        let _ = kill_process(pid, Signal::TERM);
    }
}

async fn forced(child: &mut tokio::process::Child, exit: Exit) -> Exit {
    // An error means that it has ended already. Nothing else outlives SIGKILL, but what hangs in the kernel, which the
    // driver finds by its grace time.
    let _ = child.start_kill();
    let _ = child.wait().await;
    exit
}
