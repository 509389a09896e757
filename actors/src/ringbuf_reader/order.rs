//! Puts events of each CPU back in the order of their numbers, and finds out which numbers will not come. Pure.
//!
//! A task takes a number first and makes room in the ring later. Another task on the same CPU can come between, so
//! numbers can arrive out of order; and a number for which there was no room never arrives. What comes after a
//! missing number is held back for a while. Then the missing ones are told of as a gap, and the order goes on. A
//! number that arrives after it was told of in a gap is handed on as late.
//!
//! For each CPU, what comes out in turn (events and gaps) covers the numbers from the first on without a hole and
//! without an overlap. This module keeps no time and no events of its own, and does not know why a number is missing.

use std::collections::BTreeMap;
use std::time::Duration;

/// How long the order waits for a missing number, at least; at most twice as long. A task that was interrupted
/// between its number and the ring goes on within a few milliseconds, unless the CPU is overloaded.
pub(crate) const WINDOW: Duration = Duration::from_millis(200);

/// Events of one CPU that are held back, at most: some 200 kB. As many tasks as that are not between their number and
/// the ring on one CPU; if there are more, the first missing numbers are given up at once.
pub(crate) const HELD: usize = 256;

/// What comes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ordered<T> {
    /// The next number of its CPU.
    InTurn { sequence: u64, item: T },
    /// A number that was told of in a gap.
    Late { sequence: u64, item: T },
    /// Numbers that did not come.
    Gap { first: u64, last: u64 },
}

/// The time of a step. `passes` counts how often everything that was in the ring has been taken since: a number may
/// be given up only after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) now: Duration,
    pub(crate) passes: u64,
}

/// The order of one CPU.
#[derive(Debug)]
pub(crate) struct Order<T> {
    /// The number that is next in turn.
    next: u64,
    /// The highest number that is known to have been given out.
    known: u64,
    held: BTreeMap<u64, T>,
    /// Since when numbers up to which one are waited for.
    waiting: Option<(Step, u64)>,
}

impl<T> Order<T> {
    /// Begins after a number.
    pub(crate) fn after(sequence: u64) -> Self {
        Self { next: sequence.saturating_add(1), known: sequence, held: BTreeMap::new(), waiting: None }
    }

    /// Takes in an event.
    pub(crate) fn push(&mut self, step: Step, sequence: u64, item: T, out: &mut Vec<Ordered<T>>) {
        if sequence < self.next {
            out.push(Ordered::Late { sequence, item });
            return;
        }
        self.known = self.known.max(sequence);
        if let Some(double) = self.held.insert(sequence, item) {
            out.push(Ordered::Late { sequence, item: double });
        }
        self.release(out);
        if self.held.len() > HELD
            && let Some(first) = self.held.keys().next().copied()
        {
            self.give_up(first, out);
        }
        self.wait(step);
    }

    /// Takes in that numbers up to this one have been given out.
    pub(crate) fn know(&mut self, step: Step, sequence: u64) {
        self.known = self.known.max(sequence);
        self.wait(step);
    }

    /// Gives up numbers that were waited for long enough.
    pub(crate) fn tick(&mut self, step: Step, out: &mut Vec<Ordered<T>>) {
        if let Some((since, upto)) = self.waiting
            && step.now.saturating_sub(since.now) >= WINDOW
            // The pass that was going on then, and a whole one.
            && step.passes >= since.passes.saturating_add(2)
        {
            self.waiting = None;
            self.give_up(upto, out);
        }
        self.wait(step);
    }

    /// Gives up everything that is waited for, to end. Numbers behind the last event that came are left to the next
    /// reader.
    pub(crate) fn finish(&mut self, out: &mut Vec<Ordered<T>>) {
        if let Some(last) = self.held.keys().next_back().copied() {
            self.give_up(last, out);
        }
    }

    fn wait(&mut self, step: Step) {
        if self.next > self.known {
            self.waiting = None;
        } else if self.waiting.is_none_or(|(_, upto)| upto < self.next) {
            self.waiting = Some((step, self.known));
        }
    }

    /// Hands on what is in turn.
    fn release(&mut self, out: &mut Vec<Ordered<T>>) {
        while let Some(item) = self.held.remove(&self.next) {
            out.push(Ordered::InTurn { sequence: self.next, item });
            self.next = self.next.saturating_add(1);
        }
    }

