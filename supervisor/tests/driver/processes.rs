//! Processes as children.

use crate::scene::until;
use What::{Ended, Restarting, StoppedBadly};
use aegis_supervisor::{
    BoxError, Cause, ChildSpec, Driver, Exit, Io, Life, Limits, Options, Outcome, Process, Report, Restart,
    Shutdown, Strategy, SupervisorSpec, What, Work,
};
use async_trait::async_trait;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

/// A shell that says `ready` and its number when it is.
struct Shell {
    script: &'static str,
    pids: Arc<Mutex<Vec<i32>>>,
}

#[async_trait(?Send)]
impl Process for Shell {
    fn command(&self, _: &Life) -> Result<Command, BoxError> {
        let mut command = Command::new("sh");
        command.args(["-c", self.script]).stdout(Stdio::piped());
        Ok(command)
    }

    async fn ready(&self, io: Io, _: &Life) -> Result<(), BoxError> {
        let mut lines = BufReader::new(io.stdout.ok_or("no pipe")?).lines();
        let line = lines.next_line().await?.ok_or("it said nothing")?;
        self.pids.lock().unwrap().push(line.parse()?);
        Ok(())
    }
}

const LIMITS: Limits = Limits { start: Duration::from_millis(500), heartbeat: None };

/// Runs one script until the driver has nothing more to do, or `then` has had its way with it.
fn run(script: &'static str, then: impl FnOnce(&[i32], &dyn Fn() -> Vec<What>)) -> (Outcome, Vec<Report>) {
    let (pids, reports) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
    let work = Work::process(Shell { script, pids: Arc::clone(&pids) }, LIMITS);
    let within = Shutdown::Within(Duration::from_millis(300));
    let child = ChildSpec::worker("shell", work).shutdown(within).restart(Restart::Transient);
    let root = SupervisorSpec::new(Strategy::OneForOne).child(child);
    let noted = Arc::clone(&reports);
    let observer = Box::new(move |report: &Report| noted.lock().unwrap().push(report.clone()));
    let (driver, handle) =
        Driver::new(root, Options { observer, ..Options::default() }).expect("a valid tree");
    let thread = std::thread::spawn(move || driver.run().expect("a runtime"));
    until("it is ready or gone", || thread.is_finished() || !pids.lock().unwrap().is_empty());
    let seen = pids.lock().unwrap().clone();
    then(&seen, &|| whats(&reports.lock().unwrap()));
    handle.stop();
    let outcome = thread.join().expect("the driver does not panic");
    let alive = pids.lock().unwrap().iter().any(|pid| std::path::Path::new(&format!("/proc/{pid}")).exists());
    assert!(!alive, "a process stayed behind");
    let reports = reports.lock().unwrap().clone();
    (outcome, reports)
}

fn whats(reports: &[Report]) -> Vec<What> {
    reports.iter().map(|report| report.what.clone()).collect()
}

#[test]
fn it_is_asked_to_end() {
    let (outcome, reports) = run("echo $$; exec sleep 60", |_, _| ());
    assert_eq!((outcome, whats(&reports)), (Outcome::Ended(Exit::Shutdown(Cause::Asked)), vec![]));
}

#[test]
fn one_that_does_not_listen_is_killed() {
    let (outcome, reports) = run("trap '' TERM; echo $$; while :; do sleep 0.05; done", |_, _| ());
    assert_eq!(outcome, Outcome::Ended(Exit::Shutdown(Cause::Asked)));
    assert_eq!(whats(&reports), [StoppedBadly(Exit::Killed)]);
}

#[test]
fn one_that_is_killed_is_started_again() {
    let (outcome, reports) = run("echo $$; exec sleep 60", |pids, seen| {
        let pid = rustix::process::Pid::from_raw(pids[0]).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        until("it is told of", || !seen().is_empty());
    });
    assert_eq!(outcome, Outcome::Ended(Exit::Shutdown(Cause::Asked)));
    assert_eq!(whats(&reports), [Restarting(Exit::Killed, Duration::ZERO)]);
}

#[test]
fn its_status_tells_how_it_ended() {
    let (_, reports) = run("echo $$; sleep 0.1; exit 0", |_, seen| until("it ends", || !seen().is_empty()));
    assert_eq!(whats(&reports), [Ended(Exit::Normal)]);
    let gave_up = |what: &What| matches!(what, What::GaveUp(_));
    let (outcome, reports) =
        run("echo $$; sleep 0.1; exit 3", |_, seen| until("it gave up", || seen().iter().any(gave_up)));
    let failed = Exit::Failed("exit status: 3".to_owned());
    assert_eq!(whats(&reports)[0], Restarting(failed, Duration::ZERO));
    assert_eq!(outcome, Outcome::Ended(Exit::Shutdown(Cause::Intensity)));
}

#[test]
fn a_bad_start_is_one() {
    let ended = |script| match run(script, |_, _| ()).0 {
        Outcome::Ended(Exit::Failed(why)) => why,
        other => panic!("{other:?}"),
    };
    assert!(ended("exit 7").contains("could not be started"));
    assert!(ended("sleep 60").contains("was not ready within its start deadline"));
    assert!(ended("echo no number; sleep 60").contains("invalid digit"));
}
