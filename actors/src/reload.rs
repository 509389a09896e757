//! Settings that change while the daemon runs. Everything that can fail comes before anything changes; what did not change
//! is not touched; one reload comes after the other.

use crate::boot::Boot;
pub use crate::context::Redaction;
use crate::loader::Loader;
use crate::local::{Origin, Policies, PolicyError, TrustSettings};
use crate::metrics::Listener;
use crate::sink::{EventsFile, WhenFull};
use crate::tree::record_applied;
use crate::ways::Ways;
use aegis_control_api::{
    API_VERSION, ApplyReply, HolderAction, PolicySource, Refusal, RefusalKind, ReloadReply,
};
use aegis_kernel_abi::Mode;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;

/// Where a daemon reads its settings again.
pub trait Configuration: Send + Sync {
    /// Reads everything anew.
    ///
    /// # Errors
    /// Everything that is wrong, with place and remedy, as text of one or more lines.
    fn read(&self) -> Result<Wanted, String>;

    /// What was read has been taken: for what is not the daemon's, such as what is logged.
    fn taken(&self, wanted: &Wanted);

    /// Files and directories whose change is a reason to read again; none if that is not wanted.
    fn watched(&self) -> Vec<PathBuf>;
}

/// What a configuration says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Settings that a reload can change.
    pub live: Live,
    /// The policy; none if it names none, and then what is in force stays.
    pub policy: Option<Vec<PolicySource>>,
    /// What is logged.
    pub log: String,
    /// Keys that have changed since the start and need a new one.
    pub needs_start: Vec<String>,
}

/// The settings that a reload can change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// The strongest mode that a rule can have.
    pub mode: Mode,
    /// The signal for who is denied something; 0 is none.
    pub signal: u8,
    /// What is done about those who hold what a policy forbids.
    pub holders: HolderAction,
    /// Who is trusted to sign policies.
    pub trust: TrustSettings,
    /// How many equal decisions are sent in a second before the others are folded; 0 folds none.
    pub events_per_second: u32,
    /// What happens when standard output cannot keep up.
    pub stdout_when_full: WhenFull,
    /// A file that records are written to, too.
    pub events_file: Option<PathBuf>,
    /// What happens when the events file cannot keep up.
    pub events_file_when_full: WhenFull,
    /// Where metrics are answered beside the control socket: an address of this host alone.
    pub metrics_listen: Option<SocketAddr>,
    /// Which arguments of processes are shown.
    pub redaction: Redaction,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            mode: Mode::Enforce,
            signal: 0,
            holders: HolderAction::Report,
            trust: TrustSettings::default(),
            events_per_second: 0,
            stdout_when_full: WhenFull::DropNewest,
            events_file: None,
            events_file_when_full: WhenFull::Wait,
            metrics_listen: None,
            redaction: Redaction::default(),
        }
    }
}

/// What became of a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Something has changed.
    Taken,
    /// It was read, and nothing in it that counts now is different.
    Unchanged,
    /// It was not taken.
    Refused,
}

impl Outcome {
    /// Each of them.
    pub(crate) const ALL: [Self; 3] = [Self::Taken, Self::Unchanged, Self::Refused];

    /// As it is written.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
        }
    }

    fn of(reloaded: &Result<ReloadReply, Refusal>) -> Self {
        match reloaded {
            Ok(reply) if reply.changed.is_empty() => Self::Unchanged,
            Ok(_) => Self::Taken,
            Err(_) => Self::Refused,
        }
    }
}

/// Reloads by signal: how many were asked for, and how many of those are done. And what became of all reloads.
#[derive(Debug, Default)]
pub(crate) struct Reloads {
    asked: AtomicU64,
    done: AtomicU64,
    more: Notify,
    outcomes: [AtomicU64; Outcome::ALL.len()],
}

impl Reloads {
    /// Asks for one. Never waits.
    pub(crate) fn ask(&self) {
        self.asked.fetch_add(1, Ordering::AcqRel);
        self.more.notify_one();
    }

    /// Whether all that were asked for are done.
    pub(crate) fn are_done(&self) -> bool {
        self.done.load(Ordering::Acquire) >= self.asked.load(Ordering::Acquire)
    }

    /// Waits until there may be one to do.
    pub(crate) async fn more(&self) {
        self.more.notified().await;
    }

