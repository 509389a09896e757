//! Random histories, through the core and through the model.
//!
//! A history is made of a few random words. Each is read as something that happens if it can, and otherwise skipped, so
//! that shorter lists of smaller words are simpler histories.

use crate::model::{Message, Model};
use crate::play::{Outcome, Play, SECOND, Spec, Stage, Starts, Work, failed, permanent};
use aegis_supervisor::{
    AutoShutdown, Call, Cause, ChildSpec, Event, Exit, Restart, Strategy, SupervisorSpec,
};
use proptest::prelude::{ProptestConfig, TestCaseError, any, prop, prop_assert, prop_assert_eq, proptest};
use proptest::strategy::Strategy as Generator;
use std::collections::VecDeque;

/// Histories for each strategy and each driver.
const CASES: u32 = 10_000;

/// The children there may be: of the root, and of a supervisor among them.
const NAMES: [Work; 6] = ["a", "b", "c", "d", "e", "f"];
const INNER: [Work; 2] = ["x", "y"];

#[derive(Debug, Clone)]
struct History {
    head: u32,
    children: [u32; 6],
    events: Vec<u32>,
}

fn histories() -> impl Generator<Value = History> {
    let children = prop::array::uniform6(any::<u32>());
    let events = prop::collection::vec(any::<u32>(), 0..14);
    (any::<u32>(), children, events).prop_map(|(head, children, events)| History { head, children, events })
}

/// A few bits of a word as a number below another.
fn bits(word: u32, from: u32, below: u32) -> u32 {
    (word >> from) % below
}

fn pick<T: Copy>(word: u32, from: u32, of: &[T]) -> T {
    of[(word >> from) as usize % of.len()]
}

/// A word for each start: mostly it succeeds.
fn outcomes(word: u32) -> VecDeque<Outcome> {
    let of = |bits: u32, fail: u32| match bits {
        bits if bits == fail => Outcome::Fail,
        bits if bits + 1 == fail => Outcome::Ignore,
        _ => Outcome::Ready,
    };
    let first = of(bits(word, 0, 32), 31);
    std::iter::once(first).chain((0..8).map(|at| of(bits(word, 5 + 3 * at, 8), 7))).collect()
}

const AUTO: [AutoShutdown; 4] =
    [AutoShutdown::Never, AutoShutdown::Never, AutoShutdown::Any, AutoShutdown::All];

fn supervisor(strategy: Strategy, word: u32) -> SupervisorSpec<Work> {
    let mut spec = SupervisorSpec::new(strategy).intensity(bits(word, 0, 4), SECOND * (1 + bits(word, 2, 2)));
    spec.auto_shutdown = pick(word, 3, &AUTO);
    spec
}

fn child(of: &SupervisorSpec<Work>, name: Work, word: u32) -> Spec {
    let restart = pick(word, 0, &[Restart::Permanent, Restart::Transient, Restart::Temporary]);
    let mut spec = permanent(name).restart(restart);
    let may = of.auto_shutdown != AutoShutdown::Never && restart != Restart::Permanent;
    spec.significant = may && bits(word, 4, 2) == 1;
    spec
}

/// A tree, the specification of each child there may be, and what comes of their starts.
struct Setting {
    spec: SupervisorSpec<Work>,
    pool: Vec<Spec>,
    starts: Starts,
}

