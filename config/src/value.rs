//! Single values: what is written, and whether its key takes it.

use crate::keys::{Key, Kind};
use crate::report::{Code, Fault};
use crate::text::{closest, enumerate, quote};
use std::net::SocketAddr;
use std::ops::Range;
use toml::de::{DeInteger, DeValue};

/// A value of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A word, a path, an address.
    Text(String),
    /// A number.
    Integer(u32),
    /// `true` or `false`.
    Boolean(bool),
    /// Several texts.
    List(Vec<String>),
}

/// A value as it is written, of any type.
#[derive(Debug, Clone)]
pub(crate) enum Raw {
    Text(String),
    /// Nothing if it is beyond all bounds.
    Integer(Option<i128>),
    Boolean(bool),
    List(Vec<(Self, Range<usize>)>),
    Other(&'static str),
}

impl Raw {
    pub(crate) fn of(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Integer(number) => Self::Integer(integer(number)),
            DeValue::Boolean(boolean) => Self::Boolean(*boolean),
            DeValue::Array(items) => {
                Self::List(items.iter().map(|item| (Self::of(item.get_ref()), item.span())).collect())
            }
            DeValue::Float(_) => Self::Other("a number with a fraction"),
            DeValue::Datetime(_) => Self::Other("a date or time"),
            DeValue::Table(_) => Self::Other("a table"),
        }
    }

    /// The value of a variable, which has no types: it is read as its key needs it. A list is written as in a file; a
    /// text that is none is its only item.
    pub(crate) fn of_variable(kind: Kind, text: &str) -> Self {
        match kind {
            Kind::Boolean => text.parse().map_or_else(|_| Self::Text(text.to_owned()), Self::Boolean),
            Kind::Count(..) | Kind::RingBytes => match text.parse() {
                Ok(number) => Self::Integer(Some(number)),
                Err(_) => Self::Text(text.to_owned()),
            },
            Kind::Paths | Kind::Cgroups | Kind::Texts if text.is_empty() => Self::List(Vec::new()),
            Kind::Paths | Kind::Cgroups | Kind::Texts => match DeValue::parse(text) {
                Ok(list) if list.get_ref().is_array() => Self::of(list.get_ref()),
                _ => Self::List(vec![(Self::Text(text.to_owned()), 0..text.len())]),
            },
            Kind::Path(_) | Kind::Word(_) | Kind::Log | Kind::Listen => Self::Text(text.to_owned()),
        }
    }

    fn what(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Integer(_) => "an integer",
            Self::Boolean(_) => "a boolean",
            Self::List(_) => "a list",
            Self::Other(what) => what,
        }
    }
}

impl From<&Value> for Raw {
    fn from(value: &Value) -> Self {
        match value {
            Value::Text(text) => Self::Text(text.clone()),
            Value::Integer(number) => Self::Integer(Some((*number).into())),
            Value::Boolean(boolean) => Self::Boolean(*boolean),
            Value::List(items) => {
                Self::List(items.iter().map(|item| (Self::Text(item.clone()), 0..0)).collect())
            }
        }
    }
}

fn integer(number: &DeInteger<'_>) -> Option<i128> {
    i128::from_str_radix(number.as_str(), number.radix()).ok()
}

/// How exact one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Care {
    /// Files and variables stand for themselves: a relative path in them would mean something else wherever the
    /// program is started.
    Strict,
    /// Who types a command knows where.
    Typed,
}

/// What is wrong with a value, each with its place.
pub(crate) type Faults = Vec<(Fault, Range<usize>)>;

/// Checks a value against its key.
pub(crate) fn check(key: &Key, raw: &Raw, span: Range<usize>, care: Care) -> Result<Value, Faults> {
    let one = |result: Result<Value, Fault>| result.map_err(|fault| vec![(fault, span.clone())]);
    match (key.kind, raw) {
        (Kind::Boolean, Raw::Boolean(boolean)) => Ok(Value::Boolean(*boolean)),
        (Kind::Count(least, most), Raw::Integer(number)) => one(count(key, *number, least, most)),
        (Kind::RingBytes, Raw::Integer(number)) => one(ring_bytes(key, *number)),
        (Kind::Paths | Kind::Cgroups | Kind::Texts, Raw::List(items)) => list(key, items, care),
        (Kind::Path(_) | Kind::Word(_) | Kind::Log | Kind::Listen, Raw::Text(text)) => {
            one(check_text(key, text, care).map(|()| Value::Text(text.clone())))
        }
        _ => one(Err(wrong_type(key, raw))),
    }
}

