//! OTP's `supervisor`, naively: each message is seen to as a whole before the next, and each start and stop returns
//! when it is done. The words are those of `supervisor.erl`.
//!
//! It has no back-off, no degraded children and no stop deadlines.

use crate::play::{Outcome, Spec, Starts, Work};
use aegis_supervisor::{AutoShutdown, Call, Cause, Exit, Intensity, Kind, Restart, Strategy, SupervisorSpec};
use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

/// What comes to a supervisor's mailbox.
#[derive(Debug, Clone)]
pub(crate) enum Message {
    /// That start of that worker has ended by itself.
    Exit(String, u32, Exit),
    Call(u64, String, Call<Work>),
    /// That start of that child has failed: if it was a restart, here it is tried again.
    TryAgain(String, u32),
    Pass(Duration),
    Stop,
}

/// What all supervisors share.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) log: Vec<String>,
    pub(crate) starts: Starts,
    /// Runs that have ended by themselves, whose end may still be in a mailbox.
    pub(crate) dead: HashSet<(String, u32)>,
    pub(crate) now: Duration,
    /// Whether messages tell when a failed restart is tried again. Otherwise it comes at the end of the mailbox.
    pub(crate) has_marks: bool,
    numbers: HashMap<String, u32>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pid {
    Undefined,
    Restarting,
    Alive(u32),
}

#[derive(Clone)]
struct Child {
    spec: Spec,
    path: String,
    pid: Pid,
    inner: Option<Box<Sup>>,
}

#[derive(Clone)]
struct Sup {
    path: String,
    spec: SupervisorSpec<Work>,
    children: Vec<Child>,
    restarts: Vec<Duration>,
    try_again: VecDeque<(String, u32)>,
    owed: HashSet<(String, u32)>,
}

#[derive(Clone)]
pub(crate) struct Model {
    pub(crate) world: World,
    root: Sup,
    is_running: bool,
}

impl Model {
    pub(crate) fn new(spec: &SupervisorSpec<Work>, starts: Starts, has_marks: bool) -> Self {
        let world = World {
            log: Vec::new(),
            starts,
            dead: HashSet::new(),
            now: Duration::ZERO,
            has_marks,
            numbers: HashMap::new(),
        };
        Self { world, root: Sup::new(spec, ""), is_running: false }
    }

    pub(crate) fn init(&mut self) {
        let is_up = self.root.init(&mut self.world);
        self.is_running = is_up;
        self.world.log.push(if is_up { "up".to_owned() } else { "down failed".to_owned() });
    }

    pub(crate) fn tell(&mut self, message: Message) {
        if let Message::Pass(time) = message {
            self.world.now += time;
            return;
        }
        if let Message::Exit(path, number, _) = &message {
            self.world.dead.insert((path.clone(), *number));
        }
        if !self.is_running {
            if let Message::Call(id, ..) = message {
                self.world.log.push(format!("reply {id} gone"));
            }
            return;
        }
        if let Some(exit) = self.root.route(&mut self.world, message) {
            self.is_running = false;
            self.world.log.push(format!("down {}", exit.word()));
        }
    }

    /// All children with their states, in order.
    pub(crate) fn states(&self) -> String {
        let mut out = Vec::new();
        self.root.states(&mut out);
        out.join(", ")
    }

    /// All that its future depends on when its mailboxes are empty: the states, and how long ago each restart was.
    pub(crate) fn known(&self) -> String {
        let mut out = Vec::new();
        self.root.states(&mut out);
        self.root.restarts_ago(self.world.now, &mut out);
        out.join(", ")
    }
}

impl World {
    fn start(&mut self, path: &str) -> (u32, Outcome) {
        let number = self.numbers.entry(path.to_owned()).or_default();
        *number += 1;
        self.log.push(format!("start {path}"));
        (*number, self.starts.next(path))
    }

    fn reply(&mut self, id: u64, word: &str) {
        self.log.push(format!("reply {id} {word}"));
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") }
}

impl Child {
    fn new(spec: Spec, of: &str) -> Self {
        Self { path: join(of, &spec.name), spec, pid: Pid::Undefined, inner: None }
    }

    fn is_temporary(&self) -> bool {
        self.spec.restart == Restart::Temporary
    }

    /// `start_child`: an error is the number of the start that failed.
    fn start(&mut self, world: &mut World) -> Result<(), u32> {
        self.pid = Pid::Undefined;
        if let Kind::Supervisor(spec) = &self.spec.kind {
            let mut inner = Sup::new(spec, &self.path);
            if !inner.init(world) {
                return Err(0);
            }
            self.inner = Some(Box::new(inner));
            self.pid = Pid::Alive(0);
            return Ok(());
        }
        match world.start(&self.path) {
            (number, Outcome::Ready) => self.pid = Pid::Alive(number),
            (_, Outcome::Ignore) => {}
            (number, Outcome::Fail) => return Err(number),
        }
        Ok(())
    }

