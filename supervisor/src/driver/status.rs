//! The tree as it runs, to be shown.

use super::life::Life;
use crate::exit::Exit;
use crate::tree::{Run, State, View};
use std::collections::HashMap;
use std::time::Duration;

/// A supervisor or worker and what is below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Its names from the root; the root's is empty.
    pub path: String,
    /// Where it is in its life.
    pub state: State,
    /// How often it was started before.
    pub incarnation: u32,
    /// Restarts that count now: of a supervisor among its children, of a worker its own where it has a count of its own.
    pub restarts: u32,
    /// How it ended last.
    pub last_exit: Option<Exit>,
    /// How old its last heartbeat is.
    pub silence: Option<Duration>,
    /// Numbers that it shows.
    pub gauges: Vec<(&'static str, u64)>,
    /// What is below it.
    pub children: Vec<Status>,
}

impl Status {
    pub(super) fn new(view: View, lives: &HashMap<Run, &Life>) -> Self {
        let life = view.run.and_then(|run| lives.get(&run));
        Self {
            path: view.path,
            state: view.state,
            incarnation: view.incarnation,
            restarts: view.restarts,
            last_exit: view.last_exit,
            silence: life.and_then(|life| life.silence()),
            gauges: life.map(|life| life.gauges()).unwrap_or_default(),
            children: view.children.into_iter().map(|child| Self::new(child, lives)).collect(),
        }
    }

    /// The child at a path below this one.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<&Self> {
        if self.path == path {
            return Some(self);
        }
        self.children.iter().find_map(|child| child.find(path))
    }
}
