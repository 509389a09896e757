//! The loop of the driver.

use super::life::Life;
use super::status::Status;
use super::{Start, Told, Work};
use crate::exit::Exit;
use crate::spec::SupervisorSpec;
use crate::tree::{Call, CallError, CallId, Command, Event, Report, Run, Tree};
use crate::validate::Invalid;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// What children have told and the driver has not taken in. Each tells twice in its life; when it is full a child waits
/// to tell, and nobody waits for that child.
const TOLD: usize = 256;
/// What callers have asked; when it is full they wait.
const ASKED: usize = 64;
/// How often heartbeats are looked at, at least.
const LOOK: Duration = Duration::from_millis(250);
/// How much later than it should be a look is when this whole process was held up, by SIGSTOP for example.
const HELD_UP: Duration = Duration::from_secs(1);

/// How a driver drives.
pub struct Options {
    /// For the jitter of waits.
    pub seed: u64,
    /// How long a child may take to end when it is ended by force.
    pub grace: Duration,
    /// Gets everything that people want to know. Called on the driver's thread: it must not block.
    pub observer: Box<dyn FnMut(&Report) + Send>,
}

impl Default for Options {
    /// No observer, and two seconds of grace.
    fn default() -> Self {
        Self { seed: 0, grace: Duration::from_secs(2), observer: Box::new(|_| ()) }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("seed", &self.seed)
            .field("grace", &self.grace)
            .finish_non_exhaustive()
    }
}

/// How a driver ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The tree has ended, and nothing of it is left.
    Ended(Exit),
    /// A child could not be ended: its thread is blocked. Only the end of the process ends it.
    Stuck {
        /// Which one.
        path: String,
        /// What it was to end for.
        exit: Exit,
    },
}

/// Tells whether the driver's loop still turns.
#[derive(Debug, Clone)]
pub struct Pulse {
    began: Instant,
    beat: Arc<AtomicU64>,
}

impl Pulse {
    fn new() -> Self {
        Self { began: Instant::now(), beat: Arc::new(AtomicU64::new(0)) }
    }

    fn beat(&self) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.beat.store(now, Ordering::Release);
    }

    /// How long ago it last turned. Less than a second, if all is well.
    #[must_use]
    pub fn silence(&self) -> Duration {
        self.began.elapsed().saturating_sub(Duration::from_millis(self.beat.load(Ordering::Acquire)))
    }
}

enum Request {
    Stop,
    Call { at: String, call: Call<Work>, answer: oneshot::Sender<Result<(), CallError>> },
    Status(oneshot::Sender<Status>),
}

/// The way to a driver. Clones lead to the same.
#[derive(Debug, Clone)]
pub struct Handle {
    requests: mpsc::Sender<Request>,
    pulse: Pulse,
}

/// Why a driver did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandleError {
    /// It has ended.
    #[error("the supervision has ended")]
    Ended,
    /// The supervisor that was asked did not.
    #[error(transparent)]
    Refused(#[from] CallError),
}

impl Handle {
    /// Has the whole tree end. Returns at once.
    pub fn stop(&self) {
        // Full of requests it is busy, and whoever wants it to stop tries again; if it has ended that is what was asked.
        let _ = self.requests.try_send(Request::Stop);
    }

    /// Asks something of the supervisor at a path; the empty path is the root. Waits for the answer, that is until a
    /// child has started or ended.
    ///
    /// # Errors
    /// If the driver has ended, or the supervisor refuses.
    pub async fn call(&self, at: &str, call: Call<Work>) -> Result<(), HandleError> {
        let (answer, answered) = oneshot::channel();
        let request = Request::Call { at: at.to_owned(), call, answer };
        self.requests.send(request).await.map_err(|_| HandleError::Ended)?;
        Ok(answered.await.map_err(|_| HandleError::Ended)??)
    }

