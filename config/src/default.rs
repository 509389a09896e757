//! The default file: every key with its documentation and its built-in value, commented out. Made from the types.

use crate::dump::{toml_of, tree, value_of};
use crate::keys::{KEYS, Kind};
use crate::schema::{description, schema};
use crate::settings::Settings;

const HEAD: &str = "\
# The settings of aegisbpf, each with its built-in value. To change one, put it without the `#` into
# /etc/aegisbpf/config.toml or a file of /etc/aegisbpf/conf.d. `aegisbpf config check` says whether all is right, and
# `aegisbpf config dump --show-origin` what counts in the end.
#
# Made by `aegisbpf config default`.
";

/// The longest line.
const WIDTH: usize = 118;

/// The text of the default file.
#[must_use]
pub fn default_file() -> String {
    let (schema, built_in) = (schema(), tree(&Settings::default()));
    let mut out = HEAD.to_owned();
    let mut last = "";
    for key in KEYS {
        let (section, name) = key.parts();
        if section != last {
            out.push('\n');
            out.push_str(&comment(description(&schema, section)));
            out.push_str(&format!("[{section}]\n"));
            last = section;
        }
        out.push('\n');
        out.push_str(&comment(description(&schema, key.name)));
        out.push_str(&comment(key.taken.sentence()));
        match toml_of(value_of(&built_in, key)) {
            Some(value) => out.push_str(&format!("#{name} = {value}\n")),
            None => out.push_str(&comment(&format!("Not set. To set it: {name} = {}", example(key.kind)))),
        }
    }
    out
}

/// A value for keys that have none.
fn example(kind: Kind) -> &'static str {
    if matches!(kind, Kind::Listen) { "\"127.0.0.1:9464\"" } else { "\"/var/log/aegisbpf/events.jsonl\"" }
}

/// A text as lines of comments.
fn comment(text: &str) -> String {
    let (mut out, mut line) = (String::new(), String::from("#"));
    for word in text.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            out.push_str(&line);
            out.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    out + &line + "\n"
}
