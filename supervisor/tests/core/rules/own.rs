//! What OTP does not have: waits before restarts, degraded children, dynamic supervisors whose children have names.

use crate::play::{Outcome, Play, SECOND, Spec, Work, group, one_for_one, permanent, temporary, transient};
use aegis_supervisor::{Backoff, Call, Cause, ChildSpec, Excess, Exit, Strategy, SupervisorSpec};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const ASKED: Exit = Exit::Shutdown(Cause::Asked);

fn waits(name: Work) -> Spec {
    permanent(name).backoff(Backoff { first: SECOND, limit: SECOND * 5, jitter: 0 })
}

/// A child that is tried again each minute after two restarts in ten seconds.
fn degrading(strategy: Strategy, spec: Spec) -> SupervisorSpec<Work> {
    let mut group = group(strategy, [spec, permanent("b")]).intensity(2, SECOND * 10);
    group.excess = Excess::Degrade { retry: MINUTE };
    group
}

#[test]
fn each_restart_in_a_row_waits_twice_as_long_up_to_the_limit() {
    let mut play = Play::up(one_for_one([waits("a")]).intensity(100, SECOND * 10));
    for seconds in [1, 2, 4, 5, 5] {
        assert_eq!(play.fail("a"), "");
        assert_eq!(play.states(), "a waiting");
        assert_eq!(play.reports(), format!("a restarting failed {seconds}000ms"));
        let due = play.now + SECOND * seconds;
        assert_eq!(play.tree.next_due(), Some(due));
        assert_eq!(play.pass(SECOND * seconds - Duration::from_nanos(1)), "");
        assert_eq!(play.pass(Duration::from_nanos(1)), "start a");
    }
}

#[test]
fn a_run_as_long_as_the_period_makes_the_next_wait_the_first_again() {
    for (run, seconds) in [(SECOND * 10 - Duration::from_nanos(1), 2), (SECOND * 10, 1)] {
        let mut play = Play::up(one_for_one([waits("a")]).intensity(100, SECOND * 10));
        play.fail("a");
        play.pass(SECOND);
        play.pass(run);
        play.reports();
        play.fail("a");
        assert_eq!(play.reports(), format!("a restarting failed {seconds}000ms"));
    }
}

#[test]
fn restarts_that_fail_wait_longer_and_longer_too() {
    let mut play = Play::up(one_for_one([waits("a")]).intensity(100, SECOND * 10));
    play.script("a", &[Outcome::Fail, Outcome::Fail]);
    play.fail("a");
    assert_eq!(play.pass(SECOND), "start a");
    assert_eq!(play.pass(SECOND * 2), "start a");
    assert_eq!(play.pass(SECOND * 4), "start a");
    assert_eq!(play.states(), "a running");
}

#[test]
fn jitter_takes_off_a_part_that_the_seed_decides() {
    let backoff = Backoff { first: SECOND, limit: SECOND, jitter: 50 };
    let mut play = Play::up(one_for_one([permanent("a").backoff(backoff)]).intensity(100, SECOND));
    let mut waits = std::collections::BTreeSet::new();
    for _ in 0..20 {
        play.fail("a");
        let wait = play.tree.next_due().unwrap() - play.now;
        assert!((SECOND / 2..=SECOND).contains(&wait), "{wait:?}");
        waits.insert(wait);
        play.pass(wait);
    }
    assert!(waits.len() > 10, "they differ: {waits:?}");
}

#[test]
fn a_group_is_down_while_its_child_waits_and_comes_back_with_it() {
    for (strategy, stops, starts) in [
        (Strategy::OneForOne, "", "start b"),
        (Strategy::OneForAll, "stop c, stop a", "start a, start b, start c"),
        (Strategy::RestForOne, "stop c", "start b, start c"),
    ] {
        let mut play = Play::up(group(strategy, [permanent("a"), waits("b"), permanent("c")]));
        assert_eq!(play.fail("b"), stops);
        assert_eq!(play.state("b").word(), "waiting");
        assert_eq!(play.pass(SECOND), starts);
    }
}

#[test]
fn a_wait_begins_at_the_end_of_the_child_and_not_at_that_of_its_group() {
    let mut play = Play::up(group(Strategy::OneForAll, [waits("a"), permanent("b")])).late();
    assert_eq!(play.fail("a"), "stop b");
    assert_eq!(play.tree.next_due(), Some(SECOND * 5), "b's limit, as nobody is started before it is gone");
    assert_eq!(play.pass(SECOND * 2), "");
    assert_eq!(play.exit("b", ASKED), "start a");
}

