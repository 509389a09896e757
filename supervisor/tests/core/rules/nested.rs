//! Supervisors below supervisors.

use crate::play::{Outcome, Play, SECOND, Spec, Work, failed, group, one_for_one, permanent, transient};
use aegis_supervisor::{Backoff, Call, Cause, ChildSpec, Exit, Restart, Strategy, SupervisorSpec};

fn inner() -> SupervisorSpec<Work> {
    group(Strategy::OneForAll, [permanent("x"), permanent("y")]).intensity(1, SECOND)
}

fn nested() -> Spec {
    ChildSpec::supervisor("n", inner())
}

fn around(strategy: Strategy, nested: Spec) -> SupervisorSpec<Work> {
    group(strategy, [permanent("a"), nested, permanent("b")])
}

fn play(nested: Spec) -> Play {
    Play::up(around(Strategy::OneForOne, nested))
}

#[test]
fn it_starts_and_stops_in_its_place() {
    let mut play = Play::new(around(Strategy::OneForOne, nested())).late();
    play.start();
    assert_eq!(play.ready("a"), "start n/x");
    assert_eq!(play.states(), "a running, n starting, n/x starting, n/y ended, b ended");
    assert_eq!(play.ready("n/x"), "start n/y");
    assert_eq!(play.ready("n/y"), "start b");
    assert_eq!(play.ready("b"), "up");
    assert_eq!(play.states(), "a running, n running, n/x running, n/y running, b running");
    assert_eq!(play.view("n").run, None);
    assert_eq!(play.stop(), "stop b");
    assert_eq!(play.exit("b", Exit::Normal), "stop n/y");
    assert_eq!(play.exit("n/y", Exit::Normal), "stop n/x");
    assert_eq!(play.exit("n/x", Exit::Normal), "stop a");
    assert_eq!(play.exit("a", Exit::Normal), "down shutdown");
}

#[test]
fn it_restarts_its_own_and_nobody_else_notices() {
    let mut play = play(nested());
    assert_eq!(play.fail("n/x"), "stop n/y, start n/x, start n/y");
    assert_eq!(play.view("n").restarts, 1);
    assert_eq!(play.tree.view(play.now).restarts, 0);
}

#[test]
fn of_several_the_one_is_told_whose_child_it_is() {
    let [first, second] = ["m", "n"].map(|name| ChildSpec::supervisor(name, inner()));
    let mut play = Play::up(group(Strategy::OneForOne, [first, second]));
    assert_eq!(play.fail("n/x"), "stop n/y, start n/x, start n/y");
    assert_eq!(play.fail("m/x"), "stop m/y, start m/x, start m/y");
}

#[test]
fn when_it_gives_up_its_own_supervisor_decides() {
    let gives_up = |restart: Restart| {
        let mut play = play(nested().restart(restart));
        play.fail("n/x");
        play.reports();
        (play.fail("n/y"), play.states(), play.reports())
    };
    let told = "n/y ended failed, n gave_up 2";
    let (commands, states, reports) = gives_up(Restart::Permanent);
    assert_eq!(commands, "stop n/x, start n/x, start n/y");
    assert_eq!(states, "a running, n running, n/x running, n/y running, b running");
    assert_eq!(reports, format!("{told}, n restarting gave_up 0ms"));
    let ended = format!("{told}, n ended gave_up");
    let transient = gives_up(Restart::Transient);
    assert_eq!(transient.0, "stop n/x", "to give up is an orderly end");
    assert_eq!((transient.1, transient.2), ("a running, n ended, b running".to_owned(), ended.clone()));
    let temporary = gives_up(Restart::Temporary);
    assert_eq!((temporary.1, temporary.2), ("a running, b running".to_owned(), ended));
}

#[test]
fn it_begins_anew_with_its_first_children_and_a_count_of_zero() {
    let mut play = play(nested());
    play.call_at("n", Call::Add(permanent("z")));
    play.fail("n/x");
    assert_eq!(play.fail("n/x"), "stop n/z, stop n/y, start n/x, start n/y");
    assert_eq!((play.view("n").restarts, play.view("n").incarnation), (0, 1));
    assert_eq!(play.view("n/x").incarnation, 0);
    assert_eq!(play.view("n").last_exit, Some(Exit::Shutdown(Cause::Intensity)));
    assert_eq!(play.fail("n/x"), "stop n/y, start n/x, start n/y");
}

#[test]
fn if_it_cannot_start_at_first_nobody_does() {
    let mut play = Play::new(around(Strategy::OneForOne, nested()));
    play.script("n/y", &[Outcome::Fail]);
    assert_eq!(play.start(), "start a, start n/x, start n/y, stop n/x, stop a, down failed");
    let whole = play.down.clone().unwrap().to_string();
    let inner = "failed: its child `y` could not be started: it failed: an error";
    assert_eq!(whole, format!("failed: its child `n` could not be started: it {inner}"));
}