fn wrong_type(key: &Key, raw: &Raw) -> Fault {
    let (wanted, help) = match key.kind {
        Kind::Boolean => ("`true` or `false`", "KEY = true"),
        Kind::Count(_, most) if most < 100 => ("an integer", "KEY = 2"),
        Kind::Count(..) => ("an integer", "KEY = 100"),
        Kind::RingBytes => ("an integer", "KEY = 4194304"),
        Kind::Paths => ("a list of paths", "KEY = [\"/etc/aegisbpf/policies\"]"),
        Kind::Cgroups => ("a list of cgroups", "KEY = [\"/system.slice/ssh.service\"]"),
        Kind::Texts => ("a list of words", "KEY = [\"password\", \"token\"]"),
        Kind::Path(_) => ("text", "KEY = \"/an/absolute/path\""),
        Kind::Word(words) => {
            let help = format!("write one of {} in quotes", enumerate(words));
            return typed(key, "text", raw, help);
        }
        Kind::Log => ("text", "KEY = \"info\""),
        Kind::Listen => ("text", "KEY = \"127.0.0.1:9464\""),
    };
    typed(key, wanted, raw, format!("write it as `{}`", help.replace("KEY", key.parts().1)))
}

fn typed(key: &Key, wanted: &str, raw: &Raw, help: String) -> Fault {
    let (name, is) = (key.name, raw.what());
    Fault::new(Code::WrongType, format!("`{name}` takes {wanted}, not {is}"), format!("this is {is}"), help)
}

fn bounds(message: String, label: impl Into<String>, help: impl Into<String>) -> Fault {
    Fault::new(Code::OutOfBounds, message, label, help)
}

fn count(key: &Key, number: Option<i128>, least: u32, most: u32) -> Result<Value, Fault> {
    let fits = number.and_then(|number| u32::try_from(number).ok());
    fits.filter(|number| (least..=most).contains(number)).map(Value::Integer).ok_or_else(|| {
        let message = format!("`{}` is out of bounds", key.name);
        let help = format!("write an integer from {least} to {most}");
        bounds(message, format!("below {least} or above {most}"), help)
    })
}

fn ring_bytes(key: &Key, number: Option<i128>) -> Result<Value, Fault> {
    const SMALLEST: u32 = 4096;
    let fits = number.and_then(|number| u32::try_from(number).ok());
    if let Some(bytes) = fits.filter(|bytes| bytes.is_power_of_two() && *bytes >= SMALLEST) {
        return Ok(Value::Integer(bytes));
    }
    let near = fits.unwrap_or(u32::MAX).clamp(SMALLEST, 1 << 31).next_power_of_two();
    let message = format!("`{}` is not a size that a ring can have", key.name);
    Err(bounds(message, "not a power of two from 4096 to 2147483648", format!("write `{near}`, for example")))
}

fn list(key: &Key, items: &[(Raw, Range<usize>)], care: Care) -> Result<Value, Faults> {
    let (mut texts, mut faults) = (Vec::new(), Faults::new());
    for (item, span) in items {
        let checked = match item {
            Raw::Text(text) => check_text(key, text, care).map(|()| texts.push(text.clone())),
            other => Err(typed(key, "a list of texts", other, "write each item in quotes".to_owned())),
        };
        if let Err(fault) = checked {
            faults.push((fault, span.clone()));
        }
    }
    if faults.is_empty() { Ok(Value::List(texts)) } else { Err(faults) }
}

fn check_text(key: &Key, text: &str, care: Care) -> Result<(), Fault> {
    match key.kind {
        Kind::Path(most) => path(key, text, most, care),
        Kind::Paths => path(key, text, usize::MAX, care),
        Kind::Cgroups => cgroup(key, text, care),
        Kind::Texts => hidden_word(key, text),
        Kind::Word(words) => word(key, text, words),
        Kind::Log => log(key, text),
        Kind::Listen => listen(key, text),
        Kind::Boolean | Kind::Count(..) | Kind::RingBytes => Ok(()),
    }
}