#[test]
fn whoever_of_the_group_was_started_meanwhile_is_stopped_before_it_comes_back() {
    let mut play = Play::up(group(Strategy::OneForAll, [waits("a"), permanent("b")]));
    play.fail("a");
    assert_eq!(play.call(Call::Restart("b".to_owned())), "start b, reply 1 ok");
    assert_eq!(play.pass(SECOND), "stop b, start a, start b");
}

#[test]
fn a_restart_of_the_group_ends_the_wait_of_one_in_it() {
    let mut play = Play::up(group(Strategy::RestForOne, [permanent("a"), waits("b"), permanent("c")]));
    assert_eq!(play.fail("b"), "stop c");
    assert_eq!(play.fail("a"), "start a, start b, start c");
    assert_eq!((play.tree.next_due(), play.pass(MINUTE).as_str()), (None, ""));
}

#[test]
fn two_that_are_due_are_started_one_after_the_other() {
    let mut play = Play::up(one_for_one([waits("a"), waits("b")])).late();
    play.fail("b");
    play.fail("a");
    assert_eq!(play.pass(SECOND), "start a");
    assert_eq!(play.tree.next_due(), None, "what is due waits until a has started");
    assert_eq!(play.ready("a"), "start b");
}

#[test]
fn what_is_due_first_is_waited_for_wherever_in_the_tree_it_is() {
    for order in [["a", "b", "n/x"], ["b", "n/x", "a"], ["n/x", "a", "b"]] {
        let inner = ChildSpec::supervisor("n", one_for_one([waits("x")]));
        let mut play = Play::up(one_for_one([waits("a"), inner, waits("b")]));
        for path in order {
            play.fail(path);
            assert_eq!(play.tree.next_due(), Some(SECOND), "{path} fails later");
            play.pass(SECOND / 4);
        }
    }
}

#[test]
fn a_wait_without_end_does_not_overflow() {
    let forever = Backoff { first: Duration::MAX, limit: Duration::MAX, jitter: 0 };
    let mut play = Play::up(one_for_one([permanent("a").backoff(forever)]));
    play.pass(SECOND);
    play.fail("a");
    assert_eq!(play.pass(MINUTE), "");
    let mut spec = degrading(Strategy::OneForOne, permanent("a"));
    spec.intensity.restarts = 0;
    spec.intensity.period = Duration::MAX;
    spec.excess = Excess::Degrade { retry: Duration::MAX };
    let mut play = Play::up(spec);
    play.pass(SECOND);
    assert_eq!(play.fail("a") + &play.pass(MINUTE), "");
    let mut spec = degrading(Strategy::OneForOne, permanent("a"));
    spec.intensity.restarts = 0;
    spec.intensity.period = Duration::MAX;
    let mut play = Play::up(spec);
    play.fail("a");
    assert_eq!(play.pass(MINUTE), "start a");
    assert_eq!(play.tree.next_due(), Some(Duration::MAX));
}

#[test]
fn a_child_that_fails_too_often_is_degraded_and_tried_from_time_to_time() {
    for strategy in [Strategy::OneForOne, Strategy::Dynamic] {
        let mut play = Play::up(degrading(strategy, permanent("a")));
        assert_eq!(play.fail("a") + &play.fail("a"), "start astart a");
        assert_eq!(play.view("a").restarts, 2);
        play.reports();
        assert_eq!(play.fail("a"), "");
        assert_eq!(play.reports(), "a degraded failed 60000ms");
        assert_eq!(play.states(), "a degraded, b running", "nobody else notices");
        assert_eq!(play.tree.next_due(), Some(MINUTE));
        assert_eq!(play.pass(MINUTE - Duration::from_nanos(1)), "");
        assert_eq!(play.pass(Duration::from_nanos(1)), "start a");
        assert_eq!(play.fail("a"), "", "it is still degraded, and waits the whole time again");
        assert_eq!(play.tree.next_due(), Some(MINUTE * 2));
        assert_eq!(play.reports(), "a degraded failed 60000ms");
    }
}

#[test]
fn each_child_has_a_count_of_its_own_where_they_can_be_degraded() {
    let mut play = Play::up(degrading(Strategy::OneForOne, permanent("a")));
    for _ in 0..2 {
        assert_eq!(play.fail("a"), "start a");
        assert_eq!(play.fail("b"), "start b");
    }
    assert_eq!(play.tree.view(play.now).restarts, 0);
    play.pass(SECOND * 11);
    assert_eq!(play.fail("a"), "start a", "old restarts are forgotten");
    assert_eq!(play.view("a").restarts, 1);
}

