//! Rules about somebody: what holds, what does not, and what is not known.

use crate::world::{
    FILE, GENERATION, OTHER, On, REQUEST, ROOT, Rule, World, answer, check, decide, enforce, lineage,
    unconcerned,
};
use aegis_decide::{Subject, Table};
use aegis_kernel_abi::{
    ASKS_ANCESTOR, ASKS_CGROUP, ASKS_EXE, ASKS_GID, ASKS_MNT_NS, ASKS_PID_NS, ASKS_UID, ASKS_USER_NS,
    CGROUP_LEVELS, Condition, LINEAGE_CUT, LINEAGE_KNOWN, MEMBER_NAME, MemberKey, ObjectKey, Operations,
    ROLE_SCOPE, ROLE_UNLESS, ROLE_WHEN, RULE_NONE, Range, Reason, Verdict,
};
use proptest::prelude::*;

const READ: Operations = Operations::READ;
/// Programs.
const CAT: ObjectKey = ObjectKey { ino: 501, ..FILE };
const SHELL: ObjectKey = ObjectKey { ino: 502, ..FILE };

/// One condition: its role, and each kind of things it asks for with what is listed.
type Asked = (u16, Vec<(u16, Vec<ObjectKey>)>);

fn id(ino: u64) -> ObjectKey {
    ObjectKey { ino, ..ObjectKey::default() }
}

/// A world with one rule on the file, about these.
fn about(conditions: &[Asked]) -> World {
    let count = u16::try_from(conditions.len()).unwrap();
    let mut world = World::armed(&[Rule { conditions: (0, count), ..enforce(READ, On::Object(FILE)) }]);
    for (list, (role, kinds)) in (0..).zip(conditions) {
        let mut condition = Condition { generation: GENERATION, role: *role, list, ..Condition::default() };
        for (kind, members) in kinds {
            condition.asks |= kind;
            let ranges = u32::try_from(world.ranges.len()).unwrap();
            let count = u16::try_from(members.len()).unwrap();
            if *kind == ASKS_UID {
                (condition.first_uid, condition.uid_count) = (ranges, count);
            } else if *kind == ASKS_GID {
                (condition.first_gid, condition.gid_count) = (ranges, count);
            }
            for member in members {
                if kind & (ASKS_UID | ASKS_GID) != 0 {
                    let first = u32::try_from(member.ino).unwrap();
                    world.ranges.push(Range { generation: GENERATION, first, last: first + 9, reserved: 0 });
                } else {
                    let key = MemberKey { member: *member, list, kind: u32::from(*kind) };
                    world
                        .members
                        .insert(key, aegis_kernel_abi::Member { generation: GENERATION, reserved: 0 });
                }
            }
        }
        world.conditions.push(condition);
    }
    world
}

fn when(kind: u16, members: &[ObjectKey]) -> Asked {
    (ROLE_WHEN, vec![(kind, members.to_vec())])
}

fn unless(kind: u16, members: &[ObjectKey]) -> Asked {
    (ROLE_UNLESS, vec![(kind, members.to_vec())])
}

/// Something that must never be in tables.
type Fault = fn(&mut World);

/// A change of who acts.
type Change = fn(&mut Subject);

const RUNS_CAT: Change = |subject| subject.lineage = Some(lineage(&[SHELL, CAT]));

