//! All that can happen to small trees, and what is always true.
//!
//! A tree is explored event by event, also before it has come up. States that will behave the same are explored once.

use crate::play::{Play, SECOND, Spec, Stage, Work, below, failed, group, permanent, temporary, transient};
use crate::state::key;
use aegis_supervisor::{
    AutoShutdown, Backoff, Call, ChildSpec, Event, Excess, Exit, Kind, State, Strategy, SupervisorSpec,
};
use std::collections::HashSet;

/// Events in a row, for trees of some shapes, and for all trees of workers; the largest of each have fewer.
const DEEP: usize = 6;
const BROAD: usize = 4;
/// Calls that wait at once. More wait in the same queue.
const OPEN: usize = 2;

/// One in so many states is also ended.
const ENDED: u64 = 4;

const STATIC: [Strategy; 3] = [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne];

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
    for (at, child) in spec.children.iter().enumerate() {
        calls.push(Call::Terminate(child.name.clone()));
        if at == 0 {
            calls.extend([Call::Restart(child.name.clone()), Call::Delete(child.name.clone())]);
        }
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

/// Children come up in order, where nothing but their starts happens in between.
fn check_order(play: &Play, spec: &SupervisorSpec<Work>, started: &[String]) {
    let is_flat = spec.children.iter().all(|child| matches!(child.kind, Kind::Worker { .. }));
    if !play.is_up && is_flat {
        let names: Vec<_> = spec.children.iter().map(|child| child.name.clone()).collect();
        assert!(names.starts_with(started), "{started:?}");
    }
}

#[derive(Default)]
struct Visited {
    trees: usize,
    states: usize,
    steps: usize,
}

impl Visited {
    /// All states that this many events lead to.
    fn explore(&mut self, spec: &SupervisorSpec<Work>, depth: usize) {
        let calls = calls(spec);
        let mut new = Play::new(spec.clone()).late();
        let first = new.start();
        let started = first.split(", ").filter_map(|word| word.strip_prefix("start "));
        let started: Vec<String> = started.map(str::to_owned).collect();
        let up = Play::up(spec.clone()).late();
        let mut seen = HashSet::from([key(&new), key(&up)]);
        let mut layer = vec![(new, started), (up, Vec::new())];
        for _ in 0..depth {
            let mut next = Vec::new();
            for (play, started) in layer {
                for step in steps(&play, &calls) {
                    self.steps += 1;
                    let Some(state) = follow(&play, &started, &step, spec) else { continue };
                    let key = key(&state.0);
                    if seen.insert(key) {
                        check(&state.0, spec);
                        // Some states are enough, and the same ones each time.
                        if key.is_multiple_of(ENDED) {
                            check_end(&state.0);
                        }
                        next.push(state);
                    }
                }
            }
            layer = next;
        }
        self.states += seen.len();
        self.trees += 1;
    }

    fn print(&self, what: &str) {
        println!("{what}: {} trees, {} states, {} steps visited", self.trees, self.states, self.steps);
    }
}

/// The state that follows, unless it is the end.
fn follow(
    play: &Play,
    started: &[String],
    step: &Step,
    spec: &SupervisorSpec<Work>,
) -> Option<(Play, Vec<String>)> {
    let (mut play, mut started) = (play.clone(), started.to_vec());
    play.reports.clear();
    let was_up = play.is_up;
    let commands = take(&mut play, step);
    if !was_up {
        started
            .extend(commands.split(", ").filter_map(|word| word.strip_prefix("start ")).map(str::to_owned));
        check_order(&play, spec, &started);
    }
    if play.down.is_some() {
        assert_eq!(play.tree.next_due(), None);
        return None;
    }
    Some((play, started))
}

/// Whatever state it is in, it ends when it is asked to, and answers everybody.
fn check_end(play: &Play) {
    let mut end = play.clone();
    end.is_prompt = true;
    end.stop();
    assert!(end.open.is_empty(), "somebody waits for an answer");
    assert!(end.down.is_some(), "it does not end");
}

/// All lists of so many children, each permanent, transient or temporary.
fn lists(length: usize) -> Vec<Vec<Spec>> {
    let kinds = [permanent, transient, temporary];
    let with = |list: &Vec<Spec>| {
        let name = ["a", "b", "c"][list.len()];
        kinds.map(|kind| [list.as_slice(), &[kind(name)]].concat())
    };
    (0..length).fold(vec![Vec::new()], |lists, _| lists.iter().flat_map(with).collect())
}

fn limited(strategy: Strategy, children: Vec<Spec>) -> SupervisorSpec<Work> {
    let mut spec = group(strategy, []).intensity(1, SECOND * 20);
    spec.children = children;
    spec
}

fn broad(strategy: Strategy) {
    let mut visited = Visited::default();
    for list in (1..=3).flat_map(lists) {
        let depth = if list.len() == 3 { BROAD - 2 } else { BROAD };
        visited.explore(&limited(strategy, list), depth);
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
    let mut visited = Visited::default();
    visited.explore(&limited(strategy, vec![waits(permanent("a")), transient("b")]), DEEP);
    let inner = nested(Strategy::OneForAll, vec![permanent("x"), transient("y")]);
    visited.explore(&limited(strategy, vec![permanent("a"), inner]), DEEP - 1);
    let mut ends = nested(Strategy::RestForOne, vec![transient("x").significant()]);
    if let Kind::Supervisor(spec) = &mut ends.kind {
        spec.auto_shutdown = AutoShutdown::Any;
    }
    let mut spec = limited(strategy, vec![ends.significant(), transient("b").significant()]);
    spec.children[0].restart = aegis_supervisor::Restart::Transient;
    spec.auto_shutdown = AutoShutdown::All;
    visited.explore(&spec, DEEP);
    let middle = nested(Strategy::Dynamic, vec![permanent("x")]);
    visited.explore(&limited(strategy, vec![permanent("a"), middle, temporary("c")]), BROAD);
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
        visited.explore(&spec, DEEP);
    }
    visited.print("degrading");
}