fn setting(history: &History, strategy: Strategy, has_nested: bool) -> Setting {
    let mut spec = supervisor(strategy, history.head);
    let nested = (has_nested && bits(history.head, 8, 2) == 1).then(|| bits(history.head, 9, 5) as usize);
    let mut starts = Starts::default();
    let mut pool = Vec::new();
    for (at, (name, word)) in NAMES.into_iter().zip(history.children).enumerate() {
        let mut made = child(&spec, name, word);
        if nested == Some(at) {
            let strategies = [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne];
            let mut inner = supervisor(pick(word, 6, &strategies), word >> 8);
            for (name, word) in INNER.into_iter().zip([word >> 14, word >> 20]) {
                inner.children.push(child(&inner, name, word));
                starts.0.insert(format!("{}/{name}", NAMES[at]), outcomes(word.rotate_left(14)));
            }
            let worker = made;
            made = ChildSpec::supervisor(name, inner).restart(worker.restart);
            made.significant = worker.significant;
        }
        starts.0.insert(name.to_owned(), outcomes(word >> 5));
        pool.push(made);
    }
    if strategy != Strategy::Dynamic {
        spec.children = pool[..=bits(history.head, 16, 5) as usize].to_vec();
    }
    Setting { spec, pool, starts }
}

fn exit(word: u32, from: u32) -> Exit {
    match bits(word, from, 5) {
        0 => Exit::Normal,
        1 => Exit::Shutdown(Cause::Asked),
        2 => Exit::Killed,
        _ => failed(),
    }
}

fn call(word: u32, pool: &[Spec]) -> (String, Call<Work>) {
    let spec = &pool[bits(word, 6, 6) as usize];
    let name = if bits(word, 9, 4) == 0 { pick(word, 11, &INNER).to_owned() } else { spec.name.clone() };
    let at = if bits(word, 13, 8) == 0 { pick(word, 16, &NAMES) } else { "" };
    let call = match bits(word, 4, 4) {
        0 => Call::Add(spec.clone()),
        1 => Call::Terminate(name),
        2 => Call::Restart(name),
        _ => Call::Delete(name),
    };
    (at.to_owned(), call)
}

/// What a word makes happen in a tree that is played, as the model is to be told of it.
fn happening(word: u32, play: &Play, pool: &[Spec], id: u64) -> Option<Message> {
    Some(match bits(word, 0, 16) {
        0..=7 => {
            let running: Vec<_> = play.live.values().filter(|live| live.stage == Stage::Running).collect();
            let live = running.get((word >> 8) as usize % running.len().max(1))?;
            Message::Exit(live.path.clone(), live.number, exit(word, 4))
        }
        8..=12 => {
            let (at, call) = call(word, pool);
            Message::Call(id, at, call)
        }
        13 | 14 => Message::Pass(SECOND / 2 * bits(word, 4, 4)),
        _ if bits(word, 4, 4) == 0 => Message::Stop,
        _ => return None,
    })
}

/// Tells the core the same as the model. What it commands stays in the log.
pub(crate) fn play_it(play: &mut Play, message: &Message) {
    match message.clone() {
        Message::Exit(path, _, exit) => {
            let run = play.run_of(&path);
            play.live.remove(&run);
            play.event(Event::Exited(run, exit));
        }
        Message::Call(id, at, call) => {
            let id = aegis_supervisor::CallId(id);
            play.open.insert(id);
            // After the end nothing is commanded, and nobody to ask is left.
            if play.down.is_some() {
                play.open.remove(&id);
                play.log.push(format!("reply {} gone", id.0));
            } else {
                play.event(Event::Call { id, at, call });
            }
        }
        Message::Pass(time) => {
            play.now += time;
            play.event(Event::Time);
        }
        Message::Stop => play.event(Event::Stop),
        Message::TryAgain(..) => {}
    }
}

/// A log without differences that mean nothing. When nobody is there to ask, or will be any more, is told at another time
/// and in other words; and that the tree is up is told at the end of a step, in which what waited for it may have been
/// seen to.
pub(crate) fn log(lines: &[String]) -> Vec<String> {
    let gone = ["gone", "no_supervisor", "ending"];
    let is_gone = |line: &&String| gone.iter().any(|word| line.ends_with(word));
    let mut told: Vec<_> = lines.iter().filter(|line| *line != "up" && !is_gone(line)).cloned().collect();
    told.extend(
        lines
            .iter()
            .filter(is_gone)
            .map(|line| gone.iter().fold(line.clone(), |line, word| line.replace(word, "gone"))),
    );
    told
}