#[test]
fn one_kind_at_a_time() {
    let rows: &[(&str, u16, &[ObjectKey], Change, bool)] = &[
        ("exe", ASKS_EXE, &[CAT], RUNS_CAT, true),
        ("one of two", ASKS_EXE, &[OTHER, CAT], RUNS_CAT, true),
        ("another exe", ASKS_EXE, &[OTHER], RUNS_CAT, false),
        ("an ancestor is no exe", ASKS_EXE, &[SHELL], RUNS_CAT, false),
        ("nothing that is there", ASKS_EXE, &[], RUNS_CAT, false),
        ("ancestor", ASKS_ANCESTOR, &[SHELL], RUNS_CAT, true),
        ("itself as an ancestor", ASKS_ANCESTOR, &[CAT], RUNS_CAT, true),
        ("no ancestor", ASKS_ANCESTOR, &[OTHER], RUNS_CAT, false),
        ("a thread of the kernel", ASKS_EXE, &[CAT], |subject| subject.is_kernel = true, false),
        ("cgroup", ASKS_CGROUP, &[id(7)], |subject| subject.cgroups = vec![1, 7], true),
        ("cgroup above", ASKS_CGROUP, &[id(7)], |subject| subject.cgroups = vec![1, 7, 8, 9], true),
        ("cgroup below", ASKS_CGROUP, &[id(9)], |subject| subject.cgroups = vec![1, 7], false),
        ("first user of a range", ASKS_UID, &[id(1000)], |subject| subject.uid = 1000, true),
        ("last user of a range", ASKS_UID, &[id(1000)], |subject| subject.uid = 1009, true),
        ("user beyond", ASKS_UID, &[id(1000)], |subject| subject.uid = 1010, false),
        ("user before", ASKS_UID, &[id(1000)], |subject| subject.uid = 999, false),
        ("user of the second range", ASKS_UID, &[id(0), id(500)], |subject| subject.uid = 505, true),
        ("root", ASKS_UID, &[id(0)], |subject| subject.uid = 0, true),
        ("group", ASKS_GID, &[id(20)], |subject| subject.gid = 25, true),
        ("another group", ASKS_GID, &[id(20)], |subject| (subject.uid, subject.gid) = (25, 5), false),
        ("user namespace", ASKS_USER_NS, &[id(71)], |subject| subject.namespaces = [71, 72, 73], true),
        ("pid namespace", ASKS_PID_NS, &[id(72)], |subject| subject.namespaces = [71, 72, 73], true),
        ("mount namespace", ASKS_MNT_NS, &[id(73)], |subject| subject.namespaces = [71, 72, 73], true),
        (
            "a namespace of another kind",
            ASKS_PID_NS,
            &[id(73)],
            |subject| subject.namespaces = [71, 72, 73],
            false,
        ),
    ];
    let denied = answer(Verdict::Deny, 0, Reason::Object);
    for (what, kind, members, change, holds) in rows {
        let world = about(&[when(*kind, members)]).with(|world| change(&mut world.subject));
        check(what, &world, &REQUEST, if *holds { denied } else { unconcerned() });
        let world = about(&[unless(*kind, members)]).with(|world| change(&mut world.subject));
        check(&format!("unless {what}"), &world, &REQUEST, if *holds { unconcerned() } else { denied });
    }
}

/// What is not known excepts nobody, and lets nobody slip away.
#[test]
fn what_is_not_known_denies() {
    let rows: &[(&str, u16, Change)] = &[
        ("nothing is recorded", ASKS_EXE, |_| {}),
        ("what is recorded says nothing", ASKS_EXE, |subject| {
            subject.lineage = Some(aegis_kernel_abi::Lineage { flags: 0, ..lineage(&[CAT]) });
        }),
        ("more ancestors than are remembered", ASKS_ANCESTOR, |subject| {
            let cut = |known| aegis_kernel_abi::Lineage { flags: LINEAGE_KNOWN | LINEAGE_CUT, ..known };
            subject.lineage = Some(cut(lineage(&[SHELL, CAT])));
        }),
        ("a cgroup that lies deeper than is looked", ASKS_CGROUP, |subject| {
            subject.cgroups = (1..).take(CGROUP_LEVELS as usize + 1).collect();
        }),
        ("no namespaces any more", ASKS_PID_NS, |subject| subject.namespaces = [0; 3]),
    ];
    let denied = answer(Verdict::Deny, 0, Reason::SubjectUnknown);
    for (what, kind, change) in rows {
        for asked in [when(*kind, &[id(9_999)]), unless(*kind, &[id(9_999)])] {
            let world = about(&[asked]).with(|world| change(&mut world.subject));
            check(what, &world, &REQUEST, denied);
        }
    }
    let broken: [(Reason, Fault); 4] = [
        (Reason::TableMissing, |world| world.missing.push(Table::Conditions)),
        (Reason::TableMissing, |world| world.missing.push(Table::Members)),
        (Reason::TableMissing, |world| world.conditions.clear()),
        (Reason::MixedGenerations, |world| world.conditions[0].generation = GENERATION - 2),
    ];
    for (reason, inflict) in broken {
        let world =
            about(&[unless(ASKS_EXE, &[CAT])]).with(|world| RUNS_CAT(&mut world.subject)).with(inflict);
        check("broken", &world, &REQUEST, answer(Verdict::Deny, RULE_NONE, reason));
    }
}

