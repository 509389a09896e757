//! How a tree comes up.

use crate::play::{Outcome, Play, failed, group, one_for_one, permanent, temporary, transient};
use aegis_supervisor::{Event, Exit, Strategy};

const STATIC: [Strategy; 3] = [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne];

#[test]
fn children_start_in_order_each_when_the_one_before_is_ready() {
    for strategy in STATIC {
        let children = [permanent("a"), transient("b"), temporary("c")];
        let mut play = Play::new(group(strategy, children)).late();
        assert_eq!(play.start(), "start a");
        assert_eq!(play.ready("a"), "start b");
        assert_eq!(play.states(), "a running, b starting, c ended");
        assert_eq!(play.ready("b"), "start c");
        assert_eq!(play.ready("c"), "up");
        assert_eq!(play.states(), "a running, b running, c running");
    }
}

#[test]
fn a_tree_without_children_is_up_at_once() {
    for strategy in [STATIC.as_slice(), &[Strategy::Dynamic]].concat() {
        let mut play = Play::new(group(strategy, []));
        assert_eq!(play.start(), "up");
        assert_eq!(play.stop(), "down shutdown");
    }
}

#[test]
fn a_failure_at_the_start_stops_those_before_in_reverse_and_ends_the_supervisor() {
    for strategy in STATIC {
        for exit in [failed(), Exit::Normal, Exit::InitTimeout] {
            let children = [permanent("a"), permanent("b"), transient("c"), permanent("d")];
            let mut play = Play::new(group(strategy, children)).late();
            play.start();
            play.ready("a");
            play.ready("b");
            assert_eq!(play.exit("c", exit.clone()), "stop b");
            assert_eq!(play.exit("b", Exit::Normal), "stop a");
            assert_eq!(play.exit("a", Exit::Normal), "down failed");
            let whole = format!("its child `c` could not be started: it {exit}");
            assert_eq!(play.down, Some(Exit::Failed(whole)));
            assert_eq!(play.reports(), format!("c ended {}", exit.word()));
        }
    }
}

#[test]
fn a_child_that_ends_during_the_start_is_seen_to_afterwards() {
    let mut play = Play::new(one_for_one([permanent("a"), permanent("b")])).late();
    play.start();
    play.ready("a");
    assert_eq!(play.fail("a"), "");
    assert_eq!(play.states(), "a waiting, b starting");
    assert_eq!(play.ready("b"), "start a, up");
}

#[test]
fn a_child_that_ends_during_a_start_that_fails_is_not_asked_to_end() {
    let mut play = Play::new(one_for_one([permanent("a"), permanent("b")])).late();
    play.start();
    play.ready("a");
    play.fail("a");
    assert_eq!(play.fail("b"), "down failed");
    assert_eq!(play.reports(), "b ended failed, a stopped_badly failed");
}

#[test]
fn ignore_is_no_failure_and_a_temporary_child_is_forgotten_after_it() {
    for strategy in STATIC {
        let mut play = Play::new(group(strategy, [permanent("a"), temporary("b"), transient("c")]));
        ["a", "b", "c"].iter().for_each(|path| play.script(path, &[Outcome::Ignore]));
        assert_eq!(play.start(), "start a, start b, start c, up");
        assert_eq!(play.states(), "a ended, c ended");
        assert_eq!(play.reports(), "");
    }
}

#[test]
fn starting_twice_is_starting_once() {
    let mut play = Play::up(one_for_one([permanent("a")]));
    assert_eq!(play.start(), "");
    assert_eq!(play.stop(), "stop a, down shutdown");
}

#[test]
fn each_run_has_its_number_and_each_start_its_incarnation() {
    let mut play = Play::up(one_for_one([permanent("a"), permanent("b")]));
    let first = play.run_of("a");
    assert_eq!((play.view("a").run, play.view("a").incarnation), (Some(first), 0));
    play.fail("a");
    let second = play.run_of("a");
    assert!(second > first);
    assert_eq!((play.view("a").run, play.view("a").incarnation), (Some(second), 1));
    assert_eq!(play.view("a").last_exit, Some(failed()));
    assert_eq!((play.view("b").incarnation, play.view("b").last_exit), (0, None));
    assert_eq!(play.reports.iter().map(|report| report.incarnation).collect::<Vec<_>>(), [0]);
    play.fail("a");
    assert_eq!(play.reports.iter().map(|report| report.incarnation).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn what_comes_of_an_old_run_is_left_out() {
    let mut play = Play::up(one_for_one([permanent("a")])).late();
    let old = play.run_of("a");
    assert_eq!(play.fail("a"), "start a");
    for event in [Event::Started(old), Event::Ignored(old), Event::Exited(old, failed())] {
        assert_eq!(play.tell(event), "");
        assert_eq!(play.states(), "a starting");
    }
    play.ready("a");
    for event in [Event::Started(old), Event::Ignored(old), Event::Exited(old, failed())] {
        assert_eq!(play.tell(event), "");
        assert_eq!(play.states(), "a running");
    }
}

#[test]
fn being_ready_twice_or_too_late_changes_nothing() {
    let mut play = Play::up(one_for_one([permanent("a")])).late();
    let run = play.run_of("a");
    assert_eq!(play.tell(Event::Started(run)) + &play.tell(Event::Ignored(run)), "");
    assert_eq!(play.states(), "a running");
    play.stop();
    assert_eq!(play.tell(Event::Started(run)), "");
    assert_eq!(play.states(), "a stopping");
    assert_eq!(play.exit("a", Exit::Normal), "down shutdown");
}