    fn terminate(&mut self, world: &mut World) {
        if let Some(mut inner) = self.inner.take() {
            inner.terminate_children(world, |_| true);
        } else if let Pid::Alive(number) = self.pid
            && !world.dead.contains(&(self.path.clone(), number))
        {
            world.log.push(format!("stop {}", self.path));
        }
        self.pid = Pid::Undefined;
    }
}

impl Sup {
    fn new(spec: &SupervisorSpec<Work>, path: &str) -> Self {
        Self {
            path: path.to_owned(),
            children: spec.children.iter().map(|child| Child::new(child.clone(), path)).collect(),
            spec: spec.clone(),
            restarts: Vec::new(),
            try_again: VecDeque::new(),
            owed: HashSet::new(),
        }
    }

    fn is_simple(&self) -> bool {
        self.spec.strategy == Strategy::Dynamic
    }

    fn init(&mut self, world: &mut World) -> bool {
        let is_up = self.start_children(world, |_| true).is_ok();
        if !is_up {
            self.terminate_children(world, |_| true);
        }
        is_up
    }

    /// Starts those in order. An error is which one failed, and the number of that start.
    fn start_children(
        &mut self,
        world: &mut World,
        which: impl Fn(usize) -> bool,
    ) -> Result<(), (String, u32)> {
        let result = (0..self.children.len()).filter(|at| which(*at)).try_for_each(|at| {
            let child = &mut self.children[at];
            child.start(world).map_err(|number| (child.spec.name.clone(), number))
        });
        if result.is_ok() {
            self.children.retain(|child| !(child.is_temporary() && child.pid == Pid::Undefined));
        }
        result
    }

    fn terminate_children(&mut self, world: &mut World, which: impl Fn(usize) -> bool) {
        let mut at = self.children.len();
        while at > 0 {
            at -= 1;
            if which(at) {
                self.children[at].terminate(world);
                if self.children[at].is_temporary() {
                    self.children.remove(at);
                }
            }
        }
    }

    /// Something for this supervisor or one below. Its own end, if it ends of it.
    fn route(&mut self, world: &mut World, message: Message) -> Option<Exit> {
        let to = match &message {
            Message::Exit(path, ..) | Message::TryAgain(path, _) => {
                path.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned()
            }
            Message::Call(_, at, _) => at.clone(),
            Message::Pass(_) | Message::Stop => self.path.clone(),
        };
        if to == self.path {
            let end = self.receive(world, message);
            return self.go_on(world, end);
        }
        let is_way = |child: &&mut Child| to == child.path || to.starts_with(&format!("{}/", child.path));
        let child = self.children.iter_mut().find(is_way);
        let Some((name, inner)) =
            child.and_then(|child| Some((child.spec.name.clone(), child.inner.as_mut()?)))
        else {
            if let Message::Call(id, ..) = message {
                world.reply(id, "gone");
            }
            return None;
        };
        let exit = inner.route(world, message)?;
        let end = self.exited(world, &name, &exit);
        self.go_on(world, end)
    }

    fn go_on(&mut self, world: &mut World, mut end: Option<Exit>) -> Option<Exit> {
        while end.is_none()
            && let Some((name, _)) = self.try_again.pop_front()
        {
            end = self.try_again(world, &name);
        }
        if end.is_some() {
            self.terminate_children(world, |_| true);
        }
        end
    }

    fn receive(&mut self, world: &mut World, message: Message) -> Option<Exit> {
        match message {
            Message::Exit(path, number, exit) => {
                let child = self.children.iter().find(|child| child.path == path)?;
                let name = child.spec.name.clone();
                if child.pid == Pid::Alive(number) { self.exited(world, &name, &exit) } else { None }
            }
            Message::TryAgain(path, number) => {
                let name = path.rsplit('/').next().unwrap_or_default().to_owned();
                if self.owed.remove(&(name.clone(), number)) { self.try_again(world, &name) } else { None }
            }
            Message::Call(id, _, call) => {
                let word = self.call(world, call);
                world.reply(id, word);
                None
            }
            Message::Stop => Some(Exit::Shutdown(Cause::Asked)),
            Message::Pass(_) => None,
        }
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.children.iter().position(|child| child.spec.name == name)
    }

    /// `del_child`
    fn del_child(&mut self, at: usize) {
        self.children[at].pid = Pid::Undefined;
        self.children[at].inner = None;
        if self.is_simple() || self.children[at].is_temporary() {
            self.children.remove(at);
        }
    }

    /// `do_restart`
    fn exited(&mut self, world: &mut World, name: &str, exit: &Exit) -> Option<Exit> {
        let at = self.place(name)?;
        self.children[at].inner = None;
        let is_orderly = matches!(exit, Exit::Normal | Exit::Shutdown(_));
        match self.children[at].spec.restart {
            Restart::Permanent => self.restart(world, name),
            Restart::Transient if !is_orderly => self.restart(world, name),
            Restart::Transient | Restart::Temporary => {
                let is_significant = self.children[at].spec.significant;
                self.del_child(at);
                self.do_auto_shutdown(is_significant)
            }
        }
    }

