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
use toml::de::DeTable;

/// Where a file is cut: behind the line break.
const CUT: &str = "\n[[rule]]";
/// Bytes of a part, without the rest of its last rule: the tables of a part stay in the caches of a processor.
pub(super) const PART: usize = 128 << 10;
/// The keys of parts behind the first: all but those of the top, whose faults are told once.
const BELOW: [&str; 3] = ["rule", "exempt", "tenant"];

/// Which of these keys a table has.
fn below(table: &DeTable<'_>) -> [bool; BELOW.len()] {
    BELOW.map(|key| table.contains_key(key))
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
    let mut before = below(&head);
    let mut file = file::file(&open(source, &head, &mut found), &mut found);
    let ends = others.iter().copied().chain([text.len()]);
    for range in cuts.iter().zip(ends).map(|(start, end)| *start..end) {
        let table = plain(source, text.get(range.clone())?)?;
        let has = below(&table);
        let is_foreign = table.keys().any(|key| !BELOW.contains(&key.get_ref().as_ref()));
        // Not the first of them: of rules there are as many as there are.
        if is_foreign || before.iter().zip(has).skip(1).any(|(before, now)| *before && now) {
            return None;
        }
        before.iter_mut().zip(has).for_each(|(before, now)| *before |= now);
        file.contents.append(part(source, &table, &range, &mut found));
    }
    sink.append(&mut found);
    Some(file)
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
fn part(source: usize, table: &DeTable<'_>, range: &Range<usize>, sink: &mut Sink) -> Contents {
    let mut found = Sink::new();
    let mut contents = file::below(&open(source, table, &mut found), &mut found);
    contents.places().for_each(|place| place.shift(range.start));
    found.iter_mut().flat_map(Diagnostic::places).for_each(|place| place.shift(range.start));
    sink.append(&mut found);
    contents
}

#[cfg(test)]
mod tests;
