//! Actors that panic, fail, stop, hang and start badly.

use crate::scene::{Deed, LIMITS, Play, Scene, until};
use aegis_supervisor::{
    Cause, ChildSpec, Exit, Outcome, Restart, SendError, Shutdown, Strategy, SupervisorSpec, What, Work,
};
use std::time::{Duration, Instant};

const NAMES: [&str; 3] = ["one", "two", "three"];

fn root(strategy: Strategy) -> SupervisorSpec<Work> {
    SupervisorSpec::new(strategy).intensity(5, Duration::from_secs(60))
}

/// Three children in a row.
fn three(strategy: Strategy, change: impl Fn(ChildSpec<Work>) -> ChildSpec<Work>) -> Play {
    let mut scene = Scene::default();
    let root = NAMES.iter().fold(root(strategy), |root, name| root.child(change(scene.puppet(name))));
    let play = scene.start(root);
    NAMES.iter().for_each(|name| play.until_up(name, 0));
    play
}

fn incarnations(play: &Play) -> Vec<u32> {
    NAMES.iter().map(|name| play.tell(name, Deed::Nothing).expect("it runs")).collect()
}

/// What the second child does, and what its exit is then.
fn exit_of(deed: Deed) -> (Exit, Vec<u32>) {
    let play = three(Strategy::OneForOne, |child| child);
    // One that ends cannot always answer.
    let _ = play.tell("two", deed);
    play.until_up("two", 1);
    let status = play.status();
    let exit = status.find("two").and_then(|two| two.last_exit.clone()).expect("it has ended");
    (exit, incarnations(&play))
}

#[test]
fn children_start_in_order_and_stop_in_reverse() {
    let play = three(Strategy::OneForOne, |child| child);
    let started = ["one init", "one ready", "two init", "two ready", "three init", "three ready"];
    assert_eq!(play.scene.notes.take(), started);
    let notes = play.scene.notes.clone();
    assert_eq!(play.stop(), Outcome::Ended(Exit::Shutdown(Cause::Asked)));
    assert_eq!(notes.take(), ["three dropped", "two dropped", "one dropped"]);
}

#[test]
fn panic_tells_message_and_place_and_touches_no_sibling() {
    let (exit, incarnations) = exit_of(Deed::Panic);
    let Exit::Panicked { message, place: Some(place) } = exit else { panic!("{exit:?}") };
    assert_eq!(message, "as it was told");
    assert!(place.contains("tests/driver/scene.rs:"), "{place}");
    assert_eq!(incarnations, [0, 1, 0]);
}

#[test]
fn panic_in_a_task_of_its_context_is_its_own() {
    let (exit, incarnations) = exit_of(Deed::PanicInTask);
    assert!(matches!(&exit, Exit::Panicked { message, .. } if message == "in a task"), "{exit:?}");
    assert_eq!(incarnations, [0, 1, 0]);
}

#[test]
fn error_is_told() {
    assert_eq!(exit_of(Deed::Fail), (Exit::Failed("no more".to_owned()), vec![0, 1, 0]));
}

#[test]
fn stop_by_itself_is_normal() {
    assert_eq!(exit_of(Deed::Stop), (Exit::Normal, vec![0, 1, 0]));
}

#[test]
fn a_short_hang_is_ended_and_restarted() {
    // Longer than its heartbeat may be late, shorter than with the grace time.
    let (exit, incarnations) = exit_of(Deed::Block(900));
    assert_eq!((exit, incarnations), (Exit::Hung, vec![0, 1, 0]));
}

#[test]
fn a_hang_is_found_however_often_the_driver_is_asked() {
    let play = three(Strategy::OneForOne, |child| child);
    let told = play.scene.puppets["two"].clone();
    let blocked = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(told.send(crate::scene::Do(Deed::Block(900))))
    });
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(1_500) {
        play.status();
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = blocked.join();
    play.until_up("two", 1);
    assert_eq!(play.status().find("two").and_then(|two| two.last_exit.clone()), Some(Exit::Hung));
}