pub(crate) fn states(play: &Play) -> String {
    if play.down.is_some() { String::new() } else { play.states() }
}

fn compare(play: &Play, model: &Model, is_ordered: bool) -> Result<(), TestCaseError> {
    let (mut core, mut other) = (log(&play.log), log(&model.world.log));
    let mut both = (states(play), model.states());
    let sorted = |states: &str| {
        let mut states: Vec<_> = states.split(", ").map(str::to_owned).collect();
        states.sort();
        states.join(", ")
    };
    if play.down.is_some() {
        both.1.clear();
    }
    if !is_ordered {
        core.sort();
        other.sort();
        both = (sorted(&both.0), sorted(&both.1));
    }
    prop_assert_eq!(core, other);
    prop_assert_eq!(both.0, both.1);
    prop_assert_eq!(play.is_up, model.world.log.iter().any(|line| line == "up"));
    prop_assert!(play.open.is_empty());
    Ok(())
}

pub(crate) fn drain(play: &mut Play) {
    while play.answer().is_some() {}
}

/// Every command is answered at once.
fn prompt(history: &History, strategy: Strategy) -> Result<(), TestCaseError> {
    let setting = setting(history, strategy, true);
    let mut play = Play::new(setting.spec.clone());
    play.starts = setting.starts.clone();
    let mut model = Model::new(&setting.spec, setting.starts.clone(), false);
    play.event(Event::Start);
    drain(&mut play);
    model.init();
    for (id, word) in (1..).zip(&history.events) {
        if let Some(message) = happening(*word, &play, &setting.pool, id) {
            play_it(&mut play, &message);
            drain(&mut play);
            model.tell(message);
        }
    }
    compare(&play, &model, strategy != Strategy::Dynamic)
}

/// Other things happen before commands are answered. The model gets them all in the order in which the core did, and
/// sees to one after the other.
fn late(history: &History, strategy: Strategy) -> Result<(), TestCaseError> {
    let setting = setting(history, strategy, false);
    let mut play = Play::new(setting.spec.clone());
    play.starts = setting.starts.clone();
    let mut model = Model::new(&setting.spec, setting.starts.clone(), true);
    let mut mailbox = Vec::new();
    play.event(Event::Start);
    for (id, word) in (1..).zip(&history.events) {
        for _ in 0..bits(*word, 28, 4) {
            answer(&mut play, &mut mailbox);
        }
        match happening(*word, &play, &setting.pool, id) {
            // A stop does not wait for its turn, and is the subject of others.
            None | Some(Message::Stop) => {}
            // There is nobody else to ask, which is told without a wait.
            Some(Message::Call(_, at, _)) if !at.is_empty() => {}
            Some(message) => {
                if matches!(message, Message::Pass(_)) {
                    while answer(&mut play, &mut mailbox) {}
                }
                play_it(&mut play, &message);
                mailbox.push(message);
            }
        }
    }
    while answer(&mut play, &mut mailbox) {}
    for message in &mailbox {
        if let Message::Exit(path, number, _) = message {
            model.world.dead.insert((path.clone(), *number));
        }
    }
    model.init();
    mailbox.into_iter().for_each(|message| model.tell(message));
    compare(&play, &model, true)
}

/// Answers a command, and tells the model's mailbox of a start that failed.
fn answer(play: &mut Play, mailbox: &mut Vec<Message>) -> bool {
    // The core sees to it within the answer, so it must be told before that what was commanded since comes later.
    let Some((live, outcome)) = play.answer() else { return false };
    if outcome == Some(Outcome::Fail) {
        mailbox.push(Message::TryAgain(live.path, live.number));
    }
    true
}

