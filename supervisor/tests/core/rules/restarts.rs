//! Who is started again, and who with it.

use crate::play::{Outcome, Play, Spec, failed, group, one_for_one, permanent, temporary, transient};
use aegis_supervisor::{Call, Cause, Exit, Strategy};

const ASKED: Exit = Exit::Shutdown(Cause::Asked);

/// A child among two others ends, and what follows.
fn ends(strategy: Strategy, child: Spec, exit: Exit) -> (String, String) {
    let mut play = Play::up(group(strategy, [permanent("a"), child, permanent("c")]));
    (play.exit("b", exit), play.states())
}

#[test]
fn permanent_always_transient_after_an_abnormal_exit_temporary_never() {
    let panicked = Exit::Panicked { message: "no".to_owned(), place: None };
    let abnormal = [failed(), panicked, Exit::Killed, Exit::Hung, Exit::InitTimeout];
    let normal = [Exit::Normal, ASKED, Exit::Shutdown(Cause::Intensity), Exit::Shutdown(Cause::Auto)];
    let all = "a running, b running, c running";
    let check = |child: Spec, exit: &Exit, commands: &str, states: &str| {
        let followed = ends(Strategy::OneForOne, child, exit.clone());
        assert_eq!((followed.0.as_str(), followed.1.as_str()), (commands, states), "{exit:?}");
    };
    for exit in abnormal.iter().chain(&normal) {
        check(permanent("b"), exit, "start b", all);
        check(temporary("b"), exit, "", "a running, c running");
    }
    abnormal.iter().for_each(|exit| check(transient("b"), exit, "start b", all));
    normal.iter().for_each(|exit| check(transient("b"), exit, "", "a running, b ended, c running"));
}

#[test]
fn each_strategy_restarts_its_group_in_order_after_it_was_stopped_in_reverse() {
    for (strategy, commands) in [
        (Strategy::OneForOne, "start b"),
        (Strategy::OneForAll, "stop c, stop a, start a, start b, start c"),
        (Strategy::RestForOne, "stop c, start b, start c"),
    ] {
        let followed = ends(strategy, permanent("b"), failed());
        assert_eq!(followed, (commands.to_owned(), "a running, b running, c running".to_owned()));
        assert_eq!(ends(strategy, transient("b"), Exit::Normal).0, "", "who stays ended takes nobody along");
        assert_eq!(ends(strategy, temporary("b"), failed()).0, "");
    }
}

#[test]
fn who_restarts_is_told_and_the_others_are_not() {
    let mut play = Play::up(group(Strategy::OneForAll, [permanent("a"), permanent("b")]));
    play.fail("a");
    assert_eq!(play.reports(), "a restarting failed 0ms");
    let mut play = Play::up(one_for_one([transient("a"), temporary("b")]));
    play.exit("a", Exit::Normal);
    play.fail("b");
    assert_eq!(play.reports(), "a ended normal, b ended failed");
}

#[test]
fn a_temporary_child_that_is_taken_down_is_forgotten() {
    for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
        let mut play = Play::up(group(strategy, [permanent("a"), temporary("b"), permanent("c")]));
        assert_eq!(play.fail("a"), "stop c, stop b, start a, start c");
        assert_eq!(play.states(), "a running, c running");
    }
}

#[test]
fn who_ended_normally_or_was_terminated_is_started_again_with_its_group() {
    for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
        let mut play = Play::up(group(strategy, [permanent("a"), transient("b"), permanent("c")]));
        play.exit("b", Exit::Normal);
        play.call(Call::Terminate("c".to_owned()));
        assert_eq!(play.states(), "a running, b ended, c ended");
        assert_eq!(play.fail("a"), "start a, start b, start c");
    }
}

#[test]
fn a_restart_that_fails_is_tried_again_whatever_the_exit() {
    for exit in [failed(), Exit::Normal] {
        let mut play = Play::up(one_for_one([transient("a")])).late();
        assert_eq!(play.fail("a"), "start a");
        assert_eq!(play.exit("a", exit), "start a");
        assert_eq!(play.ready("a"), "");
        assert_eq!(play.states(), "a running");
    }
}

