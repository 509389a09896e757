//! Typed reading of one table. Every method reports what is wrong with its field and then answers as if the
//! field were not there, so that one mistake hides no other.

use super::{Placed, Section, Takes, closest};
use crate::diagnostic::{Code, Fault, Place, Sink, enumerate, quote};
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

/// One table of a file.
pub(crate) struct Fields<'a> {
    section: &'static Section,
    table: &'a DeTable<'a>,
    /// Marks of the keys that are there: most that are asked for are not, and this tells most of them without a search.
    marks: u64,
    /// Keys that unknown keys were probably meant to be.
    meant: Vec<&'static str>,
    /// Its header.
    pub(crate) place: Place,
}

/// What a key takes: in words, and how it is written (`KEY` stands for the key, `PLACE` for where its settings go).
struct Shape<'a>(&'a str, &'a str);

const TEXT: Shape<'static> = Shape("a string", "write text in quotes, `KEY = \"…\"`");
const TEXTS: Shape<'static> = Shape("a string or a list of strings", "write `KEY = [\"…\", \"…\"]`");
const INTEGER: Shape<'static> = Shape("an integer", "write digits only, without quotes");
const FLAG: Shape<'static> = Shape("`true`", "write `KEY = true`, or remove it");
const MOMENT: Shape<'static> = Shape(
    "a date with a time and an offset",
    "write it without quotes, such as `KEY = 2030-12-31T00:00:00Z`",
);
const SCALARS: Shape<'static> =
    Shape("an integer, a string, or a list of them", "write `KEY = [0, \"1000-1999\"]`");
const NAMESPACES: Shape<'static> = Shape(
    "an integer, `\"host\"`, or a list of them",
    "write `KEY = \"host\"`, or the number of the namespace",
);
const TABLE: Shape<'static> = Shape("a table", "write its settings PLACE");
const TABLES: Shape<'static> = Shape("a list of tables", "write the settings of each PLACE");
const ALTERNATIVES: Shape<'static> = Shape("a table or a list of tables", "write the settings of each PLACE");

/// A value of a list that takes numbers and texts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scalar<'a> {
    /// As it is written, with the base.
    Integer(&'a DeInteger<'a>),
    Text(&'a str),
}

const NAMED: Shape<'static> = Shape("tables with names", "write the settings of each PLACE");

type Value<'a> = Placed<&'a DeValue<'a>>;

impl<'a> Fields<'a> {
    /// Opens a table and reports keys that its section does not have. A key of one of the `others` gets that as
    /// its remedy: in TOML a key belongs to the header above it, which is easily forgotten.
    pub(crate) fn open(
        section: &'static Section,
        others: &[&Section],
        table: &'a DeTable<'a>,
        place: Place,
        sink: &mut Sink,
    ) -> Self {
        let unknown = table.keys().filter(|key| !section.has(key.get_ref()));
        let mut meant = Vec::new();
        for key in unknown {
            let known: Vec<&str> = section.names().collect();
            let closest = closest(key.get_ref(), &known);
            meant.extend(closest);
            let fault = unknown_key(section, others, key.get_ref(), closest);
            sink.push(fault.at(Place::new(place.source, key.span())));
        }
        let marks = table.keys().fold(0, |all, key| all | mark(key.get_ref()));
        Self { section, table, marks, meant, place }
    }

