//! From what was read to settings, or to everything that is wrong. Pure.

use crate::keys::{KEYS, Key, Kind, VARIABLES, of_theirs};
use crate::layers::FileText;
use crate::origin::{Origin, Origins};
use crate::report::{Code, Fault, Finding, Place, Report, Text};
use crate::settings::Settings;
use crate::syntax;
use crate::text::{closest, harmless, quote};
use crate::value::{Care, Raw, Value, check};
use figment::providers::Serialized;
use figment::value::{Dict, Map};
use figment::{Figment, Metadata, Profile, Provider, Source};
use std::ffi::OsString;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Settings, and where they are from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// What counts.
    pub settings: Settings,
    /// Where each value is from.
    pub origins: Origins,
    /// The files that were read, the lower first.
    pub sources: Vec<PathBuf>,
}

/// An option of the command line: the top layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// The key that it sets, such as `policy.mode`.
    pub key: &'static str,
    /// How it was given, such as `--observe`.
    pub option: String,
    /// What it sets.
    pub value: Value,
}

/// A right value, where it is from, and where it stands.
struct Entry {
    key: &'static Key,
    value: Value,
    origin: Origin,
    place: Place,
}

/// The layers so far, the lower first, and what is wrong with them.
#[derive(Default)]
struct Layers {
    layers: Vec<Vec<Entry>>,
    texts: Vec<Text>,
    findings: Vec<Finding>,
    /// Keys that have a wrong value somewhere: what they would be is not known.
    wrong: Vec<&'static str>,
}

/// Lays everything that was read over each other. Every layer is checked by itself, also where a higher one says
/// something else: a wrong file is wrong before it counts.
///
/// # Errors
///
/// Everything that is wrong.
pub fn compose(
    files: &[FileText],
    variables: &[(OsString, OsString)],
    flags: &[Flag],
) -> Result<Loaded, Report> {
    let mut layers = Layers::default();
    files.iter().for_each(|file| layers.file(file));
    layers.variables(variables);
    layers.flags(flags);
    let figment = layers.figment();
    let origins = layers.origins(&figment);
    let settings = match figment.extract::<Settings>() {
        Ok(settings) => settings,
        // Each value was checked, so this is a key that the table and the types do not have in common.
        Err(error) => {
            let text = layers.text("settings", "");
            let fault = Fault::new(
                Code::WrongType,
                error.to_string(),
                "it was not found earlier",
                "please report it",
            );
            layers.findings.push(fault.at(Place { text, span: 0..0 }));
            Settings::default()
        }
    };
    layers.contradictions(&settings, &figment);
    if layers.findings.is_empty() {
        let sources = files.iter().map(|file| file.path.clone()).collect();
        return Ok(Loaded { settings, origins, sources });
    }
    Err(Report::new(layers.texts, layers.findings))
}

impl Layers {
    fn text(&mut self, name: &str, text: &str) -> usize {
        self.texts.push(Text::new(name, text));
        self.texts.len() - 1
    }

    fn file(&mut self, file: &FileText) {
        let text = self.text(&file.path.display().to_string(), &file.text);
        let whole = file.faults.iter().map(|fault| fault.clone().at(Place { text, span: 0..0 }));
        self.findings.extend(whole);
        let read = syntax::read(&file.text);
        for (fault, span, key) in read.faults {
            self.wrong.extend(key.map(|key| key.name));
            self.findings.push(fault.at(Place { text, span }));
        }
        let mut layer = Vec::new();
        for (key, value, span) in read.values {
            let line = self.texts.get(text).map_or(0, |text| text.line_at(span.start).number);
            let origin = Origin::File { path: file.path.clone(), line };
            layer.push(Entry { key, value, origin, place: Place { text, span } });
        }
        self.layers.push(layer);
    }

