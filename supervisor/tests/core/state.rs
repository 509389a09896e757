//! The state of a tree as a number that is the same for states that will behave the same.
//!
//! It is made of what the tree shows for debugging: all that it knows. Numbers that only name things become the order in
//! which they are met, and those that nothing depends on are left out.

use crate::play::Play;
use std::collections::HashMap;
use std::fmt::{self, Write};
use std::hash::{DefaultHasher, Hash, Hasher};

#[derive(Default)]
struct Key {
    hasher: DefaultHasher,
    /// Names of runs, calls and children, by what they name.
    names: HashMap<(u8, String), usize>,
    /// The next number names something of this kind.
    kind: Option<u8>,
    /// Nothing depends on the next number.
    is_counter: bool,
    is_left_out: bool,
}

impl Write for Key {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let first = piece.as_bytes().first().copied().unwrap_or_default();
        match first {
            // How a child ended last decides nothing, and what it is does not change.
            b'l' if piece == "last_exit" => self.is_left_out = true,
            b's' if piece == "spec" => self.is_left_out = true,
            // What follows them.
            b'p' | b's' | b'c' if matches!(piece, "path" | "streak" | "children") => self.is_left_out = false,
            _ => {}
        }
        if self.is_left_out {
            return Ok(());
        }
        match first {
            b'0'..=b'9' => return self.number(piece),
            b'R' | b'C' | b'I' if matches!(piece, "Run" | "CallId" | "Id") => self.kind = Some(first),
            b'r' | b'i' | b's' | b'R' if matches!(piece, "runs" | "ids" | "starts" | "Random") => {
                self.is_counter = true;
            }
            _ => {}
        }
        self.hasher.write(piece.as_bytes());
        Ok(())
    }
}

impl Key {
    fn number(&mut self, digits: &str) -> fmt::Result {
        if std::mem::take(&mut self.is_counter) {
            return Ok(());
        }
        match self.kind.take() {
            Some(kind) => {
                let next = self.names.len();
                let name = self.names.entry((kind, digits.to_owned())).or_insert(next);
                self.hasher.write_usize(*name);
            }
            None => self.hasher.write(digits.as_bytes()),
        }
        Ok(())
    }
}

pub(crate) fn key(play: &Play) -> u64 {
    let mut key = Key::default();
    write!(key, "{:?}", play.tree).expect("nothing is written to");
    for live in play.live.values() {
        (&live.path, live.stage).hash(&mut key.hasher);
    }
    (play.open.len(), play.is_up, play.down.is_some(), play.now).hash(&mut key.hasher);
    key.hasher.finish()
}
