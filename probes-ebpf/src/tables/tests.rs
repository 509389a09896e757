//! Tables are the same whatever the order, small where they can be, and mean what the rules mean.

use super::*;
use aegis_decide::{Answer, Request, Subject, Table, decide};
use aegis_kernel_abi::{Active, Condition, Hook, Member, MemberKey, Range, Reason, Verdict};
use proptest::prelude::*;
use std::cmp::Reverse;

const READ: Operations = Operations::READ;
const WRITE: Operations = Operations::WRITE;
const NAME_KEY: [u64; 2] = [11, 22];
const GENERATION: u32 = 3;

fn key(ino: u64, inode_generation: u32) -> ObjectKey {
    ObjectKey { ino, dev: 1, inode_generation }
}

fn slot_key(parent: ObjectKey, name: &[u8]) -> SlotKey {
    SlotKey { parent, name_hash: aegis_decide::name_hash(NAME_KEY, name).unwrap() }
}

fn say(rule: u32, operations: Operations, mode: Mode) -> Say {
    Say::plain(rule, operations, mode)
}

/// One call of the builder.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Call {
    Object(u64, Say),
    Inode(u64, Say),
    Slot(u64, &'static [u8], Say),
    Anchor(u64, Anchor, Say),
    Missing(u64, &'static [u8], Anchor, Say),
    Exempt(u64),
}

impl Call {
    fn make(&self, builder: &mut Builder) -> Result<(), Error> {
        match *self {
            Self::Object(ino, say) => builder.object(key(ino, 1), say),
            Self::Inode(ino, say) => {
                builder.inode(number(key(ino, 1)), say);
                Ok(())
            }
            Self::Slot(parent, name, say) => builder.slot(slot_key(key(parent, 1), name), say),
            Self::Exempt(cgroup) => {
                builder.exempt(cgroup);
                Ok(())
            }
            Self::Anchor(ino, anchor, say) => builder.anchor(key(ino, 1), anchor, say),
            Self::Missing(parent, name, anchor, say) => {
                builder.missing(slot_key(key(parent, 1), name), anchor, say)
            }
        }
    }
}

fn header() -> Header<'static> {
    Header {
        policy: "test".to_owned(),
        serial: 5,
        mode: Mode::Enforce,
        plan_digest: [9; 32],
        rules: vec!["first", "second"],
        pending: BTreeSet::from([1]),
        asked: vec![Operations::READ, Operations::EXEC],
        escalate: Vec::new(),
        built_at_ns: 77,
    }
}

fn built_with(calls: &[Call], header: &Header<'_>) -> Tables {
    let mut builder = Builder::default();
    calls.iter().try_for_each(|call| call.make(&mut builder)).unwrap();
    builder.build(header).unwrap()
}

fn built(calls: &[Call]) -> Tables {
    built_with(calls, &header())
}

/// What a row says.
type Plain = (Operations, u32, Mode);

/// The rows of the one entry that has any, beside that of the self-check.
fn rows_of(calls: &[Call]) -> Vec<Plain> {
    let plain = |row: &Row| {
        (Operations::from_bits_retain(row.operations), row.rule, Mode::from_byte(row.mode).unwrap())
    };
    built(calls).rows.iter().filter(|row| row.flags & ROW_SELF_CHECK == 0).map(plain).collect()
}

#[test]
fn rows_of_one_object_are_joined() {
    let (enforce, observe) = (Mode::Enforce, Mode::Observe);
    let object = |rule, operations, mode| Call::Object(1, say(rule, operations, mode));
    let rows: &[(&str, Vec<Call>, &[Plain])] = &[
        ("nothing said", vec![], &[]),
        ("one rule", vec![object(4, READ, enforce)], &[(READ, 4, enforce)]),
        ("said twice", vec![object(4, READ, enforce), object(4, READ, enforce)], &[(READ, 4, enforce)]),
        ("lower number", vec![object(5, READ, enforce), object(4, READ, enforce)], &[(READ, 4, enforce)]),
        ("enforce", vec![object(4, READ, observe), object(5, READ, enforce)], &[(READ, 5, enforce)]),
        (
            "one row for the operations of a rule",
            vec![object(4, READ, enforce), object(4, WRITE, enforce)],
            &[(READ | WRITE, 4, enforce)],
        ),
        (
            "what is left of an overruled rule",
            vec![object(4, READ | WRITE, observe), object(5, READ, enforce)],
            &[(READ, 5, enforce), (WRITE, 4, observe)],
        ),
    ];
    for (what, calls, expected) in rows {
        assert_eq!(rows_of(calls), *expected, "{what}");
    }
}

