//! From files to one plan.

use super::file::File;
use super::rule::Draft;
use super::{format1, lint, words};
use crate::diagnostic::{Code, Fault, Sink, enumerate, quote};
use crate::plan::{Action, Known, Moment, Name, Object, Operations, Plan, Rule, Tenant};
use crate::syntax::{Placed, closest};
use aegis_kernel_abi::Mode;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Merges what the files say. `complete` is false if some file could not be read: what is not in the others may
/// be in that one, so nothing is called missing then.
pub(super) fn merge(files: Vec<File>, complete: bool, sink: &mut Sink) -> Option<Plan> {
    if complete && !files.iter().any(|file| file.has_name) {
        sink.extend(files.iter().find(|file| file.can_have_name).map(|file| no_name().at(file.place)));
    }
    let nameless = files.iter().all(|file| !file.can_have_name);
    // Entries are of format 1, which has no names.
    let has_entries = files.iter().any(|file| !file.can_have_name);
    let (mut rules, mut exempt, mut tenants) = (Vec::new(), Vec::new(), Vec::new());
    let (mut names, mut serials, mut moments, mut modes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for contents in files.into_iter().map(|file| file.contents) {
        append(&mut rules, contents.rules);
        exempt.extend(contents.exempt);
        tenants.extend(contents.tenants);
        names.extend(contents.name);
        serials.extend(contents.serial);
        moments.extend(contents.expires);
        modes.extend(contents.mode);
    }
    let name = settle("name", &names, Name::to_string, sink);
    let name = name.or_else(|| nameless.then(Name::of_format_1));
    let serial = settle("serial", &serials, u64::to_string, sink);
    let expires = settle("expires", &moments, |moment| Moment(*moment).to_string(), sink);
    let mode = settle("mode", &modes, |mode| mode.word().to_owned(), sink).unwrap_or(Mode::Enforce);
    if has_entries {
        without_repeated(&mut rules, sink);
    }
    let order = by_id(&rules);
    if has_repeated_id(&rules, &order) {
        find_duplicates(&rules, sink);
    }
    let tenants = settle_tenants(tenants, &rules, complete, sink);
    find_overruled(&rules, mode, sink);
    lint::policy(&rules, mode, sink);
    Some(Plan {
        name: name?,
        serial,
        expires,
        mode,
        rules: finished(rules, &order, mode),
        exempt: exempt.into_iter().map(|cgroup| cgroup.value).collect(),
        tenants,
        digest: Known::default(),
    })
}

/// Where the rules stand, in the order of their ids. Rules are large, so that they are moved once only, and their ids are
/// scattered, so that their beginnings are compared first.
fn by_id(rules: &[Draft]) -> Vec<usize> {
    let mut order: Vec<(u128, usize)> = rules.iter().map(|rule| rule.id().beginning()).zip(0..).collect();
    let id = |index: usize| rules.get(index).map(Draft::id);
    order.sort_unstable_by(|(one, first), (other, second)| {
        one.cmp(other).then_with(|| (id(*first), first).cmp(&(id(*second), second)))
    });
    order.into_iter().map(|(_, index)| index).collect()
}

fn has_repeated_id(rules: &[Draft], order: &[usize]) -> bool {
    let ids = || order.iter().filter_map(|index| rules.get(*index)).map(Draft::id);
    ids().zip(ids().skip(1)).any(|(one, next)| one == next)
}

/// The rules of a plan of this mode, in this order.
fn finished(rules: Vec<Draft>, order: &[usize], mode: Mode) -> Vec<Rule> {
    let mut drafts: Vec<Option<Draft>> = rules.into_iter().map(Some).collect();
    let mut rules = Vec::with_capacity(order.len());
    let in_order = order.iter().filter_map(|index| drafts.get_mut(*index)?.take());
    rules.extend(in_order.map(|draft| draft.finish(mode)));
    rules
}

/// Puts one list behind another. Most policies have one file, whose rules stay where they are.
fn append(all: &mut Vec<Draft>, rules: Vec<Draft>) {
    if all.is_empty() {
        *all = rules;
    } else {
        all.extend(rules);
    }
}

/// Each tenant once; rules are those of tenants that there are, and no more than these may have. A tenant that is described
/// twice has no limits: which of them are meant is not for the order of files to say.
fn settle_tenants(
    found: Vec<(Placed<Name>, Tenant)>,
    rules: &[Draft],
    complete: bool,
    sink: &mut Sink,
) -> BTreeMap<Name, Tenant> {
    let mut tenants: BTreeMap<Name, (Placed<Name>, Tenant)> = BTreeMap::new();
    for (name, tenant) in found {
        if let Some((first, before)) = tenants.get_mut(&name.value) {
            (before.max_rules, before.max_objects) = (None, None);
            let fault = Fault::new(Code::DuplicateTenant, format!("there are two tenants `{}`", name.value))
                .label("described a second time here")
                .help("describe it in one file only");
            sink.push(fault.at(name.place).see(first.place, "described for the first time here"));
        } else {
            tenants.insert(name.value.clone(), (name, tenant));
        }
    }
    let mut have: HashMap<&Name, (usize, usize)> = HashMap::new();
    for rule in rules {
        let Some(of) = &rule.tenant else { continue };
        let Some((_, tenant)) = tenants.get(&of.value) else {
            if complete {
                sink.push(unknown_tenant(&of.value, tenants.keys()).at(of.place));
            }
            continue;
        };
        let (own_rules, objects) = have.entry(&of.value).or_default();
        let before = (*own_rules, *objects);
        (*own_rules, *objects) = (before.0 + 1, before.1 + rule.objects.len());
        let limits = [
            ("rules", tenant.max_rules, before.0, *own_rules),
            ("objects", tenant.max_objects, before.1, *objects),
        ];
        for (what, most, before, now) in limits {
            let Some(most) = most.filter(|most| before <= *most as usize && now > *most as usize) else {
                continue;
            };
            sink.push(too_much(&of.value, what, most).at(rule.place));
        }
    }
    tenants.into_iter().map(|(name, (_, tenant))| (name, tenant)).collect()
}

fn unknown_tenant<'a>(name: &Name, known: impl Iterator<Item = &'a Name>) -> Fault {
    let known: Vec<&str> = known.map(Name::as_str).collect();
    let help = match (closest(name.as_str(), &known), known.is_empty()) {
        (Some(meant), _) => format!("did you mean `{meant}`?"),
        (None, true) => format!("describe it below `[tenant.{name}]`"),
        (None, false) => format!("the tenants are {}", enumerate(known)),
    };
    Fault::new(Code::UnknownTenant, format!("there is no tenant `{name}`"))
        .label("nothing says whom its rules are about")
        .help(help)
}

