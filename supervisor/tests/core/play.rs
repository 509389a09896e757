//! A tree whose children do as the script says, and a word for everything that it commands.
//!
//! Whatever is played, some rules are always checked: see [`Play::command`]. It starts no thread and no process.

use aegis_supervisor::{
    Call, CallError, CallId, Cause, ChildSpec, Command, Event, Exit, Report, Restart, Run, State, Strategy,
    SupervisorSpec, Tree, View,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

pub(crate) type Work = &'static str;
pub(crate) type Spec = ChildSpec<Work>;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// What comes of a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ready,
    Ignore,
    Fail,
}

/// What comes of the starts of each child, by its path: the first is taken first, and further ones succeed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Starts(pub(crate) HashMap<String, VecDeque<Outcome>>);

impl Starts {
    pub(crate) fn next(&mut self, path: &str) -> Outcome {
        self.0.get_mut(path).and_then(VecDeque::pop_front).unwrap_or(Outcome::Ready)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Stage {
    Starting,
    Running,
    Stopping,
    Killed,
}

#[derive(Debug, Clone)]
pub(crate) struct Live {
    pub(crate) path: String,
    /// Which start of that path it is, from 1.
    pub(crate) number: u32,
    pub(crate) stage: Stage,
}

/// A tree that is played.
#[derive(Clone)]
pub(crate) struct Play {
    pub(crate) tree: Tree<Work>,
    pub(crate) now: Duration,
    /// Whether commands are answered at once.
    pub(crate) is_prompt: bool,
    pub(crate) starts: Starts,
    pub(crate) live: BTreeMap<Run, Live>,
    /// Commands that were not answered.
    pub(crate) pending: VecDeque<Run>,
    pub(crate) log: Vec<String>,
    pub(crate) reports: Vec<Report>,
    pub(crate) open: BTreeSet<CallId>,
    pub(crate) is_up: bool,
    pub(crate) is_asked: bool,
    /// It was asked before it ended for another reason.
    pub(crate) ends_as_asked: bool,
    pub(crate) down: Option<Exit>,
    numbers: HashMap<String, u32>,
    calls: u64,
}

impl Play {
    pub(crate) fn new(spec: SupervisorSpec<Work>) -> Self {
        Self {
            tree: Tree::new(spec, 1).expect("a valid tree"),
            now: Duration::ZERO,
            is_prompt: true,
            starts: Starts::default(),
            live: BTreeMap::new(),
            pending: VecDeque::new(),
            log: Vec::new(),
            reports: Vec::new(),
            open: BTreeSet::new(),
            is_up: false,
            is_asked: false,
            ends_as_asked: false,
            down: None,
            numbers: HashMap::new(),
            calls: 0,
        }
    }

    /// One that has started, with all its children ready.
    pub(crate) fn up(spec: SupervisorSpec<Work>) -> Self {
        let mut play = Self::new(spec);
        play.start();
        play
    }

    /// The same, whose commands from now on are answered only when it is told to.
    pub(crate) fn late(mut self) -> Self {
        self.is_prompt = false;
        self
    }

    /// The next starts of a child.
    pub(crate) fn script(&mut self, path: &str, outcomes: &[Outcome]) {
        self.starts.0.insert(path.to_owned(), outcomes.iter().copied().collect());
    }

    /// Tells the tree something, and all that was commanded because of it.
    pub(crate) fn tell(&mut self, event: Event<Work>) -> String {
        self.event(event);
        while self.is_prompt && self.answer().is_some() {}
        self.log.drain(..).collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn start(&mut self) -> String {
        self.tell(Event::Start)
    }

    pub(crate) fn stop(&mut self) -> String {
        self.tell(Event::Stop)
    }

    /// A child ends.
    pub(crate) fn exit(&mut self, path: &str, exit: Exit) -> String {
        let run = self.run_of(path);
        self.live.remove(&run);
        self.tell(Event::Exited(run, exit))
    }

    /// A child ends with an error.
    pub(crate) fn fail(&mut self, path: &str) -> String {
        self.exit(path, failed())
    }

    /// A child is ready.
    pub(crate) fn ready(&mut self, path: &str) -> String {
        let run = self.run_of(path);
        self.live.get_mut(&run).unwrap().stage = Stage::Running;
        self.tell(Event::Started(run))
    }

    /// A child does not begin.
    pub(crate) fn ignore(&mut self, path: &str) -> String {
        let run = self.run_of(path);
        self.live.remove(&run);
        self.tell(Event::Ignored(run))
    }

    /// Asks the root.
    pub(crate) fn call(&mut self, call: Call<Work>) -> String {
        self.call_at("", call)
    }

    pub(crate) fn call_at(&mut self, at: &str, call: Call<Work>) -> String {
        self.calls += 1;
        let id = CallId(self.calls);
        self.open.insert(id);
        self.tell(Event::Call { id, at: at.to_owned(), call })
    }

    /// Lets time pass, with a look at what is due only at the end.
    pub(crate) fn pass(&mut self, time: Duration) -> String {
        self.now += time;
        self.tell(Event::Time)
    }

    pub(crate) fn run_of(&self, path: &str) -> Run {
        let found = self.live.iter().find(|(_, live)| live.path == path);
        *found.unwrap_or_else(|| panic!("`{path}` does not run")).0
    }

    /// One event, whose commands stay in the log.
    pub(crate) fn event(&mut self, event: Event<Work>) {
        if matches!(event, Event::Stop) {
            self.is_asked = true;
            self.ends_as_asked |= self.tree.view(self.now).state != State::Stopping;
        }
        let commands = self.tree.step(self.now, event);
        assert!(commands.len() < 100, "one step leads to a bounded number of commands");
        commands.into_iter().for_each(|command| self.command(command));
    }

    /// Answers the oldest command that was not answered: whose, and its outcome if it was a start.
    pub(crate) fn answer(&mut self) -> Option<(Live, Option<Outcome>)> {
        loop {
            let run = self.pending.pop_front()?;
            let Some(live) = self.live.get_mut(&run) else { continue };
            let (event, outcome) = match live.stage {
                Stage::Starting => match self.starts.next(&live.path) {
                    Outcome::Ready => (Event::Started(run), Some(Outcome::Ready)),
                    Outcome::Ignore => (Event::Ignored(run), Some(Outcome::Ignore)),
                    Outcome::Fail => (Event::Exited(run, failed()), Some(Outcome::Fail)),
                },
                Stage::Running => continue,
                Stage::Stopping => (Event::Exited(run, Exit::Shutdown(Cause::Asked)), None),
                Stage::Killed => (Event::Exited(run, Exit::Killed), None),
            };
            let told = live.clone();
            live.stage = Stage::Running;
            if outcome != Some(Outcome::Ready) {
                self.live.remove(&run);
            }
            self.event(event);
            return Some((told, outcome));
        }
    }

    fn command(&mut self, command: Command<Work>) {
        assert!(self.down.is_none(), "nothing follows the end: {command:?}");
        match command {
            Command::Start { run, path, work, .. } => {
                assert!(path.ends_with(work), "it is started as what it is");
                assert!(self.live.values().all(|live| live.path != path), "two runs of {path}");
                let number = self.numbers.entry(path.clone()).or_default();
                *number += 1;
                self.log.push(format!("start {path}"));
                let live = Live { path, number: *number, stage: Stage::Starting };
                assert!(self.live.insert(run, live).is_none(), "no two runs are equal");
                self.pending.push_back(run);
            }
            Command::Stop(run) => self.ends(run, Stage::Stopping),
            Command::Kill(run) => self.ends(run, Stage::Killed),
            Command::Reply { id, result } => {
                assert!(self.open.remove(&id), "a call is answered once: {id:?}");
                self.log.push(format!("reply {} {}", id.0, word(&result)));
            }
            Command::Report(report) => self.reports.push(report),
            Command::Up => {
                assert!(!self.is_up, "it comes up once");
                self.is_up = true;
                self.log.push("up".to_owned());
            }
            Command::Down(exit) => {
                assert!(self.live.is_empty(), "nothing runs after the end");
                assert!(self.open.is_empty(), "nobody waits after the end: {:?}", self.open);
                let as_asked = exit == Exit::Shutdown(Cause::Asked);
                assert!(as_asked || !self.ends_as_asked, "it was asked to end, and ends for {exit:?}");
                self.log.push(format!("down {}", exit.word()));
                self.down = Some(exit);
            }
        }
    }

    fn ends(&mut self, run: Run, stage: Stage) {
        let live = self.live.get_mut(&run).expect("who is to end runs");
        let is_first = matches!(live.stage, Stage::Starting | Stage::Running);
        let is_next = live.stage == Stage::Stopping && stage == Stage::Killed;
        assert!(is_first || is_next, "{} is to end twice", live.path);
        live.stage = stage;
        let word = if stage == Stage::Killed { "kill" } else { "stop" };
        self.log.push(format!("{word} {}", live.path));
        self.pending.push_back(run);
    }

    /// All children with their states, in order: `a running, n running, n/x ended`.
    pub(crate) fn states(&self) -> String {
        let (root, mut out) = (self.tree.view(self.now), Vec::new());
        below(&root, &mut out);
        let words = out.iter().map(|view| format!("{} {}", view.path, view.state.word()));
        words.collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn state(&self, path: &str) -> State {
        self.view(path).state
    }

    pub(crate) fn view(&self, path: &str) -> View {
        let (root, mut out) = (self.tree.view(self.now), Vec::new());
        below(&root, &mut out);
        out.into_iter().find(|view| view.path == path).expect("a child").clone()
    }

    /// The reports since the last time: `a restarting failed 0ms`.
    pub(crate) fn reports(&mut self) -> String {
        let words = self.reports.drain(..).map(|Report { path, what, .. }| {
            let path = if path.is_empty() { "root" } else { &path };
            format!("{path} {}", said(&what))
        });
        words.collect::<Vec<_>>().join(", ")
    }
}

fn said(what: &aegis_supervisor::What) -> String {
    use aegis_supervisor::What;
    match what {
        What::Ended(exit) => format!("ended {}", exit.word()),
        What::Restarting(exit, wait) => format!("restarting {} {}ms", exit.word(), wait.as_millis()),
        What::StoppedBadly(exit) => format!("stopped_badly {}", exit.word()),
        What::GaveUp(restarts) => format!("gave_up {restarts}"),
        What::Degraded(exit, wait) => format!("degraded {} {}ms", exit.word(), wait.as_millis()),
        What::Recovered => "recovered".to_owned(),
    }
}

pub(crate) fn below<'a>(view: &'a View, out: &mut Vec<&'a View>) {
    for child in &view.children {
        out.push(child);
        below(child, out);
    }
}

/// An error in one word.
pub(crate) fn word(result: &Result<(), CallError>) -> &'static str {
    match result {
        Ok(()) => "ok",
        Err(CallError::NoSupervisor(_)) => "no_supervisor",
        Err(CallError::NotFound(_)) => "not_found",
        Err(CallError::AlreadyPresent(_)) => "already_present",
        Err(CallError::AlreadyStarted(_)) => "already_started",
        Err(CallError::Running(_)) => "running",
        Err(CallError::Restarting(_)) => "restarting",
        Err(CallError::Invalid(_)) => "invalid",
        Err(CallError::Failed { .. }) => "failed",
        Err(CallError::Ending) => "ending",
    }
}

pub(crate) fn failed() -> Exit {
    Exit::Failed("an error".to_owned())
}

pub(crate) fn permanent(name: Work) -> Spec {
    ChildSpec::worker(name, name)
}

pub(crate) fn transient(name: Work) -> Spec {
    permanent(name).restart(Restart::Transient)
}

pub(crate) fn temporary(name: Work) -> Spec {
    permanent(name).restart(Restart::Temporary)
}

/// A supervisor that bears 10 restarts in 5 seconds.
pub(crate) fn group<const N: usize>(strategy: Strategy, children: [Spec; N]) -> SupervisorSpec<Work> {
    let spec = SupervisorSpec::new(strategy).intensity(10, 5 * SECOND);
    children.into_iter().fold(spec, SupervisorSpec::child)
}

pub(crate) fn one_for_one<const N: usize>(children: [Spec; N]) -> SupervisorSpec<Work> {
    group(Strategy::OneForOne, children)
}