/// However many rules name an object, its rows fit into what a probe can walk.
#[test]
fn an_object_never_has_too_many_rows() {
    let operations: Vec<Operations> = Operations::all().iter().collect();
    let mut calls = vec![Call::Slot(1, b"name", say(999, READ, Mode::Enforce))];
    for (rule, operation) in (0..).zip(operations.iter().cycle()).take(1_000) {
        let mode = if rule % 3 == 0 { Mode::Enforce } else { Mode::Observe };
        calls.push(Call::Object(1, say(rule, *operation, mode)));
        calls.push(Call::Inode(1, say(rule, *operation, mode)));
        calls.push(Call::Anchor(1, Anchor::Hold, say(rule, *operation, mode)));
        calls.push(Call::Anchor(1, Anchor::Follow, say(rule, *operation, mode)));
    }
    let tables = built(&calls);
    let most = tables.objects.iter().map(|(_, entry)| entry.row_count).max();
    assert_eq!(most, Some(2 + 2 * u16::try_from(operations.len()).unwrap()));
    assert!(most <= Some(MAX_ROWS));
}

#[test]
fn equal_rulesets_are_stored_once() {
    let calls: Vec<Call> = (1..=100)
        .flat_map(|ino| {
            [Call::Object(ino, say(0, READ, Mode::Enforce)), Call::Object(ino, say(1, WRITE, Mode::Observe))]
        })
        .chain([Call::Slot(1, b"name", say(0, READ, Mode::Enforce))])
        .collect();
    let tables = built(&calls);
    // That of the objects has two rows, those of the slot and of the self-check one each.
    assert_eq!((tables.objects.len(), tables.slots.len(), tables.rows.len()), (101, 1, 4));
    let first: BTreeSet<u32> = tables.objects.iter().map(|(_, entry)| entry.first_row).collect();
    assert_eq!(first.len(), 2);
}

type Add = fn(&mut Builder, ObjectKey, Say) -> Result<(), Error>;

#[test]
fn one_number_is_one_inode() {
    let here = say(0, READ, Mode::Enforce);
    let adds: [(&str, Add); 3] = [
        ("object", |builder, key, say| builder.object(key, say)),
        ("directory", |builder, key, say| builder.slot(slot_key(key, b"name"), say)),
        ("anchor", |builder, key, say| builder.anchor(key, Anchor::Hold, say)),
    ];
    for (first, add) in adds {
        for (second, add_again) in adds {
            for (generation, good) in [(7, true), (8, false)] {
                let mut builder = Builder::default();
                // Whatever inode has the number: that contradicts nothing.
                builder.inode(number(key(1, 0)), here);
                add(&mut builder, key(1, 7), here).unwrap();
                builder.inode(number(key(1, 0)), here);
                let outcome = add_again(&mut builder, key(1, generation), here);
                assert_eq!(outcome.is_ok(), good, "{first}, then {second} of generation {generation}");
            }
        }
    }
}

#[test]
fn the_description_counts_and_names() {
    let calls = [
        Call::Object(1, say(0, READ, Mode::Enforce)),
        Call::Slot(2, b"name", say(1, WRITE, Mode::Observe)),
        Call::Exempt(40),
        Call::Exempt(40),
    ];
    let info = *built(&calls).info();
    let counts = (info.rules, info.objects, info.slots, info.rows, info.exempt);
    assert_eq!(counts, (2, 3, 1, 3, 1), "rules, objects, slots, rows, exempt");
    // The self-check concerns nobody else, so it must not make anybody's request undecidable.
    let looked_at = READ | WRITE | Operations::ON_NAMES;
    assert_eq!((info.operations, info.enforced_operations), (looked_at.bits(), READ.bits()));
    assert_eq!((info.pending, built(&calls).rules[1].flags), (1, RULE_PENDING));
    assert_eq!(
        built(&calls[..1]).info().operations,
        READ.bits(),
        "names are looked at where there are slots"
    );
    assert_eq!((info.flags, info.mode, info.generation), (GENERATION_HAS_SLOTS, 1, 0));
    assert_eq!((info.serial, info.built_at_ns, info.plan_digest), (5, 77, [9; 32]));
    assert_eq!(unpadded(&info.policy), "test");
    assert_eq!(built(&calls[..1]).info().flags, 0);
}