/// Children of a dynamic supervisor are answered late, and have nothing to do with each other: what becomes of each is the
/// same as if nothing else happened meanwhile.
fn independent(history: &History) -> Result<(), TestCaseError> {
    let mut setting = setting(history, Strategy::Dynamic, false);
    setting.spec.intensity.restarts = 1000;
    setting.spec.auto_shutdown = AutoShutdown::Never;
    setting.pool.iter_mut().for_each(|spec| spec.significant = false);
    let mut play = Play::new(setting.spec.clone());
    play.starts = setting.starts.clone();
    let mut model = Model::new(&setting.spec, setting.starts.clone(), false);
    play.event(Event::Start);
    model.init();
    for (id, word) in (1..).zip(&history.events) {
        for _ in 0..bits(*word, 28, 3) {
            let next = bits(*word, 20, 7) as usize % play.pending.len().max(1);
            play.pending.rotate_left(next.min(play.pending.len()));
            play.answer();
        }
        let Some(message) = happening(*word, &play, &setting.pool, id) else { continue };
        if !matches!(message, Message::Stop) && !is_about_one_under_way(&play, &message) {
            play_it(&mut play, &message);
            model.tell(message);
        }
    }
    drain(&mut play);
    compare(&play, &model, false)
}

fn is_about_one_under_way(play: &Play, message: &Message) -> bool {
    let name = match message {
        Message::Call(_, at, _) if !at.is_empty() => return false,
        Message::Call(_, _, Call::Add(spec)) => &spec.name,
        Message::Call(_, _, Call::Terminate(name) | Call::Restart(name) | Call::Delete(name)) => name,
        _ => return false,
    };
    play.live.values().any(|live| live.path == *name && live.stage != Stage::Running)
}

/// Anything may happen at any time, also the end: only what is checked always is checked, and that it ends.
fn ends(history: &History, strategy: Strategy) -> Result<(), TestCaseError> {
    let setting = setting(history, strategy, true);
    let mut play = Play::new(setting.spec.clone());
    play.starts = setting.starts.clone();
    play.event(Event::Start);
    for (id, word) in (1..).zip(&history.events) {
        for _ in 0..bits(*word, 28, 4) {
            play.answer();
        }
        if let Some(message) = happening(*word, &play, &setting.pool, id) {
            play_it(&mut play, &message);
        }
    }
    if play.down.is_none() {
        play.event(Event::Stop);
        drain(&mut play);
    }
    prop_assert!(play.down.is_some(), "it has not ended: {:?}", play.log);
    prop_assert!(play.open.is_empty());
    Ok(())
}

proptest! {
    // Each history is small, and a failing one is told whole: it needs no file to be found again.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(CASES) })]

    #[test]
    fn prompt_one_for_one(history in histories()) { prompt(&history, Strategy::OneForOne)?; }

    #[test]
    fn prompt_one_for_all(history in histories()) { prompt(&history, Strategy::OneForAll)?; }

    #[test]
    fn prompt_rest_for_one(history in histories()) { prompt(&history, Strategy::RestForOne)?; }

    #[test]
    fn prompt_dynamic(history in histories()) { prompt(&history, Strategy::Dynamic)?; }

    #[test]
    fn late_one_for_one(history in histories()) { late(&history, Strategy::OneForOne)?; }

    #[test]
    fn late_one_for_all(history in histories()) { late(&history, Strategy::OneForAll)?; }

    #[test]
    fn late_rest_for_one(history in histories()) { late(&history, Strategy::RestForOne)?; }

    #[test]
    fn late_dynamic(history in histories()) { independent(&history)?; }

    #[test]
    fn ends_one_for_one(history in histories()) { ends(&history, Strategy::OneForOne)?; }

    #[test]
    fn ends_one_for_all(history in histories()) { ends(&history, Strategy::OneForAll)?; }

    #[test]
    fn ends_rest_for_one(history in histories()) { ends(&history, Strategy::RestForOne)?; }

    #[test]
    fn ends_dynamic(history in histories()) { ends(&history, Strategy::Dynamic)?; }
}
