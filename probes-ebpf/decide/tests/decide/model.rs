//! Random rules and requests, decided by the probes' function and by a model of what rules mean; and the same
//! with broken tables.

use crate::world::{
    self, DIRECTORY, GENERATION, On, REQUEST, Rule, World, answer, decide, number, unconcerned,
};
use aegis_decide::{Answer, Request, Table, may_concern};
use aegis_kernel_abi::{Hook, MAX_ROWS, Mode, ObjectKey, Operations, Reason, Verdict};
use proptest::prelude::*;
use std::cmp::Reverse;

/// Few things, so that rules and requests meet. Rules know each inode by one generation.
const OBJECTS: u64 = 4;
const NAMES: [&[u8]; 3] = [b"a", b"eight by", b"a name of more than two words"];

fn object(ino: u64, inode_generation: u32) -> ObjectKey {
    ObjectKey { ino, inode_generation, ..DIRECTORY }
}

/// One operation or more.
fn operations() -> impl Strategy<Value = Operations> {
    let all: Vec<Operations> = Operations::all().iter().collect();
    let most = all.len();
    prop::sample::subsequence(all, 1..=most).prop_map(|some| some.into_iter().collect())
}

fn mode() -> impl Strategy<Value = Mode> {
    prop::sample::select(Mode::ALL)
}

fn on() -> impl Strategy<Value = On> {
    prop_oneof![
        (1..=OBJECTS).prop_map(|ino| On::Object(object(ino, 1))),
        (1..=OBJECTS).prop_map(|ino| On::Inode(number(object(ino, 1)))),
        (1..=OBJECTS, prop::sample::select(&NAMES))
            .prop_map(|(ino, name)| On::Slot(object(ino, 1), name.to_vec())),
    ]
}

fn rule() -> impl Strategy<Value = Rule> {
    let on = prop::collection::vec(on(), 1..4);
    (operations(), mode(), on).prop_map(|(operations, mode, on)| world::rule(operations, mode, each_once(on)))
}

/// A rule says of one thing only once.
fn each_once(on: Vec<On>) -> Vec<On> {
    on.into_iter().fold(Vec::new(), |mut kept, one| {
        if !kept.contains(&one) {
            kept.push(one);
        }
        kept
    })
}

/// The generation of what is found now: mostly the one that rules know.
fn inode_generation() -> impl Strategy<Value = u32> {
    prop_oneof![3 => Just(1), 1 => Just(2)]
}

fn request() -> impl Strategy<Value = Request<'static>> {
    let name = (1..=OBJECTS, inode_generation(), prop::sample::select(&NAMES));
    (
        1..=OBJECTS,
        inode_generation(),
        prop::option::weighted(0.8, name),
        operations(),
        prop::sample::select(Hook::ALL),
    )
        .prop_map(|(ino, generation, name, operations, hook)| Request {
            object: object(ino, generation),
            name: name.map(|(ino, generation, name)| (object(ino, generation), name)),
            operations,
            hook,
            ..REQUEST
        })
}

/// What rules mean, without tables: of all that concern the request, the strongest answers.
fn model(rules: &[Rule], request: &Request<'_>, survives: bool, exempt: bool) -> Answer {
    let concerns = |on: &On| match on {
        On::Object(key) => (*key == request.object).then_some(Reason::Object),
        On::Inode(at) => (*at == number(request.object)).then_some(Reason::Object),
        On::Subtree(_) | On::SubtreeSlot(..) | On::Any => None,
        On::Slot(parent, name) => (request.name == Some((*parent, name.as_slice()))).then_some(Reason::Slot),
    };
    let said = (0_u32..).zip(rules).filter(|(_, rule)| rule.operations.intersects(request.operations));
    let said = said.flat_map(|(number, rule)| {
        let verdict = if rule.mode == Mode::Enforce { Verdict::Deny } else { Verdict::Audit };
        rule.on.iter().filter_map(concerns).map(move |reason| (verdict, Reverse(number), Reverse(reason)))
    });
    match said.max() {
        None => unconcerned(),
        Some((_, Reverse(rule), _)) if survives => answer(Verdict::Allow, rule, Reason::Survival),
        Some((_, Reverse(rule), _)) if exempt => answer(Verdict::Allow, rule, Reason::Exempt),
        Some((verdict, Reverse(rule), Reverse(reason))) => answer(verdict, rule, reason),
    }
}