    /// Whether the key is there, rightly or wrongly; also if it is misspelt, which has been reported already.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.find(key).is_some() || self.meant.contains(&key)
    }

    /// Reports that the key must be there if it is not. `example` shows how to write it.
    pub(crate) fn require(&self, key: &str, example: &str, sink: &mut Sink) {
        if !self.has(key) {
            sink.push(missing(self.section, key, example).at(self.place));
        }
    }

    /// The string of a key.
    fn text(&self, key: &str, sink: &mut Sink) -> Option<Placed<&'a str>> {
        let value = self.get(key)?;
        match value.value.as_str() {
            Some(text) => Some(Placed { value: text, place: value.place }),
            None => report(wrong_type(key, &TEXT, value.value), value.place, sink),
        }
    }

    /// The string of a key, checked.
    pub(crate) fn parsed<T>(
        &self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, Fault>,
        sink: &mut Sink,
    ) -> Option<Placed<T>> {
        self.text(key, sink)?.parsed(parse, sink)
    }

    /// The strings of a key that takes a list of them or a single one.
    pub(crate) fn texts(&self, key: &str, sink: &mut Sink) -> Vec<Placed<&'a str>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        match value.value {
            DeValue::String(text) => vec![Placed { value: text, place: value.place }],
            DeValue::Array(items) if items.is_empty() => {
                sink.push(empty_list(key).at(value.place));
                Vec::new()
            }
            DeValue::Array(items) => items.iter().filter_map(|item| self.item(key, item, sink)).collect(),
            other => {
                sink.push(wrong_type(key, &TEXTS, other).at(value.place));
                Vec::new()
            }
        }
    }

    /// The numbers and strings of a key that takes a list of them or a single one.
    pub(crate) fn scalars(&self, key: &str, sink: &mut Sink) -> Vec<Placed<Scalar<'a>>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let items = match value.value {
            DeValue::Array(items) if items.is_empty() => {
                sink.push(empty_list(key).at(value.place));
                return Vec::new();
            }
            DeValue::Array(items) => items
                .iter()
                .map(|item| Placed {
                    value: item.get_ref(),
                    place: Place::new(value.place.source, item.span()),
                })
                .collect(),
            _ => vec![value],
        };
        let is_namespace = self.takes(key).is_some_and(|takes| matches!(takes, Takes::Namespaces));
        let shape = if is_namespace { &NAMESPACES } else { &SCALARS };
        let scalar = |item: Value<'a>| {
            let value = match item.value {
                DeValue::Integer(integer) => Scalar::Integer(integer),
                DeValue::String(text) => Scalar::Text(text),
                other => return report(wrong_type(key, shape, other), item.place, sink),
            };
            Some(Placed { value, place: item.place })
        };
        items.into_iter().filter_map(scalar).collect()
    }

    /// Whether the key is `true`; any other value is reported.
    pub(crate) fn flag(&self, key: &str, sink: &mut Sink) -> Option<Place> {
        let Placed { value, place } = self.get(key)?;
        match value {
            DeValue::Boolean(true) => Some(place),
            other => report(wrong_type(key, &FLAG, other), place, sink),
        }
    }

    /// The moment of a key, as RFC 3339 writes it as far as it is complete.
    pub(crate) fn moment(&self, key: &str, sink: &mut Sink) -> Option<Placed<String>> {
        let Placed { value, place } = self.get(key)?;
        match value {
            DeValue::Datetime(value) => Some(Placed { value: value.to_string(), place }),
            other => report(wrong_type(key, &MOMENT, other), place, sink),
        }
    }

    fn item(&self, key: &str, item: &'a Spanned<DeValue<'a>>, sink: &mut Sink) -> Option<Placed<&'a str>> {
        let place = Place::new(self.place.source, item.span());
        match item.get_ref().as_str() {
            Some(text) => Some(Placed { value: text, place }),
            None => report(wrong_type(key, &TEXTS, item.get_ref()), place, sink),
        }
    }

    /// The integer of a key; TOML's have no bounds.
    pub(crate) fn integer(&self, key: &str, sink: &mut Sink) -> Option<Placed<&'a DeInteger<'a>>> {
        let Placed { value, place } = self.get(key)?;
        match value.as_integer() {
            Some(value) => Some(Placed { value, place }),
            None => report(wrong_type(key, &INTEGER, value), place, sink),
        }
    }

    /// The table of a key.
    pub(crate) fn table(&self, key: &str, sink: &mut Sink) -> Option<Placed<&'a DeTable<'a>>> {
        let Placed { value, place } = self.get(key)?;
        match value.as_table() {
            Some(table) => Some(Placed { value: table, place }),
            None => report(self.no_table(key, &TABLE, value), place, sink),
        }
    }

    /// The tables of a key that may stand several times.
    pub(crate) fn tables(&self, key: &str, sink: &mut Sink) -> Vec<Placed<&'a DeTable<'a>>> {
        self.listed(key, &TABLES, sink)
    }

    fn listed(&self, key: &str, shape: &Shape<'_>, sink: &mut Sink) -> Vec<Placed<&'a DeTable<'a>>> {
        let Some(Placed { value, place }) = self.get(key) else { return Vec::new() };
        let Some(items) = value.as_array() else {
            sink.push(self.no_table(key, shape, value).at(place));
            return Vec::new();
        };
        let mut tables = Vec::with_capacity(items.len());
        for item in items.iter() {
            let place = Place::new(place.source, item.span());
            match item.get_ref().as_table() {
                Some(table) => tables.push(Placed { value: table, place }),
                None => sink.push(self.no_table(key, shape, item.get_ref()).at(place)),
            }
        }
        tables
    }

    /// The tables of a key that takes one as well.
    pub(crate) fn alternatives(&self, key: &str, sink: &mut Sink) -> Vec<Placed<&'a DeTable<'a>>> {
        match self.get(key) {
            Some(Placed { value: DeValue::Table(_), .. }) => self.table(key, sink).into_iter().collect(),
            Some(Placed { value: DeValue::Array(items), place }) if items.is_empty() => {
                sink.push(empty_list(key).at(place));
                Vec::new()
            }
            _ => self.listed(key, &ALTERNATIVES, sink),
        }
    }

    /// The tables of a key with the names that the author gave them.
    pub(crate) fn named(
        &self,
        key: &str,
        sink: &mut Sink,
    ) -> Vec<(Placed<&'a str>, Placed<&'a DeTable<'a>>)> {
        let Some(Placed { value: tables, place }) = self.table(key, sink) else { return Vec::new() };
        let mut named = Vec::with_capacity(tables.len());
        for (name, value) in tables {
            let name =
                Placed { value: name.get_ref().as_ref(), place: Place::new(place.source, name.span()) };
            match value.get_ref().as_table() {
                Some(table) => named.push((name, Placed { value: table, place: name.place })),
                None => sink.push(self.no_table(key, &NAMED, value.get_ref()).at(name.place)),
            }
        }
        named
    }

    /// The fault of a value that is no table. Its settings have a place of their own, which is not always a header.
    fn no_table(&self, key: &str, Shape(wanted, help): &Shape<'_>, found: &DeValue<'_>) -> Fault {
        let goes = self.takes(key).and_then(|takes| match takes {
            Takes::Table(below) | Takes::Tables(below) | Takes::Alternatives(below) | Takes::Named(below) => {
                Some(below.goes)
            }
            _ => None,
        });
        wrong_type(key, &Shape(wanted, &help.replace("PLACE", goes.unwrap_or_default())), found)
    }

    fn takes(&self, key: &str) -> Option<Takes> {
        self.section.keys.iter().find(|known| known.name == key).map(|key| key.takes)
    }

    fn find(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        if self.marks & mark(key) == 0 { None } else { self.table.get(key) }
    }

    fn get(&self, key: &str) -> Option<Value<'a>> {
        let value = self.find(key)?;
        Some(Placed { value: value.get_ref(), place: Place::new(self.place.source, value.span()) })
    }
}