/// A process that was stopped, and goes on: when its driver looks again, its children may not have had their turn.
#[test]
fn who_was_held_up_himself_takes_nobody_for_hung() {
    let play = three(Strategy::OneForOne, |child| child);
    let told = play.scene.puppets["two"].clone();
    let reports = std::sync::Arc::clone(&play.scene.reports);
    // The driver waits for this when it tells of the end of the first child.
    let held = reports.lock().expect("the reports");
    let _ = play.tell("one", Deed::Panic);
    let blocked = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(told.send(crate::scene::Do(Deed::Block(1_900))))
    });
    std::thread::sleep(Duration::from_millis(1_700));
    drop(held);
    assert_eq!(blocked.join().expect("it does not panic"), Ok(0));
    play.until_up("one", 1);
    assert_eq!(incarnations(&play), [1, 0, 0]);
}

#[test]
fn excused_work_is_no_hang() {
    let play = three(Strategy::OneForOne, |child| child);
    assert_eq!(play.tell("two", Deed::Busy(1500)), Ok(0));
    assert_eq!(incarnations(&play), [0, 0, 0]);
}

#[test]
fn a_long_hang_leaves_only_the_end_of_the_process() {
    let play = three(Strategy::OneForOne, |child| child);
    let begin = Instant::now();
    let told = play.scene.puppets["two"].clone();
    let blocked = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(told.send(crate::scene::Do(Deed::Block(8_000))))
    });
    assert_eq!(play.outcome(), Outcome::Stuck { path: "two".to_owned(), exit: Exit::Hung });
    assert!(begin.elapsed() < Duration::from_secs(6), "{:?}", begin.elapsed());
    let _ = blocked.join();
}

#[test]
fn rest_for_one_restarts_those_after_in_order() {
    let play = three(Strategy::RestForOne, |child| child);
    play.scene.notes.take();
    let _ = play.tell("two", Deed::Panic);
    play.until_up("three", 1);
    let order = ["two dropped", "three dropped", "two init", "two ready", "three init", "three ready"];
    assert_eq!(play.scene.notes.take(), order);
    assert_eq!(incarnations(&play), [0, 1, 1]);
}

#[test]
fn one_for_all_restarts_all_in_order() {
    let play = three(Strategy::OneForAll, |child| child);
    play.scene.notes.take();
    let _ = play.tell("two", Deed::Panic);
    play.until_up("three", 1);
    let order = [
        "two dropped",
        "three dropped",
        "one dropped",
        "one init",
        "one ready",
        "two init",
        "two ready",
        "three init",
        "three ready",
    ];
    assert_eq!(play.scene.notes.take(), order);
}

#[test]
fn too_many_failures_end_the_supervisor_and_its_own_restarts_it() {
    let mut scene = Scene::default();
    let inner = SupervisorSpec::new(Strategy::OneForOne).intensity(1, Duration::from_secs(60));
    let inner = inner.child(scene.puppet("inner/one")).child(scene.puppet("inner/two"));
    let root =
        root(Strategy::OneForOne).child(ChildSpec::supervisor("inner", inner)).child(scene.puppet("beside"));
    let play = scene.start(root);
    play.until_up("beside", 0);
    let _ = play.tell("inner/one", Deed::Panic);
    play.until_up("inner/one", 1);
    assert_eq!(play.tell("inner/two", Deed::Nothing), Ok(0));
    let _ = play.tell("inner/one", Deed::Panic);
    until("the inner supervisor is another", || {
        play.status().find("inner").is_some_and(|inner| inner.incarnation == 1)
    });
    until("its children run", || play.tell("inner/two", Deed::Nothing).is_ok());
    assert_eq!(play.tell("beside", Deed::Nothing), Ok(0));
    let reports = play.scene.reports.lock().unwrap().clone();
    assert!(
        reports.iter().any(|report| report.path == "inner" && report.what == What::GaveUp(2)),
        "{reports:?}"
    );
}