/// Something that must never be in tables, at a place that is chosen by a number.
#[derive(Debug, Clone, Copy)]
enum Fault {
    NoInfo,
    StaleInfo,
    NoTable(Table),
    StaleObject(usize),
    StaleSlot(usize),
    StaleRow(usize),
    LostRows(usize),
    TooManyRows(usize),
}

fn fault() -> impl Strategy<Value = Fault> {
    let place = 0..16_usize;
    prop_oneof![
        Just(Fault::NoInfo),
        Just(Fault::StaleInfo),
        prop::sample::select(vec![Table::Objects, Table::Slots, Table::Rows]).prop_map(Fault::NoTable),
        place.clone().prop_map(Fault::StaleObject),
        place.clone().prop_map(Fault::StaleSlot),
        place.clone().prop_map(Fault::StaleRow),
        place.clone().prop_map(Fault::LostRows),
        place.prop_map(Fault::TooManyRows),
    ]
}

fn inflict(world: &mut World, fault: Fault) {
    // Maps have no order that lasts, so places are counted by key.
    let mut objects: Vec<_> = world.objects.iter_mut().collect();
    objects.sort_unstable_by_key(|(key, _)| **key);
    let mut slots: Vec<_> = world.slots.iter_mut().collect();
    slots.sort_unstable_by_key(|(key, _)| **key);
    match fault {
        Fault::NoInfo => world.info = None,
        Fault::StaleInfo => world.info.iter_mut().for_each(|info| info.generation = GENERATION - 1),
        Fault::NoTable(table) => world.missing.push(table),
        Fault::StaleObject(at) => {
            objects.iter_mut().skip(at).take(1).for_each(|(_, entry)| entry.generation = GENERATION - 2);
        }
        Fault::StaleSlot(at) => {
            slots.iter_mut().skip(at).take(1).for_each(|(_, entry)| entry.generation = GENERATION + 2);
        }
        Fault::StaleRow(at) => {
            world.rows.iter_mut().skip(at).take(1).for_each(|row| row.generation = 0);
        }
        Fault::LostRows(at) => world.rows.truncate(at),
        Fault::TooManyRows(at) => {
            let entries =
                objects.iter_mut().map(|(_, entry)| entry).chain(slots.iter_mut().map(|(_, entry)| entry));
            entries.skip(at).take(1).for_each(|entry| entry.row_count = MAX_ROWS + 1);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn decides_what_the_rules_mean(
        rules in prop::collection::vec(rule(), 0..5),
        request in request(),
        survives in prop::bool::weighted(0.2),
        exempt in prop::bool::weighted(0.2),
    ) {
        let mut world = World::armed(&rules);
        world.survives = if survives { Operations::all() } else { Operations::empty() };
        world.exempt = exempt;
        prop_assert_eq!(decide(&world, &request), model(&rules, &request, survives, exempt));
    }

    /// Broken tables deny at least what whole ones do, and what they do not notice they do not change.
    #[test]
    fn faults_never_open(
        rules in prop::collection::vec(rule(), 1..5),
        request in request(),
        faults in prop::collection::vec(fault(), 1..3),
    ) {
        let whole = World::armed(&rules);
        let mut broken = whole.clone();
        faults.iter().for_each(|fault| inflict(&mut broken, *fault));
        let (before, after) = (decide(&whole, &request), decide(&broken, &request));
        prop_assert!(after.verdict == Verdict::Deny || before.verdict != Verdict::Deny, "{after:?}");
        prop_assert!(after.reason.is_undecidable() || after == before, "{after:?} instead of {before:?}");
        let enforced = Operations::from_bits_retain(whole.active.enforced_operations);
        if after.reason.is_undecidable() && !enforced.intersects(request.operations) {
            prop_assert!(after.verdict != Verdict::Deny, "{after:?}");
        }
    }

    /// What the quick look lets pass, the decision has nothing to say about, whole tables or broken.
    #[test]
    fn a_quick_no_is_the_decision_s(
        rules in prop::collection::vec(rule(), 0..5),
        request in request(),
        faults in prop::collection::vec(fault(), 0..3),
    ) {
        let mut world = World::armed(&rules);
        faults.iter().for_each(|fault| inflict(&mut world, *fault));
        if !may_concern(&world, &request) {
            let answer = decide(&world, &request);
            prop_assert_eq!((answer.verdict, answer.reason), (Verdict::Allow, Reason::None));
        }
    }
}
