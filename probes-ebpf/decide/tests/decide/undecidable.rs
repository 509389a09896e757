//! What happens where the rules cannot be asked to the end: no error is a silent allow.

use crate::world::{
    DIRECTORY, FILE, GENERATION, NAME, OTHER, On, REQUEST, Rule, World, answer, check, enforce, observe,
    rule, slot, unconcerned,
};
use aegis_decide::{Request, Table};
use aegis_kernel_abi::{MAX_ROWS, Mode, ObjectKey, Operations, RULE_NONE, Reason, Verdict};

const READ: Operations = Operations::READ;
const WRITE: Operations = Operations::WRITE;

/// A way to break the tables, the reason it must have, and whether the rule on the object was met before.
struct Fault {
    what: &'static str,
    inflict: fn(&mut World),
    reason: Reason,
    is_late: bool,
}

const fn early(what: &'static str, reason: Reason, inflict: fn(&mut World)) -> Fault {
    Fault { what, inflict, reason, is_late: false }
}

const fn late(what: &'static str, reason: Reason, inflict: fn(&mut World)) -> Fault {
    Fault { what, inflict, reason, is_late: true }
}

/// Every fault that a request for the file can meet where there is a rule on it and a slot for its name.
const FAULTS: &[Fault] = &[
    early("no description", Reason::TableMissing, |world| world.info = None),
    early("no objects", Reason::TableMissing, |world| world.missing.push(Table::Objects)),
    early("no rows", Reason::TableMissing, |world| world.missing.push(Table::Rows)),
    early("no row of the object", Reason::TableMissing, |world| world.of(FILE).first_row = 1_000),
    late("no slots", Reason::TableMissing, |world| world.missing.push(Table::Slots)),
    late("no row of the slot", Reason::TableMissing, |world| world.of_slot().first_row = u32::MAX),
    early("stale description", Reason::MixedGenerations, |world| world.info().generation = GENERATION + 2),
    early("stale object", Reason::MixedGenerations, |world| world.of(FILE).generation = GENERATION - 2),
    early("stale rows", Reason::MixedGenerations, |world| {
        world.rows.iter_mut().for_each(|row| row.generation = GENERATION + 1);
    }),
    late("stale directory", Reason::MixedGenerations, |world| {
        world.of(DIRECTORY).generation = GENERATION - 2;
    }),
    late("stale slot", Reason::MixedGenerations, |world| world.of_slot().generation = 0),
    late("stale row of the slot", Reason::MixedGenerations, |world| {
        world.rows.iter_mut().last().unwrap().generation = 0;
    }),
    early("too many rows", Reason::TooManyRows, |world| world.of(FILE).row_count = MAX_ROWS + 1),
    late("too many rows of the slot", Reason::TooManyRows, |world| world.of_slot().row_count = u16::MAX),
];

/// A rule that concerns the file by its object and by its name.
fn both_ways(mode: Mode) -> Rule {
    rule(READ, mode, vec![On::Object(FILE), slot(NAME)])
}

/// An object that no request here is about.
const ELSEWHERE: On = On::Object(ObjectKey { ino: 9_999, dev: 1, inode_generation: 1 });

#[test]
fn denied_if_an_enforcing_rule_could_match() {
    for Fault { what, inflict, reason, .. } in FAULTS {
        let denied = answer(Verdict::Deny, RULE_NONE, *reason);
        let own = World::armed(&[both_ways(Mode::Enforce)]).with(inflict);
        check(what, &own, &REQUEST, denied);
        // It cannot be known any more that the enforcing rule is on something else.
        let elsewhere = [both_ways(Mode::Observe), enforce(READ, ELSEWHERE)];
        check(&format!("{what}, elsewhere"), &World::armed(&elsewhere).with(inflict), &REQUEST, denied);
        let both = Request { operations: READ | WRITE, ..REQUEST };
        check(&format!("{what}, one of two operations"), &own, &both, denied);
    }
}

#[test]
fn not_denied_if_no_enforcing_rule_could_match() {
    for Fault { what, inflict, reason, is_late } in FAULTS {
        let (verdict, rule) = if *is_late { (Verdict::Audit, 0) } else { (Verdict::Allow, RULE_NONE) };
        let expected = answer(verdict, rule, *reason);
        let observing = World::armed(&[both_ways(Mode::Observe)]).with(inflict);
        check(what, &observing, &REQUEST, expected);
        // An enforcing rule on writing cannot concern who reads.
        let other = [both_ways(Mode::Observe), enforce(WRITE, ELSEWHERE)];
        check(
            &format!("{what}, writing is enforced"),
            &World::armed(&other).with(inflict),
            &REQUEST,
            expected,
        );
    }
}

