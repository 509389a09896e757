//! One supervisor.

use super::child::{Caller, Child, Id, Life, State, View};
use super::window::Window;
use super::{Call, CallError, CallId, Command, Run, Shared, What};
use crate::exit::{Cause, Exit};
use crate::spec::{ChildSpec, Strategy, SupervisorSpec};
use crate::validate::join;
use std::collections::VecDeque;
use std::time::Duration;

/// What a supervisor is told.
pub(super) enum Local {
    Start,
    Stop,
    Started(Run),
    Ignored(Run),
    Exited(Run, Exit),
}

/// What a supervisor tells its own.
#[derive(Debug, Clone)]
pub(super) enum Signal {
    Up,
    Down(Exit),
}

/// What a supervisor is about.
#[derive(Debug, Clone)]
pub(super) enum Phase {
    New,
    /// Its children run or wait, and it takes in what comes.
    Idle,
    /// It starts these, one after the other; the first of them has been asked to.
    Starting {
        rest: VecDeque<Id>,
        why: Why,
    },
    /// It stops these, then goes on.
    Stopping {
        rest: VecDeque<Id>,
        then: Then,
    },
    Down,
}

/// Why children are started.
#[derive(Debug, Clone, Copy)]
pub(super) enum Why {
    /// The supervisor starts: if one fails, so does it.
    Boot,
    /// They are restarted: if one fails, it is restarted again.
    Again,
    /// Somebody asked.
    Asked(Caller),
}

/// What follows when children have been stopped.
#[derive(Debug, Clone)]
pub(super) enum Then {
    Idle,
    /// Start a child, and those that are stopped with it.
    Group(Id),
    Down(Exit),
}

/// What waits until the supervisor is idle.
#[derive(Debug, Clone)]
pub(super) enum Deferred<W> {
    Exit(Id),
    /// A restart failed.
    Retry(Id),
    Call(CallId, Call<W>),
}

#[derive(Debug, Clone)]
pub(super) struct Node<W> {
    pub(super) path: String,
    /// Without its children.
    pub(super) spec: SupervisorSpec<W>,
    pub(super) children: Vec<Child<W>>,
    pub(super) phase: Phase,
    pub(super) deferred: VecDeque<Deferred<W>>,
    pub(super) window: Window,
    ids: u64,
    /// It shall end.
    pub(super) is_asked: bool,
    pub(super) signals: Vec<Signal>,
}

impl<W: Clone> Node<W> {
    pub(super) fn new(mut spec: SupervisorSpec<W>, path: String) -> Self {
        let children = std::mem::take(&mut spec.children);
        let mut node = Self {
            path,
            spec,
            children: Vec::new(),
            phase: Phase::New,
            deferred: VecDeque::new(),
            window: Window::default(),
            ids: 0,
            is_asked: false,
            signals: Vec::new(),
        };
        children.into_iter().for_each(|child| _ = node.take_in(child));
        node
    }

    /// Adds a child that does not run.
    pub(super) fn take_in(&mut self, spec: ChildSpec<W>) -> Id {
        self.ids += 1;
        let path = join(&self.path, &spec.name);
        self.children.push(Child::new(Id(self.ids), spec, path));
        Id(self.ids)
    }

    pub(super) fn child(&mut self, id: Id) -> Option<&mut Child<W>> {
        self.children.iter_mut().find(|child| child.id == id)
    }

    pub(super) fn remove(&mut self, id: Id) {
        self.children.retain(|child| child.id != id);
    }

    pub(super) fn is_dynamic(&self) -> bool {
        self.spec.strategy == Strategy::Dynamic
    }

    pub(super) fn handle(&mut self, shared: &mut Shared<W>, local: Local) -> Vec<Signal> {
        match local {
            Local::Start if matches!(self.phase, Phase::New) => self.boot(shared),
            Local::Start => {}
            Local::Stop => self.is_asked = true,
            Local::Started(run) => self.of_run(run).into_iter().for_each(|id| self.started(shared, id)),
            Local::Ignored(run) => self.of_run(run).into_iter().for_each(|id| self.ignored(shared, id)),
            Local::Exited(run, exit) => {
                self.of_run(run).into_iter().for_each(|id| self.exited(shared, id, exit.clone()));
            }
        }
        self.settled(shared)
    }