#[test]
fn if_it_cannot_start_again_it_is_tried_again_whatever_its_restart() {
    for restart in [Restart::Permanent, Restart::Transient] {
        let mut play = Play::up(around(Strategy::OneForAll, nested().restart(restart)));
        play.script("n/y", &[Outcome::Fail]);
        let start = "start a, start n/x, start n/y";
        let stop = "stop b, stop n/y, stop n/x";
        assert_eq!(play.fail("a"), format!("{stop}, {start}, stop n/x, stop a, {start}, start b"));
    }
}

#[test]
fn it_is_taken_down_whole_with_its_group() {
    let mut play = Play::up(around(Strategy::RestForOne, nested()));
    assert_eq!(play.fail("a"), "stop b, stop n/y, stop n/x, start a, start n/x, start n/y, start b");
    assert_eq!(play.fail("b"), "start b");
}

#[test]
fn it_is_stopped_in_whatever_it_does() {
    // While it restarts its own.
    let mut during = play(nested()).late();
    assert_eq!(during.fail("n/x"), "stop n/y");
    assert_eq!(during.call(Call::Terminate("n".to_owned())), "");
    assert_eq!(during.exit("n/y", Exit::Normal), "reply 1 ok");
    assert_eq!(during.states(), "a running, n ended, b running");
    // While it starts.
    let mut during = Play::new(around(Strategy::OneForOne, nested())).late();
    during.start();
    during.ready("a");
    assert_eq!(during.stop(), "stop n/x");
    assert_eq!(during.exit("n/x", failed()), "stop a");
    // While it ends by itself.
    let mut during = play(nested()).late();
    during.fail("n/x");
    during.exit("n/y", Exit::Normal);
    during.ready("n/x");
    during.ready("n/y");
    assert_eq!(during.fail("n/y"), "stop n/x");
    assert_eq!(during.stop(), "stop b");
    assert_eq!(during.exit("b", Exit::Normal), "");
    assert_eq!(during.exit("n/x", Exit::Normal), "stop a");
}

#[test]
fn it_is_asked_by_its_path() {
    let deep = ChildSpec::supervisor("m", group(Strategy::OneForOne, [permanent("z")]));
    let mut play = play(ChildSpec::supervisor("n", inner().child(deep)));
    assert_eq!(play.call_at("n", Call::Terminate("x".to_owned())), "stop n/x, reply 1 ok");
    assert_eq!(play.call_at("n/m", Call::Terminate("z".to_owned())), "stop n/m/z, reply 2 ok");
    assert_eq!(play.call_at("n/m", Call::Add(permanent("w"))), "start n/m/w, reply 3 ok");
    for nobody in ["a", "n/x", "no", "n/no", "n/m/z", "n/m/no"] {
        let call = Call::Terminate("x".to_owned());
        assert!(play.call_at(nobody, call).ends_with("no_supervisor"), "{nobody}");
    }
}

#[test]
fn a_supervisor_has_time_to_stop_its_own_and_their_limits_count() {
    let mut play = play(nested()).late();
    play.call(Call::Terminate("n".to_owned()));
    assert_eq!(play.tree.next_due(), Some(SECOND * 5));
    assert_eq!(play.pass(SECOND * 5), "kill n/y");
    assert_eq!(play.exit("n/y", Exit::Killed), "stop n/x");
    assert_eq!(play.tree.next_due(), Some(SECOND * 10));
}

#[test]
fn restarts_below_wait_and_are_due_there() {
    let waits = permanent("x").backoff(Backoff { first: SECOND, limit: SECOND, jitter: 0 });
    let spec = group(Strategy::OneForOne, [waits, permanent("y")]);
    let mut play = play(ChildSpec::supervisor("n", spec));
    assert_eq!(play.fail("n/x"), "");
    assert_eq!(play.tree.next_due(), Some(SECOND));
    assert_eq!(play.pass(SECOND), "start n/x");
}

#[test]
fn a_dynamic_one_below_is_up_before_its_children_are() {
    let spec = group(Strategy::Dynamic, [permanent("x"), permanent("y")]);
    let mut play = Play::new(around(Strategy::OneForOne, ChildSpec::supervisor("n", spec))).late();
    play.start();
    assert_eq!(play.ready("a"), "start n/x, start n/y, start b");
    assert_eq!(play.ready("b"), "up");
    assert_eq!(play.states(), "a running, n running, n/x starting, n/y starting, b running");
}

#[test]
fn a_supervisor_below_of_which_nothing_runs_has_ended_as_soon_as_it_is_asked() {
    let inner = ChildSpec::supervisor("n", one_for_one([transient("x")]));
    let mut play = Play::up(one_for_one([permanent("a"), inner])).late();
    play.exit("n/x", Exit::Normal);
    assert_eq!(play.states(), "a running, n running, n/x ended");
    assert_eq!(play.call(Call::Terminate("n".to_owned())), "reply 1 ok");
    assert_eq!(play.state("n").word(), "ended");
    assert_eq!(play.stop(), "stop a");
}
