//! How many restarts are too many.

use crate::play::{Outcome, Play, SECOND, Work, group, permanent, temporary, transient};
use aegis_supervisor::{AutoShutdown, Cause, Exit, Strategy, SupervisorSpec};
use std::time::Duration;

fn limited(restarts: u32) -> SupervisorSpec<Work> {
    let children = [permanent("a"), transient("b"), temporary("c")];
    group(Strategy::OneForOne, children).intensity(restarts, SECOND)
}

#[test]
fn as_many_as_are_borne_are_borne_and_one_more_ends_the_supervisor() {
    for restarts in 0..4 {
        let mut play = Play::up(limited(restarts));
        for _ in 0..restarts {
            assert_eq!(play.fail("a"), "start a");
        }
        assert_eq!(play.tree.view(play.now).restarts, restarts);
        play.reports();
        assert_eq!(play.fail("a"), "stop c, stop b, down gave_up");
        assert_eq!(play.reports(), format!("a ended failed, root gave_up {}", restarts + 1));
        assert_eq!(play.down, Some(Exit::Shutdown(Cause::Intensity)));
    }
}

#[test]
fn restarts_of_all_children_count_together_and_only_restarts() {
    let mut play = Play::up(limited(1));
    assert_eq!(play.exit("b", Exit::Normal) + &play.fail("c"), "");
    assert_eq!(play.fail("a"), "start a");
    assert_eq!(play.exit("a", Exit::Normal), "down gave_up");
}

#[test]
fn a_group_counts_once() {
    let children = [permanent("a"), permanent("b"), permanent("c")];
    let mut play = Play::up(group(Strategy::OneForAll, children).intensity(1, SECOND));
    assert_eq!(play.fail("a"), "stop c, stop b, start a, start b, start c");
    assert_eq!(play.fail("c"), "stop b, stop a, down gave_up");
}

#[test]
fn restarts_that_fail_count() {
    for (fails, ends) in [(2, false), (3, true)] {
        let mut play = Play::up(limited(3));
        play.script("a", &vec![Outcome::Fail; fails]);
        let commands = play.fail("a");
        assert_eq!(commands.ends_with("down gave_up"), ends, "{commands}");
        assert_eq!(commands.matches("start a").count(), 3);
    }
}

#[test]
fn a_restart_counts_as_long_as_it_is_not_older_than_the_period() {
    let tick = Duration::from_millis(1);
    for (wait, is_borne) in [(SECOND - tick, false), (SECOND, false), (SECOND + tick, true)] {
        let mut play = Play::up(limited(1));
        play.fail("a");
        play.pass(wait);
        assert_eq!(play.tree.view(play.now).restarts, u32::from(!is_borne));
        assert_eq!(play.fail("a") == "start a", is_borne, "{wait:?}");
    }
}

#[test]
fn old_restarts_are_forgotten_one_by_one() {
    let mut play = Play::up(limited(2));
    for _ in 0..20 {
        assert_eq!(play.fail("a"), "start a");
        play.pass(SECOND / 2 + Duration::from_millis(1));
    }
    assert_eq!(play.fail("a"), "start a");
    assert_eq!(play.fail("a"), "stop c, stop b, down gave_up");
}

#[test]
fn time_that_goes_back_is_the_time_that_was() {
    let mut play = Play::up(limited(1));
    play.pass(SECOND * 10);
    play.fail("a");
    play.now = Duration::ZERO;
    assert_eq!(play.fail("a"), "stop c, stop b, down gave_up");
}

#[test]
fn giving_up_is_an_end_by_the_supervisor_and_not_by_its_children() {
    let mut spec = limited(0);
    spec.auto_shutdown = AutoShutdown::Any;
    spec.children[1].significant = true;
    let mut play = Play::up(spec);
    assert_eq!(play.fail("b"), "stop c, stop a, down gave_up");
}

#[test]
fn the_child_that_was_too_much_is_not_asked_to_end() {
    let mut play = Play::up(limited(0)).late();
    assert_eq!(play.fail("b"), "stop c");
    assert_eq!(play.states(), "a running, b ended, c stopping");
    assert_eq!(play.exit("c", Exit::Normal), "stop a");
    assert_eq!(play.exit("a", Exit::Normal), "down gave_up");
}
