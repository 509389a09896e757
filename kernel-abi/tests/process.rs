//! Decoding of what happens to processes: bytes from the kernel are untrusted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may")]

use aegis_kernel_abi::{
    ABI_VERSION, ARGV_BYTES, EventError, ExecEvent, LINEAGE_KNOWN, PATH_BYTES, PROCESS_ARGV_CUT,
    PROCESS_EXEC, PROCESS_EXIT, PROCESS_FORK, PROCESS_PATH_CUT, ProcessEvent, ProcessTold,
};
use proptest::prelude::*;
use zerocopy::{FromZeros, IntoBytes};

fn process(kind: u8) -> ProcessEvent {
    let abi_version = u16::try_from(ABI_VERSION).unwrap();
    ProcessEvent { abi_version, kind, pid: 7, ..ProcessEvent::default() }
}

fn exec() -> ExecEvent {
    ExecEvent { process: process(PROCESS_EXEC), ..ExecEvent::new_zeroed() }
}

/// Bytes at an address that is aligned for an event, as they are in the ring.
#[repr(align(8))]
struct Aligned([u8; size_of::<ExecEvent>() + 8]);

fn decode(bytes: &[u8]) -> Result<String, EventError> {
    let mut aligned = Aligned([0; size_of::<ExecEvent>() + 8]);
    aligned.0[..bytes.len()].copy_from_slice(bytes);
    ProcessTold::decode(&aligned.0[..bytes.len()]).map(|told| match told {
        ProcessTold::Exec(exec) => format!("exec {}", exec.process.pid),
        ProcessTold::Fork(process) => format!("fork {}", process.pid),
        ProcessTold::Exit(process) => format!("exit {}", process.pid),
    })
}

#[test]
fn what_happens_is_told_apart() {
    assert_eq!(decode(exec().as_bytes()), Ok("exec 7".to_owned()));
    assert_eq!(decode(process(PROCESS_FORK).as_bytes()), Ok("fork 7".to_owned()));
    assert_eq!(decode(process(PROCESS_EXIT).as_bytes()), Ok("exit 7".to_owned()));
    let cut = ProcessEvent { flags: PROCESS_PATH_CUT | PROCESS_ARGV_CUT, ..process(PROCESS_EXEC) };
    assert_eq!(decode(ExecEvent { process: cut, ..exec() }.as_bytes()), Ok("exec 7".to_owned()));
}

#[test]
fn each_impossible_value_is_named() {
    let check = |event: &[u8], field, value| assert_eq!(decode(event), Err(EventError::Field(field, value)));
    check(process(0).as_bytes(), "kind", 0);
    check(process(4).as_bytes(), "kind", 4);
    check(ProcessEvent { flags: 1, ..process(PROCESS_FORK) }.as_bytes(), "flags", 1);
    let flags = ProcessEvent { flags: 4, ..process(PROCESS_EXEC) };
    check(ExecEvent { process: flags, ..exec() }.as_bytes(), "flags", 4);
    check(ProcessEvent { lineage: 32, ..process(PROCESS_EXIT) }.as_bytes(), "lineage", 32);
    let mut unknown = process(PROCESS_FORK);
    unknown.executable.ino = 9;
    check(unknown.as_bytes(), "executable", 9);
    unknown.lineage = LINEAGE_KNOWN;
    assert!(decode(unknown.as_bytes()).is_ok());
    check(ExecEvent { path_bytes: 617, ..exec() }.as_bytes(), "path_bytes", 617);
    check(ExecEvent { argv_bytes: 1025, ..exec() }.as_bytes(), "argv_bytes", 1025);
    let other = ProcessEvent { abi_version: 1, ..process(9) };
    assert_eq!(decode(other.as_bytes()), Err(EventError::Version(1)));
}

#[test]
fn every_other_length_is_refused() {
    let bytes = [exec().as_bytes(), &[0; 8]].concat();
    for length in 0..=bytes.len() {
        assert_eq!(decode(&bytes[..length]).is_ok(), length == size_of::<ExecEvent>(), "{length}");
    }
    let bytes = [process(PROCESS_FORK).as_bytes(), &[0; 8]].concat();
    for length in 0..=bytes.len() {
        assert_eq!(decode(&bytes[..length]).is_ok(), length == size_of::<ProcessEvent>(), "{length}");
    }
}

fn arguments(written: &[u8], used: usize) -> Vec<Vec<u8>> {
    let mut event = exec();
    event.argv[..written.len()].copy_from_slice(written);
    event.argv_bytes = u16::try_from(used).unwrap();
    event.arguments().map(<[u8]>::to_vec).collect()
}

#[test]
fn arguments_are_told_apart() {
    let none: [&[u8]; 0] = [];
    assert_eq!(arguments(b"", 0), none);
    assert_eq!(arguments(b"ls\0-l\0", 6), [&b"ls"[..], b"-l"]);
    assert_eq!(arguments(b"a\0\0b\0", 5), [&b"a"[..], b"", b"b"]);
    assert_eq!(arguments(b"\0", 1), [b""]);
    // What is behind the used bytes is no argument; without its end one is as long as it is known.
    assert_eq!(arguments(b"a\0secret\0", 2), [b"a"]);
    assert_eq!(arguments(b"a\0bc", 4), [&b"a"[..], b"bc"]);
    assert_eq!(arguments(&[b'x'; ARGV_BYTES], ARGV_BYTES), [[b'x'; ARGV_BYTES]]);
}

proptest! {
    /// Whatever the ring holds, decoding ends, and what is decoded can be used.
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), size_of::<ExecEvent>()), honest: bool) {
        let mut aligned = Aligned([0; size_of::<ExecEvent>() + 8]);
        aligned.0[..bytes.len()].copy_from_slice(&bytes);
        if honest {
            aligned.0[..size_of::<ProcessEvent>()].copy_from_slice(process(PROCESS_EXEC).as_bytes());
        }
        if let Ok(ProcessTold::Exec(exec)) = ProcessTold::decode(&aligned.0[..bytes.len()]) {
            prop_assert!(exec.path_from_root().count() <= PATH_BYTES);
            prop_assert!(exec.arguments().count() <= ARGV_BYTES);
        }
    }
}