    pub(super) fn settled(&mut self, shared: &mut Shared<W>) -> Vec<Signal> {
        self.settle(shared);
        std::mem::take(&mut self.signals)
    }

    fn of_run(&self, run: Run) -> Option<Id> {
        self.children.iter().find(|child| child.life.run() == Some(run)).map(|child| child.id)
    }

    fn holds(&self, run: Run) -> bool {
        self.children.iter().any(|child| match &child.inner {
            Some(inner) => inner.holds(run),
            None => child.life.run() == Some(run),
        })
    }

    /// Tells the supervisor of that run. `None` if the run is over.
    pub(super) fn route(&mut self, shared: &mut Shared<W>, run: Run, local: Local) -> Option<Vec<Signal>> {
        if self.children.iter().any(|child| child.inner.is_none() && child.life.run() == Some(run)) {
            return Some(self.handle(shared, local));
        }
        let holds = |child: &&Child<W>| child.inner.as_ref().is_some_and(|inner| inner.holds(run));
        let id = self.children.iter().find(holds)?.id;
        Some(self.within(shared, id, |inner, shared| inner.route(shared, run, local).unwrap_or_default()))
    }

    /// Lets the supervisor that is a child do something, and takes in what it signals.
    fn within(
        &mut self,
        shared: &mut Shared<W>,
        id: Id,
        work: impl FnOnce(&mut Self, &mut Shared<W>) -> Vec<Signal>,
    ) -> Vec<Signal> {
        if let Some(inner) = self.child(id).and_then(|child| child.inner.as_mut()) {
            let signals = work(inner, shared);
            self.signalled(shared, id, signals);
        }
        self.settled(shared)
    }

    pub(super) fn signalled(&mut self, shared: &mut Shared<W>, id: Id, signals: Vec<Signal>) {
        for signal in signals {
            match signal {
                Signal::Up => self.started(shared, id),
                Signal::Down(exit) => {
                    if let Some(child) = self.child(id) {
                        child.inner = None;
                    }
                    self.exited(shared, id, exit);
                }
            }
        }
    }

    /// The supervisor at a path below this one, if it is there.
    pub(super) fn find(&self, at: &str) -> Option<()> {
        if at.is_empty() {
            return (!matches!(self.phase, Phase::New | Phase::Down)).then_some(());
        }
        let (name, rest) = at.split_once('/').unwrap_or((at, ""));
        let child = self.children.iter().find(|child| child.spec.name == name)?;
        child.inner.as_ref()?.find(rest)
    }

    /// Asks something of the supervisor at a path below this one.
    pub(super) fn call_at(
        &mut self,
        shared: &mut Shared<W>,
        at: &str,
        id: CallId,
        call: Call<W>,
    ) -> Vec<Signal> {
        if at.is_empty() {
            if matches!(self.phase, Phase::Stopping { then: Then::Down(_), .. }) {
                // It sees to nothing any more.
                shared.reply(id, Err(CallError::Ending));
                return Vec::new();
            }
            self.deferred.push_back(Deferred::Call(id, call));
            return self.settled(shared);
        }
        let (name, rest) = at.split_once('/').unwrap_or((at, ""));
        let child = self.children.iter().find(|child| child.spec.name == name).map(|child| child.id);
        child.map_or_else(Vec::new, |child| {
            self.within(shared, child, |inner, shared| inner.call_at(shared, rest, id, call))
        })
    }

    /// Looks at what is due.
    pub(super) fn tick(&mut self, shared: &mut Shared<W>) -> Vec<Signal> {
        let ids: Vec<Id> = self.children.iter().map(|child| child.id).collect();
        for id in &ids {
            if let Some(inner) = self.child(*id).and_then(|child| child.inner.as_mut()) {
                let signals = inner.tick(shared);
                self.signalled(shared, *id, signals);
            }
        }
        let period = self.spec.intensity.period;
        for child in &mut self.children {
            match &mut child.life {
                Life::Stopping { run, kill_at, .. } if kill_at.is_some_and(|at| at <= shared.now) => {
                    *kill_at = None;
                    shared.out.push(Command::Kill(*run));
                }
                Life::Running { since, .. }
                    if child.is_degraded && shared.now.saturating_sub(*since) >= period =>
                {
                    child.recover();
                    shared.report(&child.path, child.incarnation(), What::Recovered);
                }
                _ => {}
            }
        }
        self.settled(shared)
    }