#[test]
fn a_group_whose_start_fails_in_the_middle_is_started_again() {
    let children = || [permanent("a"), permanent("b"), permanent("c")];
    let mut play = Play::up(group(Strategy::OneForAll, children()));
    play.script("b", &[Outcome::Fail]);
    assert_eq!(
        play.fail("c"),
        "stop b, stop a, start a, start b, stop a, start a, start b, start c",
        "c is not started before b has succeeded"
    );
    let mut play = Play::up(group(Strategy::RestForOne, children()));
    play.script("b", &[Outcome::Fail]);
    assert_eq!(play.fail("a"), "stop c, stop b, start a, start b, start b, start c", "a is ready and stays");
}

#[test]
fn what_waits_comes_before_a_restart_is_tried_again() {
    let mut play = Play::up(one_for_one([permanent("a"), permanent("b")])).late();
    play.fail("a");
    assert_eq!(play.fail("b"), "", "it waits");
    assert_eq!(play.fail("a"), "start b", "its turn is before that of the restart that failed");
    assert_eq!(play.states(), "a waiting, b starting");
    assert_eq!(play.ready("b"), "start a");
}

#[test]
fn a_first_restart_comes_before_what_waits() {
    let mut play = Play::up(group(Strategy::OneForAll, [permanent("a"), permanent("b")])).late();
    play.fail("b");
    assert_eq!(play.call(Call::Restart("b".to_owned())), "");
    assert_eq!(play.exit("a", ASKED), "start a");
    assert_eq!(play.ready("a"), "start b");
    assert_eq!(play.ready("b"), "reply 1 running", "it asked for a child that has been restarted since");
}

#[test]
fn whoever_set_off_a_group_restart_does_not_wait_if_another_fails() {
    let mut play = Play::up(group(Strategy::OneForAll, [permanent("a"), permanent("b")])).late();
    play.fail("b");
    play.exit("a", ASKED);
    assert_eq!(play.call(Call::Terminate("a".to_owned())), "");
    assert_eq!(play.fail("a"), "reply 1 ok");
    assert_eq!(play.states(), "a ended, b ended");
    assert_eq!(play.pass(crate::play::SECOND), "");
}

#[test]
fn two_that_end_together_are_restarted_in_the_order_of_their_ends() {
    let mut play = Play::up(one_for_one([permanent("a"), permanent("b"), permanent("c")])).late();
    play.fail("c");
    play.fail("b");
    play.fail("a");
    assert_eq!(play.ready("c"), "start b");
    assert_eq!(play.ready("b"), "start a");
}

#[test]
fn an_end_that_was_seen_to_with_a_group_has_no_second_turn() {
    let mut play =
        Play::up(group(Strategy::OneForAll, [permanent("a"), permanent("b"), permanent("c")])).late();
    play.fail("a");
    assert_eq!(play.fail("b"), "", "it has ended before it was its turn to be stopped");
    assert_eq!(play.exit("c", ASKED), "start a");
    play.ready("a");
    play.ready("b");
    // The old end of b is not that of its new run, which comes after that of a.
    assert_eq!(play.fail("a"), "");
    assert_eq!(play.fail("b"), "");
    assert_eq!(play.ready("c"), "stop c");
    assert_eq!(play.exit("c", ASKED), "start a");
    assert_eq!(play.tree.view(play.now).restarts, 2);
}

#[test]
fn the_end_of_a_new_run_does_not_take_the_turn_of_that_of_the_old_one() {
    let mut play = Play::up(group(Strategy::OneForAll, ["a", "b", "c"].map(permanent))).late();
    assert_eq!(play.fail("c"), "stop b");
    assert_eq!(play.fail("a"), "", "it has ended before it was its turn to be stopped");
    assert_eq!(play.exit("b", ASKED), "start a");
    play.ready("a");
    assert_eq!(play.call(Call::Delete("b".to_owned())), "");
    assert_eq!(play.fail("a"), "");
    play.ready("b");
    assert_eq!(play.ready("c"), "reply 1 running, stop c", "who asked came before the new end");
}

#[test]
fn ignore_at_a_restart_ends_the_child_without_a_failure() {
    let mut play = Play::up(group(Strategy::RestForOne, [permanent("a"), permanent("b")]));
    play.script("a", &[Outcome::Ignore]);
    assert_eq!(play.fail("a"), "stop b, start a, start b");
    assert_eq!(play.states(), "a ended, b running");
}
