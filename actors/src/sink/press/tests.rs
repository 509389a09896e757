//! A sink that refuses, is slow, and takes half of what it is given: the account of it balances.

use super::super::outbox::{Outbox, Progress};
use super::super::queue::WAITING;
use super::*;
use crate::spool::{Journal, Store, WhenFulls};
use aegis_control_api::Record;
use aegis_kernel_abi::GAP_REASONS;
use proptest::prelude::*;
use std::collections::BTreeSet;

#[derive(Default)]
struct Memory {
    delivered: BTreeMap<u32, Delivered>,
    summarised: u64,
}

impl Books for Memory {
    fn delivered(&self, cpu: u32) -> Delivered {
        self.delivered.get(&cpu).copied().unwrap_or_default()
    }

    fn set_delivered(&mut self, cpu: u32, delivered: &Delivered) {
        assert_eq!(delivered.upto, delivered.events + delivered.gaps.iter().sum::<u64>());
        assert!(delivered.upto >= self.delivered(cpu).upto);
        self.delivered.insert(cpu, *delivered);
    }

    fn summarised(&self) -> u64 {
        self.summarised
    }

    fn tell(&mut self, summary: &Summary) {
        assert_eq!(summary.first, self.summarised + 1, "each is told of once");
        self.summarised = summary.last;
    }
}

/// Takes a number of bytes at each write; 0 is a refusal.
struct Stubborn {
    takes: Vec<usize>,
    took: Vec<u8>,
}