    pub(super) fn next_due(&self) -> Option<Duration> {
        let is_idle = matches!(self.phase, Phase::Idle);
        let of_child = |child: &Child<W>| match child.life {
            Life::Stopping { kill_at, .. } => kill_at,
            Life::Waiting { due } if is_idle => Some(due),
            Life::Running { since, .. } if child.is_degraded => {
                Some(since.saturating_add(self.spec.intensity.period))
            }
            _ => None,
        };
        let inner = self.children.iter().filter_map(|child| child.inner.as_ref()?.next_due());
        self.children.iter().filter_map(of_child).chain(inner).min()
    }

    /// Takes in what waits, as long as nothing is under way.
    fn settle(&mut self, shared: &mut Shared<W>) {
        loop {
            match self.phase {
                Phase::Idle | Phase::Starting { .. } if self.is_asked => {
                    self.end(shared, Exit::Shutdown(Cause::Asked));
                }
                Phase::Idle => {
                    if let Some(deferred) = self.deferred.pop_front() {
                        self.take_up(shared, deferred);
                    } else if let Some(id) = self.first_due(shared.now) {
                        self.resume(shared, id);
                    } else {
                        return;
                    }
                }
                Phase::New | Phase::Starting { .. } | Phase::Stopping { .. } | Phase::Down => return,
            }
        }
    }

    fn take_up(&mut self, shared: &mut Shared<W>, deferred: Deferred<W>) {
        match deferred {
            Deferred::Call(id, call) => self.call(shared, id, call),
            Deferred::Exit(id) => {
                if let Some(child) = self.child(id)
                    && let Life::Dead(exit) = &child.life
                {
                    let exit = exit.clone();
                    self.ended(shared, id, exit);
                }
            }
            Deferred::Retry(id) => {
                // Others may have taken it with them meanwhile, and started it.
                if let Some(child) = self.child(id)
                    && let Life::Failed(exit) = &child.life
                {
                    let exit = exit.clone();
                    self.restart(shared, id, exit);
                }
            }
        }
    }

    fn first_due(&self, now: Duration) -> Option<Id> {
        let is_due = |child: &&Child<W>| matches!(child.life, Life::Waiting { due } if due <= now);
        self.children.iter().find(is_due).map(|child| child.id)
    }

    pub(super) fn view(&self, now: Duration) -> View {
        let state = match self.phase {
            Phase::New | Phase::Down => State::Ended,
            Phase::Starting { why: Why::Boot, .. } => State::Starting,
            Phase::Stopping { then: Then::Down(_), .. } => State::Stopping,
            _ => State::Running,
        };
        let of_child = |child: &Child<W>| {
            let state = match child.life {
                Life::Idle => State::Ended,
                Life::Starting { .. } => State::Starting,
                Life::Running { .. } => State::Running,
                Life::Stopping { .. } => State::Stopping,
                Life::Dead(_) | Life::Failed(_) | Life::Waiting { .. } => State::Waiting,
            };
            let view = child.inner.as_ref().map(|inner| inner.view(now));
            let own = child.window.count(now, self.spec.intensity);
            View {
                path: child.path.clone(),
                state: if child.is_degraded { State::Degraded } else { state },
                run: if view.is_some() { None } else { child.life.run() },
                incarnation: child.incarnation(),
                restarts: view.as_ref().map_or(own, |view| view.restarts),
                last_exit: child.last_exit.clone(),
                children: view.map_or_else(Vec::new, |view| view.children),
            }
        };
        View {
            path: self.path.clone(),
            state,
            run: None,
            incarnation: 0,
            restarts: self.window.count(now, self.spec.intensity),
            last_exit: None,
            children: self.children.iter().map(of_child).collect(),
        }
    }
}
