//! The verbs that the command has, as its own help tells them. What must be shown or tried for each of them is asked
//! for here, so that a new verb cannot be forgotten.

use crate::place::Place;
use std::collections::BTreeSet;

/// A verb by its words, such as `policy apply`.
pub(crate) type Verb = Vec<String>;

/// All verbs that do something. Those that only have others below them are not among them.
pub(crate) fn all() -> BTreeSet<Verb> {
    let mut found = BTreeSet::new();
    collect(&Place::make(), &[], &mut found);
    assert!(found.contains(&words("policy apply")) && found.contains(&words("events")), "{found:?}");
    found
}

/// Words of a line.
pub(crate) fn words(line: &str) -> Verb {
    line.split_whitespace().map(str::to_owned).collect()
}

/// The verb of a command line: as many of its words as name one.
pub(crate) fn verb_of(all: &BTreeSet<Verb>, words: &[String]) -> Option<Verb> {
    (1..=words.len())
        .rev()
        .map(|length| &words[..length])
        .find(|start| all.contains(*start))
        .map(<[_]>::to_vec)
}

/// The verbs of which none of these command lines is one.
pub(crate) fn missing<'a>(
    all: &BTreeSet<Verb>,
    lines: impl IntoIterator<Item = &'a [String]>,
) -> Vec<String> {
    let shown: BTreeSet<Verb> = lines.into_iter().filter_map(|line| verb_of(all, line)).collect();
    all.difference(&shown).map(|verb| verb.join(" ")).collect()
}

fn collect(place: &Place, verb: &[&str], found: &mut BTreeSet<Verb>) {
    let help = [verb, &["--help"]].concat();
    let output = place.command_as_it_is(&[], &help).output().expect("aegisbpf starts");
    let help = String::from_utf8(output.stdout).expect("UTF-8");
    if is_one(&help) {
        found.insert(verb.iter().map(|word| (*word).to_owned()).collect());
    }
    for name in below(&help) {
        collect(place, &[verb, &[name]].concat(), found);
    }
}

/// Whether there is a way to say it without a verb below it.
fn is_one(help: &str) -> bool {
    let usage = help.lines().skip_while(|line| !line.starts_with("Usage: "));
    usage.take_while(|line| !line.is_empty()).any(|line| !line.contains("<COMMAND>"))
}

/// The verbs below it. Lines that go on with a description begin further to the right.
fn below(help: &str) -> impl Iterator<Item = &str> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = lines.take_while(|line| !line.is_empty()).filter_map(|line| line.strip_prefix("  "));
    names
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split(' ').next())
        .filter(|name| *name != "help")
}
