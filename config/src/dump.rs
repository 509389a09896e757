//! Settings as text: the whole of them, and what has changed.

use crate::check::Loaded;
use crate::keys::{KEYS, Key, Taken};
use crate::settings::Settings;
use crate::text::quoted;
use serde_json::{Map, Value, json};

/// A setting that is another one now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Such as `policy.mode`.
    pub key: &'static str,
    /// As TOML has it; empty if it was not set.
    pub old: String,
    /// As TOML has it; empty if it is not set.
    pub new: String,
    /// Whether only a new start of the daemon takes it.
    pub needs_restart: bool,
}

/// What is different between two settings, in the order of the default file.
#[must_use]
pub fn changes(old: &Settings, new: &Settings) -> Vec<Change> {
    let (old, new) = (tree(old), tree(new));
    let change = |key: &Key| {
        let [was, is] = [&old, &new].map(|tree| value_of(tree, key));
        (was != is).then(|| Change {
            key: key.name,
            old: toml_of(was).unwrap_or_default(),
            new: toml_of(is).unwrap_or_default(),
            needs_restart: key.taken == Taken::Start,
        })
    };
    KEYS.iter().filter_map(change).collect()
}

/// The settings as a file that says the same, each with its origin if that is asked for.
#[must_use]
pub fn dump(loaded: &Loaded, show_origin: bool) -> String {
    let tree = tree(&loaded.settings);
    let mut out = String::new();
    let mut last = "";
    for key in KEYS {
        let (section, name) = key.parts();
        if section != last {
            let blank = if out.is_empty() { "" } else { "\n" };
            out.push_str(&format!("{blank}[{section}]\n"));
            last = section;
        }
        match toml_of(value_of(&tree, key)) {
            Some(value) => out.push_str(&format!("{name} = {value}")),
            None => out.push_str(&format!("# {name} is not set")),
        }
        if show_origin {
            out.push_str(&format!(" # from {}", loaded.origins.of(key.name)));
        }
        out.push('\n');
    }
    out
}

/// The settings as one object: each key with its value and its origin.
#[must_use]
pub fn dump_json(loaded: &Loaded) -> Value {
    let tree = tree(&loaded.settings);
    let entry = |key: &Key| {
        let origin = loaded.origins.of(key.name).to_string();
        (key.name.to_owned(), json!({ "value": value_of(&tree, key), "origin": origin }))
    };
    Value::Object(KEYS.iter().map(entry).collect::<Map<_, _>>())
}

/// The settings as a tree. Paths from the command line can be other bytes than UTF-8 only if they were never checked.
pub(crate) fn tree(settings: &Settings) -> Value {
    serde_json::to_value(settings).unwrap_or_default()
}

pub(crate) fn value_of<'a>(tree: &'a Value, key: &Key) -> Option<&'a Value> {
    key.name.split('.').try_fold(tree, |tree, name| tree.get(name)).filter(|value| !value.is_null())
}

/// A value as TOML has it. There are no tables and no fractions among values.
pub(crate) fn toml_of(value: Option<&Value>) -> Option<String> {
    Some(match value? {
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().filter_map(|item| toml_of(Some(item))).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    })
}
