//! The small trees that are searched through, and how far.

use crate::play::{SECOND, Spec, Work, group, permanent, temporary, transient};
use aegis_supervisor::{Strategy, SupervisorSpec};

pub(crate) const STATIC: [Strategy; 3] = [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne];

/// Events in a row, in the long form, for all trees but the largest.
pub(crate) const EVENTS: usize = 6;

/// Events in a row, in the form that is asked for. The short form takes seconds; the long one takes minutes even in an
/// optimised build, and is for changes of the core:
/// `AEGIS_LONG=1 cargo test --release -p aegis-supervisor --test core -- exhaustive compared --nocapture`.
pub(crate) fn events(short: usize, long: usize) -> usize {
    if std::env::var_os("AEGIS_LONG").is_some() { long } else { short }
}

/// All lists of so many children, each of one of these kinds.
pub(crate) fn lists(length: usize, kinds: &[fn(Work) -> Spec]) -> Vec<Vec<Spec>> {
    let with = |list: &Vec<Spec>| {
        let name = ["a", "b", "c"][list.len()];
        kinds.iter().map(|kind| [list.as_slice(), &[kind(name)]].concat()).collect::<Vec<_>>()
    };
    (0..length).fold(vec![Vec::new()], |lists, _| lists.iter().flat_map(with).collect())
}

pub(crate) const KINDS: [fn(Work) -> Spec; 3] = [permanent, transient, temporary];

/// A supervisor that bears one restart in 20 seconds.
pub(crate) fn limited(strategy: Strategy, children: Vec<Spec>) -> SupervisorSpec<Work> {
    let mut spec = group(strategy, []).intensity(1, SECOND * 20);
    spec.children = children;
    spec
}

/// What was visited, to be printed.
#[derive(Default)]
pub(crate) struct Visited {
    pub(crate) trees: usize,
    pub(crate) states: usize,
    pub(crate) steps: usize,
}

impl Visited {
    pub(crate) fn print(&self, what: &str) {
        println!("{what}: {} trees, {} states, {} steps visited", self.trees, self.states, self.steps);
    }
}