fn too_much(tenant: &Name, what: &str, most: u32) -> Fault {
    Fault::new(Code::TenantLimit, format!("tenant `{tenant}` has more than {most} {what}"))
        .label("this rule is beyond its limit")
        .help(format!("remove some, or raise `max_{what}` of the tenant"))
}

/// The value that all files agree upon, if any of them gives one. There is none if they do not agree: what else is found
/// must not depend on their order.
fn settle<T: PartialEq + Clone>(
    key: &str,
    values: &[Placed<T>],
    show: impl Fn(&T) -> String,
    sink: &mut Sink,
) -> Option<T> {
    let (first, others) = values.split_first()?;
    let mut settled = Some(first.value.clone());
    for other in others.iter().filter(|other| other.value != first.value) {
        settled = None;
        let message = format!("the files of this policy disagree about `{key}`");
        let fault = Fault::new(Code::Contradiction, message)
            .label(format!("here it is {}", quote(&show(&other.value))))
            .help(format!("give `{key}` in one file only"));
        sink.push(
            fault.at(other.place).see(first.place, format!("here it is {}", quote(&show(&first.value)))),
        );
    }
    settled
}

/// Takes equal entries of format 1 once, whichever files they are in.
fn without_repeated(rules: &mut Vec<Draft>, sink: &mut Sink) {
    let mut seen: HashSet<(Operations, Vec<Object>)> = HashSet::new();
    rules.retain(|rule| {
        let named = || (rule.declared(), rule.objects.iter().map(|object| object.value.clone()).collect());
        if rule.is_entry && !seen.insert(named()) {
            let entry = rule.objects.first().map(|object| format1::shown(&object.value, rule.declared()));
            sink.push(words::repeated(&entry.unwrap_or_default()).at(rule.place));
            return false;
        }
        true
    });
}