    /// The tree as it runs.
    ///
    /// # Errors
    /// If the driver has ended.
    pub async fn status(&self) -> Result<Status, HandleError> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(Request::Status(answer)).await.map_err(|_| HandleError::Ended)?;
        answered.await.map_err(|_| HandleError::Ended)
    }

    /// Whether the driver's loop turns.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }
}

/// A child that runs, as its driver sees it.
struct Running {
    path: String,
    life: Life,
    limits: super::Limits,
    kill: Option<oneshot::Sender<()>>,
    /// Ready or not, it has been told of.
    is_started: bool,
    /// Since when it is being ended by force, and what for.
    forced: Option<(Instant, Exit)>,
}

/// Drives a tree.
pub struct Driver {
    tree: Tree<Work>,
    options: Options,
    requests: mpsc::Receiver<Request>,
    pulse: Pulse,
    tell: mpsc::Sender<Told>,
    told: mpsc::Receiver<Told>,
    runs: HashMap<Run, Running>,
    calls: HashMap<CallId, oneshot::Sender<Result<(), CallError>>>,
    next_call: u64,
    began: Instant,
}

impl Driver {
    /// One that has not begun, and the way to it.
    ///
    /// # Errors
    /// Everything that is wrong with the specification.
    pub fn new(root: SupervisorSpec<Work>, options: Options) -> Result<(Self, Handle), Vec<Invalid>> {
        let tree = Tree::new(root, options.seed)?;
        let (sender, requests) = mpsc::channel(ASKED);
        let (tell, told) = mpsc::channel(TOLD);
        let pulse = Pulse::new();
        let handle = Handle { requests: sender, pulse: pulse.clone() };
        let (runs, calls, began) = (HashMap::new(), HashMap::new(), Instant::now());
        let driver = Self { tree, options, requests, pulse, tell, told, runs, calls, next_call: 0, began };
        Ok((driver, handle))
    }

    /// Starts the tree, and drives it on this thread until it has ended.
    ///
    /// # Errors
    /// If no runtime can be made. Nothing has been started then.
    pub fn run(self) -> std::io::Result<Outcome> {
        let runtime = actix_rt::Runtime::new()?;
        Ok(runtime.block_on(self.drive()))
    }

    async fn drive(mut self) -> Outcome {
        let mut outcome = self.step(Event::Start);
        let mut looked = Instant::now();
        loop {
            if let Some(outcome) = outcome {
                return outcome;
            }
            self.pulse.beat();
            let until_look = LOOK.saturating_sub(looked.elapsed());
            outcome = tokio::select! {
                biased;
                // First, and by its own time: whoever asks again and again puts off neither this nor what is due.
                () = tokio::time::sleep(self.until_due().min(until_look)) => {
                    self.excuse_if_held_up(looked.elapsed());
                    looked = Instant::now();
                    if let Some(stuck) = self.look() { Some(stuck) } else { self.step(Event::Time) }
                }
                Some(told) = self.told.recv() => self.take_in(told),
                Some(request) = self.requests.recv() => self.asked(request),
            };
        }
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn until_due(&self) -> Duration {
        self.tree.next_due().map_or(LOOK, |due| due.saturating_sub(self.now()))
    }

    fn take_in(&mut self, told: Told) -> Option<Outcome> {
        match told {
            Told::Started(run) => {
                if let Some(running) = self.runs.get_mut(&run) {
                    running.is_started = true;
                }
                self.step(Event::Started(run))
            }
            Told::Ended(run, exit) => {
                let forced = self.runs.remove(&run).and_then(|running| running.forced);
                // It may have ended by itself at the last moment; that it was ended by force is the cause then.
                let exit = forced.map_or(exit, |(_, cause)| cause);
                self.step(Event::Exited(run, exit))
            }
        }
    }

    fn asked(&mut self, request: Request) -> Option<Outcome> {
        match request {
            Request::Stop => self.step(Event::Stop),
            Request::Call { at, call, answer } => {
                self.next_call += 1;
                let id = CallId(self.next_call);
                self.calls.insert(id, answer);
                self.step(Event::Call { id, at, call })
            }
            Request::Status(answer) => {
                let lives = self.runs.iter().map(|(run, running)| (*run, &running.life)).collect();
                // Whoever asked may have gone away.
                let _ = answer.send(Status::new(self.tree.view(self.now()), &lives));
                None
            }
        }
    }

    /// Tells the tree what has happened, and does what it says.
    fn step(&mut self, event: Event<Work>) -> Option<Outcome> {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for command in self.tree.step(self.began.elapsed(), event) {
                match command {
                    Command::Start { run, path, incarnation, work } => {
                        events.extend(self.start(run, path, incarnation, &work));
                    }
                    Command::Stop(run) => {
                        self.runs.get(&run).into_iter().for_each(|running| running.life.ask());
                    }
                    Command::Kill(run) => self.force(run, Exit::Killed),
                    Command::Reply { id, result } => {
                        if let Some(answer) = self.calls.remove(&id) {
                            let _ = answer.send(result);
                        }
                    }
                    Command::Report(report) => (self.options.observer)(&report),
                    Command::Up => {}
                    Command::Down(exit) => return Some(Outcome::Ended(exit)),
                }
            }
        }
        None
    }

