//! What rules, survival list and exemptions say, where nothing is broken.

use crate::world::{
    DIRECTORY, FILE, NAME, OTHER, On, REQUEST, Rule, World, answer, check, enforce, number, observe, rule,
    slot, unconcerned,
};
use aegis_decide::{Answer, Request};
use aegis_kernel_abi::{
    Active, ENTRY_HAS_SLOTS, Hook, MAX_ROWS, Mode, ObjectKey, Operations, ROW_SELF_CHECK, RULE_NONE, Reason,
    Row, Verdict,
};

const READ: Operations = Operations::READ;
const WRITE: Operations = Operations::WRITE;

fn deny(rule: u32, reason: Reason) -> Answer {
    answer(Verdict::Deny, rule, reason)
}

fn audit(rule: u32, reason: Reason) -> Answer {
    answer(Verdict::Audit, rule, reason)
}

#[test]
fn nothing_armed() {
    let world = World::armed(&[enforce(READ, On::Object(FILE))]);
    let none = Answer { generation: 0, ..unconcerned() };
    check("no generation", &world.with(|world| world.active = Active::default()), &REQUEST, none);
}

#[test]
fn objects_and_slots() {
    let rows: &[(&str, &[Rule], Answer)] = &[
        ("no rule", &[], unconcerned()),
        ("object", &[enforce(READ, On::Object(FILE))], deny(0, Reason::Object)),
        ("object observed", &[observe(READ, On::Object(FILE))], audit(0, Reason::Object)),
        ("inode", &[enforce(READ, On::Inode(number(FILE)))], deny(0, Reason::Object)),
        ("slot", &[enforce(READ, slot(NAME))], deny(0, Reason::Slot)),
        ("slot observed", &[observe(READ, slot(NAME))], audit(0, Reason::Slot)),
        ("other object", &[enforce(READ, On::Object(OTHER))], unconcerned()),
        ("other name", &[enforce(READ, slot(b"public"))], unconcerned()),
        ("longer name", &[enforce(READ, slot(b"secrets"))], unconcerned()),
        ("name elsewhere", &[enforce(READ, On::Slot(OTHER, NAME.to_vec()))], unconcerned()),
        ("directory itself", &[enforce(READ, On::Object(DIRECTORY))], unconcerned()),
        ("other operation", &[enforce(WRITE, On::Object(FILE))], unconcerned()),
        (
            "other operation, while a rule elsewhere is on this one",
            &[enforce(WRITE, On::Object(FILE)), enforce(READ, On::Object(OTHER))],
            unconcerned(),
        ),
        (
            "other operation of the slot",
            &[enforce(WRITE, slot(NAME)), enforce(READ, On::Object(OTHER))],
            unconcerned(),
        ),
    ];
    for (what, rules, expected) in rows {
        check(what, &World::armed(rules), &REQUEST, *expected);
    }
}

#[test]
fn strongest_wins() {
    let object = || On::Object(FILE);
    let both = || rule(READ, Mode::Enforce, vec![slot(NAME), object()]);
    let rows: &[(&str, &[Rule], Answer)] = &[
        (
            "enforce over observe",
            &[observe(READ, object()), enforce(READ, object())],
            deny(1, Reason::Object),
        ),
        ("enforce stays", &[enforce(READ, object()), observe(READ, object())], deny(0, Reason::Object)),
        ("lower number", &[enforce(READ, object()), enforce(READ, object())], deny(0, Reason::Object)),
        ("slot over object", &[observe(READ, object()), enforce(READ, slot(NAME))], deny(1, Reason::Slot)),
        ("object over slot", &[observe(READ, slot(NAME)), enforce(READ, object())], deny(1, Reason::Object)),
        ("lower slot", &[enforce(READ, slot(NAME)), enforce(READ, object())], deny(0, Reason::Slot)),
        ("lower object", &[enforce(READ, object()), enforce(READ, slot(NAME))], deny(0, Reason::Object)),
        (
            "lower observed slot",
            &[observe(READ, slot(NAME)), observe(READ, object())],
            audit(0, Reason::Slot),
        ),
        ("one rule, both ways", &[both()], deny(0, Reason::Object)),
        ("inode and object", &[enforce(READ, On::Inode(number(FILE))), both()], deny(0, Reason::Object)),
    ];
    for (what, rules, expected) in rows {
        check(what, &World::armed(rules), &REQUEST, *expected);
        // Rows have no order of their own.
        let reversed = World::armed(rules).with(|world| {
            let counts: Vec<_> =
                world.objects.values().chain(world.slots.values()).map(|entry| entry.row_count).collect();
            if counts.iter().filter(|count| **count > 0).count() == 1 {
                world.rows.reverse();
            }
        });
        check(&format!("{what}, rows reversed"), &reversed, &REQUEST, *expected);
    }
}

#[test]
fn operations_are_a_set() {
    let both = Request { operations: READ | WRITE, ..REQUEST };
    let write_only = World::armed(&[enforce(WRITE, On::Object(FILE))]);
    check("one of two", &write_only, &both, deny(0, Reason::Object));
    let split = World::armed(&[observe(READ, On::Object(FILE)), enforce(WRITE, On::Object(FILE))]);
    check("stronger of two", &split, &both, deny(1, Reason::Object));
    check("only the one asked for", &split, &REQUEST, audit(0, Reason::Object));
    for operation in Operations::all() {
        let world = World::armed(&[enforce(operation, On::Object(FILE))]);
        for asked in Operations::all() {
            let expected = if asked == operation { deny(0, Reason::Object) } else { unconcerned() };
            check("single", &world, &Request { operations: asked, ..REQUEST }, expected);
        }
    }
    for hook in Hook::ALL {
        check("any hook", &write_only, &Request { hook: *hook, ..both }, deny(0, Reason::Object));
    }
}

