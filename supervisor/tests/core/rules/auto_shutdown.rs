//! Supervisors that end with their significant children.

use crate::play::{Play, Spec, Work, failed, group, permanent, temporary, transient};
use aegis_supervisor::{AutoShutdown, Call, Cause, Exit, Strategy, SupervisorSpec};

fn ending(auto: AutoShutdown, strategy: Strategy, children: [Spec; 3]) -> SupervisorSpec<Work> {
    let mut spec = group(strategy, children);
    spec.auto_shutdown = auto;
    spec
}

fn children() -> [Spec; 3] {
    [permanent("a"), transient("b").significant(), temporary("c").significant()]
}

fn play(auto: AutoShutdown) -> Play {
    Play::up(ending(auto, Strategy::OneForOne, children()))
}

#[test]
fn any_ends_with_the_first_significant_child_that_ends_for_good() {
    let mut any = play(AutoShutdown::Any);
    assert_eq!(any.exit("b", Exit::Normal), "stop c, stop a, down auto_shutdown");
    assert_eq!(any.down, Some(Exit::Shutdown(Cause::Auto)));
    assert_eq!(any.reports(), "b ended normal");
    for exit in [failed(), Exit::Normal] {
        assert_eq!(play(AutoShutdown::Any).exit("c", exit), "stop b, stop a, down auto_shutdown");
    }
}

#[test]
fn a_significant_child_that_is_restarted_has_not_ended() {
    for auto in [AutoShutdown::Any, AutoShutdown::All] {
        let mut play = play(auto);
        assert_eq!(play.fail("b"), "start b");
        assert_eq!(play.fail("a"), "start a");
    }
}

#[test]
fn all_ends_with_the_last_significant_child() {
    let mut all = play(AutoShutdown::All);
    assert_eq!(all.exit("b", Exit::Normal), "");
    assert_eq!(all.fail("c"), "stop a, down auto_shutdown");
    let mut all = play(AutoShutdown::All);
    assert_eq!(all.fail("c"), "");
    assert_eq!(all.exit("b", Exit::Shutdown(Cause::Asked)), "stop a, down auto_shutdown");
}

#[test]
fn one_that_is_being_restarted_still_counts_as_there() {
    let children = [transient("a").significant(), transient("b").significant(), transient("c")];
    let mut play = Play::up(ending(AutoShutdown::All, Strategy::OneForOne, children)).late();
    play.fail("a");
    play.exit("b", Exit::Normal);
    assert_eq!(play.fail("a"), "start a", "b has ended while a was being restarted");
    assert_eq!(play.reports(), "a restarting failed 0ms, b ended normal, a restarting failed 0ms");
    play.ready("a");
    assert_eq!(play.exit("a", Exit::Normal), "stop c");
}

#[test]
fn the_end_of_others_does_not_count() {
    let children = || [transient("a"), transient("b").significant(), temporary("c")];
    for auto in [AutoShutdown::Any, AutoShutdown::All] {
        let mut play = Play::up(ending(auto, Strategy::OneForOne, children()));
        assert_eq!(play.exit("a", Exit::Normal) + &play.fail("c"), "");
        assert_eq!(play.exit("b", Exit::Normal), "down auto_shutdown");
    }
}

#[test]
fn without_auto_shutdown_the_supervisor_stays() {
    let mut play = Play::up(group(Strategy::OneForOne, [transient("a")]));
    assert_eq!(play.exit("a", Exit::Normal), "");
    assert_eq!(play.call(Call::Restart("a".to_owned())), "start a, reply 1 ok");
}

#[test]
fn children_that_the_supervisor_stops_do_not_count() {
    for auto in [AutoShutdown::Any, AutoShutdown::All] {
        let mut play = play(auto);
        assert_eq!(play.call(Call::Terminate("b".to_owned())), "stop b, reply 1 ok");
        assert_eq!(play.call(Call::Terminate("c".to_owned())), "stop c, reply 2 ok");
        assert_eq!(play.states(), "a running, b ended");
        let mut play = Play::up(ending(auto, Strategy::OneForAll, children()));
        assert_eq!(play.fail("a"), "stop c, stop b, start a, start b");
    }
}

#[test]
fn one_that_ends_by_itself_before_it_is_terminated_does_not_count_either() {
    let mut play = play(AutoShutdown::Any).late();
    play.call(Call::Terminate("b".to_owned()));
    play.call(Call::Terminate("c".to_owned()));
    assert_eq!(play.exit("c", Exit::Normal), "");
    assert_eq!(play.exit("b", Exit::Normal), "reply 1 ok, reply 2 ok");
    assert_eq!(play.states(), "a running, b ended");
}

#[test]
fn ignore_does_not_count() {
    let mut play = Play::new(ending(AutoShutdown::Any, Strategy::OneForOne, children()));
    play.script("b", &[crate::play::Outcome::Ignore]);
    assert_eq!(play.start(), "start a, start b, start c, up");
}

#[test]
fn a_dynamic_supervisor_ends_so_too() {
    let mut spec = group(Strategy::Dynamic, []);
    spec.auto_shutdown = AutoShutdown::All;
    let mut play = Play::up(spec);
    play.call(Call::Add(temporary("a").significant()));
    play.call(Call::Add(temporary("b").significant()));
    play.call(Call::Add(temporary("c")));
    assert_eq!(play.fail("a"), "");
    assert_eq!(play.fail("b"), "stop c, down auto_shutdown");
}
