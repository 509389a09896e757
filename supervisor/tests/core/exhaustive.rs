//! All that can happen to small trees, and what is always true.
//!
//! A tree is explored event by event, also before it has come up, and its commands are answered in any order. States that
//! will behave the same are explored once, so that a history is cut short only where another one goes on in its place.

use crate::play::{Play, SECOND, Spec, Stage, Work, below, failed, permanent, temporary, transient};
use crate::state::{has_waits, key};
use crate::trees::{EVENTS, KINDS, STATIC, Visited, events, limited, lists};
use aegis_supervisor::{
    AutoShutdown, Backoff, Call, ChildSpec, Event, Excess, Exit, Kind, Restart, State, Strategy,
    SupervisorSpec,
};
use std::collections::{HashMap, HashSet};

/// Events in a row in the short form, for all trees of 1, 2 and 3 workers.
const BROAD: [usize; 3] = [6, 4, 3];
/// The same for trees of some other shapes.
const DEEP: usize = 4;
/// Calls that wait at once. More wait in the same queue.
const OPEN: usize = 2;

/// One in so many states is also ended.
const ENDED: u64 = 4;
/// One in so many states is looked at again whenever another history leads to it.
const SAMPLED: u64 = 64;

/// Something that can happen.
#[derive(Debug, Clone)]
enum Step {
    Ready(String),
    Ignore(String),
    Exit(String, Exit),
    Call(Call<Work>),
    Stop,
    Due,
}

/// What can be asked.
fn calls(spec: &SupervisorSpec<Work>) -> Vec<Call<Work>> {
    let mut calls = vec![Call::Add(temporary("d"))];
    for child in &spec.children {
        let name = || child.name.clone();
        calls.extend([Call::Terminate(name()), Call::Restart(name()), Call::Delete(name())]);
    }
    calls
}

fn steps(play: &Play, calls: &[Call<Work>]) -> Vec<Step> {
    let mut steps = Vec::new();
    for live in play.live.values() {
        let path = || live.path.clone();
        match live.stage {
            Stage::Starting => {
                steps.extend([Step::Ready(path()), Step::Ignore(path()), Step::Exit(path(), failed())]);
            }
            Stage::Running => steps.extend([Step::Exit(path(), Exit::Normal), Step::Exit(path(), failed())]),
            Stage::Stopping | Stage::Killed => steps.push(Step::Exit(path(), Exit::Normal)),
        }
    }
    if play.open.len() < OPEN {
        steps.extend(calls.iter().cloned().map(Step::Call));
    }
    steps.push(Step::Stop);
    if play.tree.next_due().is_some() {
        steps.push(Step::Due);
    }
    steps
}

fn take(play: &mut Play, step: &Step) -> String {
    match step.clone() {
        Step::Ready(path) => play.ready(&path),
        Step::Ignore(path) => play.ignore(&path),
        Step::Exit(path, exit) => play.exit(&path, exit),
        Step::Call(call) => play.call(call),
        Step::Stop => play.stop(),
        Step::Due => {
            let due = play.tree.next_due().expect("something is due");
            play.now = play.now.max(due);
            let commands = play.tell(Event::Time);
            let has_moved = play.tree.next_due() != Some(due);
            assert!(has_moved || !commands.is_empty(), "it would be due again and again");
            commands
        }
    }
}

/// What is always true, beyond what every play checks.
fn check(play: &Play, spec: &SupervisorSpec<Work>) {
    let is_dynamic = spec.strategy == Strategy::Dynamic;
    let mut busy = HashSet::new();
    for live in play.live.values() {
        let is_stop = match live.stage {
            Stage::Running => continue,
            Stage::Starting => false,
            Stage::Stopping | Stage::Killed => true,
        };
        let parent = live.path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let is_free = is_dynamic && parent.is_empty();
        assert!(busy.insert((parent, is_stop)) || is_free, "one at a time: {:?}", play.live);
        // Who ends stops those after the one that starts first.
        let is_both = busy.contains(&(parent, !is_stop));
        assert!(!is_both || is_free || play.is_asked, "one thing at a time: {:?}", play.live);
    }
    let (root, mut views) = (play.tree.view(play.now), Vec::new());
    below(&root, &mut views);
    for view in views {
        let stage = view.run.map(|run| play.live[&run].stage);
        let is_right = match view.state {
            State::Running => stage == Some(Stage::Running) || stage.is_none(),
            State::Starting => stage == Some(Stage::Starting) || stage.is_none(),
            State::Stopping => matches!(stage, Some(Stage::Stopping | Stage::Killed) | None),
            State::Ended | State::Waiting => stage.is_none() && view.children.is_empty(),
            State::Degraded => true,
        };
        assert!(is_right, "{view:?}, {stage:?}");
    }
}