#[test]
fn the_root_gives_up_last() {
    let mut scene = Scene::default();
    let root = SupervisorSpec::new(Strategy::OneForOne).intensity(1, Duration::from_secs(60));
    let root = root.child(scene.puppet("one"));
    let play = scene.start(root);
    play.until_up("one", 0);
    let _ = play.tell("one", Deed::Panic);
    play.until_up("one", 1);
    let _ = play.tell("one", Deed::Panic);
    assert_eq!(play.outcome(), Outcome::Ended(Exit::Shutdown(Cause::Intensity)));
}

/// One start of the second child that goes wrong after a restart, and the exit of that start.
fn bad_start(deed: Deed) -> Exit {
    let play = three(Strategy::OneForOne, |child| child);
    play.scene.starts("two", &[deed]);
    let _ = play.tell("two", Deed::Stop);
    play.until_up("two", 2);
    let status = play.status();
    assert_eq!(incarnations(&play), [0, 2, 0]);
    status.find("two").and_then(|two| two.last_exit.clone()).expect("it has ended")
}

#[test]
fn starts_that_fail_are_told_apart() {
    assert_eq!(bad_start(Deed::Fail), Exit::Failed("it cannot".to_owned()));
    let panicked = bad_start(Deed::Panic);
    assert!(matches!(&panicked, Exit::Panicked { message, .. } if message == "at the start"), "{panicked:?}");
    assert_eq!(bad_start(Deed::Wait(60_000)), Exit::InitTimeout);
    assert_eq!(bad_start(Deed::Block(2_000)), Exit::InitTimeout);
}

#[test]
fn a_first_start_that_fails_ends_the_tree() {
    let mut scene = Scene::default();
    let root = NAMES.iter().fold(root(Strategy::OneForOne), |root, name| root.child(scene.puppet(name)));
    scene.starts("two", &[Deed::Fail]);
    let play = scene.start(root);
    let notes = play.scene.notes.clone();
    let whole = "its child `two` could not be started: it failed: it cannot";
    assert_eq!(play.outcome(), Outcome::Ended(Exit::Failed(whole.to_owned())));
    assert_eq!(notes.take(), ["one init", "one ready", "two init", "one dropped"]);
}

#[test]
fn stop_during_a_start_does_not_wait_for_it() {
    let mut scene = Scene::default();
    let patient = aegis_supervisor::Limits { start: Duration::from_secs(60), ..LIMITS };
    let root = root(Strategy::OneForOne).child(scene.puppet("one")).child(scene.limited("two", patient));
    scene.starts("two", &[Deed::Wait(60_000)]);
    let play = scene.start(root);
    play.until_up("one", 0);
    let begin = Instant::now();
    assert_eq!(play.stop(), Outcome::Ended(Exit::Shutdown(Cause::Asked)));
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
}

#[test]
fn one_that_does_not_stop_in_time_is_ended_by_force() {
    let within = Shutdown::Within(Duration::from_millis(50));
    let play = three(Strategy::OneForOne, |child| child.shutdown(within).restart(Restart::Temporary));
    let told = play.scene.puppets["two"].clone();
    let blocked = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(told.send(crate::scene::Do(Deed::Block(300))))
    });
    std::thread::sleep(Duration::from_millis(20));
    let reports = play.scene.reports.clone();
    assert_eq!(play.stop(), Outcome::Ended(Exit::Shutdown(Cause::Asked)));
    let told = |report: &aegis_supervisor::Report| {
        report.path == "two" && report.what == What::StoppedBadly(Exit::Killed)
    };
    assert!(reports.lock().unwrap().iter().any(told));
    let _ = blocked.join();
}

#[test]
fn whoever_is_down_says_so() {
    let play = three(Strategy::OneForOne, |child| child.restart(Restart::Temporary));
    assert_eq!(play.tell("two", Deed::Panic), Err(SendError::Ended));
    until("it is gone", || play.status().find("two").is_none());
    assert_eq!(play.tell("two", Deed::Nothing), Err(SendError::Down));
}