#[test]
fn text_that_does_not_fit_is_cut() {
    let long = "x".repeat(100);
    let names = Header { policy: long.clone(), rules: vec![&long, ""], ..header() };
    let tables = built_with(&[], &names);
    assert_eq!(unpadded(&tables.info().policy), "x".repeat(POLICY_NAME_BYTES - 1));
    let rules: Vec<String> = tables.rules.iter().map(|rule| unpadded(&rule.id)).collect();
    assert_eq!(rules, ["x".repeat(RULE_ID_BYTES - 1), String::new()]);
}

/// Whatever changes what is decided, or what is said about it, changes the digest; nothing else does.
#[test]
fn the_digest_covers_the_tables() {
    let calls = [
        Call::Object(1, say(0, READ, Mode::Enforce)),
        Call::Slot(2, b"name", say(1, WRITE, Mode::Observe)),
        Call::Exempt(40),
    ];
    let tables = built(&calls);
    type Change = fn(&mut Tables);
    let changes: [(&str, Change); 17] = [
        ("object's number", |tables| tables.objects[0].0.ino[0] += 1),
        ("its upper half", |tables| tables.objects[0].0.ino[1] += 1),
        ("object's device", |tables| tables.objects[0].0.dev += 1),
        ("inode generation", |tables| tables.objects[0].1.inode_generation += 1),
        ("first row", |tables| tables.objects[0].1.first_row += 1),
        ("row count", |tables| tables.objects[0].1.row_count += 1),
        ("flags", |tables| tables.objects[1].1.flags ^= ENTRY_HAS_SLOTS),
        ("slot's directory", |tables| tables.slots[0].0.parent.ino += 1),
        ("slot's name", |tables| tables.slots[0].0.name_hash ^= 1),
        ("row's operations", |tables| tables.rows[0].operations ^= 1),
        ("row's rule", |tables| tables.rows[0].rule += 1),
        ("row's mode", |tables| tables.rows[0].mode ^= 1),
        ("row's flags", |tables| tables.rows[0].flags ^= ROW_SELF_CHECK),
        ("rule's id", |tables| tables.rules[1].id[0] ^= 1),
        ("one rule less", |tables| tables.rules.truncate(1)),
        ("exempt cgroup", |tables| tables.exempt[0].0 += 1),
        ("one exempt cgroup less", |tables| tables.exempt.clear()),
    ];
    let mut digests = BTreeSet::from([tables.digest()]);
    for (what, change) in changes {
        let mut changed = tables.clone();
        change(&mut changed);
        assert!(digests.insert(changed.digest()), "{what}");
    }
    let renamed = Header { policy: "other".to_owned(), serial: 6, built_at_ns: 78, ..header() };
    assert_eq!(built_with(&calls, &renamed).digest(), tables.digest(), "the header is not in the tables");
    assert_eq!(tables.info().table_digest, tables.digest());
    assert_eq!(tables.clone().stamped(GENERATION).stamped(0), tables, "a stamp can be taken off again");
    assert_ne!(tables.clone().stamped(GENERATION).digest(), tables.digest());
}

#[test]
fn a_stamp_is_on_everything() {
    let calls = [
        Call::Object(1, say(0, READ, Mode::Enforce)),
        Call::Slot(2, b"name", say(1, WRITE, Mode::Observe)),
        Call::Exempt(40),
    ];
    let tables = built(&calls).stamped(GENERATION);
    let entries = tables.objects.iter().map(|(_, entry)| entry.generation);
    let slots = tables.slots.iter().map(|(_, entry)| entry.generation);
    let rows = tables.rows.iter().map(|row| row.generation);
    let exempt = tables.exempt.iter().map(|(_, exempt)| exempt.generation);
    let all: Vec<u32> =
        entries.chain(slots).chain(rows).chain(exempt).chain([tables.info.generation]).collect();
    assert_eq!(all, [GENERATION; 9]);
}

/// Built tables as the decision function reads them.
struct Loaded(Tables);

impl aegis_decide::Tables for Loaded {
    fn active(&self) -> Active {
        Active { generation: GENERATION, enforced_operations: self.0.info.enforced_operations }
    }

    fn generation(&self) -> Option<&GenerationInfo> {
        Some(&self.0.info)
    }

    fn has(&self, _table: Table) -> bool {
        true
    }

    fn object(&self, key: &InodeNumber) -> Option<&Entry> {
        self.0.objects.iter().find(|(at, _)| at == key).map(|(_, entry)| entry)
    }

    fn slot(&self, key: &SlotKey) -> Option<&Entry> {
        self.0.slots.iter().find(|(at, _)| at == key).map(|(_, entry)| entry)
    }

    fn row(&self, index: u32) -> Option<&Row> {
        self.0.rows.get(index as usize)
    }