fn find_duplicates(rules: &[Draft], sink: &mut Sink) {
    let mut first_of = HashMap::with_capacity(rules.len());
    for rule in rules {
        let first = *first_of.entry(rule.id()).or_insert(rule.place);
        if first != rule.place {
            let fault = Fault::new(Code::DuplicateRule, format!("two rules have the id `{}`", rule.id()))
                .label("used a second time here")
                .help("give this rule another id, or join the two");
            sink.push(fault.at(rule.place).see(first, "used for the first time here"));
        }
    }
}

/// Warns of observing rules where another rule enforces the same operation on the same object: the strongest
/// wins, so these would never be seen to match.
fn find_overruled(rules: &[Draft], mode: Mode, sink: &mut Sink) {
    let (enforcing, observing): (Vec<&Draft>, Vec<&Draft>) = rules
        .iter()
        .filter(|rule| rule.action() == Action::Deny)
        .partition(|rule| rule.mode(mode) == Mode::Enforce);
    if observing.is_empty() {
        return;
    }
    let mut enforced: HashMap<(&Object, Operations), (&Draft, &Placed<Object>)> = HashMap::new();
    for rule in enforcing.into_iter().filter(|rule| rule.is_for_all()) {
        for object in &rule.objects {
            for operation in rule.declared().widened() {
                enforced.entry((&object.value, operation)).or_insert((rule, object));
            }
        }
    }
    for rule in observing {
        for object in &rule.objects {
            let found: Vec<_> = rule
                .declared()
                .widened()
                .into_iter()
                .filter_map(|operation| Some((operation, *enforced.get(&(&object.value, operation))?)))
                .collect();
            let Some((_, (stronger, place))) = found.first() else { continue };
            let operations: Operations = found.iter().map(|(operation, _)| *operation).collect();
            let label = format!("rule `{}` enforces it here", stronger.id());
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

fn no_name() -> Fault {
    Fault::new(Code::MissingKey, "the policy has no `name`")
        .label("`name` is missing")
        .help("add `name = \"what-it-is-for\"`")
}

#[cfg(test)]
mod tests {
    use crate::{Source, compile};

    /// Ids that are alike in their beginnings, of some of which one is the beginning of another.
    const IDS: [&str; 7] = [
        "b",
        "same-for-16-bytes-b",
        "same-for-16-bytes",
        "same-for-16-byte",
        "same-for-16-bytes-a",
        "a.1",
        "a",
    ];

    fn text(ids: &[&str]) -> String {
        let rule = |id: &&str| format!("[[rule]]\nid = \"{id}\"\non = \"read\"\npath = \"/{id}\"\n");
        format!("version = 3\nname = \"ids\"\n{}", ids.iter().map(rule).collect::<String>())
    }

    #[test]
    fn rules_are_in_the_order_of_their_ids() {
        let text = text(&IDS);
        let plan = compile(&[Source { name: "ids", text: &text }]).unwrap().plan;
        let mut sorted = IDS;
        sorted.sort_unstable();
        assert_eq!(plan.rules().iter().map(|rule| rule.id().as_str()).collect::<Vec<_>>(), sorted);
        assert!(
            plan.rules().iter().all(|rule| rule.objects()[0].as_path() == Some(&format!("/{}", rule.id())))
        );
    }

    #[test]
    fn an_id_that_is_repeated_is_found_wherever_it_stands() {
        for id in IDS {
            let text = text(&[&IDS[..], &[id]].concat());
            let told = compile(&[Source { name: "ids", text: &text }]).unwrap_err();
            assert!(format!("{told:?}").contains(&format!("two rules have the id `{id}`")), "{told:?}");
        }
    }
}