    /// The variables as a text of one line each, so that what is wrong with them is shown like what is wrong in files.
    fn variables(&mut self, variables: &[(OsString, OsString)]) {
        let ours = |(name, value): &(OsString, OsString)| {
            let name = name.to_str()?.to_owned();
            let wrong = value.to_str().is_none();
            let value = value.to_string_lossy().into_owned();
            let counts = name.starts_with(VARIABLES) || of_theirs(&name).is_some() && !value.is_empty();
            counts.then_some((name, value, wrong))
        };
        let mut ours: Vec<_> = variables.iter().filter_map(ours).collect();
        // Of one layer the last counts.
        ours.sort_by_key(|variable| (of_theirs(&variable.0).is_none(), variable.clone()));
        let mut lines = String::new();
        let (mut layer, text) = (Vec::new(), self.texts.len());
        let mut faults = Vec::new();
        for (name, value, wrong) in &ours {
            let start = lines.len();
            lines.push_str(&format!("{}={}\n", harmless(name), harmless(value)));
            let span = start + harmless(name).len() + 1..lines.len() - 1;
            let place = Place { text, span };
            let theirs = of_theirs(name);
            let Some(key) = theirs.or_else(|| KEYS.iter().find(|key| key.variable() == *name)) else {
                let span = start..place.span.start - 1;
                faults.push((unknown_variable(name), span, None));
                continue;
            };
            if *wrong {
                faults.push((not_utf8(name), place.span, Some(key)));
                continue;
            }
            let value = if theirs.is_some() { as_ours(key, value) } else { value };
            match check(key, &Raw::of_variable(key.kind, value), 0..0, Care::Strict) {
                Ok(value) => layer.push(Entry { key, value, origin: Origin::Variable(name.clone()), place }),
                Err(found) => {
                    let found = found.into_iter().map(|(fault, _)| in_variables(fault, key));
                    faults.extend(found.map(|fault| (fault, place.span.clone(), Some(key))));
                }
            }
        }
        self.add("environment", &lines, layer, faults);
    }

    /// The options as a line, as they could have been typed.
    fn flags(&mut self, flags: &[Flag]) {
        let mut line = String::from("aegisbpf");
        let (mut layer, text) = (Vec::new(), self.texts.len());
        let mut faults = Vec::new();
        for flag in flags {
            line.push(' ');
            let start = line.len();
            line.push_str(&harmless(&flag.option));
            let span = start..line.len();
            let Some(key) = Key::find(flag.key) else { continue };
            match check(key, &Raw::from(&flag.value), 0..0, Care::Typed) {
                Ok(value) => {
                    let origin = Origin::Flag(flag.option.clone());
                    layer.push(Entry { key, value, origin, place: Place { text, span } });
                }
                Err(found) => {
                    faults.extend(found.into_iter().map(|(fault, _)| (fault, span.clone(), Some(key))));
                }
            }
        }
        self.add("command line", &line, layer, faults);
    }

    fn add(
        &mut self,
        name: &str,
        text: &str,
        layer: Vec<Entry>,
        faults: Vec<(Fault, Range<usize>, Option<&'static Key>)>,
    ) {
        let text = self.text(name, text);
        for (fault, span, key) in faults {
            self.wrong.extend(key.map(|key| key.name));
            self.findings.push(fault.at(Place { text, span }));
        }
        self.layers.push(layer);
    }

    fn figment(&self) -> Figment {
        let built_in = Figment::from(Serialized::defaults(Settings::default()));
        let numbered = self.layers.iter().enumerate();
        numbered.fold(built_in, |figment, (number, entries)| figment.merge(Layer { number, entries }))
    }

    /// The entry that a key has its value from. Nothing if it is built in.
    fn winner(&self, figment: &Figment, key: &str) -> Option<&Entry> {
        let number: usize = figment.find_metadata(key)?.source.as_ref()?.custom()?.parse().ok()?;
        // A key that is given several times on the command line counts as it was given last.
        self.layers.get(number)?.iter().rev().find(|entry| entry.key.name == key)
    }

    fn origins(&self, figment: &Figment) -> Origins {
        let origin = |key: &'static Key| {
            let origin = self.winner(figment, key.name).map_or(Origin::BuiltIn, |entry| entry.origin.clone());
            (key.name, origin)
        };
        Origins(KEYS.iter().map(origin).collect())
    }