    fn condition(&self, index: u32) -> Option<&Condition> {
        self.0.subjects.conditions.get(index as usize)
    }

    fn member(&self, key: &MemberKey) -> Option<&Member> {
        self.0.subjects.members.iter().find(|(at, _)| at == key).map(|(_, member)| member)
    }

    fn range(&self, index: u32) -> Option<&Range> {
        self.0.subjects.ranges.get(index as usize)
    }

    fn subject(&self) -> &Subject {
        panic!("no rule is about somebody")
    }

    fn name_key(&self) -> [u64; 2] {
        NAME_KEY
    }

    fn survives(&self, _object: &ObjectKey, _operations: Operations) -> bool {
        false
    }

    fn is_exempt(&self) -> bool {
        false
    }
}

const NAMES: [&[u8]; 2] = [b"one", b"another name"];

/// One operation or more.
fn any_operations() -> impl Strategy<Value = Operations> {
    let all: Vec<Operations> = Operations::all().iter().collect();
    let most = all.len();
    prop::sample::subsequence(all, 1..=most).prop_map(|some| some.into_iter().collect())
}

fn any_say() -> impl Strategy<Value = Say> {
    (0..6_u32, any_operations(), prop::sample::select(Mode::ALL))
        .prop_map(|(rule, operations, mode)| say(rule, operations, mode))
}

fn anchor() -> impl Strategy<Value = Anchor> {
    prop::sample::select(vec![Anchor::Hold, Anchor::Follow])
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        4 => (1..4_u64, any_say()).prop_map(|(ino, say)| Call::Object(ino, say)),
        2 => (1..4_u64, any_say()).prop_map(|(ino, say)| Call::Inode(ino, say)),
        4 => (1..4_u64, prop::sample::select(&NAMES[..]), any_say())
            .prop_map(|(parent, name, say)| Call::Slot(parent, name, say)),
        1 => (1..4_u64).prop_map(Call::Exempt),
        4 => (1..4_u64, anchor(), any_say()).prop_map(|(ino, anchor, say)| Call::Anchor(ino, anchor, say)),
        1 => (1..4_u64, prop::sample::select(&NAMES[..]), anchor(), any_say())
            .prop_map(|(parent, name, anchor, say)| Call::Missing(parent, name, anchor, say)),
    ]
}

fn request() -> impl Strategy<Value = Request<'static>> {
    let generation = || prop_oneof![3 => Just(1_u32), 1 => Just(2)];
    let names = prop::sample::select(&NAMES[..]);
    (1..4_u64, generation(), 1..4_u64, generation(), names, any_operations()).prop_map(
        |(ino, generation, parent, parent_generation, name, operations)| Request {
            object: key(ino, generation),
            name: Some((key(parent, parent_generation), name)),
            above: &[],
            is_whole: true,
            operations,
            hook: Hook::FileOpen,
        },
    )
}

/// What was said, without tables: of all that concerns the request, the strongest. Of what one rule says in several
/// ways, the object comes before the name, and each before what only keeps the way to another file.
fn meaning(calls: &[Call], request: &Request<'_>) -> Answer {
    let on_object = |ino| key(ino, 1) == request.object;
    let on_name = |parent, name| request.name == Some((key(parent, 1), name));
    let held = |anchor, say, operations| (anchor == Anchor::Hold).then_some(Say { operations, ..say });
    let concerning = |call: &Call| match *call {
        Call::Object(ino, say) => on_object(ino).then_some((say, 0, Reason::Object)),
        Call::Inode(ino, say) => (ino == request.object.ino).then_some((say, 0, Reason::Object)),
        Call::Anchor(ino, anchor, say) if on_object(ino) => {
            held(anchor, say, Operations::RENAME | Operations::UNLINK).map(|say| (say, 1, Reason::Anchor))
        }
        Call::Slot(parent, name, say) => on_name(parent, name).then_some((say, 2, Reason::Slot)),
        Call::Missing(parent, name, anchor, say) if on_name(parent, name) => {
            held(anchor, say, Operations::MAKING).map(|say| (say, 3, Reason::Anchor))
        }
        Call::Anchor(..) | Call::Missing(..) | Call::Exempt(_) => None,
    };
    let said = calls.iter().filter_map(concerning);
    let said = said.filter(|(say, ..)| say.operations.intersects(request.operations));
    let strength = |(say, order, reason): (Say, u8, Reason)| {
        let verdict = if say.mode == Mode::Enforce { Verdict::Deny } else { Verdict::Audit };
        (verdict, Reverse(say.rule), Reverse(order), reason)
    };
    let (verdict, Reverse(rule), _, reason) = said.map(strength).max().unwrap_or((
        Verdict::Allow,
        Reverse(aegis_kernel_abi::RULE_NONE),
        Reverse(0),
        Reason::None,
    ));
    Answer { generation: GENERATION, rule, verdict, reason, notice: false, secure: false }
}

