//! A standard output that refuses, is slow, and takes half of what it is given: the account of it balances.

use super::super::state::WAITING;
use super::*;
use aegis_control_api::Record;
use aegis_kernel_abi::GAP_REASONS;
use proptest::prelude::*;
use std::collections::BTreeMap;

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

    fn tell(&mut self, summary: &Summary) {
        if summary.first == self.summarised + 1 {
            self.summarised = summary.last;
        }
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

fn now<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

fn press(takes: Vec<usize>) -> Press<Stubborn, Memory> {
    let out = Stubborn { takes, took: Vec::new() };
    Press {
        out,
        books: Memory::default(),
        numbering: Numbering::default(),
        failed: Lost::new(),
        torn: false,
        complained: true,
    }
}

fn event(cpu: u32, sequence: u64) -> Item {
    let line = format!("{{\"type\":\"event\",\"cpu\":{cpu},\"sequence\":{sequence}}}");
    Item { line: line.into(), told: Told::Event { cpu, sequence } }
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
fn a_queue_that_is_full_becomes_a_gap() {
    let mut queue = Queue::default();
    let last = WAITING as u64 + 10;
    let room = (1..=last).filter(|sequence| queue.push(event(3, *sequence))).count();
    assert_eq!(room, WAITING);
    let (items, lost) = queue.take();
    let mut press = press(Vec::new());
    now(press.print(items, lost));
    let delivered = press.books.delivered(3);
    assert_eq!((delivered.upto, delivered.events), (last, WAITING as u64));
    assert_eq!(delivered.gaps[GapReason::StdoutFull as usize], 10);
    assert_eq!(told(&press.out.took, 3), (1..=last).collect::<Vec<_>>());
}

#[test]
fn a_gap_that_finds_no_room_keeps_its_reason_in_the_account() {
    let mut lost = Lost::new();
    lose(&mut lost, Told::Event { cpu: 0, sequence: 5 }, GapReason::StdoutFull);
    lose(&mut lost, Told::Gap(CpuGap::new(0, 6, 9, GapReason::Dropped)), GapReason::StdoutFull);
    lose(&mut lost, Told::Late { cpu: 0 }, GapReason::StdoutFull);
    let gap = lost[&0];
    assert_eq!((gap.first, gap.last, gap.reason()), (5, 9, GapReason::StdoutFull));
    assert_eq!(gap.parts, [4, 0, 1, 0, 0]);
}

#[test]
fn what_was_torn_is_a_line_of_its_own() {
    let mut press = press(vec![usize::MAX, 0, 5]);
    now(press.print(vec![event(0, 1)], Lost::new()));
    assert_eq!(press.books.delivered(0), Delivered::default());
    now(press.print(vec![event(0, 2)], Lost::new()));
    let text = String::from_utf8(press.out.took.clone()).unwrap();
    assert_eq!(text.lines().next().map(str::len), Some(5));
    assert_eq!(told(&press.out.took, 0), [1, 2]);
    let mut gaps = [0; GAP_REASONS];
    gaps[GapReason::StdoutFailed as usize] = 1;
    assert_eq!(press.books.delivered(0), Delivered { upto: 2, events: 1, late: 0, gaps });
}

#[test]
fn a_summary_that_was_not_written_is_not_told() {
    let mut press = press(vec![0]);
    now(press.print(vec![summary(1, 4)], Lost::new()));
    // The one behind it does not count either: its numbers are not the next.
    now(press.print(vec![summary(5, 6)], Lost::new()));
    assert_eq!(press.books.summarised, 0);
    now(press.print(vec![summary(1, 6)], Lost::new()));
    assert_eq!(press.books.summarised, 6);
}

#[test]
fn what_somebody_had_in_his_hands_is_a_gap() {
    let mut press = press(Vec::new());
    now(press.print(vec![event(0, 1), event(0, 4), event(0, 2)], Lost::new()));
    let told_before = press.gap(CpuGap::new(0, 3, 6, GapReason::Dropped));
    let all_before = press.gap(CpuGap::new(0, 1, 6, GapReason::Crash));
    now(press.print(vec![told_before, all_before, event(0, 9)], Lost::new()));
    assert_eq!(told(&press.out.took, 0), [1, 2, 3, 4, 2, 5, 6, 7, 8, 9]);
    let mut gaps = [0; GAP_REASONS];
    gaps[GapReason::Crash as usize] = 4;
    gaps[GapReason::Dropped as usize] = 2;
    assert_eq!(press.books.delivered(0), Delivered { upto: 9, events: 3, late: 1, gaps });
}

#[test]
fn what_waits_is_settled_when_it_is_written() {
    let outbox = Outbox::new(ToldStorms::new());
    let mut press = press(Vec::new());
    (1..=3).for_each(|sequence| assert!(outbox.push(event(0, sequence))));
    outbox.push(summary(1, 2));
    assert!(!outbox.summaries_are_settled());
    let (items, lost) = outbox.take();
    // Whoever took them died. What he had is told of as a gap, or made again.
    drop((items, lost));
    outbox.begin();
    assert!(outbox.summaries_are_settled());
    (4..=5).for_each(|sequence| assert!(outbox.push(event(0, sequence))));
    outbox.push(summary(1, 2));
    now(press.print_until_empty(&outbox));
    assert!(outbox.summaries_are_settled());
    let delivered = press.books.delivered(0);
    assert_eq!((delivered.upto, delivered.events, press.books.summarised), (5, 2, 2));
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
            now(press.print(items, Lost::new()));
        }
        press.out.takes.clear();
        now(press.print(Vec::new(), Lost::new()));
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
