//! Which lines go, and that their numbers are told of before those that stay.

use super::*;
use crate::router::Summary;

fn event(sequence: u64) -> Waiting {
    Waiting::Line(Item { line: "".into(), told: Told::Event { cpu: 0, sequence } })
}

fn summary() -> Waiting {
    let summary = Summary { storm: None, first: 1, last: 2, from_ns: 0, to_ns: 0 };
    Waiting::Line(Item { line: "".into(), told: Told::Summary(summary) })
}

/// The numbers that are told of, those of gaps negative.
fn numbers(taken: &[Waiting]) -> Vec<i64> {
    let told = |waiting: &Waiting| match waiting.told() {
        Told::Event { sequence, .. } => vec![i64::try_from(sequence).unwrap()],
        Told::Gap(gap) => (gap.first..=gap.last).map(|number| -i64::try_from(number).unwrap()).collect(),
        _ => Vec::new(),
    };
    taken.iter().flat_map(told).collect()
}

#[test]
fn the_newest_that_found_no_room_comes_before_what_finds_some_later() {
    let mut queue = Queue::new(WhenFull::DropNewest);
    let room = WAITING as u64;
    (1..=room).for_each(|sequence| assert!(queue.push(event(sequence))));
    (room + 1..=room + 3).for_each(|sequence| assert!(!queue.push(event(sequence))));
    assert!(!queue.push(summary()), "it is made again");
    assert_eq!(numbers(&queue.take(2)), [1, 2]);
    assert!(queue.push(event(room + 4)));
    // The gap took one of the two places.
    assert!(!queue.push(event(room + 5)));
    let taken = numbers(&queue.take(usize::MAX));
    let expected: Vec<i64> = (3..=i64::from(4_096)).chain([-4_097, -4_098, -4_099, 4_100, -4_101]).collect();
    assert_eq!((taken, queue.is_empty()), (expected, true));
}

#[test]
fn the_oldest_that_had_to_go_comes_before_what_stays() {
    let mut queue = Queue::new(WhenFull::DropOldest);
    assert!(queue.push(summary()));
    (1..=WAITING as u64 + 2).for_each(|sequence| assert!(queue.push(event(sequence))));
    assert!(!queue.has_summaries(), "it had to go, and is made again");
    assert_eq!(numbers(&queue.take(2)), [-1, -2, 3, 4]);
    assert_eq!(queue.len(), WAITING - 2);
}

#[test]
fn a_sink_that_was_not_there_is_first_told_what_it_missed() {
    for when_full in [WhenFull::Wait, WhenFull::DropOldest, WhenFull::DropNewest] {
        let mut queue = Queue::off(when_full);
        let gap = |first, last, reason| Waiting::Gap(CpuGap::new(0, first, last, reason));
        assert!(!queue.push(gap(1, 2, GapReason::Crash)) && !queue.push(event(3)) && !queue.push(summary()));
        assert_eq!((queue.len(), queue.has_summaries()), (0, false));
        queue.turn_on();
        assert!(queue.push(event(4)) && queue.push(summary()));
        assert_eq!(numbers(&queue.take(2)), [-1, -2, -3, 4]);
        // It is turned off with lines that wait, and with one that has to wait for another attempt.
        queue.put_back(vec![Item { line: "".into(), told: Told::Event { cpu: 0, sequence: 4 } }]);
        assert!(queue.push(event(5)) && queue.push(event(6)));
        queue.turn_off();
        assert!(!queue.push(event(7)));
        assert_eq!((queue.len(), queue.has_summaries()), (0, false));
        queue.turn_on();
        let taken = queue.take(usize::MAX);
        assert_eq!(numbers(&taken), [-4, -5, -6, -7]);
        let [Waiting::Gap(gap)] = &taken[..] else { panic!("{taken:?}") };
        assert_eq!(gap.reason(), GapReason::SinkOff);
    }
}

#[test]
fn what_found_no_room_keeps_its_place_when_lines_may_wait_from_now_on() {
    let mut queue = Queue::new(WhenFull::DropNewest);
    let room = WAITING as u64;
    (1..=room + 1).for_each(|sequence| assert_eq!(queue.push(event(sequence)), sequence <= room));
    queue.set_when_full(WhenFull::Wait);
    queue.push(event(room + 2));
    let taken = numbers(&queue.take(usize::MAX));
    assert_eq!(taken[taken.len() - 3..], [4_096, -4_097, 4_098]);
}

#[test]
fn what_is_put_back_is_first_again() {
    let mut queue = Queue::new(WhenFull::Wait);
    let room = WhenFull::Wait.room() as u64;
    queue.push(summary());
    (1..room).for_each(|sequence| assert!(queue.push(event(sequence))));
    let taken = queue.take(3);
    assert!(queue.has_summaries());
    (room..=room + 3).for_each(|sequence| assert!(queue.push(event(sequence))));
    let items = taken.into_iter().filter_map(|waiting| match waiting {
        Waiting::Line(item) => Some(item),
        Waiting::Gap(_) => None,
    });
    queue.put_back(items.collect());
    // Four were too many: the summary, 1, 2, and what stands for the one that had to go meanwhile.
    assert!(!queue.has_summaries());
    let taken = queue.take(2);
    assert_eq!(numbers(&taken), [-1, -2, -3, 4, 5]);
}
