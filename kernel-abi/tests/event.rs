//! Decoding of events: bytes from the kernel are untrusted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may")]

use aegis_kernel_abi::{
    ABI_VERSION, EVENT_DECISION, Event, EventError, FLAG_PATH_CUT, Hook, LINEAGE_KNOWN, LINEAGE_UNPROVEN,
    Operations, PATH_BYTES, Reason, Verdict,
};
use proptest::prelude::*;
use std::error::Error;
use zerocopy::{FromZeros, IntoBytes};

fn good() -> Event {
    Event {
        abi_version: u16::try_from(ABI_VERSION).unwrap(),
        kind: EVENT_DECISION,
        hook: Hook::FileMprotect as u8,
        verdict: Verdict::Deny as u8,
        reason: Reason::Slot as u8,
        flags: FLAG_PATH_CUT,
        sequence: 1,
        operations: Operations::all().bits(),
        path_bytes: u16::try_from(PATH_BYTES).unwrap(),
        ..Event::new_zeroed()
    }
}

/// The bytes of an event at an address that is aligned for one, as they are in the ring.
#[repr(align(8))]
struct Aligned([u8; size_of::<Event>() + 8]);

fn decode(bytes: &[u8]) -> Result<Event, EventError> {
    let mut aligned = Aligned([0; size_of::<Event>() + 8]);
    aligned.0[..bytes.len()].copy_from_slice(bytes);
    Event::decode(&aligned.0[..bytes.len()]).copied()
}

fn check(what: &str, change: impl FnOnce(&mut Event), expected: Result<(), EventError>) {
    let mut event = good();
    change(&mut event);
    assert_eq!(decode(event.as_bytes()), expected.map(|()| event), "{what}");
}

type Change = fn(&mut Event);

#[test]
fn good_events_are_read() {
    let rows: &[(&str, Change)] = &[
        ("as it is", |_| {}),
        ("first hook", |event| event.hook = Hook::ALL[0] as u8),
        ("last hook", |event| event.hook = Hook::ALL[Hook::ALL.len() - 1] as u8),
        ("allowed", |event| event.verdict = Verdict::Allow as u8),
        ("last reason", |event| event.reason = Reason::ALL[Reason::ALL.len() - 1] as u8),
        ("no operation", |event| event.operations = 0),
        ("whole path", |event| event.flags = 0),
        ("no path", |event| event.path_bytes = 0),
        ("any signal", |event| event.signal = 255),
        ("any subject", |event| (event.pid, event.uid, event.cgroup) = (u32::MAX, u32::MAX, u64::MAX)),
        ("any object", |event| (event.object.ino, event.object.dev) = (u64::MAX, u32::MAX)),
        ("any executable", |event| (event.lineage, event.executable.ino) = (LINEAGE_KNOWN, u64::MAX)),
        ("an unknown one", |event| event.lineage = LINEAGE_UNPROVEN),
        ("any path", |event| event.path = [0xff; PATH_BYTES]),
        ("last sequence number", |event| event.sequence = u64::MAX),
    ];
    for (what, change) in rows {
        check(what, change, Ok(()));
    }
}

#[test]
fn each_impossible_value_is_named() {
    let rows: &[(&str, u64, Change)] = &[
        ("kind", 0, |event| event.kind = 0),
        ("kind", 2, |event| event.kind = EVENT_DECISION + 1),
        ("hook", 200, |event| event.hook = 200),
        ("hook", 255, |event| event.hook = 255),
        ("verdict", 3, |event| event.verdict = 3),
        ("reason", 100, |event| event.reason = 100),
        ("flags", 2, |event| event.flags = 2),
        ("flags", 0x81, |event| event.flags = 0x81),
        ("operations", 0x1000, |event| event.operations = 0x1000),
        ("operations", 0x8000_0001, |event| event.operations = 0x8000_0001),
        ("sequence", 0, |event| event.sequence = 0),
        ("lineage", 16, |event| event.lineage = 16),
        ("executable", 7, |event| event.executable.ino = 7),
        ("path_bytes", 617, |event| event.path_bytes = 617),
        ("path_bytes", 65535, |event| event.path_bytes = u16::MAX),
    ];
    for (field, value, change) in rows {
        check(field, change, Err(EventError::Field(field, *value)));
    }
    // These tests know the numbers; a new value moves the border, and must be thought of here.
    assert_eq!((Hook::ALL.len(), Verdict::ALL.len(), Reason::ALL.len()), (34, 3, 15));
}

