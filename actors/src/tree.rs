//! The whole daemon on one screen: who there is, who is started before whom, and who goes with whom. Ending it changes no
//! verdict; only `detach` does.

use crate::boot::Boot;
use crate::control::{ControlChild, Socket};
use crate::guardian::{self, Fate, Signals};
use crate::health::HealthChild;
use crate::loader::{LoadError, Loader, LoaderChild, LoaderSettings};
use crate::local::{FirstPolicy, PolicyError};
use crate::metrics;
use crate::policy_watcher::WatcherChild;
use crate::reload::{Configuration, Live};
use crate::ringbuf_reader::ReaderChild;
use crate::router::RouterChild;
use crate::sink::{EventsFile, EventsFileChild, StdoutChild};
use crate::spool::{Journal, SpoolChild};
use crate::ways::Ways;
use aegis_control_api::{ApplyReply, Holder, HolderReport, Posture, UnseenRule};
use aegis_supervisor::{
    Backoff, Child, ChildRef, ChildSpec, Driver, Excess, Exit, Limits, Options, Outcome, Shutdown, Strategy,
    SupervisorSpec, Work,
};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use crate::sink::WhenFull;

/// What the command line chooses.
#[derive(Clone)]
pub struct RunSettings {
    /// For the loader.
    pub loader: LoaderSettings,
    /// Where the control socket is.
    pub socket: PathBuf,
    /// Whether it ends as soon as what is in force was proven.
    pub once: bool,
    /// Where the local policy is, and what is kept from one daemon to the next.
    pub state_directory: PathBuf,
    /// Those that a reload can change. Mode and signal are also the loader's.
    pub live: Live,
    /// Where all of this is read again, if it can be.
    pub configuration: Option<Arc<dyn Configuration>>,
}

impl std::fmt::Debug for RunSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunSettings").field("loader", &self.loader).finish_non_exhaustive()
    }
}

/// Why the daemon ended before its time.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No policy could be put in force.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The policy is wrong, or its files cannot be read.
    #[error(transparent)]
    Policy(PolicyError),
    /// Records cannot be written where they are to be.
    #[error("cannot write records to {path}", path = .path.display())]
    EventsFile {
        /// Where.
        path: PathBuf,
        /// Why, and what to do.
        source: std::io::Error,
    },
    /// Something of the daemon's own failed.
    #[error("cannot {operation}")]
    Own {
        /// What was tried.
        operation: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A part of it hung, and could not be ended: only a new process helps.
    #[error("{part} hangs and cannot be ended; what is armed goes on deciding: start the daemon again")]
    Hung {
        /// Which part.
        part: String,
    },
    /// It ended by itself.
    #[error("the daemon {0}; what is armed goes on deciding: start it again")]
    Ended(String),
}

impl RunError {
    /// The error with all of its causes.
    #[must_use]
    pub fn whole(&self) -> String {
        match self {
            Self::Load(error) => error.whole(),
            Self::Policy(error) => error.whole(),
            Self::Own { source, .. } | Self::EventsFile { source, .. } => format!("{self}: {source}"),
            Self::Hung { .. } | Self::Ended(_) => self.to_string(),
        }
    }
}

impl From<PolicyError> for RunError {
    fn from(error: PolicyError) -> Self {
        match error {
            PolicyError::Load(error) => Self::Load(error),
            other => Self::Policy(other),
        }
    }
}

/// How old the last heartbeat of a part may be: it beats every second, and this machine may be slow.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(20);
/// The supervisor of sinks.
pub(crate) const SINKS: &str = "sinks";
/// Arming can wait for the kernel's verifier, in an emulated machine for a minute; a policy can be large.
const LONG_START: Limits = Limits { start: Duration::from_secs(600), heartbeat: Some(HEARTBEAT) };
/// The others do nothing that takes long.
const LIMITS: Limits = Limits { start: Duration::from_secs(60), heartbeat: Some(HEARTBEAT) };
/// What a part may need for what it has in its hands: a thousand events, or a standard output whose reader is slow; on a
/// host that is busy with something else.
const LAST_WORK: Shutdown = Shutdown::Within(Duration::from_secs(15));
/// Restarts that fail at once wait a little, so that they do not use up what may be borne in a moment.
const BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(50), limit: Duration::from_secs(5), jitter: 20 };
/// A part of the daemon may fail this often within a minute before those around it are started anew with it, and in the
/// end the process.
const RESTARTS: u32 = 10;
const PERIOD: Duration = Duration::from_secs(60);
/// How often a sink that fails again and again is tried.
const RETRY: Duration = Duration::from_secs(30);

