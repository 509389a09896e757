//! Whoever could not get now what he has is found, and nobody else.

use super::*;
use crate::say::{Header, Say};
use crate::subjects::{Clause, Role};
use crate::tables::Builder;

const OBJECT: ObjectKey = ObjectKey { ino: 7, dev: 1, inode_generation: 3 };
const OTHER: ObjectKey = ObjectKey { ino: 8, dev: 1, inode_generation: 3 };
const CGROUP: u64 = 40;

fn say(rule: u32, operations: Operations, mode: Mode) -> Say {
    Say::plain(rule, operations, mode)
}

fn enforce(rule: u32, operations: Operations) -> Say {
    say(rule, operations, Mode::Enforce)
}

fn built(fill: impl FnOnce(&mut Builder)) -> Guarded {
    let mut builder = Builder::default();
    fill(&mut builder);
    let header = Header {
        policy: "test".to_owned(),
        serial: 0,
        mode: Mode::Enforce,
        plan_digest: [0; 32],
        rules: Vec::new(),
        escalate: Vec::new(),
        asked: Vec::new(),
        pending: BTreeSet::new(),
        built_at_ns: 0,
    };
    builder.build(&header).expect("tables").into()
}

fn guarded(says: &[Say]) -> Guarded {
    built(|builder| says.iter().for_each(|say| builder.object(OBJECT, *say).expect("an object")))
}

fn held(object: ObjectKey, operations: Operations) -> Held {
    Held { object, opened: object, operations: operations.bits(), pid: 9, start_time: 90, ..Held::default() }
}

const NONE: Operations = Operations::empty();
const READ: Operations = Operations::READ;
const WRITE: Operations = Operations::WRITE;
const BOTH: Operations = READ.union(WRITE);
const RUN: Operations = Operations::EXEC.union(Operations::MAP_EXEC);

#[test]
fn what_is_held_meets_the_rules_on_it() {
    // Operations of the rule, operations that are held, operations of concern.
    let rows = [
        (READ, READ, READ),
        (READ, WRITE, NONE),
        (WRITE, BOTH, WRITE),
        (Operations::APPEND, WRITE, NONE),
        (Operations::APPEND, WRITE | Operations::APPEND, Operations::APPEND),
        (BOTH, READ, READ),
        (BOTH, BOTH, BOTH),
        (RUN, Operations::MAP_EXEC, Operations::MAP_EXEC),
        (RUN, READ | Operations::MAP_EXEC, Operations::MAP_EXEC),
        (RUN, RUN, RUN),
        (RUN, READ, NONE),
        (READ, RUN, NONE),
        // Decided at each truncation, deletion, renaming: nobody holds them.
        (Operations::TRUNCATE, WRITE, NONE),
        (Operations::UNLINK | Operations::RENAME, BOTH, NONE),
        (Operations::all(), Operations::all(), LASTING),
    ];
    for (on, operations, expected) in rows {
        let concern = guarded(&[enforce(2, on)]).concern(&held(OBJECT, operations));
        let expected =
            (!expected.is_empty()).then_some(Concern { rule: 2, mode: Mode::Enforce, operations: expected });
        assert_eq!(concern, expected, "on {on:?}, held for {operations:?}");
    }
}

#[test]
fn other_objects_are_no_concern() {
    let guarded = guarded(&[enforce(0, BOTH)]);
    let others = [
        OTHER,
        ObjectKey { dev: 2, ..OBJECT },
        // The same number after the first file was deleted.
        ObjectKey { inode_generation: 4, ..OBJECT },
    ];
    for other in others {
        assert_eq!(guarded.concern(&held(other, BOTH)), None, "{other:?}");
    }
}

#[test]
fn a_number_means_whatever_has_it() {
    let number = InodeNumber::new(OBJECT.ino, OBJECT.dev);
    let guarded = built(|builder| builder.inode(number, enforce(0, READ)));
    for inode_generation in [0, 3, 4] {
        let object = ObjectKey { inode_generation, ..OBJECT };
        assert!(guarded.concern(&held(object, READ)).is_some(), "{inode_generation}");
    }
}

#[test]
fn the_strongest_rule_is_named() {
    let observe = |rule, operations| say(rule, operations, Mode::Observe);
    // What the rules say, the rule that is named, and its mode.
    let rows: [(&[Say], u32, Mode); 4] = [
        (&[enforce(3, READ), enforce(1, WRITE)], 1, Mode::Enforce),
        (&[observe(1, READ), enforce(3, WRITE)], 3, Mode::Enforce),
        (&[enforce(3, READ), observe(1, WRITE)], 3, Mode::Enforce),
        (&[observe(3, READ), observe(1, WRITE)], 1, Mode::Observe),
    ];
    for (says, rule, mode) in rows {
        let concern = guarded(says).concern(&held(OBJECT, BOTH));
        assert_eq!(concern, Some(Concern { rule, mode, operations: BOTH }), "{says:?}");
    }
}

