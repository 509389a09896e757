//! From files to one plan.

use super::file::File;
use super::rule::Draft;
use super::words;
use crate::diagnostic::{Code, Fault, Sink, enumerate, quote};
use crate::plan::{Name, Object, Plan, Rule, widened};
use crate::syntax::Placed;
use aegis_kernel_abi::{Mode, Operations};
use std::collections::{HashMap, HashSet};

/// Merges what the files say. `complete` is false if some file could not be read: what is not in the others may
/// be in that one, so nothing is called missing then.
pub(super) fn merge(files: Vec<File>, complete: bool, sink: &mut Sink) -> Option<Plan> {
    if complete && !files.iter().any(|file| file.has_name) {
        sink.extend(files.iter().find(|file| file.can_have_name).map(|file| no_name().at(file.place)));
    }
    let name = settle("name", files.iter().filter_map(|file| file.name.as_ref()), Name::to_string, sink);
    let nameless = files.iter().all(|file| !file.can_have_name);
    let name = name.or_else(|| nameless.then(Name::of_format_1));
    let serial = settle("serial", files.iter().filter_map(|file| file.serial.as_ref()), u64::to_string, sink);
    let modes = files.iter().filter_map(|file| file.mode.as_ref());
    let mode = settle("mode", modes, |mode| mode.word().to_owned(), sink).unwrap_or(Mode::Enforce);
    let exempt = files.iter().flat_map(|file| &file.exempt).map(|cgroup| cgroup.value.clone()).collect();
    let rules = without_repeated(files.into_iter().flat_map(|file| file.rules), sink);
    find_duplicates(&rules, sink);
    find_overruled(&rules, mode, sink);
    let rules = rules.into_iter().map(|rule| finish(rule, mode)).collect();
    Some(Plan::new(name?, serial, mode, rules, exempt))
}

/// The value that all files agree upon, if any of them gives one.
fn settle<'a, T: PartialEq + Clone + 'a>(
    key: &str,
    values: impl IntoIterator<Item = &'a Placed<T>>,
    show: impl Fn(&T) -> String,
    sink: &mut Sink,
) -> Option<T> {
    let mut values = values.into_iter();
    let first = values.next()?;
    for other in values.filter(|other| other.value != first.value) {
        let message = format!("the files of this policy disagree about `{key}`");
        let fault = Fault::new(Code::Contradiction, message)
            .label(format!("here it is {}", quote(&show(&other.value))))
            .help(format!("give `{key}` in one file only"));
        sink.push(
            fault.at(other.place).see(first.place, format!("here it is {}", quote(&show(&first.value)))),
        );
    }
    Some(first.value.clone())
}

/// Takes equal entries of format 1 once, whichever files they are in.
fn without_repeated(rules: impl Iterator<Item = Draft>, sink: &mut Sink) -> Vec<Draft> {
    let mut seen: HashSet<Vec<Object>> = HashSet::new();
    let mut kept = Vec::new();
    for rule in rules {
        let named = || rule.objects.iter().map(|object| object.value.clone()).collect();
        if rule.is_entry && !seen.insert(named()) {
            let object = rule.objects.first().map(|object| object.value.to_string()).unwrap_or_default();
            sink.push(words::repeated(&object).at(rule.id.place));
        } else {
            kept.push(rule);
        }
    }
    kept
}

fn find_duplicates(rules: &[Draft], sink: &mut Sink) {
    let mut first_of = HashMap::with_capacity(rules.len());
    for rule in rules {
        let id = &rule.id;
        let first = *first_of.entry(&id.value).or_insert(id.place);
        if first != id.place {
            let fault = Fault::new(Code::DuplicateRule, format!("two rules have the id `{}`", id.value))
                .label("used a second time here")
                .help("give this rule another id, or join the two");
            sink.push(fault.at(id.place).see(first, "used for the first time here"));
        }
    }
}

/// Warns of observing rules where another rule enforces the same operation on the same object: the strongest
/// wins, so these would never be seen to match.
fn find_overruled(rules: &[Draft], mode: Mode, sink: &mut Sink) {
    let (enforcing, observing): (Vec<&Draft>, Vec<&Draft>) =
        rules.iter().partition(|rule| rule.mode(mode) == Mode::Enforce);
    if observing.is_empty() {
        return;
    }
    let mut enforced: HashMap<(&Object, Operations), (&Draft, &Placed<Object>)> = HashMap::new();
    for rule in enforcing {
        for object in &rule.objects {
            for operation in widened(rule.declared) {
                enforced.entry((&object.value, operation)).or_insert((rule, object));
            }
        }
    }
    for rule in observing {
        for object in &rule.objects {
            let found: Vec<_> = widened(rule.declared)
                .into_iter()
                .filter_map(|operation| Some((operation, *enforced.get(&(&object.value, operation))?)))
                .collect();
            let Some((_, (stronger, place))) = found.first() else { continue };
            let operations: Operations = found.iter().map(|(operation, _)| *operation).collect();
            let label = format!("rule `{}` enforces it here", stronger.id.value);
            sink.push(overruled(object, operations).at(object.place).see(place.place, label));
        }
    }
}

fn overruled(object: &Placed<Object>, operations: Operations) -> Fault {
    let object = quote(&object.value.to_string());
    let operations = enumerate(operations.words());
    Fault::new(Code::Overruled, format!("observing {operations} of {object} has no effect"))
        .label("the strongest rule wins, and another one enforces this")
        .help("remove it here, or let the other rule observe")
}

fn finish(rule: Draft, policy: Mode) -> Rule {
    let mode = rule.mode(policy);
    let objects = rule.objects.into_iter().map(|object| object.value).collect();
    Rule::new(rule.id.value, rule.declared, mode, rule.severity, rule.reason, rule.anchors, objects)
}

fn no_name() -> Fault {
    Fault::new(Code::MissingKey, "the policy has no `name`")
        .label("`name` is missing")
        .help("add `name = \"what-it-is-for\"`")
}
