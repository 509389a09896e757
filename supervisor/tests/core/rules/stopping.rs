//! How children and trees end.

use crate::play::{Play, SECOND, Spec, Work, failed, group, one_for_one, permanent, temporary, transient};
use aegis_supervisor::{Backoff, Call, Cause, Event, Exit, Shutdown, Strategy, SupervisorSpec};
use std::time::Duration;

const ASKED: Exit = Exit::Shutdown(Cause::Asked);
const ALL: [Strategy; 3] = [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne];

fn two(strategy: Strategy) -> SupervisorSpec<Work> {
    group(strategy, [permanent("a"), permanent("b")])
}

fn waits(name: Work) -> Spec {
    permanent(name).backoff(Backoff { first: SECOND, limit: SECOND, jitter: 0 })
}

#[test]
fn children_are_stopped_in_reverse_order_each_when_the_one_after_it_is_gone() {
    for strategy in ALL {
        let children = [permanent("a"), transient("b"), temporary("c")];
        let mut play = Play::up(group(strategy, children)).late();
        assert_eq!(play.stop(), "stop c");
        assert_eq!(play.stop(), "", "asked twice is asked once");
        assert_eq!(play.exit("c", ASKED), "stop b");
        assert_eq!(play.exit("b", Exit::Normal), "stop a");
        assert_eq!(play.states(), "a stopping, b ended");
        assert_eq!(play.exit("a", ASKED), "down shutdown");
        assert_eq!(play.reports(), "");
        assert_eq!(play.down, Some(ASKED));
    }
}

#[test]
fn who_does_not_end_as_asked_is_told_of() {
    for exit in [failed(), Exit::Killed, Exit::Hung] {
        let mut play = Play::up(one_for_one([permanent("a")])).late();
        play.stop();
        assert_eq!(
            play.exit("a", exit.clone()),
            "down shutdown",
            "its exit does not become the supervisor's"
        );
        assert_eq!(play.reports(), format!("a stopped_badly {}", exit.word()));
    }
}

#[test]
fn a_brutal_kill_asks_nobody_and_is_no_bad_end() {
    for (exit, report) in [(Exit::Killed, ""), (failed(), "a stopped_badly failed")] {
        let mut play = Play::up(one_for_one([permanent("a").shutdown(Shutdown::Kill)])).late();
        assert_eq!(play.stop(), "kill a");
        assert_eq!(play.tree.next_due(), None);
        assert_eq!(play.exit("a", exit), "down shutdown");
        assert_eq!(play.reports(), report);
    }
}

#[test]
fn a_child_that_takes_too_long_is_killed_once_and_waited_for() {
    for time in [Duration::ZERO, SECOND, Duration::from_secs(5)] {
        let spec = if time.as_secs() == 5 {
            permanent("a")
        } else {
            permanent("a").shutdown(Shutdown::Within(time))
        };
        let mut play = Play::up(one_for_one([spec])).late();
        play.pass(SECOND);
        assert_eq!(play.stop(), "stop a");
        assert_eq!(play.tree.next_due(), Some(SECOND + time));
        if !time.is_zero() {
            assert_eq!(play.pass(time - Duration::from_millis(1)), "");
            play.now -= time - Duration::from_millis(1);
        }
        assert_eq!(play.pass(time), "kill a");
        assert_eq!((play.pass(SECOND * 100).as_str(), play.tree.next_due()), ("", None));
        assert_eq!(play.exit("a", Exit::Killed), "down shutdown");
        assert_eq!(play.reports(), "a stopped_badly killed");
    }
}

#[test]
fn without_a_limit_a_child_has_all_the_time() {
    for shutdown in [Shutdown::Never, Shutdown::Within(Duration::MAX)] {
        let mut play = Play::up(one_for_one([permanent("a").shutdown(shutdown)])).late();
        play.pass(SECOND);
        assert_eq!(play.stop(), "stop a");
        assert_eq!(play.pass(SECOND * 1_000_000), "");
        assert_eq!(play.exit("a", Exit::Normal), "down shutdown");
    }
    let mut play = Play::up(one_for_one([permanent("a").shutdown(Shutdown::Never)])).late();
    play.stop();
    assert_eq!(play.tree.next_due(), None);
}

#[test]
fn a_stop_during_the_start_stops_what_was_started_and_starts_nobody_else() {
    for strategy in ALL {
        let children = [permanent("a"), permanent("b"), permanent("c")];
        let mut play = Play::new(group(strategy, children)).late();
        play.start();
        play.ready("a");
        assert_eq!(play.stop(), "stop b", "it is not ready, and asked all the same");
        assert_eq!(play.exit("b", failed()), "stop a");
        assert_eq!(play.exit("a", ASKED), "down shutdown");
    }
}

#[test]
fn who_says_that_it_does_not_begin_while_it_is_asked_to_end_has_ended() {
    let mut play = Play::new(two(Strategy::OneForOne)).late();
    play.start();
    play.ready("a");
    assert_eq!(play.stop(), "stop b");
    assert_eq!(play.ignore("b"), "stop a");
    assert_eq!(play.exit("a", ASKED), "down shutdown");
    assert_eq!(play.reports(), "");
}

