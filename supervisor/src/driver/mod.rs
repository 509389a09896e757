//! The driver: actors of actix and processes as children of a [`Tree`](crate::Tree).
//!
//! Each actor lives on a thread of its own, with a runtime of its own: what it has spawned there ends with it, and the
//! driver is told only when all of that is gone. The driver itself does nothing but take in what its children and
//! callers say, ask the tree, and do what that says. It never waits for a child.
//!
//! A thread cannot be ended by force. An actor that blocks its thread is found by its heartbeat, and if it does not let
//! go within the grace time the driver gives up: [`Outcome::Stuck`]. What follows is for the process to decide; it can
//! only end.

mod actor;
mod life;
mod panics;
mod process;
mod reference;
mod run;
mod status;

pub use actor::{Child, Supervised};
pub use life::{Busy, Life};
pub use process::{Io, Process};
pub use reference::{ChildRef, SendError};
pub use run::{Driver, Handle, HandleError, Options, Outcome, Pulse};
pub use status::Status;

use crate::exit::Exit;
use crate::tree::Run;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Why a child could not be made, or ended.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What a driver starts.
#[derive(Clone)]
pub struct Work(Arc<dyn Begin>);

impl Work {
    /// An actor. Its address is published through the reference as long as it runs.
    #[must_use]
    pub fn actor<C: Child>(child: C, reference: &ChildRef<C::Actor>, limits: Limits) -> Self {
        Self(Arc::new(actor::ActorWork { child: Arc::new(child), reference: reference.clone(), limits }))
    }

    /// A process.
    #[must_use]
    pub fn process<P: Process>(process: P, limits: Limits) -> Self {
        Self(Arc::new(process::ProcessWork { process: Arc::new(process), limits }))
    }
}

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Work")
    }
}

/// How long a child may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// To be ready.
    pub start: Duration,
    /// Between two heartbeats, once it is ready; none if it has no heartbeat. The heartbeat of an actor beats by itself
    /// as long as its thread is not blocked. That of a process is whatever [`Life::beat`] is called for.
    pub heartbeat: Option<Duration>,
}

impl Default for Limits {
    /// Ten seconds each.
    fn default() -> Self {
        Self { start: Duration::from_secs(10), heartbeat: Some(Duration::from_secs(10)) }
    }
}

/// Something that can be started, again and again.
trait Begin: Send + Sync {
    /// Begins to start it. Returns at once.
    fn begin(&self, start: Start) -> std::io::Result<()>;
    fn limits(&self) -> Limits;
}

/// What a run gets of its driver.
struct Start {
    run: Run,
    path: String,
    life: Life,
    tell: mpsc::Sender<Told>,
    kill: oneshot::Receiver<()>,
}

/// What a run tells its driver.
enum Told {
    Started(Run),
    Ended(Run, Exit),
}