proptest! {
    #[test]
    fn order_means_nothing(
        (calls, shuffled) in prop::collection::vec(call(), 0..24)
            .prop_flat_map(|calls| (Just(calls.clone()), Just(calls).prop_shuffle()))
    ) {
        let (tables, other) = (built(&calls), built(&shuffled));
        prop_assert_eq!(tables.digest(), other.digest());
        prop_assert_eq!(tables, other);
    }

    /// What was said twice is there once, so the same policy in other words has the same tables.
    #[test]
    fn repetition_means_nothing(calls in prop::collection::vec(call(), 0..24)) {
        prop_assert_eq!(built(&[calls.clone(), calls.clone()].concat()), built(&calls));
    }

    /// What read-back relies on: keys in order, each once, and every entry's rows within the table.
    #[test]
    fn tables_are_sound(calls in prop::collection::vec(call(), 0..24)) {
        let tables = built(&calls);
        prop_assert!(tables.objects.is_sorted_by(|(one, _), (next, _)| one < next));
        prop_assert!(tables.slots.is_sorted_by(|(one, _), (next, _)| one < next));
        prop_assert!(tables.exempt.is_sorted_by(|(one, _), (next, _)| one < next));
        let entries = tables.objects.iter().map(|(_, entry)| entry);
        for entry in entries.chain(tables.slots.iter().map(|(_, entry)| entry)) {
            prop_assert!(entry.row_count <= MAX_ROWS);
            prop_assert!((entry.first_row + u32::from(entry.row_count)) as usize <= tables.rows.len());
        }
        for (slot, _) in &tables.slots {
            let directory = tables.objects.iter().find(|(at, _)| *at == number(slot.parent)).unwrap();
            prop_assert!(directory.1.flags & ENTRY_HAS_SLOTS != 0);
        }
    }

    #[test]
    fn decisions_are_what_was_said(calls in prop::collection::vec(call(), 0..24), request in request()) {
        let tables = Loaded(built(&calls).stamped(GENERATION));
        let decided = Answer { notice: false, ..decide(&tables, &request) };
        prop_assert_eq!(decided, meaning(&calls, &request));
    }
}

#[test]
fn only_what_enforces_sends_signals() {
    let signalling = |rule, operations, mode| Say { signal: 15, ..say(rule, operations, mode) };
    let tables = built(&[
        Call::Object(1, signalling(0, READ, Mode::Enforce)),
        Call::Object(1, signalling(1, WRITE, Mode::Observe)),
        Call::Inode(2, signalling(0, READ | WRITE, Mode::Enforce)),
    ]);
    let expected = |row: &Row| {
        let enforces = row.mode == Mode::Enforce as u8 && row.flags & ROW_SELF_CHECK == 0;
        if enforces { 15 } else { 0 }
    };
    assert_eq!(tables.rows.len(), 4);
    assert!(tables.rows.iter().all(|row| row.signal == expected(row)), "{:?}", tables.rows);
}

/// A daemon knows tables of an earlier one again by their digest, so it must not change with how they are built.
#[test]
fn known_tables_have_a_known_digest() {
    let mut builder = Builder::default();
    for number in (0..50_u32).rev() {
        let mode = if number % 3 == 0 { Mode::Observe } else { Mode::Enforce };
        let said = say(number, if number % 2 == 0 { READ } else { READ | WRITE }, mode);
        let ino = 100 + u64::from(number % 40);
        builder.object(key(ino, 1), said).unwrap();
        builder.slot(slot_key(key(7, 1), format!("name{number}").as_bytes()), said).unwrap();
        builder.anchor(key(7, 1), Anchor::Hold, said).unwrap();
        builder.missing(slot_key(key(8, 1), b"missing"), Anchor::Follow, said).unwrap();
        builder.inode(number_of(9), said);
        builder.exempt(u64::from(number % 5));
    }
    let tables = builder.build(&header()).unwrap();
    assert_eq!(hex(&tables.digest()), "a8068028a27d40b779c58f07e582ae5084e43412867a22057746697943c4a8d0");
    assert_eq!(tables.info().table_digest, tables.digest());
}

fn number_of(ino: u64) -> InodeNumber {
    number(key(ino, 1))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