    fn start(&mut self, run: Run, path: String, incarnation: u32, work: &Work) -> Option<Event<Work>> {
        let life = Life::new(&path, incarnation);
        let (kill, killed) = oneshot::channel();
        let start =
            Start { run, path: path.clone(), life: life.clone(), tell: self.tell.clone(), kill: killed };
        match work.0.begin(start) {
            Ok(()) => {
                let (limits, kill) = (work.0.limits(), Some(kill));
                let running = Running { path, life, limits, kill, is_started: false, forced: None };
                self.runs.insert(run, running);
                None
            }
            Err(error) => {
                let exit = Exit::Failed(format!("cannot start a thread for it: {error}"));
                Some(Event::Exited(run, exit))
            }
        }
    }

    /// Ends a child by force.
    fn force(&mut self, run: Run, exit: Exit) {
        let Some(running) = self.runs.get_mut(&run) else { return };
        if running.forced.is_none() {
            running.forced = Some((Instant::now(), exit));
            // If it is not there to hear this, it is on its way out.
            let _ = running.kill.take().map(|kill| kill.send(()));
        }
    }

    /// Whoever was held up itself must not take the silence of its children for theirs: from now on they have their time
    /// anew. What hangs nevertheless is found one heartbeat later.
    fn excuse_if_held_up(&self, since_look: Duration) {
        if since_look > LOOK + HELD_UP {
            self.runs.values().for_each(|running| running.life.beat());
        }
    }

    /// Looks for children that hang, and for those that cannot be ended.
    fn look(&mut self) -> Option<Outcome> {
        let hung: Vec<(Run, Exit)> =
            self.runs.iter().filter_map(|(run, running)| Some((*run, running.overdue()?))).collect();
        hung.into_iter().for_each(|(run, exit)| self.force(run, exit));
        let grace = self.options.grace;
        let stuck = self.runs.values().find_map(|running| {
            let (since, exit) = running.forced.as_ref()?;
            (since.elapsed() >= grace).then(|| (running.path.clone(), exit.clone()))
        });
        stuck.map(|(path, exit)| Outcome::Stuck { path, exit })
    }
}

impl Running {
    /// Why it must be ended by force, if it must.
    fn overdue(&self) -> Option<Exit> {
        if self.forced.is_some() {
            return None;
        }
        if !self.is_started {
            // It keeps its start deadline itself unless it is blocked.
            return (self.life.age() > self.limits.start.saturating_add(LOOK)).then_some(Exit::InitTimeout);
        }
        let (silence, limit) = (self.life.silence()?, self.limits.heartbeat?);
        (silence > limit).then_some(Exit::Hung)
    }
}
