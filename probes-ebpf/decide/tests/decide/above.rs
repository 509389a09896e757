//! Rules on what is below directories, on anything, and of tenants that allow.

use crate::world::{
    DIRECTORY, FILE, GENERATION, HIGHER, NAME, OTHER, On, REQUEST, ROOT, Rule, World, answer, check, enforce,
    observe, rule, slot, unconcerned,
};
use aegis_decide::{Request, Table};
use aegis_kernel_abi::{MAX_SUBTREES, Mode, ObjectKey, Operations, RULE_NONE, Reason, Verdict};

const READ: Operations = Operations::READ;
const WRITE: Operations = Operations::WRITE;

fn below_name(parent: ObjectKey, name: &[u8]) -> On {
    On::SubtreeSlot(parent, name.to_vec())
}

#[test]
fn what_is_below() {
    let denied = |reason| answer(Verdict::Deny, 0, reason);
    let rows: &[(&str, On, _)] = &[
        ("the directory", On::Subtree(DIRECTORY), denied(Reason::Subtree)),
        ("one above", On::Subtree(HIGHER), denied(Reason::Subtree)),
        ("the root", On::Subtree(ROOT), denied(Reason::Subtree)),
        ("itself", On::Subtree(FILE), denied(Reason::Object)),
        ("its name", below_name(DIRECTORY, NAME), denied(Reason::Slot)),
        ("the name of the directory", below_name(HIGHER, b"directory"), denied(Reason::Subtree)),
        ("the name of one above", below_name(ROOT, b"higher"), denied(Reason::Subtree)),
        ("another name", below_name(HIGHER, b"other"), unconcerned()),
        ("a directory elsewhere", On::Subtree(OTHER), unconcerned()),
        (
            "another directory of that number",
            On::Subtree(ObjectKey { inode_generation: 1, ..HIGHER }),
            unconcerned(),
        ),
        ("the directory alone", On::Object(DIRECTORY), unconcerned()),
        ("a name above alone", On::Slot(HIGHER, b"directory".to_vec()), unconcerned()),
    ];
    for (what, on, expected) in rows {
        check(what, &World::armed(&[enforce(READ, on.clone())]), &REQUEST, *expected);
    }
    let other = Request { operations: WRITE, ..REQUEST };
    check("another operation", &World::armed(&[enforce(READ, On::Subtree(ROOT))]), &other, unconcerned());
}

#[test]
fn strongest_of_all_above() {
    let rules = [
        observe(READ, On::Object(FILE)),
        observe(READ, On::Subtree(DIRECTORY)),
        enforce(READ, On::Subtree(ROOT)),
        enforce(READ, On::Subtree(HIGHER)),
    ];
    check("all", &World::armed(&rules), &REQUEST, answer(Verdict::Deny, 2, Reason::Subtree));
    check("observed", &World::armed(&rules[..2]), &REQUEST, answer(Verdict::Audit, 0, Reason::Object));
}

#[test]
fn a_way_that_is_not_known_to_its_end() {
    let cut = Request { is_whole: false, ..REQUEST };
    let undecided = |verdict| answer(verdict, RULE_NONE, Reason::WalkIncomplete);
    let enforcing = World::armed(&[enforce(READ, On::Subtree(OTHER))]);
    check("enforcing", &enforcing, &cut, undecided(Verdict::Deny));
    check("whole", &enforcing, &REQUEST, unconcerned());
    let observing = World::armed(&[observe(READ, On::Subtree(OTHER)), enforce(WRITE, On::Object(OTHER))]);
    check("observing", &observing, &cut, undecided(Verdict::Allow));
    let elsewhere = World::armed(&[enforce(WRITE, On::Subtree(OTHER)), enforce(READ, On::Object(OTHER))]);
    check("no subtree has the operation", &elsewhere, &cut, unconcerned());
    let nameless = [(DIRECTORY, NAME), (HIGHER, b"".as_slice())];
    let named = World::armed(&[enforce(READ, below_name(HIGHER, b"directory"))]);
    let unreadable = Request { above: &nameless, ..REQUEST };
    check("name", &named, &unreadable, answer(Verdict::Deny, RULE_NONE, Reason::NameUnreadable));
    let stale = named.with(|world| world.of(HIGHER).generation = GENERATION - 2);
    check("stale", &stale, &REQUEST, answer(Verdict::Deny, RULE_NONE, Reason::MixedGenerations));
}

