//! From the text of a file to values that know their keys and places.

use crate::keys::{self, KEYS, Key};
use crate::report::{Code, Fault};
use crate::text::{closest, enumerate, quote};
use crate::value::{Care, Raw, Value, check};
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// What a text says, and what is wrong with it.
#[derive(Debug, Default)]
pub(crate) struct Read {
    /// Right values and their places.
    pub(crate) values: Vec<(&'static Key, Value, Range<usize>)>,
    /// What is wrong, and if it is the value of a key, of which.
    pub(crate) faults: Vec<(Fault, Range<usize>, Option<&'static Key>)>,
}

/// Reads a file. A text that is not TOML is not looked at any further: what could be said about the rest of it would be
/// guessed.
pub(crate) fn read(text: &str) -> Read {
    let mut read = Read::default();
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
        let fault = Fault::new(Code::Syntax, "this is not TOML", error.message(), remedy(error.message()));
        read.faults.push((fault, span, None));
    }
    if read.faults.is_empty() {
        read.section("", table.get_ref());
    }
    read
}

fn end_of_line(text: &str, from: usize) -> usize {
    text.get(from..).and_then(|rest| rest.find('\n')).map_or(text.len(), |length| from + length)
}

/// What to do about an error of the TOML parser, which only says what it expected.
fn remedy(message: &str) -> &'static str {
    const REMEDIES: [(&str, &str); 4] = [
        ("duplicate key", "write a key only once, and several values as a list, `[\"one\", \"two\"]`"),
        ("escape", "write a backslash twice in double quotes, or use single quotes"),
        ("array", "write a list as `[\"one\", \"two\"]`, with commas and a bracket at its end"),
        ("string", "write text in quotes, `\"like this\"`"),
    ];
    let found = REMEDIES.iter().find(|(part, _)| message.contains(part));
    found.map_or("write each setting on a line of its own, as `key = value`", |(_, remedy)| *remedy)
}

impl Read {
    fn section(&mut self, section: &str, table: &DeTable<'_>) {
        for (name, value) in table.iter() {
            let full = join(section, name.get_ref());
            // A dot within quotes is part of a name, and no name has one.
            let known = !name.get_ref().contains('.');
            if let Some(key) = Key::find(&full).filter(|_| known) {
                self.value(key, value.get_ref(), value.span());
            } else if !(known && keys::is_section(&full)) {
                self.faults.push((unknown(section, name.get_ref()), name.span(), None));
            } else if let DeValue::Table(inner) = value.get_ref() {
                self.section(&full, inner);
            } else {
                let message = format!("`{full}` is a section, not a key");
                let help = format!("write `[{full}]`, and its keys on the lines below");
                let fault = Fault::new(Code::WrongType, message, "this is a value", help);
                self.faults.push((fault, value.span(), None));
            }
        }
    }

    fn value(&mut self, key: &'static Key, value: &DeValue<'_>, span: Range<usize>) {
        match check(key, &Raw::of(value), span.clone(), Care::Strict) {
            Ok(value) => self.values.push((key, value, span)),
            Err(faults) => {
                self.faults.extend(faults.into_iter().map(|(fault, span)| (fault, span, Some(key))));
            }
        }
    }
}

fn join(section: &str, name: &str) -> String {
    if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") }
}

fn unknown(section: &str, name: &str) -> Fault {
    let names = keys::names_in(section);
    let what = if section.is_empty() { "section" } else { "key" };
    let place = if section.is_empty() { String::new() } else { format!(" in `[{section}]`") };
    let elsewhere = KEYS.iter().find(|key| key.parts().1 == name);
    let help = match (closest(name, &names), elsewhere) {
        (Some(meant), _) => format!("did you mean `{meant}`?"),
        (None, Some(key)) => format!("`{name}` belongs in `[{}]`", key.parts().0),
        (None, None) => {
            format!("the choices are {}; `aegisbpf config default` explains them", enumerate(&names))
        }
    };
    Fault::new(
        Code::UnknownKey,
        format!("there is no {what} {}{place}", quote(name)),
        format!("unknown {what}"),
        help,
    )
}