/// Makes what the supervisor starts of each part of the daemon. [`AsIs`] does, and nothing else; who wants to see what
/// becomes of the daemon when its parts fail makes parts that do.
pub trait Maker {
    /// What is started for a part.
    fn make<C: Child>(&self, child: C, way: &ChildRef<C::Actor>, limits: Limits) -> Work;
}

/// Makes each part as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct AsIs;

impl Maker for AsIs {
    fn make<C: Child>(&self, child: C, way: &ChildRef<C::Actor>, limits: Limits) -> Work {
        Work::actor(child, way, limits)
    }
}

/// The tree. Each part may use those above it. A part that is started again takes those below it with it, but for sinks,
/// which have nothing to do with each other or with anybody else. Sinks start before what hands on to them, so that they
/// are stopped after it and still write what comes last.
fn tree<M: Maker>(
    maker: &M,
    settings: &RunSettings,
    socket: Socket,
    boot: &Arc<Boot>,
) -> SupervisorSpec<Work> {
    let ways = Ways { boot: Arc::clone(boot), ..Ways::default() };
    let loader = LoaderChild {
        settings: settings.loader.clone(),
        state_directory: settings.state_directory.clone(),
        boot: Arc::clone(boot),
    };
    let spool = SpoolChild(ways.clone());
    let watcher = WatcherChild(ways.clone());
    let pipeline = group(Strategy::RestForOne)
        .child(part(maker, "router", RouterChild(ways.clone()), LIMITS))
        .child(part(maker, "ringbuf_reader", ReaderChild(ways.clone()), LIMITS));
    group(Strategy::RestForOne)
        .child(actor(maker, "loader", loader, &ways.loader.0, LONG_START))
        .child(actor(maker, "spool", spool, &ways.spool, LIMITS))
        .child(part(maker, "policy_watcher", watcher, LONG_START))
        .child(ChildSpec::supervisor(SINKS, sinks(maker, settings, &ways)))
        .child(ChildSpec::supervisor("pipeline", pipeline))
        .child(part(maker, "control", ControlChild { socket, ways: ways.clone() }, LIMITS))
        .child(part(maker, "health", HealthChild(ways), LIMITS))
}

fn sinks(maker: &impl Maker, settings: &RunSettings, ways: &Ways) -> SupervisorSpec<Work> {
    let mut sinks = group(Strategy::Dynamic).child(part(maker, "stdout", StdoutChild(ways.clone()), LIMITS));
    sinks.excess = Excess::Degrade { retry: RETRY };
    let file = EventsFileChild { ways: ways.clone(), state_directory: settings.state_directory.clone() };
    sinks.child(part(maker, "events_file", file, LIMITS))
}

fn group(strategy: Strategy) -> SupervisorSpec<Work> {
    SupervisorSpec::new(strategy).intensity(RESTARTS, PERIOD)
}

fn actor<C: Child>(
    maker: &impl Maker,
    name: &str,
    child: C,
    way: &ChildRef<C::Actor>,
    limits: Limits,
) -> ChildSpec<Work> {
    let work = maker.make(child, way, limits);
    ChildSpec::worker(name, work).shutdown(LAST_WORK).backoff(BACKOFF)
}

/// One to which nobody sends anything.
fn part<C: Child>(maker: &impl Maker, name: &str, child: C, limits: Limits) -> ChildSpec<Work> {
    actor(maker, name, child, &ChildRef::default(), limits)
}

/// Runs the daemon until a signal or `detach` ends it. `first` is what it begins with.
///
/// # Errors
/// If the events file cannot be written, the probes cannot be armed, the policy cannot be put in force, or the socket cannot be made. If nothing
/// was armed before, nothing is left armed. Later, if a part of it hangs, or fails too often.
pub fn run(settings: &RunSettings, first: FirstPolicy) -> Result<(), RunError> {
    run_made_by(&AsIs, settings, first)
}

