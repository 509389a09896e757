//! The whole daemon on one screen: the loader puts the policy in force, the reader delivers what the kernel
//! decides, the control socket answers. Ending it changes no verdict; only `detach` does.

use crate::clock::boot_id;
use crate::control::{Control, serve};
use crate::loader::{LoadError, Loader, LoaderSettings};
use crate::local::{Policies, PolicyError};
use crate::path_watcher::{self, PathWatcher};
use crate::printer::{self, Printer};
use crate::ringbuf_reader::{self, Journal, Numbering, Reader, Received};
use aegis_control_api::{ApplyReply, Holder, HolderAction, HolderReport, PolicySource, Posture, UnseenRule};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

/// What the command line chooses.
#[derive(Debug, Clone)]
pub struct RunSettings {
    /// For the loader.
    pub loader: LoaderSettings,
    /// Where the control socket is.
    pub socket: PathBuf,
    /// What is done about those who hold what the policy of the command line forbids.
    pub holders: HolderAction,
    /// How many equal decisions are sent in a second before the others are folded; 0 folds none.
    pub events_per_second: u32,
    /// Where the local policy is, and what is kept from one daemon to the next.
    pub state_directory: PathBuf,
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
    /// Something of the daemon's own failed.
    #[error("cannot {operation}")]
    Own {
        /// What was tried.
        operation: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
}

impl From<PolicyError> for RunError {
    fn from(error: PolicyError) -> Self {
        match error {
            PolicyError::Load(error) => Self::Load(error),
            other => Self::Policy(other),
        }
    }
}

/// What the parts of the daemon share.
pub struct Daemon {
    loader: Mutex<Loader>,
    policies: Mutex<Policies>,
    /// Where its pins are.
    pub(crate) root: String,
    /// The newest records.
    pub journal: Journal,
    /// Counts of the reader.
    pub received: Arc<Received>,
    end: Notify,
}

impl Daemon {
    /// The loader, for one change at a time. A panic in an earlier change left the kernel as it was before or
    /// after its flip, both of which are whole, so its lock is taken over.
    pub(crate) fn loader(&self) -> MutexGuard<'_, Loader> {
        self.loader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves the paths of the policy in force again. What cannot be resolved leaves the generation in force.
    pub(crate) fn resolve_again(&self) {
        // Bound, so that the loader is free before anything is logged.
        let resolved = self.loader().resolve_again();
        match resolved {
            Ok(Some(reply)) if reply.changed => {
                tracing::info!(
                    generation = reply.generation.generation,
                    "names got other files: resolved again"
                );
                self.journal.did("resolved", reply.generation.generation, "");
                let holders = self.loader().holders(HolderAction::Report);
                warn_of_holders(&holders);
            }
            Ok(Some(_)) => {}
            Ok(None) => tracing::warn!(
                "names with rules on them got other files, and the policy was put in force by an earlier daemon: \
                 apply it again, so that the files are covered under other names, too"
            ),
            Err(error) => {
                let error = error.whole();
                tracing::error!(
                    error,
                    "names got other files and cannot be resolved; what was in force stays"
                );
                let generation = self.loader().active_generation();
                self.journal.did("unresolved", generation, &error);
            }
        }
    }