#[test]
fn reused_inodes() {
    let again = ObjectKey { inode_generation: FILE.inode_generation + 1, ..FILE };
    let elsewhere = ObjectKey { dev: FILE.dev + 1, ..FILE };
    let half = |key: ObjectKey| ObjectKey { ino: key.ino + (1 << 32), ..key };
    let directory = ObjectKey { inode_generation: DIRECTORY.inode_generation + 1, ..DIRECTORY };
    let object = [enforce(READ, On::Object(FILE))];
    let inode = [enforce(READ, On::Inode(number(FILE)))];
    let mixed = [enforce(READ, On::Object(FILE)), enforce(READ, On::Inode(number(FILE)))];
    let name = [enforce(READ, slot(NAME))];
    let of = |object| Request { object, ..REQUEST };
    let within = |directory| Request { name: Some((directory, NAME)), ..REQUEST };
    let rows: &[(&str, &[Rule], Request<'_>, Answer)] = &[
        ("object rule, same inode", &object, of(FILE), deny(0, Reason::Object)),
        ("object rule, reused inode", &object, of(again), unconcerned()),
        ("object rule, other device", &object, of(elsewhere), unconcerned()),
        ("object rule, other number with the same lower half", &object, of(half(FILE)), unconcerned()),
        ("inode rule, other number with the same lower half", &inode, of(half(FILE)), unconcerned()),
        ("inode rule, reused inode", &inode, of(again), deny(0, Reason::Object)),
        ("inode rule, other device", &inode, of(elsewhere), unconcerned()),
        ("both, same inode", &mixed, of(FILE), deny(0, Reason::Object)),
        ("both, reused inode", &mixed, of(again), deny(1, Reason::Object)),
        ("slot, any inode there", &name, of(again), deny(0, Reason::Slot)),
        ("slot, directory with the same lower half", &name, within(half(DIRECTORY)), unconcerned()),
        ("slot, reused directory", &name, within(directory), unconcerned()),
    ];
    for (what, rules, request, expected) in rows {
        check(what, &World::armed(rules), request, *expected);
    }
}

#[test]
fn names_that_are_not_looked_at() {
    let rules = [enforce(READ, slot(NAME))];
    let nameless = Request { name: None, ..REQUEST };
    check("no name", &World::armed(&rules), &nameless, unconcerned());
    let no_slots = World::armed(&rules).with(|world| world.info().flags = 0);
    check("generation without slots", &no_slots, &REQUEST, unconcerned());
    let flagless = World::armed(&rules).with(|world| world.of(DIRECTORY).flags &= !ENTRY_HAS_SLOTS);
    check("directory without slots", &flagless, &REQUEST, unconcerned());
}

#[test]
fn as_many_rows_as_there_may_be() {
    let last = u32::from(MAX_ROWS) - 1;
    let mut rules: Vec<Rule> = (0..last).map(|_| observe(READ, On::Object(FILE))).collect();
    rules.push(enforce(READ, On::Object(FILE)));
    check("the last row counts", &World::armed(&rules), &REQUEST, deny(last, Reason::Object));
}

#[test]
fn survival_and_exemption() {
    let rows: &[(&str, Mode, Operations, bool, Verdict, Reason)] = &[
        ("neither", Mode::Enforce, Operations::empty(), false, Verdict::Deny, Reason::Object),
        ("survival wins over deny", Mode::Enforce, READ, false, Verdict::Allow, Reason::Survival),
        ("survival wins over audit", Mode::Observe, READ, false, Verdict::Allow, Reason::Survival),
        ("survival for another operation", Mode::Enforce, WRITE, false, Verdict::Deny, Reason::Object),
        ("exempt wins over deny", Mode::Enforce, Operations::empty(), true, Verdict::Allow, Reason::Exempt),
        ("exempt wins over audit", Mode::Observe, Operations::empty(), true, Verdict::Allow, Reason::Exempt),
        ("survival comes before exempt", Mode::Enforce, READ, true, Verdict::Allow, Reason::Survival),
    ];
    for (what, mode, survives, exempt, verdict, reason) in rows {
        let world = World::armed(&[rule(READ, *mode, vec![On::Object(FILE)])])
            .with(|world| (world.survives, world.exempt) = (*survives, *exempt));
        check(what, &world, &REQUEST, answer(*verdict, 0, *reason));
    }
    // What no rule concerns is not counted as let through.
    let free = World::armed(&[]).with(|world| (world.survives, world.exempt) = (READ, true));
    check("no rule", &free, &REQUEST, unconcerned());
    // All operations of a request must be on the list.
    let world = World::armed(&[enforce(READ, On::Object(FILE))]).with(|world| world.survives = READ);
    let both = Request { operations: READ | WRITE, ..REQUEST };
    check("half of the request", &world, &both, deny(0, Reason::Object));
}

#[test]
fn self_check_rows_concern_nobody_else() {
    let mark =
        |world: &mut World| world.rows.iter_mut().for_each(|row: &mut Row| row.flags |= ROW_SELF_CHECK);
    let alone = World::armed(&[enforce(READ, On::Object(FILE))]).with(mark);
    check("alone", &alone, &REQUEST, unconcerned());
    let beside = [enforce(READ, On::Object(FILE)), enforce(READ, On::Object(FILE))];
    let beside = World::armed(&beside).with(|world| world.rows[0].flags |= ROW_SELF_CHECK);
    check("beside a rule", &beside, &REQUEST, deny(1, Reason::Object));
    assert_eq!(unconcerned().rule, RULE_NONE);
}
