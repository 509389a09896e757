//! A child as its supervisor sees it.

use super::node::Node;
use super::window::Window;
use super::{CallId, Run};
use crate::exit::Exit;
use crate::spec::{ChildSpec, Kind, Shutdown};
use std::time::Duration;

/// Names a child within its supervisor; a name could pass to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Id(pub(super) u64);

/// Somebody who waits for a start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    pub(super) call: CallId,
    /// The specification goes if the start fails.
    pub(super) is_new: bool,
}

/// Where a child is in its life.
#[derive(Debug, Clone)]
pub(super) enum Life {
    /// Not running, and not about to be.
    Idle,
    /// Asked to start, not ready.
    Starting { run: Run, caller: Option<Caller> },
    /// Ready.
    Running { run: Run, since: Duration },
    /// Asked to end. Ended by force at that time.
    Stopping { run: Run, kill_at: Option<Duration>, callers: Vec<CallId> },
    /// It has ended by itself, and its turn has not come.
    Dead(Exit),
    /// Its restart failed, and its turn to be restarted again has not come.
    Failed(Exit),
    /// To be restarted at that time.
    Waiting { due: Duration },
}

impl Life {
    /// The run that is under way.
    pub(super) fn run(&self) -> Option<Run> {
        match self {
            Self::Starting { run, .. } | Self::Running { run, .. } | Self::Stopping { run, .. } => Some(*run),
            Self::Idle | Self::Dead(_) | Self::Failed(_) | Self::Waiting { .. } => None,
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Child<W> {
    pub(super) id: Id,
    pub(super) spec: ChildSpec<W>,
    pub(super) path: String,
    pub(super) life: Life,
    /// How often it was started. The incarnation is one less.
    pub(super) starts: u32,
    pub(super) last_exit: Option<Exit>,
    /// Restarts in a row, without a run that lasted.
    pub(super) streak: u32,
    /// Its own count, where each child has one.
    pub(super) window: Window,
    pub(super) is_degraded: bool,
    /// The children of a supervisor, while it is there.
    pub(super) inner: Option<Box<Node<W>>>,
}

impl<W> Child<W> {
    pub(super) fn new(id: Id, spec: ChildSpec<W>, path: String) -> Self {
        Self {
            id,
            spec,
            path,
            life: Life::Idle,
            starts: 0,
            last_exit: None,
            streak: 0,
            window: Window::default(),
            is_degraded: false,
            inner: None,
        }
    }

    /// What went wrong before does not count any more.
    pub(super) fn recover(&mut self) {
        self.is_degraded = false;
        self.window.clear();
        self.streak = 0;
    }

    /// Whether nobody asks it to end.
    pub(super) fn is_ended_by_force(&self) -> bool {
        matches!(self.spec.kind, Kind::Worker { shutdown: Shutdown::Kill, .. })
    }

    pub(super) fn incarnation(&self) -> u32 {
        self.starts.saturating_sub(1)
    }
}

/// Where a child is in its life, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Not running, and not about to be.
    Ended,
    /// Not ready yet.
    Starting,
    /// Ready.
    Running,
    /// It was asked to end.
    Stopping,
    /// To be restarted after a wait.
    Waiting,
    /// It failed too often, and is only tried again from time to time.
    Degraded,
}

impl State {
    /// Each of them.
    pub const ALL: [Self; 6] =
        [Self::Ended, Self::Starting, Self::Running, Self::Stopping, Self::Waiting, Self::Degraded];

    /// In one word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Waiting => "waiting",
            Self::Degraded => "degraded",
        }
    }
}

/// A supervisor or worker, to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Its names from the root.
    pub path: String,
    /// Where it is in its life.
    pub state: State,
    /// The run under way, of a worker.
    pub run: Option<Run>,
    /// How often it was started before.
    pub incarnation: u32,
    /// Restarts that count now: of a supervisor among its children, of a worker its own where it has a count of its own.
    pub restarts: u32,
    /// How it ended last.
    pub last_exit: Option<Exit>,
    /// The children of a supervisor.
    pub children: Vec<View>,
}