#[test]
fn a_degraded_child_that_runs_for_the_period_has_recovered() {
    let spec = waits("a");
    let mut play = Play::up(degrading(Strategy::OneForOne, spec));
    play.fail("a");
    play.pass(SECOND);
    play.fail("a");
    play.pass(SECOND * 2);
    play.fail("a");
    assert_eq!(play.pass(MINUTE), "start a");
    assert_eq!(play.state("a").word(), "degraded");
    let started = play.now;
    assert_eq!(play.tree.next_due(), Some(started + SECOND * 10));
    play.reports();
    play.pass(SECOND * 10 - Duration::from_nanos(1));
    assert_eq!(play.reports(), "");
    play.pass(Duration::from_nanos(1));
    assert_eq!((play.reports().as_str(), play.states().as_str()), ("a recovered", "a running, b running"));
    assert_eq!((play.tree.next_due(), play.view("a").restarts), (None, 0));
    for seconds in [1, 2] {
        play.fail("a");
        assert_eq!(play.reports(), format!("a restarting failed {seconds}000ms"), "it begins anew");
        play.pass(SECOND * seconds);
    }
    play.fail("a");
    assert_eq!(play.reports(), "a degraded failed 60000ms");
}

#[test]
fn a_degraded_child_that_ends_for_good_is_not_degraded_any_more() {
    let degraded = || {
        let mut play = Play::up(degrading(Strategy::OneForOne, transient("a")));
        (0..3).for_each(|_| drop(play.fail("a")));
        assert_eq!(play.state("a").word(), "degraded");
        play.reports();
        play
    };
    let mut play = degraded();
    assert_eq!(play.call(Call::Terminate("a".to_owned())), "reply 1 ok");
    assert_eq!((play.state("a").word(), play.tree.next_due()), ("ended", None));
    play.call(Call::Restart("a".to_owned()));
    assert_eq!(play.fail("a"), "start a", "it begins anew");
    let mut play = degraded();
    play.pass(MINUTE);
    play.exit("a", Exit::Normal);
    assert_eq!((play.state("a").word(), play.reports().as_str()), ("ended", "a ended normal"));
}

#[test]
fn a_degraded_child_that_was_ended_waits_the_first_wait_again() {
    let mut play = Play::up(degrading(Strategy::OneForOne, waits("a")));
    for seconds in [1, 2] {
        play.fail("a");
        play.pass(SECOND * seconds);
    }
    play.fail("a");
    assert_eq!(play.state("a").word(), "degraded");
    play.call(Call::Terminate("a".to_owned()));
    play.call(Call::Restart("a".to_owned()));
    play.reports();
    play.fail("a");
    assert_eq!(play.reports(), "a restarting failed 1000ms");
}

#[test]
fn restarts_of_a_child_that_is_not_degraded_count_on_after_it_was_ended() {
    let mut play = Play::up(degrading(Strategy::OneForOne, waits("a")));
    for report in ["a restarting failed 1000ms", "a restarting failed 2000ms", "a degraded failed 60000ms"] {
        play.call(Call::Terminate("a".to_owned()));
        play.call(Call::Restart("a".to_owned()));
        play.reports();
        play.fail("a");
        assert_eq!(play.reports(), report);
        play.pass(SECOND * 2);
    }
}

#[test]
fn a_degraded_child_whose_start_fails_while_all_is_stopped_has_ended() {
    let mut play = Play::up(degrading(Strategy::OneForOne, permanent("a")));
    (0..3).for_each(|_| drop(play.fail("a")));
    play = play.late();
    assert_eq!(play.pass(MINUTE), "start a");
    assert_eq!(play.stop(), "stop b");
    assert_eq!(play.fail("a"), "");
    assert_eq!(play.states(), "a ended, b stopping");
    assert_eq!(play.exit("b", ASKED), "down shutdown");
}

#[test]
fn dynamic_children_do_not_wait_for_each_other() {
    let mut play = Play::new(group(Strategy::Dynamic, [permanent("a"), permanent("b")])).late();
    assert_eq!(play.start(), "start a, start b, up");
    assert_eq!(play.call(Call::Add(permanent("c"))), "start c");
    assert_eq!(play.ready("b"), "");
    assert_eq!(play.fail("b"), "start b");
    assert_eq!(play.ready("c"), "reply 1 ok");
    assert_eq!(play.call(Call::Terminate("c".to_owned())), "stop c");
    assert_eq!(play.fail("a"), "start a", "its start failed, which is tried again");
    assert_eq!(play.states(), "a starting, b starting, c stopping");
    assert_eq!(play.exit("c", ASKED), "reply 2 ok");
    assert_eq!(play.states(), "a starting, b starting", "who is terminated is forgotten");
}