    /// The policy in force, as text. Whoever changes it has the loader before.
    pub(crate) fn policies(&self) -> MutexGuard<'_, Policies> {
        self.policies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that everything was taken down, and ends the daemon.
    pub(crate) fn detached(&self, reason: &str) {
        tracing::warn!(reason, "detached: nothing is enforced any more");
        self.journal.did("detached", 0, reason);
        self.end.notify_one();
    }
}

/// How long the end of the daemon waits for the printer's last lines.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Runs the daemon until a signal or `detach` ends it. `sources` are put in force first, if there are any.
///
/// # Errors
/// If the probes cannot be armed, the policy cannot be put in force, or the socket cannot be made. If nothing
/// was armed before, nothing is left armed.
pub fn run(settings: RunSettings, sources: Option<Vec<PolicySource>>) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(own("start"))?;
    // Before anything is armed: a signal that comes meanwhile is answered once the daemon is ready.
    let signals = runtime.block_on(Signals::catch()).map_err(own("catch signals"))?;
    let mut loader = Loader::open(settings.loader)?;
    let accounts = loader.probes().accounts();
    accounts.set_events_per_second(settings.events_per_second);
    let journal = Journal::of(&loader.probes().arming_id());
    announce(&loader, &journal);
    let mut policies = Policies::new(settings.state_directory);
    let sources = (sources, settings.holders);
    let prepared = prepare(&mut loader, &journal, &settings.socket, &runtime, (&mut policies, sources));
    let Prepared { mut control, mut reader, printer, mut watcher } =
        prepared.inspect_err(|_| loader.give_up())?;
    accounts.set_reading(true);
    reader.begin();
    let received = Arc::clone(&reader.received);
    let root = loader.root();
    let (loader, policies) = (Mutex::new(loader), Mutex::new(policies));
    let daemon = Arc::new(Daemon { loader, policies, root, journal, received, end: Notify::new() });
    watcher.begin(&daemon);
    daemon.loader().be_strict();
    tracing::info!(socket = %settings.socket.display(), "ready");
    runtime.block_on(answer(&mut control, signals, &daemon)).map_err(own("answer on the control socket"))?;
    drop(watcher);
    reader.stop();
    if printer.end(LAST_LINES) {
        accounts.set_reading(false);
    } else {
        tracing::warn!(
            "standard output did not take all records; the next daemon tells which are missing there"
        );
    }
    tracing::info!("ended; what is armed goes on deciding");
    Ok(())
}

fn own(operation: &'static str) -> impl FnOnce(std::io::Error) -> RunError {
    move |source| RunError::Own { operation, source }
}

/// What is ready to begin once the policy is in force.
struct Prepared {
    control: Control,
    reader: Reader,
    printer: Printer,
    watcher: PathWatcher,
}

/// Everything that can fail before the daemon answers, the policy last. Until it is in force nothing is taken from the
/// event ring: a start that fails leaves to the next daemon what waits there.
fn prepare(
    loader: &mut Loader,
    journal: &Journal,
    socket: &Path,
    runtime: &Runtime,
    (policies, (sources, action)): (&mut Policies, (Option<Vec<PolicySource>>, HolderAction)),
) -> Result<Prepared, RunError> {
    let control = {
        let _entered = runtime.enter();
        Control::bind(socket).map_err(own("make the control socket"))?
    };
    let ring = loader
        .probes()
        .events()
        .map_err(|source| LoadError::Kernel { step: "open the event ring", source })?;
    let notices =
        loader.probes().notices().map_err(|source| LoadError::Kernel { step: "open notices", source })?;
    let watcher = path_watcher::spawn(notices).map_err(own("watch paths"))?;
    let accounts = loader.probes().accounts();
    let numbering = Numbering { boot_id: boot_id(), arming_id: loader.probes().arming_id() };
    let printer =
        printer::spawn(Arc::clone(&accounts), numbering.clone()).map_err(own("start the printer"))?;
    let out = (journal.clone(), printer.outbox.clone());
    let reader = ringbuf_reader::spawn(ring, (numbering, loader.names()), out, accounts)
        .map_err(own("start the reader of the event ring"))?;
    let applied = match sources {
        Some(sources) => Some(policies.apply(loader, sources)?),
        None => policies.take_over(loader)?,
    };
    if let Some(reply) = applied {
        record_applied(journal, &ApplyReply { holders: loader.holders(action), ..reply });
    }
    Ok(Prepared { control, reader, printer, watcher })
}

/// The signals that end the daemon.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    async fn catch() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }
}

async fn answer(control: &mut Control, mut signals: Signals, daemon: &Arc<Daemon>) -> std::io::Result<()> {
    tokio::select! {
        served = serve(control, Arc::clone(daemon)) => served,
        _ = signals.terminate.recv() => Ok(()),
        _ = signals.interrupt.recv() => Ok(()),
        () = daemon.end.notified() => {
            // The reply to `detach` is still on its way.
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok(())
        }
    }
}

fn announce(loader: &Loader, journal: &Journal) {
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

fn warn_of_holders(report: &HolderReport) {
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
