//! From text to tables whose values know their places, and from there to typed fields. What the fields mean is
//! not known here.

mod fields;
mod lines;
mod section;
mod suggest;

pub(crate) use fields::{Fields, Scalar};
pub(crate) use lines::{Line, lines};
pub(crate) use section::{Key, Section, Takes, key};
pub(crate) use suggest::{choice, closest};

use crate::diagnostic::{Code, Fault, Place, Sink};
use toml::de::DeTable;

/// A value and where it is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed<T> {
    pub(crate) value: T,
    pub(crate) place: Place,
}

/// Parses one file. The table is what could be read; it is complete only if nothing was put into `sink`.
pub(crate) fn parse<'a>(source: usize, text: &'a str, sink: &mut Sink) -> DeTable<'a> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut reported_until = None;
    for error in errors {
        // An error without a place is about the end of the text.
        let span = error.span().unwrap_or(text.len()..text.len());
        // What follows on the same line is mostly the parser finding its way back.
        if reported_until.is_some_and(|end| span.start <= end) {
            continue;
        }
        reported_until = Some(end_of_line(text, span.start));
        let fault = Fault::new(Code::Syntax, "this is not TOML").label(error.message());
        sink.push(fault.help(remedy(error.message())).at(Place::new(source, span)));
    }
    table.into_inner()
}

fn end_of_line(text: &str, from: usize) -> usize {
    text.get(from..).and_then(|rest| rest.find('\n')).map_or(text.len(), |length| from + length)
}

/// What to do about an error of the TOML parser, which only says what it expected.
fn remedy(message: &str) -> &'static str {
    const REMEDIES: [(&str, &str); 5] = [
        (
            "duplicate key",
            "write a key only once in a table, and several values as a list, `[\"one\", \"two\"]`",
        ),
        ("escape", "write a backslash twice in double quotes, or use single quotes"),
        ("array table", "write a header in two pairs of brackets, `[[rule]]`"),
        ("array", "write a list as `[\"one\", \"two\"]`, with commas and a bracket at its end"),
        ("string", "write text in quotes, `\"like this\"`"),
    ];
    let found = REMEDIES.iter().find(|(part, _)| message.contains(part));
    found.map_or("write each setting on a line of its own, as `key = value`", |(_, remedy)| *remedy)
}
