//! Reads a long file in parts, which are cut before headers of rules: what is made of the text on the way to its rules is
//! several times as long as the text, and is gone before the next part is read.
//!
//! A header at the beginning of a line ends whatever stood before it. So a file means what its parts mean one after the
//! other, if each of them is TOML by itself: where something only looks like a header, as in a text of several lines, there
//! is none on both sides of the cut. And no part may add to what another one says: rules are a list, and everything else
//! stands in one part only. Whatever is not so plain is left to whoever reads the file as a whole; faults of TOML are told
//! by nobody else.

use super::file::{self, Contents, File, SECTIONS, TOP};
use crate::diagnostic::{Diagnostic, Place, Sink};
use crate::syntax::{self, Fields};
use std::ops::Range;
use std::panic::resume_unwind;
use std::thread;
use toml::de::DeTable;

/// Where a file is cut: behind the line break.
const CUT: &str = "\n[[rule]]";
/// Bytes of a part, without the rest of its last rule: the tables of a part stay in the caches of a processor.
pub(super) const PART: usize = 128 << 10;
/// From so many parts on a second processor helps more than a thread costs.
const MANY: usize = 8;
/// The keys of parts behind the first: all but those of the top, whose faults are told once.
const BELOW: [&str; 3] = ["rule", "exempt", "tenant"];

/// Which of these keys a table has.
fn below(table: &DeTable<'_>) -> [bool; BELOW.len()] {
    BELOW.map(|key| table.contains_key(key))
}

/// What parts behind the head say, one after the other.
#[derive(Default)]
struct Said {
    contents: Contents,
    has: [bool; BELOW.len()],
    found: Sink,
}

impl Said {
    /// Adds what stands behind it. Nothing if it adds to the same table.
    fn and(mut self, mut next: Self) -> Option<Self> {
        // Not the first of them: of rules there are as many as there are.
        if self.has.iter().zip(next.has).skip(1).any(|(before, now)| *before && now) {
            return None;
        }
        self.has.iter_mut().zip(next.has).for_each(|(before, now)| *before |= now);
        self.contents.append(next.contents);
        self.found.append(&mut next.found);
        Some(self)
    }
}

/// Reads a file in parts of so many bytes. Nothing, and nothing is told, if it is short, or must be read as a whole.
pub(super) fn read(source: usize, text: &str, size: usize, sink: &mut Sink) -> Option<File> {
    let cuts = cuts(text, size)?;
    let (first, others) = cuts.split_first()?;
    let mut found = Sink::new();
    let head = plain(source, text.get(..*first)?)?;
    if file::other_version(source, &head).is_some() || head.contains_key("rule") {
        return None;
    }
    let mut file = file::file(&open(source, &head, &mut found), &mut found);
    let ends = others.iter().copied().chain([text.len()]);
    let ranges: Vec<_> = cuts.iter().zip(ends).map(|(start, end)| *start..end).collect();
    let contents = std::mem::take(&mut file.contents);
    let said = Said { contents, has: below(&head), found }.and(halves(source, text, &ranges)?)?;
    file.contents = said.contents;
    sink.extend(said.found);
    Some(file)
}

/// Reads parts; many of them in halves, on a processor each. Neither half is read by the caller: an allocator gives new
/// threads heaps by turns, so that these two do not wait for each other.
fn halves(source: usize, text: &str, ranges: &[Range<usize>]) -> Option<Said> {
    if ranges.len() < MANY {
        return parts(source, text, ranges);
    }
    let (first, second) = ranges.split_at(ranges.len() / 2);
    thread::scope(|scope| {
        let [first, second] = [first, second].map(|half| {
            let read = move || parts(source, text, half);
            let thread = thread::Builder::new().name("policy".to_owned()).spawn_scoped(scope, read);
            move || match thread {
                Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
                // No thread is to be had, which is nothing that a policy is refused for.
                Err(_) => read(),
            }
        });
        first()?.and(second()?)
    })
}

/// Reads parts one after the other.
fn parts(source: usize, text: &str, ranges: &[Range<usize>]) -> Option<Said> {
    ranges.iter().try_fold(Said::default(), |said, range| said.and(part(source, text, range)?))
}

/// Where the parts behind the head begin.
fn cuts(text: &str, size: usize) -> Option<Vec<usize>> {
    if text.len() < 2 * size {
        return None;
    }
    let next = |from: usize| {
        let from = text.ceil_char_boundary(from);
        Some(from + text.get(from..)?.find(CUT)? + 1)
    };
    let mut cuts = vec![next(0)?];
    while let Some(cut) = cuts.last().and_then(|last| next(last + size)) {
        cuts.push(cut);
    }
    Some(cuts)
}

/// The table of a text that is TOML.
fn plain(source: usize, text: &str) -> Option<DeTable<'_>> {
    let mut faults = Sink::new();
    let table = syntax::parse(source, text, &mut faults);
    faults.is_empty().then_some(table)
}

fn open<'a>(source: usize, table: &'a DeTable<'a>, sink: &mut Sink) -> Fields<'a> {
    Fields::open(&TOP, SECTIONS, table, Place::new(source, 0..0), sink)
}

/// What a part says, and what is found in it, with places in the file.
fn part(source: usize, text: &str, range: &Range<usize>) -> Option<Said> {
    let table = plain(source, text.get(range.clone())?)?;
    if table.keys().any(|key| !BELOW.contains(&key.get_ref().as_ref())) {
        return None;
    }
    let mut found = Sink::new();
    let mut contents = file::below(&open(source, &table, &mut found), &mut found);
    contents.places().for_each(|place| place.shift(range.start));
    found.iter_mut().flat_map(Diagnostic::places).for_each(|place| place.shift(range.start));
    Some(Said { contents, has: below(&table), found })
}

#[cfg(test)]
mod tests;