    fn do_auto_shutdown(&self, is_significant: bool) -> Option<Exit> {
        let is_active = |child: &Child| child.spec.significant && child.pid != Pid::Undefined;
        let is_over = match self.spec.auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::Any => is_significant,
            AutoShutdown::All => is_significant && !self.children.iter().any(is_active),
        };
        is_over.then_some(Exit::Shutdown(Cause::Auto))
    }

    fn try_again(&mut self, world: &mut World, name: &str) -> Option<Exit> {
        let at = self.place(name)?;
        if self.children[at].pid == Pid::Restarting { self.restart(world, name) } else { None }
    }

    fn add_restart(&mut self, now: Duration) -> bool {
        let Intensity { restarts, period } = self.spec.intensity;
        self.restarts.push(now);
        self.restarts.retain(|then| *then + period >= now);
        self.restarts.len() <= restarts as usize
    }

    fn restart(&mut self, world: &mut World, name: &str) -> Option<Exit> {
        let at = self.place(name)?;
        if !self.add_restart(world.now) {
            self.del_child(at);
            return Some(Exit::Shutdown(Cause::Intensity));
        }
        let failed = match self.spec.strategy {
            Strategy::OneForOne | Strategy::Dynamic => {
                self.children[at].start(world).map_err(|number| (name.to_owned(), number))
            }
            Strategy::RestForOne => self.restart_multiple_children(world, name, |other| other >= at),
            Strategy::OneForAll => self.restart_multiple_children(world, name, |_| true),
        };
        if let Err((name, number)) = failed {
            let at = self.place(&name)?;
            self.children[at].pid = Pid::Restarting;
            if world.has_marks {
                self.owed.insert((name, number));
            } else {
                self.try_again.push_back((name, number));
            }
        } else if self.is_simple() && self.children[at].pid == Pid::Undefined {
            // OTP keeps a child without a process here, which nothing can name or see.
            self.children.remove(at);
        }
        None
    }

    fn restart_multiple_children(
        &mut self,
        world: &mut World,
        name: &str,
        which: impl Fn(usize) -> bool,
    ) -> Result<(), (String, u32)> {
        let first = (0..self.children.len()).find(|at| which(*at)).unwrap_or_default();
        if let Some(at) = self.place(name) {
            self.children[at].pid = Pid::Undefined;
        }
        self.terminate_children(world, which);
        self.start_children(world, |at| at >= first)
    }

    fn call(&mut self, world: &mut World, call: Call<Work>) -> &'static str {
        match call {
            Call::Add(spec) => self.start_child(world, spec),
            Call::Terminate(name) => {
                let Some(at) = self.place(&name) else { return "not_found" };
                self.children[at].terminate(world);
                self.del_child(at);
                "ok"
            }
            Call::Restart(name) | Call::Delete(name) if self.is_there(&name).is_some() => {
                self.is_there(&name).unwrap_or_default()
            }
            Call::Restart(name) => {
                let Some(at) = self.place(&name) else { return "not_found" };
                if self.children[at].start(world).is_ok() { "ok" } else { "failed" }
            }
            Call::Delete(name) => {
                let Some(at) = self.place(&name) else { return "not_found" };
                self.children.remove(at);
                "ok"
            }
        }
    }

    fn is_there(&self, name: &str) -> Option<&'static str> {
        match self.children[self.place(name)?].pid {
            Pid::Undefined => None,
            Pid::Restarting => Some("restarting"),
            Pid::Alive(_) => Some("running"),
        }
    }

    fn start_child(&mut self, world: &mut World, spec: Spec) -> &'static str {
        if spec.significant && self.spec.auto_shutdown == AutoShutdown::Never {
            return "invalid";
        }
        if let Some(at) = self.place(&spec.name) {
            // OTP says `already_present` of one that is being restarted; the documentation of the error says otherwise.
            let is_ended = self.children[at].pid == Pid::Undefined;
            return if is_ended { "already_present" } else { "already_started" };
        }
        let mut child = Child::new(spec, &self.path);
        if child.start(world).is_err() {
            return "failed";
        }
        if child.pid != Pid::Undefined || !(child.is_temporary() || self.is_simple()) {
            self.children.push(child);
        }
        "ok"
    }

    fn states(&self, out: &mut Vec<String>) {
        for child in &self.children {
            let word = match child.pid {
                Pid::Undefined => "ended",
                Pid::Restarting => "waiting",
                Pid::Alive(_) => "running",
            };
            out.push(format!("{} {word}", child.path));
            child.inner.iter().for_each(|inner| inner.states(out));
        }
    }
    fn restarts_ago(&self, now: Duration, out: &mut Vec<String>) {
        assert!(self.try_again.is_empty() && self.owed.is_empty(), "nothing is on its way");
        out.extend(self.restarts.iter().map(|then| format!("{} {:?}", self.path, now.saturating_sub(*then))));
        for inner in self.children.iter().filter_map(|child| child.inner.as_ref()) {
            inner.restarts_ago(now, out);
        }
    }
}
