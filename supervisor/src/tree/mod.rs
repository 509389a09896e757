//! The pure core: a whole tree as one state machine.
//!
//! [`Tree::step`] takes the time and what has happened, and tells what is to be done. It starts nothing and asks no
//! clock. Whoever drives it does what the commands say and tells how it went, each time by the [`Run`] that the command
//! gave: what comes of a run that is over is recognised by that and left out.
//!
//! Children are started in order, each when the one before it is ready, and stopped in reverse order. While that goes on
//! in a supervisor, other exits and calls wait, as they wait in the mailbox of OTP's. So do restarts that failed: they are
//! tried again, and counted, when it is their turn.
//!
//! On purpose it differs from OTP's in this: a supervisor that is to end does not first finish what it is starting, nor see
//! to what waits; children are named in a dynamic supervisor, too, and are started there without waiting for each other;
//! a child that is asked to end and then ends normally has done so well, also if it is permanent; and what comes from the
//! additions that [`crate::spec`] calls ours.
//!
//! What this module does not do:
//! watch heartbeats, keep start deadlines, end a child that does not end. A driver does, and reports an
//! [`Exit`].

mod calls;
mod child;
mod ending;
mod node;
mod starting;
mod stopping;
mod wait;
mod window;

pub use child::{State, View};

use crate::exit::Exit;
use crate::spec::{ChildSpec, SupervisorSpec};
use crate::validate::{Invalid, validate};
use node::{Local, Node};
use std::time::Duration;

/// One run of one child, from its start to its end. No two runs of a tree are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Run(pub u64);

/// Names a call, so that its reply can be told from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// What has happened.
#[derive(Debug, Clone)]
pub enum Event<W> {
    /// The tree shall start.
    Start,
    /// A run is ready.
    Started(Run),
    /// A run has nothing to do and does not begin; that is no failure. OTP: `ignore`.
    Ignored(Run),
    /// A run is over, or could not begin.
    Exited(Run, Exit),
    /// Somebody asks something of the supervisor at a path.
    Call {
        /// For the reply.
        id: CallId,
        /// The supervisor; the empty path is the root.
        at: String,
        /// What is asked.
        call: Call<W>,
    },
    /// The tree shall end.
    Stop,
    /// Nothing but that time has passed.
    Time,
}

/// What can be asked of a running supervisor; OTP's functions of the same names.
#[derive(Debug, Clone)]
pub enum Call<W> {
    /// `start_child`: takes a child in as the last one, and starts it.
    Add(ChildSpec<W>),
    /// `terminate_child`: ends a child. Its specification stays, unless it is temporary or the supervisor is dynamic.
    Terminate(String),
    /// `restart_child`: starts a child that has ended and is not being restarted.
    Restart(String),
    /// `delete_child`: forgets a child that has ended.
    Delete(String),
}

/// Why a call did nothing, or not what it was to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// There is no such supervisor, or it is not running.
    #[error("no supervisor runs at `{0}`")]
    NoSupervisor(String),
    /// There is no such child.
    #[error("there is no child `{0}`")]
    NotFound(String),
    /// A child of that name is there, and has ended.
    #[error("a child `{0}` is there already; delete or restart it")]
    AlreadyPresent(String),
    /// A child of that name is running or being restarted.
    #[error("a child `{0}` is running already")]
    AlreadyStarted(String),
    /// The child is running.
    #[error("the child `{0}` is running; terminate it first")]
    Running(String),
    /// The child is being restarted.
    #[error("the child `{0}` is being restarted; terminate it first")]
    Restarting(String),
    /// The specification is wrong.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The child could not be started.
    #[error("the child `{name}` could not be started: it {exit}")]
    Failed {
        /// The child.
        name: String,
        /// How its start ended.
        exit: Exit,
    },
    /// The supervisor is ending.
    #[error("the supervisor is ending")]
    Ending,
}

