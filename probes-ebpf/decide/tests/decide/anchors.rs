//! What keeps the way to a rule's file as it is, and what tells the daemon that it changes.

use crate::world::{DIRECTORY, FILE, NAME, On, REQUEST, World, answer, enforce, observe, slot, unconcerned};
use aegis_decide::{Answer, Request, decide};
use aegis_kernel_abi::{Hook, Operations, ROW_ANCHOR, ROW_FOLLOW, Reason, Verdict};

const RENAME: Operations = Operations::RENAME;

fn renaming() -> Request<'static> {
    Request { operations: RENAME, hook: Hook::InodeRename, ..REQUEST }
}

fn noticed(answer: Answer) -> Answer {
    Answer { notice: true, ..answer }
}

fn anchored(on: On, flags: u16, enforced: bool) -> World {
    let rule = if enforced { enforce(RENAME, on) } else { observe(RENAME, on) };
    World::armed(&[rule]).with(|world| world.rows.iter_mut().for_each(|row| row.flags = flags))
}

#[test]
fn anchors_hold_and_follow() {
    let anchor = Reason::Anchor;
    let denied = noticed(answer(Verdict::Deny, 0, anchor));
    let audited = noticed(answer(Verdict::Audit, 0, anchor));
    let follow = ROW_ANCHOR | ROW_FOLLOW;
    let rows = [
        ("held directory", anchored(On::Object(FILE), ROW_ANCHOR, true), denied),
        ("held directory, observed", anchored(On::Object(FILE), ROW_ANCHOR, false), audited),
        ("missing name", anchored(slot(NAME), ROW_ANCHOR, true), denied),
        ("followed directory", anchored(On::Object(FILE), follow, false), noticed(unconcerned())),
        ("followed name", anchored(slot(NAME), follow, false), noticed(unconcerned())),
        ("directory elsewhere", anchored(On::Object(DIRECTORY), ROW_ANCHOR, true), unconcerned()),
    ];
    for (what, world, expected) in rows {
        assert_eq!(decide(&world, &renaming()), expected, "{what}");
        let reading = Request { operations: Operations::READ, hook: Hook::FileOpen, ..REQUEST };
        assert_eq!(decide(&world, &reading), unconcerned(), "{what}, only read");
    }
}

#[test]
fn the_exempt_may_move_what_is_held_and_the_daemon_is_told() {
    let world = anchored(On::Object(FILE), ROW_ANCHOR, true);
    let exempt = world.clone().with(|world| world.exempt = true);
    let told = |reason| noticed(answer(Verdict::Allow, 0, reason));
    assert_eq!(decide(&exempt, &renaming()), told(Reason::Exempt));
    let survives = world.with(|world| world.survives = RENAME);
    assert_eq!(decide(&survives, &renaming()), told(Reason::Survival));
}

/// A rule on reading says nothing about renaming; but afterwards its name stands for something else.
#[test]
fn what_is_put_into_a_slot_is_noticed() {
    let world =
        World::armed(&[enforce(Operations::READ, slot(NAME)), observe(RENAME, On::Object(DIRECTORY))]);
    assert_eq!(decide(&world, &renaming()), noticed(unconcerned()));
    let elsewhere = Request { name: Some((DIRECTORY, b"other")), ..renaming() };
    assert_eq!(decide(&world, &elsewhere), unconcerned());
}
