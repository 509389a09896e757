//! What can be asked of a supervisor.

use crate::play::{
    Outcome, Play, SECOND, Spec, Work, failed, group, one_for_one, permanent, temporary, transient,
};
use aegis_supervisor::{
    Backoff, Call, CallError, CallId, Cause, ChildSpec, Command, Event, Exit, Flaw, Strategy, SupervisorSpec,
};

const ASKED: Exit = Exit::Shutdown(Cause::Asked);

fn add(spec: Spec) -> Call<Work> {
    Call::Add(spec)
}

fn terminate(name: &str) -> Call<Work> {
    Call::Terminate(name.to_owned())
}

fn restart(name: &str) -> Call<Work> {
    Call::Restart(name.to_owned())
}

fn delete(name: &str) -> Call<Work> {
    Call::Delete(name.to_owned())
}

fn waits(name: Work) -> Spec {
    permanent(name).backoff(Backoff { first: SECOND, limit: SECOND, jitter: 0 })
}

/// A child that runs, one that has ended, one that waits to be restarted, and what is asked then.
fn ask(call: Call<Work>) -> String {
    let mut play = Play::up(one_for_one([permanent("runs"), transient("ended"), waits("waits")]));
    play.exit("ended", Exit::Normal);
    play.fail("waits");
    play.call(call) + "; " + &play.states()
}

#[test]
fn what_is_answered_depends_on_the_child() {
    let states = "runs running, ended ended, waits waiting";
    for (call, answer, states) in [
        (add(permanent("runs")), "reply 1 already_started", states),
        (add(permanent("ended")), "reply 1 already_present", states),
        (add(permanent("waits")), "reply 1 already_started", states),
        (add(permanent("new")), "start new, reply 1 ok", &format!("{states}, new running")),
        (restart("runs"), "reply 1 running", states),
        (restart("ended"), "start ended, reply 1 ok", "runs running, ended running, waits waiting"),
        (restart("waits"), "reply 1 restarting", states),
        (restart("new"), "reply 1 not_found", states),
        (delete("runs"), "reply 1 running", states),
        (delete("ended"), "reply 1 ok", "runs running, waits waiting"),
        (delete("waits"), "reply 1 restarting", states),
        (delete("new"), "reply 1 not_found", states),
        (terminate("runs"), "stop runs, reply 1 ok", "runs ended, ended ended, waits waiting"),
        (terminate("ended"), "reply 1 ok", states),
        (terminate("waits"), "reply 1 ok", "runs running, ended ended, waits ended"),
        (terminate("new"), "reply 1 not_found", states),
    ] {
        assert_eq!(ask(call.clone()), format!("{answer}; {states}"), "{call:?}");
    }
}

#[test]
fn an_added_child_is_the_last_and_takes_part_in_everything() {
    let mut play = Play::up(group(Strategy::RestForOne, [permanent("a")]));
    play.call(add(permanent("b")));
    assert_eq!(play.fail("a"), "stop b, start a, start b");
    assert_eq!(play.stop(), "stop b, stop a, down shutdown");
}

#[test]
fn an_added_child_that_fails_to_start_is_forgotten_and_does_not_count() {
    for spec in [permanent("b"), transient("b"), temporary("b")] {
        let mut play = Play::up(one_for_one([permanent("a")]).intensity(0, SECOND));
        play.script("b", &[Outcome::Fail]);
        assert_eq!(play.call(add(spec)), "start b, reply 1 failed");
        assert_eq!(play.states(), "a running");
        assert_eq!(play.reports(), "");
        assert_eq!(play.call(terminate("a")), "stop a, reply 2 ok", "it is idle again");
    }
}

#[test]
fn who_asked_is_told_why_the_start_failed() {
    let mut play = Play::up(one_for_one([]));
    let (id, spec) = (CallId(1), permanent("b"));
    play.tree.step(play.now, Event::Call { id, at: String::new(), call: Call::Add(spec) });
    let commands = play.tree.step(play.now, Event::Exited(aegis_supervisor::Run(1), failed()));
    let [Command::Reply { result: Err(CallError::Failed { name, exit }), .. }] = commands.as_slice() else {
        panic!("{commands:?}")
    };
    assert_eq!((name.as_str(), exit), ("b", &failed()));
}

#[test]
fn a_restart_that_was_asked_for_and_fails_leaves_the_child_ended() {
    let mut play = Play::up(one_for_one([permanent("a")]).intensity(0, SECOND));
    play.call(terminate("a"));
    play.script("a", &[Outcome::Fail, Outcome::Ignore]);
    assert_eq!(play.call(restart("a")), "start a, reply 2 failed");
    assert_eq!(play.states(), "a ended");
    assert_eq!(play.call(restart("a")), "start a, reply 3 ok", "that it does not begin is no failure");
    assert_eq!(play.states(), "a ended");
    assert_eq!(play.call(restart("a")), "start a, reply 4 ok");
}

#[test]
fn an_added_child_that_does_not_begin_stays_unless_it_is_temporary() {
    let mut play = Play::up(one_for_one([]));
    play.script("a", &[Outcome::Ignore]);
    play.script("b", &[Outcome::Ignore]);
    assert_eq!(play.call(add(permanent("a"))), "start a, reply 1 ok");
    assert_eq!(play.call(add(temporary("b"))), "start b, reply 2 ok");
    assert_eq!(play.states(), "a ended");
}

