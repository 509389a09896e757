//! The state of a tree as a number that is the same for states that will behave the same.
//!
//! It is made of what the tree shows for debugging: all that it knows. Three things are changed in it, and none of them
//! changes what can follow:
//!
//! - Numbers that only name things, which are runs, calls and children, become the order in which they are met. A tree
//!   compares them with each other, and does nothing else with them.
//! - Times become distances from now. A tree only asks how long ago something was, or whether it is due, so two states
//!   that differ by a shift of all their times differ by that shift for ever.
//! - What nothing depends on is left out: how a child ended last and how often it was started, which is only told; what
//!   a child is, which never changes; and, where nothing waits and nobody is degraded, how long a child has run and how
//!   often it was restarted in a row, which decide only how long it waits, and when it counts as well again.
//!
//! That this is so is also tested: see `SAMPLED` in the search.

use crate::play::{Play, Work};
use aegis_supervisor::{Backoff, Excess, Kind, SupervisorSpec};
use std::fmt::{self, Write};
use std::hash::{DefaultHasher, Hash, Hasher};

/// What becomes of the next number.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Number {
    Plain,
    /// Nothing depends on it.
    LeftOut,
    /// It names something of this kind.
    Name(u8),
    Time,
    /// A time that nothing depends on.
    TimeLeftOut,
    /// It is one of several times.
    Times,
}

struct Key {
    text: Vec<u8>,
    now: u64,
    /// Whether it matters how long children have run and how often they were restarted.
    has_waits: bool,
    /// Names of runs, calls and children.
    names: Vec<(u8, u64)>,
    next: Number,
    /// The unit of a time that was read follows.
    is_unit: bool,
    is_left_out: bool,
}

impl Write for Key {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        if piece.is_empty() {
            return Ok(());
        }
        let first = piece.as_bytes()[0];
        match first {
            // Of what is of one type, names, values and the brackets of lists tell all.
            b' ' | b':' | b',' | b'(' | b')' => return Ok(()),
            b'l' if piece == "last_exit" => self.is_left_out = true,
            b's' if piece == "spec" => self.is_left_out = true,
            // What follows them.
            b'p' | b'w' | b'c' if matches!(piece, "path" | "window" | "children") => self.is_left_out = false,
            b's' if piece == "streak" => self.is_left_out = !self.has_waits,
            _ => {}
        }
        if self.is_left_out {
            return Ok(());
        }
        if std::mem::take(&mut self.is_unit) {
            assert!(matches!(piece, "s" | "ns"), "times are whole seconds, or nothing: {piece}");
            return Ok(());
        }
        match first {
            b'0'..=b'9' => return self.number(piece),
            b'R' | b'C' | b'I' if matches!(piece, "Run" | "CallId" | "Id") => self.next = Number::Name(first),
            b'r' | b'i' | b's' | b'R' if matches!(piece, "runs" | "ids" | "starts" | "Random") => {
                self.next = Number::LeftOut;
            }
            b's' if piece == "since" && !self.has_waits => self.next = Number::TimeLeftOut,
            b's' | b'd' | b'k' | b'n' if matches!(piece, "since" | "due" | "kill_at" | "now") => {
                self.next = Number::Time;
            }
            b'W' if piece == "Window" => self.next = Number::Times,
            b'N' | b']' if matches!(piece, "None" | "]") => self.next = Number::Plain,
            _ => {}
        }
        self.text.extend_from_slice(piece.as_bytes());
        Ok(())
    }
}

impl Key {
    fn number(&mut self, digits: &str) -> fmt::Result {
        let number: u64 = digits.parse().map_err(|_| fmt::Error)?;
        let becomes = match self.next {
            Number::Plain => number,
            Number::LeftOut => 0,
            Number::Name(kind) => self.name(kind, number),
            Number::Time | Number::Times => number.wrapping_sub(self.now),
            Number::TimeLeftOut => 0,
        };
        self.is_unit = matches!(self.next, Number::Time | Number::Times | Number::TimeLeftOut);
        if self.next != Number::Times {
            self.next = Number::Plain;
        }
        self.text.extend_from_slice(&becomes.to_ne_bytes());
        Ok(())
    }

    /// The place of a name among those that were met.
    fn name(&mut self, kind: u8, number: u64) -> u64 {
        let found = self.names.iter().position(|name| *name == (kind, number));
        let place = found.unwrap_or_else(|| {
            self.names.push((kind, number));
            self.names.len() - 1
        });
        place as u64
    }
}

/// Whether a child waits before a restart, or is tried again from time to time.
pub(crate) fn has_waits(spec: &SupervisorSpec<Work>) -> bool {
    let is_backed_off = |backoff: Backoff| backoff != Backoff::default();
    spec.excess != Excess::Escalate
        || spec.children.iter().any(|child| {
            let below = if let Kind::Supervisor(spec) = &child.kind { has_waits(spec) } else { false };
            below || is_backed_off(child.backoff)
        })
}

/// Where `has_waits` tells whether anything in this tree does; nothing with waits may be added to it later.
pub(crate) fn key(play: &Play, has_waits: bool) -> u64 {
    let mut key = Key {
        text: Vec::with_capacity(2048),
        now: play.now.as_secs(),
        has_waits,
        names: Vec::new(),
        next: Number::Plain,
        is_unit: false,
        is_left_out: false,
    };
    write!(key, "{:?}", play.tree).expect("all numbers are read");
    // By their paths, which no two of them share: in which order they were started is nothing that anybody asks for.
    let mut live: Vec<_> = play.live.values().map(|live| (&live.path, live.stage)).collect();
    live.sort();
    let mut hasher = DefaultHasher::new();
    key.text.hash(&mut hasher);
    (live, play.open.len(), play.is_up, play.down.is_some(), play.ends_as_asked).hash(&mut hasher);
    hasher.finish()
}
