//! Children that come and go, and what is shown of them.

use crate::scene::{Deed, Scene, until};
use aegis_supervisor::{Call, CallError, Excess, Exit, HandleError, State, Strategy, SupervisorSpec};
use std::time::Duration;

#[test]
fn dynamic_children_come_and_go() {
    let mut scene = Scene::default();
    let (a, again, slow) = (scene.puppet("a"), scene.puppet("a"), scene.puppet("slow"));
    let a_reference = scene.puppets["a"].clone();
    let bad = scene.puppet("bad");
    scene.starts("bad", &[Deed::Fail]);
    scene.starts("slow", &[Deed::Wait(300)]);
    let play = scene.start(SupervisorSpec::new(Strategy::Dynamic));
    assert_eq!(play.wait(play.handle.call("", Call::Add(a))), Ok(()));
    let refused = |error| Err(HandleError::Refused(error));
    let twice = play.wait(play.handle.call("", Call::Add(again)));
    assert_eq!(twice, refused(CallError::AlreadyStarted("a".to_owned())));
    let failed = play.wait(play.handle.call("", Call::Add(bad)));
    let exit = Exit::Failed("it cannot".to_owned());
    assert_eq!(failed, refused(CallError::Failed { name: "bad".to_owned(), exit }));
    assert_eq!(play.wait(play.handle.call("", Call::Add(slow))), Ok(()));
    let status = play.status();
    let names: Vec<_> = status.children.iter().map(|child| child.path.as_str()).collect();
    assert_eq!(names, ["a", "slow"]);
    assert_eq!(play.wait(play.handle.call("", Call::Terminate("a".to_owned()))), Ok(()));
    assert_eq!(a_reference.incarnation(), None);
    assert!(play.status().find("a").is_none());
    let nobody = play.wait(play.handle.call("nobody", Call::Terminate("a".to_owned())));
    assert_eq!(nobody, refused(CallError::NoSupervisor("nobody".to_owned())));
}

#[test]
fn one_that_fails_too_often_is_degraded_and_tried_again() {
    let mut scene = Scene::default();
    let mut root = SupervisorSpec::new(Strategy::Dynamic).intensity(2, Duration::from_secs(1));
    root.excess = Excess::Degrade { retry: Duration::from_millis(300) };
    let root = root.child(scene.puppet("bad")).child(scene.puppet("good"));
    scene.starts("bad", &[Deed::Fail; 5]);
    let play = scene.start(root);
    play.until_up("good", 0);
    let state = || play.status().find("bad").map(|bad| bad.state);
    until("it is degraded", || state() == Some(State::Degraded));
    play.until_up("bad", 5);
    assert_eq!(state(), Some(State::Degraded), "until it has run for a while");
    until("it has recovered", || state() == Some(State::Running));
    assert_eq!(play.tell("good", Deed::Nothing), Ok(0));
}

#[test]
fn status_shows_each_child() {
    let mut scene = Scene::default();
    let root = SupervisorSpec::new(Strategy::OneForOne).intensity(3, Duration::from_secs(60));
    let play = {
        let root = root.child(scene.puppet("one")).child(scene.puppet("two"));
        scene.start(root)
    };
    play.until_up("two", 0);
    let _ = play.tell("one", Deed::Fail);
    play.until_up("one", 1);
    let status = play.status();
    assert_eq!((status.state, status.restarts), (State::Running, 1));
    let one = status.find("one").expect("a child");
    assert_eq!((one.state, one.incarnation), (State::Running, 1));
    assert_eq!(one.last_exit, Some(Exit::Failed("no more".to_owned())));
    assert!(one.silence.is_some_and(|silence| silence < Duration::from_secs(1)), "{one:?}");
    assert!(play.handle.pulse().silence() < Duration::from_secs(1));
}