/// A state that was found.
struct Found {
    play: Play,
    /// Starts so far, while it comes up.
    started: usize,
}

impl Found {
    /// Children come up in order, where nothing but their starts happens in between.
    fn comes_up(&mut self, commands: &str, spec: &SupervisorSpec<Work>) {
        let started = commands.split(", ").filter_map(|word| word.strip_prefix("start "));
        let started: Vec<_> = started.collect();
        if spec.children.iter().all(|child| matches!(child.kind, Kind::Worker { .. })) {
            let names: Vec<_> = spec.children.iter().map(|child| child.name.as_str()).collect();
            assert!(names[self.started..].starts_with(&started), "{started:?}");
        }
        self.started += started.len();
    }

    /// What is commanded, and the state that follows, unless it is the end.
    fn follow(&self, step: &Step, spec: &SupervisorSpec<Work>) -> (String, Option<Self>) {
        let mut next = Self { play: self.play.clone(), started: self.started };
        next.play.reports.clear();
        let commands = take(&mut next.play, step);
        if next.play.is_up {
            next.started = 0;
        } else {
            next.comes_up(&commands, spec);
        }
        if next.play.down.is_some() {
            assert_eq!(next.play.tree.next_due(), None);
            return (commands, None);
        }
        (commands, Some(next))
    }
}

/// What tells a state from others that will not behave the same.
type Name = (u64, usize);
/// What is commanded by each step from a state, and what follows.
type Future = Vec<(String, Option<Name>)>;

/// The search through all histories of one tree.
struct Search<'a> {
    spec: &'a SupervisorSpec<Work>,
    calls: Vec<Call<Work>>,
    has_waits: bool,
    seen: HashSet<Name>,
    /// The futures of some states.
    futures: HashMap<Name, Future>,
    steps: usize,
}

impl<'a> Search<'a> {
    fn new(spec: &'a SupervisorSpec<Work>) -> Self {
        Self {
            spec,
            calls: calls(spec),
            has_waits: has_waits(spec),
            seen: HashSet::new(),
            futures: HashMap::new(),
            steps: 0,
        }
    }

    fn name(&self, found: &Found) -> Name {
        (key(&found.play, self.has_waits), found.started)
    }

    fn future(&self, found: &Found) -> Future {
        let all = steps(&found.play, &self.calls).into_iter().map(|step| {
            let (commands, next) = found.follow(&step, self.spec);
            // Who is answered is told by a number, which is another one each time.
            let commands = commands.replace(|letter: char| letter.is_ascii_digit(), "");
            (commands, next.map(|next| self.name(&next)))
        });
        let mut all: Vec<_> = all.collect();
        all.sort();
        all
    }

    /// Whether the state is one that was not seen. If it was, then by another history, and it must behave the same.
    fn is_new(&mut self, found: &Found) -> bool {
        let name = self.name(found);
        let is_new = self.seen.insert(name);
        let is_sample = name.0.is_multiple_of(SAMPLED);
        if is_new {
            check(&found.play, self.spec);
            // Some states are enough, and the same ones each time.
            if name.0.is_multiple_of(ENDED) {
                check_end(&found.play);
            }
            if is_sample {
                self.futures.insert(name, self.future(found));
            }
        } else if is_sample {
            assert_eq!(self.future(found), self.futures[&name], "states of one name behave the same");
        }
        is_new
    }