fn path(key: &Key, text: &str, most: usize, care: Care) -> Result<(), Fault> {
    let name = key.name;
    if text.is_empty() {
        let help = "write an absolute path, or leave the key out";
        return Err(bounds(format!("`{name}` has an empty path"), "there is no such path", help));
    }
    if care == Care::Strict && !text.starts_with('/') {
        let help = "write the path from the root on, such as `/etc/aegisbpf/policies`";
        return Err(bounds(
            format!("{} is not an absolute path", quote(text)),
            "it would be another file wherever the daemon is started",
            help,
        ));
    }
    if text.contains('\0') {
        return Err(bounds(format!("`{name}` has a NUL character"), "no path has one", "remove it"));
    }
    if text.len() > most {
        let label = format!("{} bytes; the kernel takes at most {most}", text.len());
        return Err(bounds(format!("the path of `{name}` is too long"), label, "choose a shorter one"));
    }
    Ok(())
}

fn cgroup(key: &Key, text: &str, care: Care) -> Result<(), Fault> {
    const HELP: &str = "write its path in the hierarchy, such as `/system.slice/ssh.service`";
    if care == Care::Typed || (text.starts_with('/') && !text.trim_matches('/').is_empty()) {
        return Ok(());
    }
    if text.starts_with('/') {
        let message = format!("`{}` has the root cgroup", key.name);
        return Err(bounds(message, "every process is in it: nothing would be denied", HELP));
    }
    let label = "it does not begin with a slash";
    Err(bounds(format!("{} is not the path of a cgroup", quote(text)), label, HELP))
}

fn word(key: &Key, text: &str, words: &[&str]) -> Result<(), Fault> {
    if words.contains(&text) {
        return Ok(());
    }
    let help = suggest(text, words);
    Err(bounds(format!("`{}` cannot be {}", key.name, quote(text)), "unknown word", help))
}

fn suggest(text: &str, words: &[&str]) -> String {
    let all = enumerate(words);
    match closest(text, words) {
        Some(meant) => format!("did you mean `{meant}`? The choices are {all}"),
        None => format!("write one of {all}"),
    }
}

/// Levels alone, or for parts of the program. A part without a level, which the logging library also takes, is
/// refused: a misspelt level would be one.
fn log(key: &Key, text: &str) -> Result<(), Fault> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    for directive in text.split(',') {
        let (part, level) =
            directive.split_once('=').map_or((None, directive), |(part, level)| (Some(part), level));
        let is_part = |part: &str| {
            !part.is_empty()
                && part.chars().all(|letter| letter.is_ascii_alphanumeric() || "_:-".contains(letter))
        };
        if let Some(part) = part.filter(|part| !is_part(part)) {
            let message = format!("`{}` names {}, which is no part of a program", key.name, quote(part));
            let help = "write the name of a module, such as `aegis_actors=debug`";
            return Err(bounds(message, "before `=`", help));
        }
        if !LEVELS.contains(&level) {
            let message = format!("`{}` has no level {}", key.name, quote(level));
            return Err(bounds(message, "unknown level", suggest(level, &LEVELS)));
        }
    }
    Ok(())
}

/// An empty word would hide everything, which `context.argv` is for.
fn hidden_word(key: &Key, text: &str) -> Result<(), Fault> {
    if text.trim().is_empty() {
        let message = format!("`{}` has an empty word", key.name);
        return Err(bounds(message, "every argument contains it", "leave it out, or write `argv = false`"));
    }
    Ok(())
}

fn listen(key: &Key, text: &str) -> Result<(), Fault> {
    let help = "write `127.0.0.1:9464` or `[::1]:9464`; what runs on this host can pass the numbers on";
    let Ok(address) = text.parse::<SocketAddr>() else {
        let message = format!("{} is not an address with a port", quote(text));
        return Err(bounds(message, "names are not looked up", help));
    };
    if !address.ip().is_loopback() {
        let message = format!("`{}` would be reached from other hosts", key.name);
        return Err(bounds(message, "not an address of this host alone", help));
    }
    if address.port() == 0 {
        let message = format!("`{}` has no port", key.name);
        return Err(bounds(message, "nobody would know where to ask", help));
    }
    Ok(())
}