#[test]
fn terminating_forgets_a_temporary_child_and_keeps_others() {
    let mut play = Play::up(one_for_one([temporary("a"), transient("b")]));
    assert_eq!(play.call(terminate("a")), "stop a, reply 1 ok");
    assert_eq!(play.call(terminate("b")), "stop b, reply 2 ok");
    assert_eq!(play.states(), "b ended");
    assert_eq!(play.call(delete("b")), "reply 3 ok");
    assert_eq!(play.states(), "");
}

#[test]
fn a_terminated_child_is_no_restart_and_stays_down() {
    let mut play = Play::up(one_for_one([permanent("a")]).intensity(0, SECOND)).late();
    assert_eq!(play.call(terminate("a")), "stop a");
    assert_eq!(play.states(), "a stopping");
    assert_eq!(play.fail("a"), "reply 1 ok");
    assert_eq!(play.reports(), "a stopped_badly failed");
    assert_eq!((play.pass(SECOND * 100).as_str(), play.states().as_str()), ("", "a ended"));
}

#[test]
fn calls_wait_their_turn_while_something_is_under_way() {
    let mut play = Play::up(one_for_one([permanent("a"), permanent("b")])).late();
    assert_eq!(play.call(terminate("a")), "stop a");
    assert_eq!(play.call(restart("a")), "");
    assert_eq!(play.call(terminate("b")), "");
    assert_eq!(play.exit("a", ASKED), "reply 1 ok, start a");
    assert_eq!(play.ready("a"), "reply 2 ok, stop b");
    assert_eq!(play.exit("b", ASKED), "reply 3 ok");
}

#[test]
fn of_a_child_that_has_died_nobody_knows_before_its_turn() {
    for (call, answer) in [
        (restart("b"), "reply 2 running"),
        (delete("b"), "reply 2 running"),
        (add(permanent("b")), "reply 2 already_started"),
    ] {
        let mut play = Play::up(one_for_one([permanent("a"), permanent("b")])).late();
        play.call(terminate("a"));
        play.call(call);
        play.fail("b");
        assert_eq!(play.exit("a", ASKED), format!("reply 1 ok, {answer}, start b"));
    }
}

#[test]
fn a_failed_restart_can_be_terminated_before_its_turn() {
    let mut play = Play::up(one_for_one([permanent("a"), permanent("b")]).intensity(1, SECOND)).late();
    play.fail("a");
    play.call(restart("a"));
    play.call(terminate("a"));
    assert_eq!(play.fail("a"), "reply 1 restarting, reply 2 ok");
    assert_eq!(play.states(), "a ended, b running");
    assert_eq!(play.reports(), "a restarting failed 0ms", "it was not counted again");
}

#[test]
fn a_supervisor_that_ends_answers_all_who_ask() {
    let mut play = Play::new(one_for_one([permanent("a")])).late();
    assert_eq!(play.call(restart("a")), "reply 1 no_supervisor");
    play.start();
    assert_eq!(play.call(restart("a")), "");
    assert_eq!(play.stop(), "reply 2 ending, stop a");
    assert_eq!(play.call(restart("a")), "reply 3 ending");
    assert_eq!(play.exit("a", ASKED), "down shutdown");
}

#[test]
fn a_start_that_was_asked_for_is_answered_when_the_supervisor_ends() {
    for is_new in [true, false] {
        let mut play = Play::up(one_for_one([permanent("a")]));
        play.call(terminate("a"));
        let mut play = play.late();
        play.call(if is_new { add(permanent("b")) } else { restart("a") });
        let name = if is_new { "b" } else { "a" };
        assert_eq!(play.stop(), format!("reply 2 ending, stop {name}"));
        assert_eq!(play.exit(name, ASKED), "down shutdown");
    }
}

#[test]
fn a_child_that_is_wrong_is_not_taken_in() {
    let mut play = Play::up(one_for_one([permanent("a")]));
    let call = Call::Add(temporary("b").significant());
    let id = CallId(1);
    let commands = play.tree.step(play.now, Event::Call { id, at: String::new(), call });
    let [Command::Reply { result: Err(CallError::Invalid(invalid)), .. }] = commands.as_slice() else {
        panic!("{commands:?}")
    };
    assert_eq!((invalid.path.as_str(), invalid.what), ("b", Flaw::SignificantForNothing));
    assert_eq!(play.states(), "a running");
}

#[test]
fn a_supervisor_can_be_added_terminated_restarted_and_deleted() {
    let inner = group(Strategy::OneForOne, [permanent("x"), permanent("y")]);
    let mut play = Play::up(SupervisorSpec::new(Strategy::OneForOne));
    let added = play.call(Call::Add(ChildSpec::supervisor("n", inner)));
    assert_eq!(added, "start n/x, start n/y, reply 1 ok");
    assert_eq!(play.call(delete("n")), "reply 2 running");
    assert_eq!(play.call(terminate("n")), "stop n/y, stop n/x, reply 3 ok");
    assert_eq!(play.call(restart("n")), "start n/x, start n/y, reply 4 ok");
    play.call(terminate("n"));
    assert_eq!(play.call(delete("n")), "reply 6 ok");
    assert_eq!(play.call_at("n", restart("x")), "reply 7 no_supervisor");
}
