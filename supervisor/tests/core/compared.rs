//! All that can happen to small trees, through the core and through the model.
//!
//! Every command is answered at once, by each outcome that a start can have. Core and model are told the same and must do
//! the same, event by event. Pairs of states that will behave the same are explored once.

use crate::histories::{drain, log, play_it, states};
use crate::model::{Message, Model};
use crate::play::{Outcome, Play, Spec, Stage, Starts, Work, failed, permanent, temporary, transient};
use crate::state::{has_waits, key};
use crate::trees::{EVENTS, KINDS, STATIC, Visited, events, limited, lists};
use aegis_supervisor::{
    AutoShutdown, Call, Cause, ChildSpec, Event, Exit, Kind, Restart, Strategy, SupervisorSpec,
};
use std::collections::HashSet;
use std::time::Duration;

/// Events in a row in the short form, for all trees of 1, 2 and 3 workers.
const BROAD: [usize; 3] = [6, 3, 1];
/// The same for trees of 1 and 2 workers of which some are significant.
const SIGNIFICANT: [usize; 2] = [5, 2];
/// The same for trees with a supervisor in them, in the short form and the long one. Each event has some 25 calls to be,
/// and restarts of up to three starts.
const NESTED: [usize; 2] = [1, 4];
/// Half of the period in which restarts count: at its very end they do, and later they do not.
const PASS: Duration = Duration::from_secs(10);

/// A tree, and the model of it.
#[derive(Clone)]
struct Pair {
    play: Play,
    model: Model,
}

/// What there is to be asked and added.
struct Setting {
    spec: SupervisorSpec<Work>,
    /// What it is told before the history begins.
    first: Vec<Message>,
    calls: Vec<(String, Call<Work>)>,
}

/// Starts in the order in which they are commanded, and what comes of them.
type Script = Vec<(String, Outcome)>;

impl Pair {
    fn new(spec: &SupervisorSpec<Work>) -> Self {
        let (play, model) = (Play::new(spec.clone()), Model::new(spec, Starts::default(), false));
        Self { play, model }
    }

    /// What follows if starts end as the script says, and those beyond it succeed; and all starts that there were.
    fn tell(&self, message: Option<&Message>, script: &Script, is_ordered: bool) -> (Self, Script) {
        let mut next = self.clone();
        let mut starts = Starts::default();
        for (path, outcome) in script {
            starts.0.entry(path.clone()).or_default().push_back(*outcome);
        }
        let Self { play, model } = &mut next;
        (play.starts, model.world.starts) = (starts.clone(), starts);
        match message {
            None => {
                play.event(Event::Start);
                drain(play);
                model.init();
            }
            Some(message) => {
                play_it(play, message);
                drain(play);
                model.tell(message.clone());
            }
        }
        let asked = play.log.iter().filter_map(|line| line.strip_prefix("start "));
        let script = asked.enumerate().map(|(at, path)| match script.get(at) {
            Some((same, outcome)) => {
                assert_eq!(same, path, "what came before decides who is started");
                (path.to_owned(), *outcome)
            }
            None => (path.to_owned(), Outcome::Ready),
        });
        let script = script.collect();
        next.compare(message, &script, is_ordered);
        (next, script)
    }

    /// The same for each script that there is.
    fn tell_all(&self, message: Option<&Message>, is_ordered: bool, mut found: impl FnMut(Self)) {
        let mut script = Some(Script::new());
        while let Some(outcomes) = script {
            let (state, asked) = self.tell(message, &outcomes, is_ordered);
            found(state);
            script = next_script(asked);
        }
    }

    /// Core and model did the same, and are in the same state.
    fn compare(&mut self, message: Option<&Message>, script: &Script, is_ordered: bool) {
        let Self { play, model } = self;
        let told = || format!("{message:?}, {script:?}");
        let mut logs = [log(&play.log), log(&model.world.log)];
        let mut seen = [states(play), if play.down.is_some() { String::new() } else { model.states() }];
        if !is_ordered {
            logs.iter_mut().for_each(|log| log.sort());
            seen = seen.map(|states| {
                let mut states: Vec<_> = states.split(", ").collect();
                states.sort_unstable();
                states.join(", ")
            });
        }
        assert_eq!(logs[0], logs[1], "{}", told());
        assert_eq!(seen[0], seen[1], "{}", told());
        assert!(play.open.is_empty() && play.live.values().all(|live| live.stage == Stage::Running));
        // No end of a run is on its way to the model any more.
        model.world.dead.clear();
        model.world.log.clear();
        play.log.clear();
        play.reports.clear();
    }
}

/// The script to try after this one: its last start ends in the next way, or the one before it does.
fn next_script(mut script: Script) -> Option<Script> {
    while let Some((path, outcome)) = script.pop() {
        let next = match outcome {
            Outcome::Ready => Outcome::Ignore,
            Outcome::Ignore => Outcome::Fail,
            Outcome::Fail => continue,
        };
        script.push((path, next));
        return Some(script);
    }
    None
}

fn messages(play: &Play, setting: &Setting, id: u64) -> Vec<Message> {
    let exits = [Exit::Normal, Exit::Shutdown(Cause::Asked), failed()];
    let of = |exit: &Exit| {
        let exit = exit.clone();
        play.live.values().map(move |live| Message::Exit(live.path.clone(), live.number, exit.clone()))
    };
    let mut messages: Vec<_> = exits.iter().flat_map(of).collect();
    let calls = setting.calls.iter().cloned();
    messages.extend(calls.map(|(at, call)| Message::Call(id, at, call)));
    messages.extend([Message::Pass(PASS), Message::Stop]);
    messages
}