#[test]
fn a_wait_in_a_dynamic_supervisor_is_not_for_who_is_being_stopped() {
    let mut play = Play::up(group(Strategy::Dynamic, [waits("a"), permanent("b"), permanent("c")])).late();
    assert_eq!(play.call(Call::Terminate("b".to_owned())), "stop b");
    assert_eq!(play.fail("a"), "");
    assert_eq!(play.fail("c"), "start c");
    assert_eq!(play.pass(SECOND), "start a");
    assert_eq!(play.exit("b", ASKED), "reply 1 ok");
}

#[test]
fn dynamic_children_are_all_stopped_at_once() {
    let mut play = Play::up(group(Strategy::Dynamic, [permanent("a"), permanent("b")])).late();
    play.call(Call::Add(permanent("c")));
    assert_eq!(play.stop(), "reply 1 ending, stop c, stop b, stop a");
    assert_eq!(play.exit("b", ASKED) + &play.exit("c", ASKED), "");
    assert_eq!(play.exit("a", ASKED), "down shutdown");
}

#[test]
fn dynamic_children_that_end_for_good_are_forgotten() {
    let children = [transient("a"), temporary("b"), permanent("c")];
    let mut play = Play::up(group(Strategy::Dynamic, children));
    assert_eq!(play.exit("a", Exit::Normal) + &play.fail("b"), "");
    assert_eq!(play.states(), "c running");
    assert_eq!(play.call(Call::Add(transient("a"))), "start a, reply 1 ok");
    assert_eq!(play.call(Call::Add(transient("a"))), "reply 2 already_started");
    assert_eq!(play.call(Call::Restart("b".to_owned())), "reply 3 not_found");
}

#[test]
fn a_dynamic_child_that_does_not_start_is_tried_again_or_forgotten() {
    let mut play = Play::new(group(Strategy::Dynamic, [transient("a"), temporary("b")]));
    play.script("a", &[Outcome::Fail]);
    play.script("b", &[Outcome::Fail]);
    assert_eq!(play.start(), "start a, start b, up, start a");
    assert_eq!(play.states(), "a running");
    play.script("c", &[Outcome::Fail]);
    play.script("d", &[Outcome::Ignore]);
    assert_eq!(play.call(Call::Add(permanent("c"))), "start c, reply 1 failed");
    assert_eq!(play.call(Call::Add(permanent("d"))), "start d, reply 2 ok");
    assert_eq!(play.states(), "a running");
}

#[test]
fn a_dynamic_child_can_be_terminated_by_several_and_while_it_starts() {
    let mut play = Play::up(group(Strategy::Dynamic, [])).late();
    play.call(Call::Add(permanent("a")));
    assert_eq!(play.call(Call::Terminate("a".to_owned())), "reply 1 failed, stop a");
    assert_eq!(play.call(Call::Terminate("a".to_owned())), "");
    assert_eq!(play.call(Call::Delete("a".to_owned())), "reply 4 running");
    assert_eq!(play.exit("a", ASKED), "reply 2 ok, reply 3 ok");
    assert_eq!(play.call(Call::Terminate("a".to_owned())), "reply 5 not_found");
}

#[test]
fn dynamic_restarts_wait_and_can_be_too_many() {
    let mut play = Play::up(group(Strategy::Dynamic, [waits("a"), permanent("b")]).intensity(1, SECOND * 5));
    assert_eq!(play.fail("a"), "");
    assert_eq!(play.pass(SECOND), "start a");
    assert_eq!(play.fail("b"), "stop a, down gave_up");
}

#[test]
fn a_degraded_supervisor_is_tried_again_whole() {
    let inner = one_for_one([permanent("x")]).intensity(0, SECOND);
    let mut play = Play::up(degrading(Strategy::OneForOne, ChildSpec::supervisor("n", inner)));
    assert_eq!(play.fail("n/x") + &play.fail("n/x"), "start n/xstart n/x");
    assert_eq!(play.fail("n/x"), "");
    assert_eq!(play.state("n").word(), "degraded");
    assert_eq!(play.pass(MINUTE), "start n/x");
    play.script("n/x", &[Outcome::Fail]);
    play.fail("n/x");
    assert_eq!(play.pass(MINUTE), "start n/x");
    assert_eq!(play.state("n").word(), "degraded");
}