    /// Those that were asked for until now; to be given back when they are done.
    pub(crate) fn begin(&self) -> u64 {
        self.asked.load(Ordering::Acquire)
    }

    pub(crate) fn end(&self, upto: u64) {
        self.done.fetch_max(upto, Ordering::AcqRel);
    }

    fn count(&self, outcome: Outcome) {
        if let Some(count) = self.outcomes.get(outcome as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many there were since the daemon was started, by what became of them.
    pub(crate) fn outcomes(&self) -> [(Outcome, u64); Outcome::ALL.len()] {
        Outcome::ALL.map(|outcome| {
            let count = self.outcomes.get(outcome as usize);
            (outcome, count.map_or(0, |count| count.load(Ordering::Relaxed)))
        })
    }
}

fn refused(kind: RefusalKind, message: String) -> Refusal {
    Refusal { kind, message }
}

/// Reads the configuration and takes what has changed. Others that ask meanwhile have their turn afterwards.
///
/// # Errors
/// Nothing has changed then. The log and a record say why.
pub(crate) async fn reload(ways: &Ways) -> Result<ReloadReply, Refusal> {
    let reloaded = read_and_take(ways).await;
    ways.boot.reloads.count(Outcome::of(&reloaded));
    reloaded
}

async fn read_and_take(ways: &Ways) -> Result<ReloadReply, Refusal> {
    let configuration = ways.boot.configuration.lock().await;
    let Some(configuration) = configuration.as_ref() else {
        let message = "this daemon was started without a configuration that could be read again".to_owned();
        return Err(refused(RefusalKind::Failed, message));
    };
    let taken = match configuration.read() {
        Ok(wanted) => take(ways, wanted).await,
        Err(wrong) => Err(refused(RefusalKind::Policy, wrong)),
    };
    match taken {
        Ok((reply, wanted)) => {
            configuration.taken(&wanted);
            say_taken(&ways.boot, &reply);
            Ok(reply)
        }
        Err(refusal) => {
            let message = format!("{}\nnothing has changed", refusal.message.trim_end());
            let generation = ways.boot.generation();
            tracing::error!(generation, "the configuration was not taken: {message}");
            ways.boot.did("reload_refused", &message);
            Err(Refusal { message, ..refusal })
        }
    }
}

/// What was made ready for settings that have changed, before anything else changes.
struct Ready {
    /// Set if the address for metrics is another one, or none any more.
    metrics: Option<Option<Listener>>,
}

/// Looks whether everything beside the policy can be taken.
fn prepare(before: &Live, live: &Live) -> Result<Ready, Refusal> {
    if let Some(path) = &live.events_file
        && before.events_file != live.events_file
    {
        EventsFile::check(path).map_err(|error| {
            let message = format!("sinks.file.path: cannot write records to {}: {error}", path.display());
            refused(RefusalKind::Failed, message)
        })?;
    }
    let bind = |address: Option<SocketAddr>| address.map(Listener::bind).transpose();
    let is_other = before.metrics_listen != live.metrics_listen;
    let metrics = is_other.then(|| bind(live.metrics_listen)).transpose();
    let metrics = metrics.map_err(|error| {
        refused(RefusalKind::Failed, format!("cannot listen for those who ask for metrics: {error}"))
    })?;
    Ok(Ready { metrics })
}

/// Takes what has changed: the policy first, as that can fail.
async fn take(ways: &Ways, wanted: Wanted) -> Result<(ReloadReply, Wanted), Refusal> {
    let (before, live) = (ways.boot.live(), wanted.live.clone());
    let store = ways.store().await.map_err(|error| refused(RefusalKind::Failed, error.to_string()))?;
    let ready = prepare(&before, &live)?;
    let (policy, manner) = (wanted.policy.clone(), live.clone());
    let work =
        move |loader: &mut Loader, policies: &mut Policies| put_in_force(loader, policies, policy, &manner);
    let applied =
        ways.loader.run(work).await.map_err(|error| refused(RefusalKind::Failed, error.to_string()))?;
    let applied = applied.map_err(|error| crate::control::policy_refusal(&error))?;
    let changed = changes(&before, &live, applied.as_ref());
    let when_fulls = (live.stdout_when_full, live.events_file_when_full);
    ways.boot.set_live(live);
    store.outbox.set_when_full(when_fulls.0);
    store.events_file.set_when_full(when_fulls.1);
    ready.metrics.into_iter().for_each(|listener| ways.boot.set_metrics(listener));
    if let Some(reply) = &applied {
        record_applied(&store.journal, reply);
    }
    let reply =
        ReloadReply { version: API_VERSION, changed, needs_start: wanted.needs_start.clone(), applied };
    Ok((reply, wanted))
}

/// Puts the policy in force, if it or its manner is another one than that in force.
fn put_in_force(
    loader: &mut Loader,
    policies: &mut Policies,
    policy: Option<Vec<PolicySource>>,
    live: &Live,
) -> Result<Option<ApplyReply>, PolicyError> {
    let before = loader.set_manner(live.mode, live.signal);
    let trust = policies.set_trust(live.trust.clone());
    let is_new = before != (live.mode, live.signal);
    let applied = match policy {
        Some(sources) if is_new || !policies.are_known(&sources) => {
            policies.apply(loader, sources, Origin::RELOAD).map(Some)
        }
        None if is_new => policies.apply_again(loader, Origin::RELOAD),
        _ => Ok(None),
    };
    let applied = applied.inspect_err(|_| {
        loader.set_manner(before.0, before.1);
        policies.set_trust(trust);
    })?;
    loader.probes().accounts().set_events_per_second(live.events_per_second);
    Ok(applied.map(|reply| ApplyReply { holders: loader.holders(live.holders), ..reply }))
}

/// The keys of what is different now.
fn changes(before: &Live, now: &Live, applied: Option<&ApplyReply>) -> Vec<String> {
    let policy = applied.is_some_and(|reply| reply.changed);
    [
        (policy, "policy.files"),
        (before.mode != now.mode, "policy.mode"),
        (before.signal != now.signal, "policy.enforce_signal"),
        (before.holders != now.holders, "policy.holders"),
        (before.trust.directory != now.trust.directory, "trust.directory"),
        (before.trust.threshold != now.trust.threshold, "trust.threshold"),
        (before.trust.require_signature != now.trust.require_signature, "trust.require_signature"),
        (before.events_per_second != now.events_per_second, "events.per_second"),
        (before.stdout_when_full != now.stdout_when_full, "sinks.stdout.when_full"),
        (before.events_file != now.events_file, "sinks.file.path"),
        (before.events_file_when_full != now.events_file_when_full, "sinks.file.when_full"),
        (before.metrics_listen != now.metrics_listen, "metrics.listen"),
    ]
    .into_iter()
    .filter(|(is_changed, _)| *is_changed)
    .map(|(_, key)| key.to_owned())
    .collect()
}

fn say_taken(boot: &Boot, reply: &ReloadReply) {
    let (changed, needs_start) = (reply.changed.join(", "), reply.needs_start.join(", "));
    if changed.is_empty() && needs_start.is_empty() {
        // Files that are looked at may change in what is of no consequence.
        tracing::debug!("the configuration was read, and nothing in it has changed");
        return;
    }
    tracing::info!(changed, "the configuration was taken");
    if !needs_start.is_empty() {
        tracing::warn!(needs_start, "these settings count from the next start of the daemon on");
    }
    boot.did("reloaded", &changed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_counted_by_what_changed() {
        let reply = |changed: &[&str], needs_start: &[&str]| {
            let keys = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
            let (changed, needs_start) = (keys(changed), keys(needs_start));
            Ok(ReloadReply { version: API_VERSION, changed, needs_start, applied: None })
        };
        let reloads = Reloads::default();
        for (reloaded, outcome) in [
            (reply(&["policy.mode"], &[]), Outcome::Taken),
            (reply(&["policy.mode"], &["sinks.file.path"]), Outcome::Taken),
            (reply(&[], &[]), Outcome::Unchanged),
            // It was different from the start on, and is again.
            (reply(&[], &["sinks.file.path"]), Outcome::Unchanged),
            (Err(refused(RefusalKind::Policy, String::new())), Outcome::Refused),
            (Err(refused(RefusalKind::Failed, String::new())), Outcome::Refused),
        ] {
            assert_eq!(Outcome::of(&reloaded), outcome, "{reloaded:?}");
            reloads.count(outcome);
        }
        assert_eq!(reloads.outcomes(), [(Outcome::Taken, 2), (Outcome::Unchanged, 2), (Outcome::Refused, 2)]);
    }
}
