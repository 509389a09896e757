//! What is found is counted once, told within bounds, and nobody is offending but by a rule that enforces.

use super::*;
use aegis_kernel_abi::{HELD_MAPPING, Operations};

const READ: Operations = Operations::READ;

fn concern(mode: Mode, operations: Operations) -> Concern {
    Concern { rule: 0, mode, operations }
}

fn descriptor(pid: u32, number: u64) -> Held {
    Held {
        pid,
        pid_here: pid,
        start_time: 1,
        first: number,
        end: number,
        kind: HELD_DESCRIPTOR,
        ..Held::default()
    }
}

fn mapping(pid: u32, first: u64) -> Held {
    Held { first, end: first + 10, kind: HELD_MAPPING, ..descriptor(pid, 0) }
}

fn told(tally: Tally) -> HolderReport {
    let mut report = HolderReport::default();
    tally.tell(&mut report, |rule| Some(format!("rule {rule}")));
    report
}

fn tally(found: Found) -> (Tally, BTreeMap<Process, u32>) {
    let mut tally = Tally::default();
    let offending = tally.add(found, true);
    (tally, offending)
}

#[test]
fn only_enforcing_rules_are_offended() {
    let mut found = Found::default();
    found.take(&descriptor(7, 3), concern(Mode::Observe, READ), false);
    found.take(&descriptor(8, 4), concern(Mode::Enforce, READ), false);
    let (tally, offending) = tally(found);
    assert_eq!(offending, BTreeMap::from([((8, 1), 8)]));
    let report = told(tally);
    assert_eq!(report.found, 2);
    let modes: Vec<_> = report.listed.iter().map(|holder| (holder.pid, holder.mode.as_str())).collect();
    assert_eq!(modes, [(7, "observe"), (8, "enforce")]);
}

#[test]
fn pieces_of_a_mapping_are_one() {
    let mut found = Found::default();
    found.take(&mapping(7, 100), concern(Mode::Observe, READ), false);
    found.take(&mapping(7, 110), concern(Mode::Enforce, Operations::MAP_EXEC), true);
    assert_eq!((found.enforced, found.observed), (1, 0));
    let (tally, offending) = tally(found);
    assert_eq!(offending.len(), 1);
    let report = told(tally);
    assert_eq!(report.found, 1);
    let holder = &report.listed[0];
    assert_eq!(holder.holds, Holding::Mapping { start: 100, end: 120 });
    assert_eq!((holder.operations.join(" "), holder.mode.as_str()), ("read map-exec".to_owned(), "enforce"));
}

#[test]
fn the_list_has_an_end_and_the_count_has_none() {
    let mut found = Found::default();
    let more = LISTED_HOLDERS + 10;
    for number in 0..more as u64 {
        found.take(&mapping(7, 100 * number), concern(Mode::Enforce, READ), false);
    }
    // A further piece of a mapping that is not listed does not stretch the last one that is.
    found.take(&mapping(7, 1 << 40), concern(Mode::Enforce, READ), true);
    let report = told(tally(found).0);
    assert_eq!((report.found, report.listed.len()), (more as u64, LISTED_HOLDERS));
    assert!(
        report
            .listed
            .iter()
            .all(|holder| matches!(holder.holds, Holding::Mapping { end, .. } if end < 1 << 40))
    );
}

#[test]
fn later_looks_add_whom_enforcing_rules_are_on() {
    let mut tally = Tally::default();
    for (first, pid) in [(true, 8), (false, 9)] {
        let mut found = Found { spared: 1, ..Found::default() };
        found.take(&descriptor(7, 3), concern(Mode::Observe, READ), false);
        found.take(&descriptor(pid, 4), concern(Mode::Enforce, READ), false);
        let offending = tally.add(found, first);
        tally.killed.extend(offending.into_keys());
    }
    let report = told(tally);
    assert_eq!((report.found, report.spared, report.killed), (3, 1, 2));
    let killed: Vec<_> = report.listed.iter().map(|holder| (holder.pid, holder.killed)).collect();
    assert_eq!(killed, [(7, false), (8, true), (9, true)]);
}

#[test]
fn processes_end_before_the_deadline_or_not() {
    let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("sleep");
    let opened = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).expect("a descriptor");
    assert!(!ended(&opened, Instant::now() + Duration::from_millis(20)));
    child.kill().expect("a signal");
    assert!(ended(&opened, Instant::now() + Duration::from_secs(10)));
    child.wait().expect("its end");
}