impl Write for Stubborn {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.takes.pop().unwrap_or(usize::MAX).min(bytes.len());
        if count == 0 {
            return Err(ErrorKind::StorageFull.into());
        }
        self.took.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Out for Stubborn {
    fn name(&self) -> String {
        "a stubborn one".to_owned()
    }
}

fn now<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

fn press(takes: Vec<usize>) -> Press<Stubborn, Memory> {
    let out = Stubborn { takes, took: Vec::new() };
    Press::new(out, Memory::default(), Numbering::default(), false)
}

/// Prints lines, and gives up what is refused.
fn print(press: &mut Press<Stubborn, Memory>, items: Vec<Item>) {
    let refused = now(press.print(items.into_iter().map(Waiting::Line).collect()));
    press.give_up(&refused);
}

fn event(cpu: u32, sequence: u64) -> Item {
    let line = format!("{{\"type\":\"event\",\"cpu\":{cpu},\"sequence\":{sequence}}}");
    Item { line: line.into(), told: Told::Event { cpu, sequence } }
}

fn line_of(cpu: u32, sequence: u64) -> Waiting {
    Waiting::Line(event(cpu, sequence))
}

fn outbox(when_full: WhenFull) -> Outbox {
    Outbox::new(when_full, Some(Progress::default()))
}

fn summary(first: u64, last: u64) -> Item {
    let summary = Summary { storm: None, first, last, from_ns: 0, to_ns: 0 };
    Item { line: "{\"type\":\"test\"}".into(), told: Told::Summary(summary) }
}

/// The numbers of a CPU that its lines tell of, each as often as it is told.
fn told(output: &[u8], wanted: u32) -> Vec<u64> {
    let mut told = Vec::new();
    for line in String::from_utf8_lossy(output).lines() {
        let Ok(value) = serde_json::from_str::<serde_json::Value>(line) else { continue };
        if value["cpu"] != wanted {
            continue;
        }
        match serde_json::from_value::<Record>(value.clone()) {
            Ok(Record::Gap(gap)) => {
                let (first, last) = (gap.first.unwrap(), gap.last.unwrap());
                assert_eq!(gap.count, last - first + 1);
                told.extend(first..=last);
            }
            _ => told.extend(value["sequence"].as_u64()),
        }
    }
    told
}

#[test]
fn what_is_left_out_is_told_of_in_its_place() {
    let last = WAITING as u64 + 10;
    let whole: Vec<u64> = (1..=last).collect();
    for (when_full, first_there) in [(WhenFull::DropNewest, 1), (WhenFull::DropOldest, 11)] {
        let outbox = outbox(when_full);
        let room = whole.iter().filter(|sequence| outbox.push(line_of(3, **sequence))).count();
        assert_eq!(room, if when_full == WhenFull::DropNewest { WAITING } else { whole.len() });
        let mut press = press(Vec::new());
        now(press.print_until_empty(&outbox));
        let delivered = press.books.delivered(3);
        assert_eq!((delivered.upto, delivered.events), (last, WAITING as u64));
        assert_eq!(delivered.gaps[GapReason::SinkFull as usize], 10);
        assert_eq!(told(&press.out.took, 3), whole, "{when_full:?}");
        let text = String::from_utf8(press.out.took).unwrap();
        assert!(text.contains(&format!("\"cpu\":3,\"sequence\":{first_there}}}")), "{when_full:?}");
    }
}

#[test]
fn one_that_waits_leaves_nothing_out() {
    let outbox = outbox(WhenFull::Wait);
    let mut press = press(vec![0, 30, 0, 0, 45, 0]);
    press.out.takes.extend([usize::MAX; 20]);
    let last = 2_000;
    for sequence in 1..=last {
        assert!(outbox.push(line_of(0, sequence)));
        if sequence % 100 == 0 {
            assert!(outbox.push(Waiting::Line(summary(sequence - 99, sequence))));
            now(press.print_until_empty(&outbox));
        }
    }
    (0..9).for_each(|_| now(press.print_until_empty(&outbox)));
    assert!(outbox.is_empty() && outbox.summarised().is_some());
    assert_eq!(told(&press.out.took, 0), (1..=last).collect::<Vec<_>>());
    let expected = Delivered { upto: last, events: last, ..Delivered::default() };
    assert_eq!((press.books.delivered(0), press.books.summarised), (expected, last));
}

#[test]
fn the_oldest_goes_when_too_many_wait() {
    let outbox = outbox(WhenFull::Wait);
    let room = WhenFull::Wait.room() as u64;
    let mut press = press(vec![0]);
    // Nothing is taken, so that what was in hands comes back, behind it what came meanwhile.
    (1..=room).for_each(|sequence| assert!(outbox.push(line_of(0, sequence))));
    let taken = outbox.take(AT_ONCE);
    (room + 1..=room + 70).for_each(|sequence| assert!(outbox.push(line_of(0, sequence))));
    let refused = now(press.print(taken));
    assert_eq!(refused.len(), AT_ONCE);
    outbox.put_back(refused);
    assert_eq!(outbox.waiting(), room);
    now(press.print_until_empty(&outbox));
    assert_eq!(told(&press.out.took, 0), (1..=room + 70).collect::<Vec<_>>());
    let delivered = press.books.delivered(0);
    assert_eq!((delivered.upto, delivered.gaps[GapReason::SinkFull as usize]), (room + 70, 70));
}

#[test]
fn a_gap_that_finds_no_room_keeps_its_reason_in_the_account() {
    let mut lost = Lost::new();
    lose(&mut lost, Told::Event { cpu: 0, sequence: 5 }, GapReason::SinkFull);
    lose(&mut lost, Told::Gap(CpuGap::new(0, 6, 9, GapReason::Dropped)), GapReason::SinkFull);
    lose(&mut lost, Told::Late { cpu: 0 }, GapReason::SinkFull);
    let gap = lost[&0];
    assert_eq!((gap.first, gap.last, gap.reason()), (5, 9, GapReason::SinkFull));
    assert_eq!(gap.parts, [4, 0, 1, 0, 0, 0]);
}

#[test]
fn what_was_torn_is_a_line_of_its_own() {
    let mut press = press(vec![usize::MAX, 0, 5]);
    print(&mut press, vec![event(0, 1)]);
    assert_eq!(press.books.delivered(0), Delivered::default());
    print(&mut press, vec![event(0, 2)]);
    let text = String::from_utf8(press.out.took.clone()).unwrap();
    assert_eq!(text.lines().next().map(str::len), Some(5));
    assert_eq!(told(&press.out.took, 0), [1, 2]);
    let mut gaps = [0; GAP_REASONS];
    gaps[GapReason::SinkFailed as usize] = 1;
    assert_eq!(press.books.delivered(0), Delivered { upto: 2, events: 1, late: 0, gaps });
}

#[test]
fn a_summary_that_was_not_written_is_not_told() {
    let mut press = press(vec![0]);
    print(&mut press, vec![summary(1, 4)]);
    // The one behind it does not count either: its numbers are not the next.
    print(&mut press, vec![summary(5, 6)]);
    assert_eq!(press.books.summarised, 0);
    print(&mut press, vec![summary(1, 6)]);
    assert_eq!(press.books.summarised, 6);
}

#[test]
fn what_somebody_had_in_his_hands_is_a_gap() {
    let mut press = press(Vec::new());
    print(&mut press, vec![event(0, 1), event(0, 4), event(0, 2)]);
    let told_before = press.gap(CpuGap::new(0, 3, 6, GapReason::Dropped));
    let all_before = press.gap(CpuGap::new(0, 1, 6, GapReason::Crash));
    print(&mut press, vec![told_before, all_before, event(0, 9)]);
    assert_eq!(told(&press.out.took, 0), [1, 2, 3, 4, 2, 5, 6, 7, 8, 9]);
    let mut gaps = [0; GAP_REASONS];
    gaps[GapReason::Crash as usize] = 4;
    gaps[GapReason::Dropped as usize] = 2;
    assert_eq!(press.books.delivered(0), Delivered { upto: 9, events: 3, late: 1, gaps });
}

/// What an earlier daemon had taken is told of as far as it is not known to have been told.
#[test]
fn what_was_taken_before_is_told_of_in_the_file() {
    let sinks = WhenFulls { stdout: WhenFull::DropNewest, events_file: WhenFull::Wait };
    let store = Store::new(Journal::default(), Numbering::default(), sinks, Progress::default());
    [(0, 9), (1, 4), (2, 0)].into_iter().for_each(|(cpu, upto)| store.were_taken(cpu, upto));
    let outbox = &store.events_file;
    outbox.turn_on();
    let mut press = press(Vec::new());
    press.books.delivered.insert(0, Delivered { upto: 7, events: 7, ..Delivered::default() });
    press.books.delivered.insert(1, Delivered { upto: 4, events: 4, ..Delivered::default() });
    outbox.push(line_of(0, 10));
    now(press.print_until_empty(outbox));
    assert_eq!(told(&press.out.took, 0), [8, 9, 10]);
    assert_eq!((told(&press.out.took, 1), told(&press.out.took, 2)), (Vec::new(), Vec::new()));
    assert_eq!(press.books.delivered(0).gaps[GapReason::Crash as usize], 2);
    assert!(store.outbox.is_empty(), "standard output is told by the reader");
}

#[test]
fn what_waits_is_settled_when_it_is_written() {
    let outbox = outbox(WhenFull::DropNewest);
    let mut press = press(Vec::new());
    (1..=3).for_each(|sequence| assert!(outbox.push(line_of(0, sequence))));
    outbox.push(Waiting::Line(summary(1, 2)));
    assert_eq!(outbox.summarised(), None);
    // Whoever took them died. What he had is told of as a gap, or made again.
    drop(outbox.take(AT_ONCE));
    assert_eq!(outbox.summarised(), None);
    outbox.begin();
    assert!(outbox.summarised().is_some());
    (4..=5).for_each(|sequence| assert!(outbox.push(line_of(0, sequence))));
    outbox.push(Waiting::Line(summary(1, 2)));
    now(press.print_until_empty(&outbox));
    assert!(outbox.summarised().is_some());
    let delivered = press.books.delivered(0);
    assert_eq!((delivered.upto, delivered.events, press.books.summarised), (5, 2, 2));
}

#[test]
fn an_empty_line_that_was_written_is_not_torn() {
    let mut press = press(vec![usize::MAX, 0, 1, 0, 5]);
    (0..3).for_each(|_| drop(now(press.print(vec![line_of(0, 1)]))));
    let text = String::from_utf8(press.out.took).unwrap();
    assert_eq!(text.lines().map(str::len).collect::<Vec<_>>(), [5, event(0, 1).line.len()]);
}

proptest! {
    /// Whatever standard output does, its lines and the gaps in them cover 1…N of each CPU, and the account says the same.
    #[test]
    fn the_account_is_what_was_written(
        takes in prop::collection::vec(prop_oneof![Just(0_usize), 1..400_usize, Just(usize::MAX)], 0..200),
        batches in prop::collection::vec(prop::collection::vec((0_u32..3, 0_u64..4), 0..100), 1..20),
    ) {
        let mut press = press(takes);
        let mut next = [1_u64; 3];
        for batch in batches {
            let mut items = Vec::new();
            for (cpu, missing) in batch {
                let at = &mut next[cpu as usize];
                if missing > 0 {
                    let gap = CpuGap::new(cpu, *at, *at + missing - 1, GapReason::Dropped);
                    items.push(press.gap(gap));
                    *at += missing;
                }
                items.push(event(cpu, *at));
                *at += 1;
            }
            print(&mut press, items);
        }
        press.out.takes.clear();
        print(&mut press, Vec::new());
        prop_assert!(press.failed.is_empty());
        for cpu in 0..3_u32 {
            let last = next[cpu as usize] - 1;
            // A line of which all but its end was taken is told of again.
            let told: BTreeSet<u64> = told(&press.out.took, cpu).into_iter().collect();
            prop_assert_eq!(told, (1..=last).collect::<BTreeSet<_>>());
            prop_assert_eq!(press.books.delivered(cpu).upto, last);
        }
    }
}

proptest! {
    // Thousands of lines each time.
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// The same through a queue, whatever happens when it is full: and one that waits tells every number by its line.
    #[test]
    fn nothing_is_lost_in_silence(
        takes in prop::collection::vec(prop_oneof![Just(0_usize), 1..400_usize, Just(usize::MAX)], 0..200),
        bursts in prop::collection::vec((1_u64..3_000, any::<bool>(), any::<bool>()), 1..12),
        when_full in prop_oneof![Just(WhenFull::Wait), Just(WhenFull::DropOldest), Just(WhenFull::DropNewest)],
    ) {
        let mut press = press(takes);
        let outbox = outbox(when_full);
        let mut next = [1_u64; 2];
        for (count, prints, summarises) in bursts {
            for _ in 0..count {
                let cpu = usize::from(next[0] > next[1]);
                outbox.push(line_of(u32::try_from(cpu).unwrap(), next[cpu]));
                next[cpu] += 1;
            }
            if summarises && outbox.summarised().is_some() {
                let first = press.books.summarised + 1;
                outbox.push(Waiting::Line(summary(first, first + 4)));
                outbox.push(Waiting::Line(summary(first + 5, first + 7)));
            }
            if prints {
                now(press.print_until_empty(&outbox));
            }
        }
        press.out.takes.clear();
        (0..2).for_each(|_| now(press.print_until_empty(&outbox)));
        prop_assert!(press.failed.is_empty() && outbox.is_empty() && outbox.summarised().is_some());
        for cpu in 0..2_u32 {
            let last = next[cpu as usize] - 1;
            let told: BTreeSet<u64> = told(&press.out.took, cpu).into_iter().collect();
            prop_assert_eq!(told, (1..=last).collect::<BTreeSet<_>>());
            let delivered = press.books.delivered(cpu);
            prop_assert_eq!((delivered.upto, delivered.late), (last, 0));
            if when_full == WhenFull::Wait && last < 8_000 {
                prop_assert_eq!(delivered.events, last);
            }
        }
    }
}