    fn run(&mut self, depth: usize) {
        let mut new = Found { play: Play::new(self.spec.clone()).late(), started: 0 };
        let commands = new.play.start();
        new.comes_up(&commands, self.spec);
        let up = Found { play: Play::up(self.spec.clone()).late(), started: 0 };
        let mut layer: Vec<_> = [new, up].into_iter().filter(|found| self.is_new(found)).collect();
        for left in (0..depth).rev() {
            let mut next = Vec::new();
            for found in layer {
                for step in steps(&found.play, &self.calls) {
                    self.steps += 1;
                    let (_, follows) = found.follow(&step, self.spec);
                    // The last ones are only looked at; there may be millions of them.
                    next.extend(follows.filter(|follows| self.is_new(follows) && left > 0));
                }
            }
            layer = next;
        }
    }
}

/// All states that this many events lead to.
fn explore(visited: &mut Visited, spec: &SupervisorSpec<Work>, depth: usize) {
    let mut search = Search::new(spec);
    search.run(depth);
    visited.states += search.seen.len();
    visited.steps += search.steps;
    visited.trees += 1;
}

/// Whatever state it is in, it ends when it is asked to, and answers everybody.
fn check_end(play: &Play) {
    let mut end = play.clone();
    end.is_prompt = true;
    end.stop();
    assert!(end.open.is_empty(), "somebody waits for an answer");
    assert!(end.down.is_some(), "it does not end");
}

fn broad(strategy: Strategy) {
    let mut visited = Visited::default();
    for list in (1..=BROAD.len()).flat_map(|length| lists(length, &KINDS)) {
        let depth = events(BROAD[list.len() - 1], EVENTS);
        explore(&mut visited, &limited(strategy, list), depth);
    }
    visited.print(&format!("{strategy:?}, workers of all kinds"));
}

fn waits(spec: Spec) -> Spec {
    spec.backoff(Backoff { first: SECOND, limit: SECOND * 2, jitter: 0 })
}

fn nested(strategy: Strategy, children: Vec<Spec>) -> Spec {
    ChildSpec::supervisor("n", limited(strategy, children))
}

fn deep(strategy: Strategy) {
    let depth = events(DEEP, EVENTS);
    let mut visited = Visited::default();
    explore(&mut visited, &limited(strategy, vec![waits(permanent("a")), transient("b")]), depth);
    let inner = nested(Strategy::OneForAll, vec![permanent("x"), transient("y")]);
    explore(&mut visited, &limited(strategy, vec![permanent("a"), inner]), depth);
    let mut ends = nested(Strategy::RestForOne, vec![transient("x").significant()]);
    if let Kind::Supervisor(spec) = &mut ends.kind {
        spec.auto_shutdown = AutoShutdown::Any;
    }
    let mut spec = limited(strategy, vec![ends.significant(), transient("b").significant()]);
    spec.children[0].restart = Restart::Transient;
    spec.auto_shutdown = AutoShutdown::All;
    explore(&mut visited, &spec, depth);
    let middle = nested(Strategy::Dynamic, vec![permanent("x")]);
    explore(&mut visited, &limited(strategy, vec![permanent("a"), middle, temporary("c")]), depth);
    visited.print(&format!("{strategy:?}, some in depth"));
}

#[test]
fn one_for_one() {
    broad(STATIC[0]);
    deep(STATIC[0]);
}

#[test]
fn one_for_all() {
    broad(STATIC[1]);
    deep(STATIC[1]);
}

#[test]
fn rest_for_one() {
    broad(STATIC[2]);
    deep(STATIC[2]);
}

#[test]
fn dynamic() {
    broad(Strategy::Dynamic);
    deep(Strategy::Dynamic);
}

#[test]
fn degrading() {
    let mut visited = Visited::default();
    for strategy in [Strategy::OneForOne, Strategy::Dynamic] {
        let mut spec = limited(strategy, vec![permanent("a"), transient("b")]);
        spec.excess = Excess::Degrade { retry: SECOND * 30 };
        explore(&mut visited, &spec, events(DEEP, EVENTS));
    }
    visited.print("degrading");
}