/// Each error branch of the decision by its number in `enum aegis_force`, and whether the object was weighed before.
const FORCED: [(u32, Reason, bool); 11] = [
    (1, Reason::TableMissing, false),
    (2, Reason::MixedGenerations, false),
    (3, Reason::TableMissing, false),
    (4, Reason::MixedGenerations, false),
    (5, Reason::TooManyRows, false),
    (6, Reason::TableMissing, false),
    (7, Reason::TableMissing, false),
    (8, Reason::MixedGenerations, false),
    (9, Reason::MixedGenerations, true),
    (10, Reason::TableMissing, true),
    (11, Reason::NameUnreadable, true),
];

#[test]
fn every_error_can_be_forced() {
    for (number, reason, is_late) in FORCED {
        let forced = |world: &mut World| world.forced = number;
        let enforcing = World::armed(&[both_ways(Mode::Enforce)]).with(forced);
        check(&format!("error {number}"), &enforcing, &REQUEST, answer(Verdict::Deny, RULE_NONE, reason));
        let observing = World::armed(&[both_ways(Mode::Observe)]).with(forced);
        let (verdict, rule) = if is_late { (Verdict::Audit, 0) } else { (Verdict::Allow, RULE_NONE) };
        check(&format!("error {number}, observing"), &observing, &REQUEST, answer(verdict, rule, reason));
    }
    // Those that are left are met on the way up, and where rules are about somebody.
    let last = u32::try_from(FORCED.len() + 4).unwrap();
    let beyond = World::armed(&[both_ways(Mode::Enforce)]).with(|world| world.forced = last + 1);
    check("there are no more", &beyond, &REQUEST, answer(Verdict::Deny, 0, Reason::Object));
}

#[test]
fn names_that_cannot_be_read() {
    let long = [b'a'; 256];
    let enforced = World::armed(&[enforce(READ, slot(NAME))]);
    let observed = World::armed(&[observe(READ, slot(NAME))]);
    for name in [b"".as_slice(), &long] {
        let request = Request { name: Some((DIRECTORY, name)), ..REQUEST };
        let what = format!("{} bytes", name.len());
        check(&what, &enforced, &request, answer(Verdict::Deny, RULE_NONE, Reason::NameUnreadable));
        check(&what, &observed, &request, answer(Verdict::Allow, RULE_NONE, Reason::NameUnreadable));
        let elsewhere = Request { name: Some((OTHER, name)), ..REQUEST };
        check(&format!("{what} in a directory without slots"), &enforced, &elsewhere, unconcerned());
    }
    let longest = Request { name: Some((DIRECTORY, &long[1..])), ..REQUEST };
    check("255 bytes", &enforced, &longest, unconcerned());
}

#[test]
fn survival_and_exemption_come_first() {
    for Fault { what, inflict, .. } in FAULTS {
        let broken = World::armed(&[both_ways(Mode::Enforce)]).with(inflict);
        let survives = broken.clone().with(|world| (world.survives, world.exempt) = (READ, true));
        check(what, &survives, &REQUEST, answer(Verdict::Allow, RULE_NONE, Reason::Survival));
        let exempt = broken.with(|world| world.exempt = true);
        check(what, &exempt, &REQUEST, answer(Verdict::Allow, RULE_NONE, Reason::Exempt));
    }
}

/// Tables that a request does not need cannot make it undecidable.
#[test]
fn what_is_not_needed_may_be_missing() {
    let object = [enforce(READ, On::Object(FILE))];
    let elsewhere = [enforce(READ, On::Object(OTHER))];
    let write_only = [enforce(WRITE, On::Object(FILE)), enforce(WRITE, slot(NAME))];
    let denied = answer(Verdict::Deny, 0, Reason::Object);
    let rows: &[(&str, &[Rule], &[Table], _)] = &[
        ("no slots in the policy", &object, &[Table::Slots], denied),
        ("no entry of the object", &elsewhere, &[Table::Slots, Table::Rows], unconcerned()),
        (
            "no rule on the operation",
            &write_only,
            &[Table::Objects, Table::Slots, Table::Rows],
            unconcerned(),
        ),
    ];
    for (what, rules, missing, expected) in rows {
        let world = World::armed(rules).with(|world| world.missing.extend_from_slice(missing));
        check(what, &world, &REQUEST, *expected);
    }
    let slots = World::armed(&[enforce(READ, slot(NAME))]).with(|world| world.missing.push(Table::Slots));
    let reused = ObjectKey { inode_generation: DIRECTORY.inode_generation + 1, ..DIRECTORY };
    let request = Request { name: Some((reused, NAME)), ..REQUEST };
    check("the number of a directory with slots, reused", &slots, &request, unconcerned());
}