    /// Hands on everything up to a number, with gaps for what is missing.
    fn give_up(&mut self, upto: u64, out: &mut Vec<Ordered<T>>) {
        self.release(out);
        while self.next <= upto {
            let before = self.held.keys().next().map_or(upto, |first| upto.min(first.saturating_sub(1)));
            out.push(Ordered::Gap { first: self.next, last: before });
            self.next = before.saturating_add(1);
            self.release(out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: u64, passes: u64) -> Step {
        Step { now: Duration::from_millis(millis), passes }
    }

    fn in_turn(sequence: u64) -> Ordered<()> {
        Ordered::InTurn { sequence, item: () }
    }

    fn gap(first: u64, last: u64) -> Ordered<()> {
        Ordered::Gap { first, last }
    }

    #[test]
    fn what_comes_in_order_goes_on_at_once() {
        let (mut order, mut out) = (Order::after(7), Vec::new());
        order.push(at(0, 0), 8, (), &mut out);
        order.push(at(0, 0), 9, (), &mut out);
        assert_eq!(out, [in_turn(8), in_turn(9)]);
        assert_eq!(order.next, 10);
    }

    #[test]
    fn a_hole_that_is_filled_is_no_gap() {
        let (mut order, mut out) = (Order::after(0), Vec::new());
        order.push(at(0, 0), 3, (), &mut out);
        order.push(at(0, 0), 2, (), &mut out);
        order.tick(at(150, 9), &mut out);
        assert_eq!(out, []);
        order.push(at(150, 9), 1, (), &mut out);
        order.tick(at(900, 99), &mut out);
        assert_eq!(out, [in_turn(1), in_turn(2), in_turn(3)]);
    }

    #[test]
    fn a_hole_is_given_up_after_the_window_and_a_whole_pass() {
        let (mut order, mut out) = (Order::after(0), Vec::new());
        order.push(at(0, 5), 4, (), &mut out);
        order.tick(at(199, 50), &mut out);
        order.tick(at(500, 6), &mut out);
        assert_eq!(out, []);
        order.tick(at(500, 7), &mut out);
        assert_eq!(out, [gap(1, 3), in_turn(4)]);
        order.push(at(501, 8), 2, (), &mut out);
        assert_eq!(out.last(), Some(&Ordered::Late { sequence: 2, item: () }));
    }

    #[test]
    fn missing_numbers_at_the_end_are_found_by_the_count_of_the_kernel() {
        let (mut order, mut out) = (Order::<()>::after(10), Vec::new());
        order.know(at(0, 0), 12);
        order.know(at(100, 3), 20);
        order.tick(at(200, 4), &mut out);
        assert_eq!(out, [gap(11, 12)]);
        order.tick(at(400, 9), &mut out);
        assert_eq!(out, [gap(11, 12), gap(13, 20)]);
        order.tick(at(900, 99), &mut out);
        assert_eq!(out.len(), 2);
    }

    #[test]
    fn too_many_held_back_give_up_the_first_hole() {
        let (mut order, mut out) = (Order::after(0), Vec::new());
        let last = 2 + HELD as u64;
        (2..last).for_each(|sequence| order.push(at(0, 0), sequence, (), &mut out));
        assert_eq!(out, []);
        order.push(at(0, 0), last, (), &mut out);
        assert_eq!(out.first(), Some(&gap(1, 1)));
        assert_eq!(order.next, last + 1);
    }

    #[test]
    fn the_end_hands_on_what_is_held_back_and_leaves_the_rest() {
        let (mut order, mut out) = (Order::after(0), Vec::new());
        order.push(at(0, 0), 2, (), &mut out);
        order.know(at(0, 0), 9);
        order.finish(&mut out);
        assert_eq!(out, [gap(1, 1), in_turn(2)]);
    }

    #[derive(Debug, Clone)]
    enum Happening {
        Event { displaced: u64, dropped: bool },
        Tick { millis: u64, passes: u64 },
        Know,
    }

    fn happenings() -> impl Strategy<Value = Vec<Happening>> {
        let event = (0_u64..40, any::<bool>(), any::<bool>())
            .prop_map(|(displaced, a, b)| Happening::Event { displaced, dropped: a && b });
        let tick = (0_u64..250, 0_u64..4).prop_map(|(millis, passes)| Happening::Tick { millis, passes });
        prop::collection::vec(prop_oneof![9 => event, 2 => tick, 1 => Just(Happening::Know)], 0..600)
    }

    proptest! {
        /// Whatever arrives in whatever order: what comes out in turn covers 1…N once, in order; every event that
        /// came in comes out once; it is late only if its number lies in a gap.
        #[test]
        fn nothing_is_lost_and_nothing_overlaps(happenings in happenings()) {
            let (mut order, mut out) = (Order::after(0), Vec::new());
            let mut arrivals: Vec<(u64, u64)> = Vec::new();
            let (mut time, mut given) = (at(0, 0), 0_u64);
            let mut script = Vec::new();
            for happening in happenings {
                match happening {
                    Happening::Event { displaced, dropped } => {
                        given += 1;
                        if !dropped { arrivals.push((given + displaced, given)); }
                    }
                    other => script.push((given, other)),
                }
            }
            arrivals.sort_unstable();
            let mut script = script.into_iter().peekable();
            for (turn, sequence) in &arrivals {
                while let Some((_, what)) = script.next_if(|(when, _)| when <= turn) {
                    match what {
                        Happening::Tick { millis, passes } => {
                            time = Step { now: time.now + Duration::from_millis(millis), passes: time.passes + passes };
                            order.tick(time, &mut out);
                        }
                        _ => order.know(time, given),
                    }
                }
                order.push(time, *sequence, *sequence, &mut out);
            }
            order.finish(&mut out);
            order.know(time, given);
            for _ in 0..4 {
                time = Step { now: time.now + WINDOW, passes: time.passes + 2 };
                order.tick(time, &mut out);
            }
            let (mut next, mut came, mut gaps) = (1, Vec::new(), Vec::new());
            for ordered in &out {
                match ordered {
                    Ordered::InTurn { sequence, item } => {
                        prop_assert_eq!(*sequence, next);
                        prop_assert_eq!(sequence, item);
                        came.push(*item);
                        next += 1;
                    }
                    Ordered::Gap { first, last } => {
                        prop_assert_eq!(*first, next);
                        prop_assert!(last >= first);
                        gaps.push(*first..=*last);
                        next = last + 1;
                    }
                    Ordered::Late { sequence, item } => {
                        prop_assert_eq!(sequence, item);
                        prop_assert!(gaps.iter().any(|gap| gap.contains(sequence)));
                        came.push(*item);
                    }
                }
            }
            prop_assert_eq!(next, given + 1);
            came.sort_unstable();
            let mut expected: Vec<u64> = arrivals.iter().map(|(_, sequence)| *sequence).collect();
            expected.sort_unstable();
            prop_assert_eq!(came, expected);
        }
    }
}