    /// Settings that do not go together.
    fn contradictions(&mut self, settings: &Settings, figment: &Figment) {
        let pins = &settings.daemon.bpffs_root;
        let sink = settings.sinks.file.path.as_deref();
        let mut found = Vec::new();
        let others = [
            ("daemon.socket", Some(settings.daemon.socket.as_path())),
            ("daemon.state_dir", Some(settings.daemon.state_dir.as_path())),
            ("trust.directory", Some(settings.trust.directory.as_path())),
            ("sinks.file.path", sink),
        ];
        for (key, path) in others {
            if path.is_some_and(|path| path.starts_with(pins)) {
                let message = format!("`{key}` is below `daemon.bpffs_root`");
                let help = "choose a place outside of it";
                found.push((
                    key,
                    "daemon.bpffs_root",
                    message,
                    "a bpf file system holds nothing but pins",
                    help,
                ));
            }
        }
        if sink == Some(&settings.daemon.socket) {
            let message = "`sinks.file.path` is the control socket".to_owned();
            found.push((
                "sinks.file.path",
                "daemon.socket",
                message,
                "no file can be there",
                "choose another file",
            ));
        }
        let is_policy = |path: &Path| settings.policy.files.iter().any(|file| file == path);
        if sink.is_some_and(is_policy) {
            let message = "`sinks.file.path` is a file of the policy".to_owned();
            let label = "records would be appended to the policy";
            found.push(("sinks.file.path", "policy.files", message, label, "choose another file"));
        }
        for (key, other, message, label, help) in found {
            if self.wrong.contains(&key) || self.wrong.contains(&other) {
                continue;
            }
            // One of the two is not built in: the built-in ones go together.
            let entry = self.winner(figment, key).or_else(|| self.winner(figment, other));
            let Some(place) = entry.map(|entry| entry.place.clone()) else { continue };
            self.findings.push(Fault::new(Code::Contradiction, message, label, help).at(place));
        }
    }
}

/// A value of theirs as we write it.
fn as_ours<'a>(key: &Key, value: &'a str) -> &'a str {
    match (key.kind, value) {
        (Kind::Boolean, "1" | "yes" | "on") => "true",
        (Kind::Boolean, "0" | "no" | "off") => "false",
        _ => value,
    }
}

fn unknown_variable(name: &str) -> Fault {
    let known: Vec<String> = KEYS.iter().map(Key::variable).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let help = match closest(name, &known) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "the name is AEGISBPF__SECTION__KEY; `aegisbpf config default` has all sections and keys"
            .to_owned(),
    };
    Fault::new(
        Code::UnknownKey,
        format!("there is no variable {}", quote(name)),
        "no key has this name",
        help,
    )
}

/// A fault whose remedy is written as in a file, for a variable.
fn in_variables(mut fault: Fault, key: &Key) -> Fault {
    fault.help = fault.help.replace(&format!("{} = ", key.parts().1), &format!("{}=", key.variable()));
    fault
}

fn not_utf8(name: &str) -> Fault {
    let message = format!("the value of `{name}` is not UTF-8");
    Fault::new(Code::WrongType, message, "no setting takes other bytes", "write it in UTF-8")
}

/// A layer as figment takes it. Its number is how the layer of a value is found again.
struct Layer<'a> {
    number: usize,
    entries: &'a [Entry],
}

impl Provider for Layer<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::from("layer", Source::Custom(self.number.to_string()))
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        let mut root = Dict::new();
        for entry in self.entries {
            let names: Vec<&str> = entry.key.name.split('.').collect();
            put(&mut root, &names, &entry.value);
        }
        Ok(Map::from([(Profile::Default, root)]))
    }
}

/// Puts a value where its names lead.
fn put(table: &mut Dict, names: &[&str], value: &Value) {
    let [name, rest @ ..] = names else { return };
    if rest.is_empty() {
        let value = match value {
            Value::Text(text) => figment::value::Value::from(text.as_str()),
            Value::Integer(number) => (*number).into(),
            Value::Boolean(boolean) => (*boolean).into(),
            Value::List(items) => items.clone().into(),
        };
        table.insert((*name).to_owned(), value);
        return;
    }
    let inner = table.entry((*name).to_owned()).or_insert_with(|| Dict::new().into());
    if let figment::value::Value::Dict(_, inner) = inner {
        put(inner, rest, value);
    }
}