#[test]
fn a_mapping_of_an_overlay_meets_the_rules_on_both_files() {
    let both = built(|builder| {
        builder.object(OBJECT, enforce(1, READ)).expect("an object");
        builder.object(OTHER, enforce(0, WRITE)).expect("an object");
    });
    let mapping = Held { opened: OTHER, ..held(OBJECT, BOTH) };
    let expected = Concern { rule: 0, mode: Mode::Enforce, operations: BOTH };
    assert_eq!(both.concern(&mapping), Some(expected));
    let above = guarded(&[enforce(1, READ)]);
    assert!(above.concern(&Held { object: OTHER, opened: OBJECT, ..held(OBJECT, BOTH) }).is_some());
}

/// Nobody is killed for a rule that may not have been about him.
#[test]
fn rules_about_somebody_are_no_concern() {
    let clause =
        Clause { role: Role::When, asks: 0, members: Vec::new(), uids: Vec::new(), gids: Vec::new() };
    let guarded = built(|builder| {
        let who = builder.who(vec![clause], 0).expect("conditions");
        let about = Say { who, ..enforce(0, Operations::READ) };
        builder.object(OBJECT, about).expect("an object");
    });
    assert_eq!(guarded.concern(&held(OBJECT, Operations::READ)), None);
    assert!(guarded.is_empty());
}

#[test]
fn nothing_is_looked_for_if_nothing_can_be_held() {
    assert!(Guarded::default().is_empty());
    assert!(guarded(&[]).is_empty());
    assert!(guarded(&[enforce(0, Operations::UNLINK | Operations::TRUNCATE)]).is_empty());
    assert!(!guarded(&[say(0, READ, Mode::Observe)]).is_empty());
}

/// Checks who is spared, with a holder of the object for reading in these cgroups, and one on the survival list.
fn check_spared(
    what: &str,
    held: &Held,
    cgroups: &[u64],
    survivor: (SurvivalKey, Operations),
    spared: Option<Spared>,
) {
    let guarded = built(|builder| builder.exempt(CGROUP));
    let (key, operations) = survivor;
    let survivors = Survivors::from([(key, Survival { operations: operations.bits(), reserved: 0 })]);
    assert_eq!(guarded.spared(held, READ, cgroups, &survivors), spared, "{what}");
}

#[test]
fn survivors_and_exempt_cgroups_are_spared() {
    let holder = held(OBJECT, READ);
    let mapping = Held { opened: OTHER, ..holder };
    let key = |kind, object| SurvivalKey { object, kind, reserved: 0 };
    let process = |pid, start_time| ObjectKey { ino: start_time, dev: pid, inode_generation: 0 };
    let cgroup = |ino| key(SURVIVAL_CGROUP, ObjectKey { ino, ..ObjectKey::default() });
    let nobody = (key(0, ObjectKey::default()), Operations::all());
    let survival = Some(Spared::Survival);
    check_spared("nobody", &holder, &[1, 5], nobody, None);
    check_spared("process 1", &Held { pid: 1, ..holder }, &[1], nobody, survival);
    check_spared("exempt", &holder, &[60, CGROUP, 1], nobody, Some(Spared::Exempt));
    check_spared("object", &holder, &[], (key(SURVIVAL_OBJECT, OBJECT), BOTH), survival);
    check_spared("object, for something else", &holder, &[], (key(SURVIVAL_OBJECT, OBJECT), WRITE), None);
    check_spared("overlay", &mapping, &[], (key(SURVIVAL_OBJECT, OTHER), READ), survival);
    check_spared("process", &holder, &[], (key(SURVIVAL_PROCESS, process(9, 90)), READ), survival);
    check_spared("its number again", &holder, &[], (key(SURVIVAL_PROCESS, process(9, 91)), READ), None);
    check_spared("cgroup", &holder, &[60, 50, 1], (cgroup(50), READ), survival);
    check_spared("another cgroup", &holder, &[60, 50, 1], (cgroup(51), READ), None);
    check_spared(
        "cgroup as object",
        &holder,
        &[7],
        (key(SURVIVAL_OBJECT, ObjectKey { ino: 7, ..ObjectKey::default() }), READ),
        None,
    );
}
