//! Restarts leave nothing behind. A program of its own, as it counts the threads of its process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

#[allow(dead_code)]
#[path = "../driver/scene.rs"]
mod scene;

use aegis_supervisor::{Strategy, SupervisorSpec};
use scene::{Deed, Scene, until};
use std::time::Duration;

/// Threads, descriptors and resident bytes of this process.
fn held() -> (usize, usize, u64) {
    let count = |path: &str| std::fs::read_dir(path).expect("a directory").count();
    let statm = std::fs::read_to_string("/proc/self/statm").expect("text");
    let pages: u64 = statm.split(' ').nth(1).expect("a field").parse().expect("a number");
    (count("/proc/self/task"), count("/proc/self/fd"), pages * 4096)
}

/// The short form makes 1,000 restarts; `AEGIS_LONG=1` makes 10,000.
#[test]
fn restarts_leave_nothing_behind() {
    let restarts = if std::env::var_os("AEGIS_LONG").is_some() { 10_000 } else { 1_000 };
    // 10,000 backtraces tell nothing.
    std::panic::set_hook(Box::new(|_| ()));
    let mut scene = Scene::default();
    let root = SupervisorSpec::new(Strategy::OneForOne).intensity(u32::MAX, Duration::from_secs(1));
    let root = root.child(scene.puppet("one")).child(scene.puppet("beside"));
    let play = scene.start(root);
    play.until_up("beside", 0);
    let restart = |incarnation: u32| {
        let deed = [Deed::Panic, Deed::Fail, Deed::Stop, Deed::PanicInTask][incarnation as usize % 4];
        let _ = play.tell("one", deed);
        play.until_up("one", incarnation + 1);
        play.scene.notes.take();
        play.scene.reports.lock().expect("reports").clear();
    };
    // What is kept for good is there by then.
    (0..100).for_each(restart);
    let before = held();
    (100..restarts).for_each(restart);
    until("its last thread is gone", || held().0 <= before.0);
    let after = held();
    println!("{restarts} restarts: threads, descriptors, bytes: {before:?} before, {after:?} after");
    assert_eq!((before.0, before.1), (after.0, after.1));
    assert!(after.2 < before.2 + (8 << 20), "{} bytes more", after.2 - before.2);
    assert_eq!(play.tell("beside", Deed::Nothing), Ok(0));
}