/// One bit of a key, which others may share.
fn mark(key: &str) -> u64 {
    let first = key.bytes().next().unwrap_or_default();
    1 << ((5 * key.len() + usize::from(first)) % 64)
}

impl<T: Copy> Placed<T> {
    /// The value, checked.
    pub(crate) fn parsed<U>(
        self,
        parse: impl FnOnce(T) -> Result<U, Fault>,
        sink: &mut Sink,
    ) -> Option<Placed<U>> {
        match parse(self.value) {
            Ok(value) => Some(Placed { value, place: self.place }),
            Err(fault) => report(fault, self.place, sink),
        }
    }
}

/// Reports and answers that there is nothing.
fn report<T>(fault: Fault, place: Place, sink: &mut Sink) -> Option<T> {
    sink.push(fault.at(place));
    None
}

fn unknown_key(section: &Section, others: &[&Section], key: &str, meant: Option<&str>) -> Fault {
    let keys = enumerate(section.names());
    let help = match meant {
        Some(meant) => format!("did you mean `{meant}`? The keys here are {keys}"),
        None => match others.iter().find(|other| other.has(key)) {
            Some(other) => format!("`{key}` is a key of {}: write it {}", other.what, other.goes),
            None => format!("the keys here are {keys}"),
        },
    };
    Fault::new(Code::UnknownKey, format!("unknown key {}", quote(key)))
        .label(format!("{} has no such key", section.what))
        .help(help)
}

fn missing(section: &Section, key: &str, example: &str) -> Fault {
    Fault::new(Code::MissingKey, format!("{} has no `{key}`", section.what))
        .label(format!("`{key}` is missing"))
        .help(format!("add `{example}`"))
}

fn empty_list(key: &str) -> Fault {
    Fault::new(Code::EmptyList, format!("`{key}` is an empty list"))
        .label("nothing is listed")
        .help(format!("list at least one value, or remove `{key}` where it is optional"))
}

fn wrong_type(key: &str, Shape(wanted, help): &Shape<'_>, found: &DeValue<'_>) -> Fault {
    let is = match found {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(true) => "`true`",
        DeValue::Boolean(false) => "`false`",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    Fault::new(Code::WrongType, format!("`{key}` takes {wanted}, not {is}"))
        .label(format!("this is {is}"))
        .help(help.replace("KEY", key))
}