/// The same, of parts that somebody else makes.
///
/// # Errors
/// As [`run`].
pub fn run_made_by<M: Maker>(maker: &M, settings: &RunSettings, first: FirstPolicy) -> Result<(), RunError> {
    aegis_probes::share_heaps();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(own("start"))?;
    // Before anything is armed: a signal that comes meanwhile is answered by an orderly end.
    let signals = {
        let _entered = runtime.enter();
        Signals::catch().map_err(own("catch signals"))?
    };
    // It would be tried again and again, so it is looked here whether it can be opened, before anything is armed.
    if let Some(path) = &settings.live.events_file {
        EventsFile::open(path).map_err(|source| RunError::EventsFile { path: path.clone(), source })?;
    }
    let socket = Socket::bind(&settings.socket).map_err(own("make the control socket"))?;
    let metrics = settings.live.metrics_listen.map(metrics::Listener::bind).transpose();
    let metrics = metrics.map_err(own("listen for those who ask for metrics"))?;
    let boot = Arc::new(Boot::new(first, settings.live.clone(), settings.configuration.clone()));
    boot.set_metrics(metrics);
    let observed = Arc::clone(&boot);
    let seed = crate::clock::unix_ns();
    let observer = Box::new(move |report: &aegis_supervisor::Report| observed.observe(report));
    let options = Options { seed, observer, ..Options::default() };
    let root = tree(maker, settings, socket, &boot);
    let (driver, handle) = Driver::new(root, options).map_err(|wrong| {
        let wrong: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        RunError::Ended(format!("is made wrongly: {}", wrong.join("; ")))
    })?;
    boot.set_handle(handle.clone());
    let supervision = std::thread::Builder::new().name("supervision".to_owned());
    #[expect(clippy::disallowed_methods, reason = "this is the thread of the supervisor itself")]
    let thread = supervision.spawn(move || driver.run()).map_err(own("start the supervision"))?;
    let fate = runtime.block_on(guardian::watch(signals, &handle, thread, &boot, settings.once));
    judge(fate.map_err(own("run the supervision"))?, &boot)
}

fn own(operation: &'static str) -> impl FnOnce(std::io::Error) -> RunError {
    move |source| RunError::Own { operation, source }
}

fn judge(fate: Fate, boot: &Boot) -> Result<(), RunError> {
    match fate {
        Fate::Ended(Outcome::Ended(Exit::Shutdown(aegis_supervisor::Cause::Asked))) => {
            tracing::info!("ended; what is armed goes on deciding");
            Ok(())
        }
        Fate::Ended(Outcome::Ended(exit)) => {
            Err(boot.take_error().unwrap_or_else(|| RunError::Ended(exit.to_string())))
        }
        Fate::Ended(Outcome::Stuck { path, .. }) => Err(RunError::Hung { part: path }),
        Fate::Silent => Err(RunError::Hung { part: "the supervision".to_owned() }),
        Fate::Panicked => Err(RunError::Ended("panicked in its supervision".to_owned())),
    }
}

pub(crate) fn announce(loader: &Loader, journal: &Journal) {
    let (what, generation) = (if loader.adopted() { "adopted" } else { "armed" }, loader.active_generation());
    tracing::info!(generation, "probes {what}");
    journal.did(what, generation, "");
    if let Some(notice) = loader.notice() {
        tracing::warn!(generation, posture = Posture::AuditFallback.word(), "{notice}");
        journal.did("audit_fallback", generation, &notice);
    }
}

/// Says that a policy is in force.
pub(crate) fn record_applied(journal: &Journal, reply: &ApplyReply) {
    let generation = &reply.generation;
    let what = if reply.changed { "applied" } else { "unchanged" };
    tracing::info!(
        generation = generation.generation,
        policy = generation.policy,
        mode = generation.mode,
        "{what}"
    );
    for pending in &reply.pending {
        tracing::warn!(rule = pending.rule, paths = ?pending.paths, "pending: without effect there until it is resolved");
    }
    reply.notes.iter().for_each(|note| tracing::warn!("{note}"));
    journal.did(what, generation.generation, &generation.policy);
    warn_of_holders(&reply.holders);
    if let Some(notice) = &reply.notice {
        warn_that_nothing_is_blocked(journal, generation.generation, notice, &reply.unseen);
    }
}

fn warn_that_nothing_is_blocked(journal: &Journal, generation: u32, notice: &str, unseen: &[UnseenRule]) {
    let mut detail = notice.to_owned();
    for UnseenRule { rule, operations } in unseen {
        detail.push_str(&format!("; rule {rule} has no effect on {}", operations.join(", ")));
    }
    tracing::warn!(generation, posture = Posture::AuditFallback.word(), "{detail}");
    journal.did("audit_fallback", generation, &detail);
}

/// Holders that are named in the log; all are in the reply.
const LOGGED_HOLDERS: usize = 5;

pub(crate) fn warn_of_holders(report: &HolderReport) {
    if let Some(error) = &report.error {
        tracing::error!(error, "who holds what the policy forbids is not fully known");
    }
    if report.found == 0 {
        return;
    }
    let HolderReport { found, killed, left, .. } = report;
    tracing::warn!(
        found,
        killed,
        left,
        "what was opened or mapped before the policy was in force goes on working"
    );
    for holder in report.listed.iter().take(LOGGED_HOLDERS) {
        let operations = holder.operations.join(",");
        let (rule, path) = (holder.rule.as_deref().unwrap_or(""), holder.path.as_deref().unwrap_or(""));
        let Holder { pid, uid, comm, killed, .. } = holder;
        tracing::warn!(pid, uid, comm, operations, rule, path, killed, "held");
    }
}