/// What is to be done.
#[derive(Debug, Clone)]
pub enum Command<W> {
    /// Start a worker, and tell when it is ready, or how it ended.
    Start {
        /// To name it by.
        run: Run,
        /// Its names from the root.
        path: String,
        /// How often it was started before.
        incarnation: u32,
        /// What to start.
        work: W,
    },
    /// Ask a worker to end, also one that is not ready yet.
    Stop(Run),
    /// End a worker by force.
    Kill(Run),
    /// Answer a call.
    Reply {
        /// Which one.
        id: CallId,
        /// What came of it.
        result: Result<(), CallError>,
    },
    /// Something to be told to people.
    Report(Report),
    /// The tree has started.
    Up,
    /// The tree has ended, and nothing of it runs.
    Down(Exit),
}

/// Something that people want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Of which child or supervisor.
    pub path: String,
    /// The incarnation that it is about.
    pub incarnation: u32,
    /// What happened.
    pub what: What,
}

/// What happened to a child or supervisor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// It ended, and stays so.
    Ended(Exit),
    /// It ended or could not be started, and is started again after this time.
    Restarting(Exit, Duration),
    /// It did not end as it was asked to.
    StoppedBadly(Exit),
    /// A supervisor gives up: this many restarts within its period are too many.
    GaveUp(u32),
    /// It failed too often, and is only tried again from time to time.
    Degraded(Exit, Duration),
    /// It was degraded, and has run long enough to count as well again.
    Recovered,
}

/// What all nodes of a tree share while one event is handled.
#[derive(Debug, Clone)]
struct Shared<W> {
    now: Duration,
    runs: u64,
    random: wait::Random,
    out: Vec<Command<W>>,
}

impl<W> Shared<W> {
    fn run(&mut self) -> Run {
        self.runs += 1;
        Run(self.runs)
    }

    fn reply(&mut self, id: CallId, result: Result<(), CallError>) {
        self.out.push(Command::Reply { id, result });
    }

    fn report(&mut self, path: &str, incarnation: u32, what: What) {
        self.out.push(Command::Report(Report { path: path.to_owned(), incarnation, what }));
    }
}

/// A tree of supervisors and workers.
#[derive(Debug, Clone)]
pub struct Tree<W> {
    root: Node<W>,
    shared: Shared<W>,
}

impl<W: Clone> Tree<W> {
    /// A tree that has not started. The seed is for the jitter of waits.
    ///
    /// # Errors
    /// Everything that is wrong with the specification.
    pub fn new(root: SupervisorSpec<W>, seed: u64) -> Result<Self, Vec<Invalid>> {
        validate(&root)?;
        let random = wait::Random::new(seed);
        let shared = Shared { now: Duration::ZERO, runs: 0, random, out: Vec::new() };
        Ok(Self { root: Node::new(root, String::new()), shared })
    }

    /// Takes in what has happened, and tells what is to be done, in this order. `now` is the time since whenever, and
    /// never less than before.
    pub fn step(&mut self, now: Duration, event: Event<W>) -> Vec<Command<W>> {
        let Self { root, shared } = self;
        shared.now = shared.now.max(now);
        let signals = match event {
            Event::Start => root.handle(shared, Local::Start),
            Event::Stop => root.handle(shared, Local::Stop),
            Event::Time => root.tick(shared),
            Event::Call { id, at, call } => match root.find(&at) {
                Some(_) => root.call_at(shared, &at, id, call),
                None => {
                    shared.reply(id, Err(CallError::NoSupervisor(at)));
                    Vec::new()
                }
            },
            Event::Started(run) => root.route(shared, run, Local::Started(run)).unwrap_or_default(),
            Event::Ignored(run) => root.route(shared, run, Local::Ignored(run)).unwrap_or_default(),
            Event::Exited(run, exit) => root.route(shared, run, Local::Exited(run, exit)).unwrap_or_default(),
        };
        let mut out = std::mem::take(&mut shared.out);
        out.extend(signals.into_iter().map(|signal| match signal {
            node::Signal::Up => Command::Up,
            node::Signal::Down(exit) => Command::Down(exit),
        }));
        out
    }

    /// When [`Event::Time`] is due, if nothing else happens before.
    #[must_use]
    pub fn next_due(&self) -> Option<Duration> {
        self.root.next_due()
    }

    /// The whole tree, to be shown.
    #[must_use]
    pub fn view(&self, now: Duration) -> View {
        self.root.view(now)
    }
}
