//! The lines of format 1. What they mean is not known here.

use super::Placed;
use crate::diagnostic::Place;

/// A line that says something: blank lines and comments are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// `[name]`
    Section(&'a str),
    /// Anything else, without blanks at its ends.
    Text(&'a str),
}

/// What is taken off the ends of a line. A byte order mark may stand before the first one.
const BLANKS: [char; 4] = [' ', '\t', '\r', '\u{feff}'];

/// The lines that say something, each with its place without blanks.
pub(crate) fn lines(source: usize, text: &str) -> impl Iterator<Item = Placed<Line<'_>>> {
    let mut next = 0;
    text.split('\n').filter_map(move |line| {
        let start = next;
        next += line.len() + 1;
        let before = line.len() - line.trim_start_matches(BLANKS).len();
        let line = line.trim_matches(BLANKS);
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let from = start + before;
        let place = Place::new(source, from..from + line.len());
        let section = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let value = section.map_or(Line::Text(line), |name| Line::Section(name.trim_matches(BLANKS)));
        Some(Placed { value, place })
    })
}