/// A file that is known by the name it was started by, whatever stands there now.
#[test]
fn known_by_name() {
    let mut lineage = lineage(&[CAT]);
    lineage.exe.name = 4_711;
    let mut world = about(&[unless(ASKS_EXE, &[])]);
    world.subject.lineage = Some(lineage);
    let denied = answer(Verdict::Deny, 0, Reason::Object);
    check("another name", &world, &REQUEST, denied);
    let key = MemberKey { member: id(4_711), list: 0, kind: u32::from(ASKS_EXE) | MEMBER_NAME };
    world.members.insert(key, aegis_kernel_abi::Member { generation: GENERATION, reserved: 0 });
    check("its name", &world, &REQUEST, unconcerned());
    world.subject.lineage = Some(aegis_kernel_abi::Lineage {
        exe: aegis_kernel_abi::Image { name: 0, ..lineage.exe },
        ..lineage
    });
    check("none", &world, &REQUEST, denied);
}

/// As aegis_judge() has it, of conditions that each ask for an executable and a user.
fn model(conditions: &[(u16, bool, bool)], exe_is_known: bool) -> Option<bool> {
    let and = |exe: bool, user: bool| match (exe_is_known, user) {
        (_, false) => Some(false),
        (true, true) => Some(exe),
        (false, true) => None,
    };
    let of = |role: u16| {
        conditions.iter().filter(move |(own, ..)| *own == role).map(move |(_, exe, user)| and(*exe, *user))
    };
    let (scope, unless): (Vec<_>, Vec<_>) = (of(ROLE_SCOPE).collect(), of(ROLE_UNLESS).collect());
    let when: Vec<_> = of(ROLE_WHEN).collect();
    if scope.contains(&Some(false)) || unless.contains(&Some(true)) {
        return Some(false);
    }
    let best = if when.is_empty() || when.contains(&Some(true)) {
        Some(true)
    } else if when.contains(&None) {
        None
    } else {
        return Some(false);
    };
    if scope.contains(&None) || unless.contains(&None) { None } else { best }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn joined_as_the_language_says(
        drawn in prop::collection::vec(
            (prop::sample::select(&[ROLE_SCOPE, ROLE_WHEN, ROLE_UNLESS][..]), any::<bool>(), any::<bool>()),
            1..6,
        ),
        is_known in any::<bool>(),
    ) {
        let mut drawn = drawn;
        drawn.sort_unstable();
        let asked = |(role, exe, user): &(u16, bool, bool)| {
            let exe = vec![if *exe { CAT } else { ROOT }];
            let user = vec![id(if *user { 1000 } else { 7 })];
            (*role, vec![(ASKS_EXE, exe), (ASKS_UID, user)])
        };
        let world = about(&drawn.iter().map(asked).collect::<Vec<_>>());
        let world = world.with(|world| if is_known { RUNS_CAT(&mut world.subject) });
        let expected = match model(&drawn, is_known) {
            Some(true) => answer(Verdict::Deny, 0, Reason::Object),
            Some(false) => unconcerned(),
            None => answer(Verdict::Deny, 0, Reason::SubjectUnknown),
        };
        prop_assert_eq!(decide(&world, &REQUEST), expected, "{:?}", drawn);
    }
}
