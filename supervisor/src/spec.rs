//! What a tree looks like: supervisors, their children, and how each is treated.
//!
//! The words and defaults are those of OTP's `supervisor`; where a rule is our own, it says so.

use std::time::Duration;

/// What is done about the others when a child is restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// Nothing: only the child is restarted.
    #[default]
    OneForOne,
    /// All others are stopped, in reverse order, and all are started.
    OneForAll,
    /// Those that were started after it are stopped, in reverse order, and started with it.
    RestForOne,
    /// Children come and go while the tree runs, and have nothing to do with each other. Each starts by itself, without
    /// waiting for others, and all are stopped at once. OTP's `simple_one_for_one`, but each child has a
    /// specification of its own, and a slow start holds up nobody.
    Dynamic,
}

/// Whether a child that has ended is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Restart {
    /// Always.
    #[default]
    Permanent,
    /// After an abnormal exit.
    Transient,
    /// Never, not even when others take it with them; its specification goes with it.
    Temporary,
}

/// How a child is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// By force, at once. OTP's `brutal_kill`.
    Kill,
    /// It is asked, and ended by force if it has not ended after this time.
    Within(Duration),
    /// It is asked, and waited for however long it takes. OTP's `infinity`.
    Never,
}

impl Default for Shutdown {
    /// Five seconds, as OTP has it.
    fn default() -> Self {
        Self::Within(Duration::from_secs(5))
    }
}

/// Whether a supervisor ends when its significant children have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AutoShutdown {
    /// It does not, and none of its children is significant.
    #[default]
    Never,
    /// When one has ended by itself.
    Any,
    /// When the last of them has ended by itself.
    All,
}

/// How many restarts are too many: more than `restarts` within `period`. Attempts that fail count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intensity {
    /// So many are borne.
    pub restarts: u32,
    /// Within this time.
    pub period: Duration,
}

impl Default for Intensity {
    /// One in five seconds, as OTP has it.
    fn default() -> Self {
        Self { restarts: 1, period: Duration::from_secs(5) }
    }
}

/// What a supervisor does when there are too many restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Excess {
    /// It stops all children and ends; its own supervisor decides what comes of it. OTP's only way.
    #[default]
    Escalate,
    /// Each child has a count of its own. One that fails too often is *degraded*: it is tried again every so often,
    /// and nobody else notices. Ours; only for [`Strategy::OneForOne`] and [`Strategy::Dynamic`].
    Degrade {
        /// The time between two attempts.
        retry: Duration,
    },
}

/// How long a restart waits. Ours: OTP restarts at once.
///
/// The first restart waits for `first`; each further one twice as long as the one before, up to `limit`, until the
/// child has run for the period of its supervisor's [`Intensity`]. A random part of up to `jitter` percent is taken
/// off, so that children that fail together do not come back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backoff {
    /// The first wait; 0 restarts at once, always.
    pub first: Duration,
    /// The longest wait.
    pub limit: Duration,
    /// How much of a wait may be taken off, in percent: 0 to 100.
    pub jitter: u8,
}

/// A child.
#[derive(Debug, Clone)]
pub struct ChildSpec<W> {
    /// Its name, which no other child of its supervisor has.
    pub name: String,
    /// Whether it is started again.
    pub restart: Restart,
    /// Whether its end by itself counts for [`AutoShutdown`].
    pub significant: bool,
    /// How long its restarts wait.
    pub backoff: Backoff,
    /// What it is.
    pub kind: Kind<W>,
}

/// What a child is.
#[derive(Debug, Clone)]
pub enum Kind<W> {
    /// Something that works: an actor or a process.
    Worker {
        /// What the driver starts.
        work: W,
        /// How it is ended.
        shutdown: Shutdown,
    },
    /// A supervisor of others. It is given all the time it needs to stop them: a limit of its own could leave some of
    /// them behind.
    Supervisor(SupervisorSpec<W>),
}

/// A supervisor.
#[derive(Debug, Clone)]
pub struct SupervisorSpec<W> {
    /// What is done about the others when a child is restarted.
    pub strategy: Strategy,
    /// How many restarts are too many.
    pub intensity: Intensity,
    /// What is done then.
    pub excess: Excess,
    /// Whether it ends with its significant children.
    pub auto_shutdown: AutoShutdown,
    /// Its first children, in the order in which they are started.
    pub children: Vec<ChildSpec<W>>,
}

impl<W> SupervisorSpec<W> {
    /// One with OTP's defaults and no children.
    #[must_use]
    pub fn new(strategy: Strategy) -> Self {
        Self {
            strategy,
            intensity: Intensity::default(),
            excess: Excess::default(),
            auto_shutdown: AutoShutdown::default(),
            children: Vec::new(),
        }
    }

    /// The same with another intensity.
    #[must_use]
    pub fn intensity(mut self, restarts: u32, period: Duration) -> Self {
        self.intensity = Intensity { restarts, period };
        self
    }

    /// The same with one more child, which is started last.
    #[must_use]
    pub fn child(mut self, child: ChildSpec<W>) -> Self {
        self.children.push(child);
        self
    }
}

impl<W> ChildSpec<W> {
    /// A permanent worker with five seconds to stop, whose restarts do not wait.
    #[must_use]
    pub fn worker(name: &str, work: W) -> Self {
        Self::of(name, Kind::Worker { work, shutdown: Shutdown::default() })
    }

    /// A permanent supervisor.
    #[must_use]
    pub fn supervisor(name: &str, spec: SupervisorSpec<W>) -> Self {
        Self::of(name, Kind::Supervisor(spec))
    }

    fn of(name: &str, kind: Kind<W>) -> Self {
        Self {
            name: name.to_owned(),
            restart: Restart::Permanent,
            significant: false,
            backoff: Backoff::default(),
            kind,
        }
    }

    /// The same, started again in other cases.
    #[must_use]
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    /// The same, ended in another way. A supervisor is always waited for.
    #[must_use]
    pub fn shutdown(mut self, how: Shutdown) -> Self {
        if let Kind::Worker { shutdown, .. } = &mut self.kind {
            *shutdown = how;
        }
        self
    }

    /// The same, whose end counts.
    #[must_use]
    pub fn significant(mut self) -> Self {
        self.significant = true;
        self
    }

    /// The same, with restarts that wait.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }
}
