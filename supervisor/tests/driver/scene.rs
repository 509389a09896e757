//! A tree of actors that do as they are told, and what they noted.

use actix::{Actor, AsyncContext, Context, Handler, Message};
use aegis_supervisor::{
    BoxError, Child, ChildRef, ChildSpec, Driver, Handle, Life, Limits, Options, Outcome, Report, Status,
    Supervised, SupervisorSpec, Work,
};
use async_trait::async_trait;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long something may take to come true: machines that run tests are slow.
const PATIENCE: Duration = Duration::from_secs(20);

/// What an actor does when it is told to, or at its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    Nothing,
    Panic,
    PanicInTask,
    Fail,
    Stop,
    /// Blocks its thread for this many milliseconds.
    Block(u64),
    /// The same, with a word to its supervisor.
    Busy(u64),
    /// Waits without blocking for this many milliseconds.
    Wait(u64),
}

pub(crate) struct Do(pub(crate) Deed);

impl Message for Do {
    type Result = u32;
}

pub(crate) struct Puppet {
    life: Life,
    notes: Notes,
}

impl Actor for Puppet {
    type Context = Context<Self>;
}

impl Supervised for Puppet {}

impl Drop for Puppet {
    fn drop(&mut self) {
        self.notes.add(self.life.path(), "dropped");
    }
}

impl Handler<Do> for Puppet {
    type Result = u32;

    fn handle(&mut self, Do(deed): Do, ctx: &mut Context<Self>) -> u32 {
        match deed {
            Deed::Nothing => {}
            Deed::Panic => panic!("as it was told"),
            Deed::PanicInTask => {
                let task = async { panic!("in a task") };
                ctx.spawn(actix::fut::wrap_future(task));
            }
            Deed::Fail => self.life.fail(std::io::Error::other("no more")),
            Deed::Stop => actix::ActorContext::stop(ctx),
            Deed::Block(millis) => std::thread::sleep(Duration::from_millis(millis)),
            Deed::Busy(millis) => {
                let _busy = self.life.busy(Duration::from_millis(millis * 2));
                std::thread::sleep(Duration::from_millis(millis));
            }
            Deed::Wait(millis) => {
                let task = tokio::time::sleep(Duration::from_millis(millis));
                ctx.wait(actix::fut::wrap_future(task));
            }
        }
        self.life.incarnation()
    }
}

/// What happened, in order.
#[derive(Clone, Default)]
pub(crate) struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    pub(crate) fn add(&self, path: &str, what: &str) {
        self.0.lock().unwrap().push(format!("{path} {what}"));
    }

    /// All of them since the last time.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// What the next starts of a child do: the first is taken first.
pub(crate) type Starts = Arc<Mutex<HashMap<String, Vec<Deed>>>>;

pub(crate) struct Maker {
    notes: Notes,
    starts: Starts,
}

#[async_trait(?Send)]
impl Child for Maker {
    type Actor = Puppet;

    async fn init(&self, life: &Life) -> Result<Puppet, BoxError> {
        self.notes.add(life.path(), "init");
        let deed = {
            let mut starts = self.starts.lock().unwrap();
            starts.get_mut(life.path()).filter(|deeds| !deeds.is_empty()).map(|deeds| deeds.remove(0))
        };
        match deed.unwrap_or(Deed::Nothing) {
            Deed::Panic => panic!("at the start"),
            Deed::Fail => return Err("it cannot".into()),
            Deed::Block(millis) => std::thread::sleep(Duration::from_millis(millis)),
            Deed::Wait(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
            _ => {}
        }
        self.notes.add(life.path(), "ready");
        Ok(Puppet { life: life.clone(), notes: self.notes.clone() })
    }
}

/// Limits that tests can wait for. A panic that is printed with its backtrace takes a while on a busy host.
pub(crate) const LIMITS: Limits =
    Limits { start: Duration::from_millis(1_500), heartbeat: Some(Duration::from_millis(500)) };

/// A tree that is made.
#[derive(Default)]
pub(crate) struct Scene {
    pub(crate) notes: Notes,
    pub(crate) starts: Starts,
    pub(crate) puppets: HashMap<String, ChildRef<Puppet>>,
    pub(crate) reports: Arc<Mutex<Vec<Report>>>,
}

impl Scene {
    /// A child at a path.
    pub(crate) fn puppet(&mut self, path: &str) -> ChildSpec<Work> {
        self.limited(path, LIMITS)
    }

    pub(crate) fn limited(&mut self, path: &str, limits: Limits) -> ChildSpec<Work> {
        let reference = ChildRef::default();
        self.puppets.insert(path.to_owned(), reference.clone());
        let maker = Maker { notes: self.notes.clone(), starts: Arc::clone(&self.starts) };
        let name = path.rsplit('/').next().unwrap();
        ChildSpec::worker(name, Work::actor(maker, &reference, limits))
    }

    /// What the next starts of a child do.
    pub(crate) fn starts(&self, path: &str, deeds: &[Deed]) {
        self.starts.lock().unwrap().insert(path.to_owned(), deeds.to_vec());
    }

    pub(crate) fn start(self, root: SupervisorSpec<Work>) -> Play {
        let reports = Arc::clone(&self.reports);
        let observer = Box::new(move |report: &Report| reports.lock().unwrap().push(report.clone()));
        let options = Options { seed: 1, grace: Duration::from_millis(500), observer };
        let (driver, handle) = Driver::new(root, options).expect("a valid tree");
        let thread = std::thread::Builder::new().name("driver".to_owned());
        let thread = thread.spawn(move || driver.run().expect("a runtime")).expect("a thread");
        Play { scene: self, handle, thread: Some(thread) }
    }
}

/// A tree that runs; it is ended when dropped.
pub(crate) struct Play {
    pub(crate) scene: Scene,
    pub(crate) handle: Handle,
    thread: Option<JoinHandle<Outcome>>,
}

impl Play {
    pub(crate) fn wait<F: Future>(&self, future: F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(future)
    }

    /// Has a child do something; the incarnation that did it, if it lived to tell.
    pub(crate) fn tell(&self, path: &str, deed: Deed) -> Result<u32, aegis_supervisor::SendError> {
        self.wait(self.scene.puppets[path].send(Do(deed)))
    }

    pub(crate) fn status(&self) -> Status {
        self.wait(self.handle.status()).expect("a running driver")
    }

    /// Waits until a child runs in this incarnation.
    pub(crate) fn until_up(&self, path: &str, incarnation: u32) {
        until(&format!("{path} runs for the {incarnation} time"), || {
            self.scene.puppets[path].incarnation() == Some(incarnation)
        });
    }

    /// Waits for the end of the driver.
    pub(crate) fn outcome(mut self) -> Outcome {
        self.thread.take().unwrap().join().expect("the driver does not panic")
    }

    pub(crate) fn stop(self) -> Outcome {
        self.handle.stop();
        self.outcome()
    }
}

impl Drop for Play {
    fn drop(&mut self) {
        self.handle.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