#[test]
fn too_many_above() {
    let directory = |ino: u64| ObjectKey { ino, ..ROOT };
    let above: Vec<_> =
        (100..).take(MAX_SUBTREES + 1).map(|ino| (directory(ino), b"name".as_slice())).collect();
    let rules: Vec<Rule> = above.iter().map(|(key, _)| enforce(READ, On::Subtree(*key))).collect();
    let request = Request { above: &above, ..REQUEST };
    let most = World::armed(&rules[1..]);
    check("as many as can be", &most, &request, answer(Verdict::Deny, 0, Reason::Subtree));
    let more = World::armed(&rules);
    check("one more", &more, &request, answer(Verdict::Deny, RULE_NONE, Reason::TooManyRows));
}

#[test]
fn whatever_there_is() {
    let world = World::armed(&[enforce(READ, On::Any)]);
    check("reading", &world, &REQUEST, answer(Verdict::Deny, 0, Reason::Any));
    check("writing", &world, &Request { operations: WRITE, ..REQUEST }, unconcerned());
    let nameless = Request { name: None, above: &[], ..REQUEST };
    check("without a name", &world, &nameless, answer(Verdict::Deny, 0, Reason::Any));
    let lost = world.with(|world| world.objects.clear());
    check("lost", &lost, &REQUEST, answer(Verdict::Deny, RULE_NONE, Reason::TableMissing));
}

/// A rule of a tenant.
fn of(tenant: u16, said: Rule) -> Rule {
    Rule { tenant, ..said }
}

/// One that allows. Other operations than these its tenant denies too.
fn allow(tenant: u16, operations: Operations, on: On) -> Rule {
    Rule { allows: true, ..of(tenant, rule(operations, Mode::Enforce, vec![on])) }
}

#[test]
fn what_a_tenant_allows() {
    let any = || of(1, enforce(READ | WRITE, On::Any));
    let denied = |rule, reason| answer(Verdict::Deny, rule, reason);
    let rows: &[(&str, Vec<Rule>, _)] = &[
        ("itself", vec![any(), allow(1, READ, On::Object(FILE))], unconcerned()),
        ("by name", vec![any(), allow(1, READ, slot(NAME))], unconcerned()),
        ("below", vec![any(), allow(1, READ, On::Subtree(ROOT))], unconcerned()),
        ("in another order", vec![allow(1, READ, On::Object(FILE)), any()], unconcerned()),
        ("something else", vec![any(), allow(1, READ, On::Object(OTHER))], denied(0, Reason::Any)),
        ("another operation", vec![any(), allow(1, WRITE, On::Object(FILE))], denied(0, Reason::Any)),
        ("another tenant", vec![any(), allow(2, READ, On::Object(FILE))], denied(0, Reason::Any)),
        (
            "not what the host denies",
            vec![any(), allow(1, READ, On::Object(FILE)), enforce(READ, On::Object(FILE))],
            denied(2, Reason::Object),
        ),
        ("nothing is denied by allowing", vec![allow(1, READ, On::Object(FILE))], unconcerned()),
    ];
    for (what, rules, expected) in rows {
        check(what, &World::armed(rules), &REQUEST, *expected);
    }
    let both = Request { operations: READ | WRITE, ..REQUEST };
    let half = World::armed(&[any(), allow(1, READ, On::Object(FILE))]);
    check("half of what is asked for", &half, &both, denied(0, Reason::Any));
    let broken = World::armed(&[any(), allow(1, READ, slot(NAME))]);
    let broken = broken.with(|world| world.missing.push(Table::Slots));
    check("broken", &broken, &REQUEST, denied(RULE_NONE, Reason::TableMissing));
}