/// What a pair is told next.
enum Told {
    /// This: to start, where it is nothing, or what comes before the history begins.
    Only(Option<Message>),
    /// All that there is, in turn.
    All,
}

/// All pairs that this many events lead to, however starts end.
fn explore(visited: &mut Visited, setting: &Setting, depth: usize) {
    let Setting { spec, first, .. } = setting;
    let (waits, is_ordered) = (has_waits(spec), spec.strategy != Strategy::Dynamic);
    let mut seen = HashSet::new();
    let mut layer = vec![Pair::new(spec)];
    let boot = std::iter::once(None).chain(first.iter().cloned().map(Some));
    let events: Vec<_> = boot.map(Told::Only).chain((0..depth).map(|_| Told::All)).collect();
    let last = events.len() - 1;
    for (at, told) in events.iter().enumerate() {
        let mut next = Vec::new();
        for pair in layer {
            let messages = match told {
                Told::Only(message) => vec![message.clone()],
                Told::All => messages(&pair.play, setting, at as u64).into_iter().map(Some).collect(),
            };
            for message in messages {
                pair.tell_all(message.as_ref(), is_ordered, |state| {
                    visited.steps += 1;
                    let is_over = state.play.down.is_some();
                    let is_new = !is_over && seen.insert((key(&state.play, waits), state.model.known()));
                    if is_new && at < last {
                        next.push(state);
                    }
                });
            }
        }
        layer = next;
    }
    visited.states += seen.len();
    visited.trees += 1;
}

/// What can be asked of a supervisor.
fn calls(at: &str, children: &[Spec]) -> Vec<(String, Call<Work>)> {
    let of = |spec: &Spec| {
        let name = || spec.name.clone();
        [Call::Add(spec.clone()), Call::Terminate(name()), Call::Restart(name()), Call::Delete(name())]
    };
    let more = [temporary("d"), transient("e")];
    children.iter().chain(&more).flat_map(of).map(|call| (at.to_owned(), call)).collect()
}

/// Of the children that a dynamic supervisor starts with OTP knows nothing: there they all come later.
fn setting(mut spec: SupervisorSpec<Work>) -> Setting {
    let mut calls = calls("", &spec.children);
    let inner = spec.children.iter().filter_map(|child| match &child.kind {
        Kind::Supervisor(inner) => Some((&child.name, inner)),
        Kind::Worker { .. } => None,
    });
    calls.extend(inner.flat_map(|(name, inner)| self::calls(name, &inner.children)));
    let mut first = Vec::new();
    if spec.strategy == Strategy::Dynamic {
        let children = std::mem::take(&mut spec.children).into_iter();
        first = (1000..)
            .zip(children)
            .map(|(id, child)| Message::Call(id, String::new(), Call::Add(child)))
            .collect();
    }
    Setting { spec, first, calls }
}

/// Trees of workers of all kinds, and of those of which some are significant.
fn broad(strategy: Strategy) {
    let mut visited = Visited::default();
    for list in (1..=BROAD.len()).flat_map(|length| lists(length, &KINDS)) {
        let depth = events(BROAD[list.len() - 1], EVENTS);
        explore(&mut visited, &setting(limited(strategy, list)), depth);
    }
    visited.print(&format!("{strategy:?}, workers of all kinds, with the model"));
    let mut visited = Visited::default();
    let kinds: [fn(Work) -> Spec; 3] =
        [transient, |name| transient(name).significant(), |name| temporary(name).significant()];
    for auto in [AutoShutdown::Any, AutoShutdown::All] {
        for list in (1..=SIGNIFICANT.len()).flat_map(|length| lists(length, &kinds)) {
            let depth = events(SIGNIFICANT[list.len() - 1], EVENTS);
            let mut spec = limited(strategy, list);
            spec.auto_shutdown = auto;
            explore(&mut visited, &setting(spec), depth);
        }
    }
    visited.print(&format!("{strategy:?}, significant workers, with the model"));
}

/// Trees of a worker and a supervisor of two others.
fn nested(strategy: Strategy) {
    let mut visited = Visited::default();
    for of in STATIC {
        for restart in [Restart::Permanent, Restart::Transient, Restart::Temporary] {
            let inner = limited(of, vec![permanent("x"), transient("y")]);
            let inner = ChildSpec::supervisor("n", inner).restart(restart);
            let spec = limited(strategy, vec![permanent("a"), inner]);
            explore(&mut visited, &setting(spec), events(NESTED[0], NESTED[1]));
        }
    }
    visited.print(&format!("{strategy:?}, some with a supervisor, with the model"));
}

#[test]
fn one_for_one() {
    broad(STATIC[0]);
    nested(STATIC[0]);
}

#[test]
fn one_for_all() {
    broad(STATIC[1]);
    nested(STATIC[1]);
}

#[test]
fn rest_for_one() {
    broad(STATIC[2]);
    nested(STATIC[2]);
}

#[test]
fn dynamic() {
    broad(Strategy::Dynamic);
    nested(Strategy::Dynamic);
}