#[test]
fn a_stop_before_the_start_ends_it_as_soon_as_it_starts() {
    let mut play = Play::new(two(Strategy::OneForOne)).late();
    assert_eq!(play.stop(), "");
    assert_eq!(play.start(), "start a, stop a");
    assert_eq!(play.exit("a", ASKED), "down shutdown");
}

#[test]
fn a_stop_while_a_group_is_stopped_starts_nobody() {
    let mut play =
        Play::up(group(Strategy::RestForOne, [permanent("a"), permanent("b"), permanent("c")])).late();
    assert_eq!(play.fail("b"), "stop c");
    assert_eq!(play.stop(), "");
    assert_eq!(play.exit("c", ASKED), "stop a");
    assert_eq!(play.exit("a", ASKED), "down shutdown");
}

#[test]
fn a_stop_while_a_group_is_started_stops_those_that_are() {
    let mut play = Play::up(two(Strategy::OneForAll)).late();
    assert_eq!(play.fail("b"), "stop a");
    assert_eq!(play.exit("a", ASKED), "start a");
    assert_eq!(play.stop(), "stop a");
    assert_eq!(play.exit("a", ASKED), "down shutdown");
}

#[test]
fn a_restart_that_fails_while_the_supervisor_ends_is_its_last() {
    for child in [permanent("a"), transient("a")] {
        let mut play = Play::up(one_for_one([child, permanent("b")]).intensity(1, SECOND)).late();
        assert_eq!(play.fail("a"), "start a");
        assert_eq!(play.stop(), "stop b");
        assert_eq!(play.fail("a"), "", "it does not count, and nothing follows");
        assert_eq!(play.reports(), "a restarting failed 0ms, a ended failed");
        assert_eq!(play.states(), "a ended, b stopping");
        assert_eq!(play.exit("b", ASKED), "down shutdown");
    }
}

#[test]
fn a_stop_while_a_restart_waits_starts_nobody() {
    for strategy in ALL {
        let mut play = Play::up(group(strategy, [permanent("a"), waits("b")]));
        play.fail("b");
        assert_eq!(play.state("b").word(), "waiting");
        assert!(play.stop().ends_with("down shutdown"));
        assert_eq!(play.tree.next_due(), None);
    }
}

#[test]
fn a_stop_does_not_wait_for_its_turn() {
    let mut play = Play::up(two(Strategy::OneForOne)).late();
    play.call(Call::Terminate("b".to_owned()));
    assert_eq!(play.fail("a"), "");
    assert_eq!(play.call(Call::Restart("b".to_owned())), "");
    assert_eq!(play.stop(), "");
    assert_eq!(play.exit("b", ASKED), "reply 1 ok, reply 2 ending, down shutdown");
    assert_eq!(play.reports(), "a stopped_badly failed");
}

#[test]
fn who_has_died_meanwhile_is_not_asked_to_end() {
    let mut play = Play::up(two(Strategy::OneForOne)).late();
    assert_eq!(play.stop(), "stop b");
    assert_eq!(play.fail("a"), "");
    assert_eq!(play.exit("b", ASKED), "down shutdown");
    assert_eq!(play.reports(), "a stopped_badly failed");
    let mut play = Play::up(two(Strategy::OneForOne)).late();
    play.stop();
    play.exit("a", Exit::Normal);
    play.exit("b", ASKED);
    assert_eq!(play.reports(), "");
}

#[test]
fn nothing_follows_the_end() {
    let mut play = Play::up(two(Strategy::OneForOne));
    play.stop();
    let mut tree = play.tree;
    let (now, id) = (SECOND, aegis_supervisor::CallId(9));
    let run = aegis_supervisor::Run(1);
    for event in [Event::Start, Event::Stop, Event::Time, Event::Started(run), Event::Exited(run, failed())] {
        assert!(tree.step(now, event).is_empty());
    }
    let call = Event::Call { id, at: String::new(), call: Call::Restart("a".to_owned()) };
    let answers = format!("{:?}", tree.step(now, call));
    assert!(answers.starts_with("[Reply") && answers.contains("NoSupervisor"), "{answers}");
    assert_eq!(tree.next_due(), None);
    assert_eq!(tree.view(now).state.word(), "ended");
}

#[test]
fn the_root_shows_what_it_is_about() {
    let state = |play: &Play| play.tree.view(play.now).state.word();
    let mut play = Play::new(two(Strategy::OneForAll)).late();
    assert_eq!(state(&play), "ended");
    play.start();
    assert_eq!(state(&play), "starting");
    play.ready("a");
    play.ready("b");
    assert_eq!(state(&play), "running");
    play.fail("a");
    assert_eq!(state(&play), "running", "it restarts its children");
    play.exit("b", ASKED);
    assert_eq!(state(&play), "running");
    play.stop();
    assert_eq!(state(&play), "stopping");
}
