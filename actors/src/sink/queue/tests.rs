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