#[test]
fn another_version_is_told_first() {
    for version in [0, 1, u16::MAX] {
        let change = |event: &mut Event| (event.abi_version, event.kind, event.hook) = (version, 9, 9);
        check("version", change, Err(EventError::Version(version)));
    }
}

#[test]
fn every_other_length_is_refused() {
    let bytes = [good().as_bytes(), &[0; 8]].concat();
    for length in 0..=bytes.len() {
        let expected = if length == size_of::<Event>() { Ok(good()) } else { Err(EventError::Size(length)) };
        assert_eq!(decode(&bytes[..length]), expected, "{length}");
    }
}

#[test]
fn errors_say_what_was_there() {
    let version = format!("event of ABI version 9, this is {ABI_VERSION}");
    let rows: [(EventError, &str); 3] = [
        (EventError::Size(7), "event of 7 bytes where 768 were expected"),
        (EventError::Version(9), &version),
        (EventError::Field("hook", 77), "event field hook has the impossible value 77"),
    ];
    for (error, text) in rows {
        let error: &dyn Error = &error;
        assert_eq!(error.to_string(), text);
    }
}

fn check_path(written: &[u8], used: usize, expected: &[&[u8]]) {
    let mut event = good();
    event.path[..written.len()].copy_from_slice(written);
    event.path_bytes = u16::try_from(used).unwrap();
    let components: Vec<&[u8]> = event.path_from_root().collect();
    assert_eq!(components, expected, "{written:?} of which {used} bytes count");
}

#[test]
fn paths_are_read_from_the_root() {
    check_path(b"", 0, &[]);
    check_path(b"shadow\0", 7, &[b"shadow"]);
    check_path(b"shadow\0etc\0", 11, &[b"etc", b"shadow"]);
    check_path(b"c\0b\0a\0", 6, &[b"a", b"b", b"c"]);
    // Names need not be UTF-8, and may be anything but NUL and the slash.
    check_path(b"\xff\xfe\0\x01 \n\0", 7, &[b"\x01 \n", b"\xff\xfe"]);
    // What is behind the used bytes is not part of the path.
    check_path(b"shadow\0secret\0", 7, &[b"shadow"]);
    // The kernel always writes the NUL; without it, or with more of them, nothing is made up.
    check_path(b"shadow", 6, &[b"shadow"]);
    check_path(b"shadow\0et", 9, &[b"et", b"shadow"]);
    check_path(b"\0\0a\0\0", 5, &[b"a"]);
    check_path(&[b'x'; PATH_BYTES], PATH_BYTES, &[&[b'x'; PATH_BYTES]]);
    // Only an event that was not decoded can claim more bytes than it has.
    check_path(b"shadow\0", PATH_BYTES + 1, &[]);
}

#[test]
fn a_cut_path_is_known() {
    for (flags, cut) in [(0, false), (FLAG_PATH_CUT, true)] {
        assert_eq!(Event { flags, ..good() }.path_is_cut(), cut);
    }
}

proptest! {
    /// Whatever the ring holds, decoding ends, and what is decoded can be used.
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop_oneof![
        prop::collection::vec(any::<u8>(), size_of::<Event>()),
        prop::collection::vec(any::<u8>(), 0..size_of::<Event>() + 8),
    ]) {
        if let Ok(event) = decode(&bytes) {
            event.path_from_root().for_each(drop);
        }
    }

    /// The same for bytes that are nearly right, which get further than those above.
    #[test]
    fn changed_events_never_panic(changes in prop::collection::vec((0..size_of::<Event>(), any::<u8>()), 0..8)) {
        let mut event = good();
        for (at, byte) in changes {
            event.as_mut_bytes()[at] = byte;
        }
        if let Ok(event) = decode(event.as_bytes()) {
            let bytes: usize = event.path_from_root().map(<[u8]>::len).sum();
            prop_assert!(bytes <= usize::from(event.path_bytes));
            prop_assert!(Operations::from_bits(event.operations).is_some());
        }
    }
}
