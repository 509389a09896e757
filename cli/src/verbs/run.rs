//! `run`: the daemon in the foreground.

use super::digest::{DigestArgs, Wanted};
use super::holders::Holders;
use super::manner::MannerArgs;
use super::policy::{compile, not_imported, read_sources};
use super::reread::{Log, Reread};
use super::sinks::SinkArgs;
use crate::CommonArgs;
use crate::exit::{Exit, Failure};
use crate::settings::{self, Flags};
use aegis_actors::host::{Mode, TestSettings};
use aegis_actors::loader::{LoadError, LoaderSettings, Witness};
use aegis_actors::local::{self, FirstPolicy, PolicyError, TrustSettings};
use aegis_actors::reload::{Live, Redaction};
use aegis_actors::tree::{self, RunError, RunSettings, WhenFull};
use aegis_config::{EnforceSignal, Origin, Settings, Value};
use aegis_control_api::{HolderAction, PolicySource};
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;
use std::sync::Arc;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, reload};

/// Options of `run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    manner: MannerArgs,
    /// Where the kernel refuses BPF LSM programs, report what the policy would deny, although nothing is blocked then.
    /// Without it the daemon does not start there. `--observe` needs no such word, as it blocks nothing anyway.
    /// Setting policy.allow_audit_fallback.
    #[arg(long)]
    allow_audit_fallback: bool,
    /// A policy file, or a directory of them; may be given more than once, the files are merged. Without one, the
    /// policy that is in force stays; where none is, nothing is denied until `policy apply`. Setting policy.files.
    #[arg(long, value_name = "FILE", value_parser = crate::utf8)]
    policy: Vec<PathBuf>,
    /// Size of the event ring in bytes: a power of two, at least 4096. Counts when the probes are armed. Setting
    /// events.ring_bytes, built in is 4194304.
    #[arg(long, value_name = "BYTES", value_parser = ring_bytes)]
    ringbuf_bytes: Option<u32>,
    /// How many equal decisions (same rule, object, program, operations) are reported in a second, each as a record
    /// of its own; the others are counted and reported as one summary. 0 folds nothing. Setting events.per_second,
    /// built in is 100.
    #[arg(long, value_name = "N")]
    events_per_second: Option<u32>,
    /// A cgroup that is never denied anything, by its path in the hierarchy: for the way in, such as the service
    /// that you log in with. May be given more than once. Setting survival.cgroups.
    #[arg(long, value_name = "CGROUP")]
    survival_cgroup: Vec<String>,
    /// What is done about processes that opened or mapped before what the policy given here forbids: they can go on.
    /// Setting policy.holders, built in is report.
    #[arg(long, value_enum, value_name = "ACTION")]
    holders: Option<Holders>,
    /// End as soon as the policy is in force and proven: what is armed goes on deciding. For early in boot, before the
    /// daemon that stays.
    #[arg(long)]
    once: bool,
    /// Where the local policy is kept, which `block` and `allow` edit, and the files of the policy in force. Give
    /// each daemon its own. Setting daemon.state_dir, built in is /var/lib/aegisbpf.
    #[arg(long, value_name = "DIR", value_parser = crate::absolute)]
    state_dir: Option<PathBuf>,
    #[command(flatten)]
    digest: DigestArgs,
    #[command(flatten)]
    sinks: SinkArgs,
}

fn ring_bytes(text: &str) -> Result<u32, String> {
    let bytes: u32 = text.parse().map_err(|error| format!("{error}"))?;
    if bytes.is_power_of_two() && bytes >= 4096 {
        Ok(bytes)
    } else {
        Err("not a power of two from 4096 on".to_owned())
    }
}

impl RunArgs {
    /// What is given, as the top layer of the settings.
    fn flags(&self, flags: &mut Flags) {
        self.manner.flags(flags);
        if self.allow_audit_fallback {
            flags.switch("policy.allow_audit_fallback", "--allow-audit-fallback", Value::Boolean(true));
        }
        flags.paths("policy.files", "--policy", &self.policy);
        flags.integer("events.ring_bytes", "--ringbuf-bytes", self.ringbuf_bytes);
        flags.integer("events.per_second", "--events-per-second", self.events_per_second);
        flags.list("survival.cgroups", "--survival-cgroup", &self.survival_cgroup);
        flags.word("policy.holders", "--holders", self.holders.map(Holders::word));
        flags.path("daemon.state_dir", "--state-dir", self.state_dir.as_deref());
        self.sinks.flags(flags);
    }
}

/// Runs the daemon until it is told to end.
pub(crate) fn run(common: &CommonArgs, args: &RunArgs) -> Result<()> {
    let mut flags = Flags::of(common);
    args.flags(&mut flags);
    let loaded = settings::load(common, &flags)?;
    let settings = loaded.settings.clone();
    let log = log_as(&settings.daemon.log);
    args.manner.warn();
    if let Some(policy) = not_imported(common, &settings) {
        tracing::warn!(
            "no policy is configured, and the C++ AegisBPF has left one, {}: `aegisbpf policy import` shows what it becomes",
            policy.display()
        );
    }
    let wanted = args.digest.wanted()?;
    // What is given here, somebody waits for; what the configuration names must not keep a host open.
    let first = if matches!(loaded.origins.of("policy.files"), Origin::Flag(_)) {
        ordered(&settings, wanted.as_ref())?
    } else {
        configured(&settings, wanted.as_ref())?
    };
    let configuration = Arc::new(Reread::new(common.clone(), flags, wanted, loaded, log));
    let settings = RunSettings { configuration: Some(configuration), ..run_settings(&settings, args.once) };
    tree::run(&settings, first).map_err(|error| {
        let exit = exit_of(&error);
        let message = format!("{:#}", anyhow::Error::new(error));
        let remedy = if exit == Exit::NoLsm { format!("\n{}", no_lsm_remedy()) } else { String::new() };
        Failure::new(exit, message + &remedy).into()
    })
}

/// The policy of the command line: that it is wrong is told here, where the terminal is.
fn ordered(settings: &Settings, wanted: Option<&Wanted>) -> Result<FirstPolicy> {
    let sources = policy_sources(settings, wanted)?.unwrap_or_default();
    compile(&sources)?;
    Ok(FirstPolicy::Ordered(sources))
}

/// The policy that the settings name; none if they name none. It must have what is wanted, at the start and whenever it is
/// read again.
pub(super) fn policy_sources(
    settings: &Settings,
    wanted: Option<&Wanted>,
) -> Result<Option<Vec<PolicySource>>> {
    let check = |sources: &[PolicySource]| wanted.map_or(Ok(()), |wanted| wanted.check(sources));
    if settings.policy.files.is_empty() {
        check(&[])?;
        return Ok(None);
    }
    let files = aegis_config::policy_files(&settings.policy.files)
        .map_err(|error| Failure::new(Exit::Refused, format!("{:#}", anyhow::Error::new(error))))?;
    let sources = read_sources(&files)?;
    check(&sources)?;
    Ok(Some(sources))
}

/// The policy of the configuration, if it names one. If it is wrong and nothing was in force before, there is nothing to
/// go on with.
fn configured(settings: &Settings, wanted: Option<&Wanted>) -> Result<FirstPolicy> {
    if settings.policy.files.is_empty() {
        policy_sources(settings, wanted)?;
        return Ok(FirstPolicy::AsItWas);
    }
    match ordered(settings, wanted) {
        Ok(FirstPolicy::Ordered(sources)) => Ok(FirstPolicy::Configured(Ok(sources))),
        Err(error) if local::was_in_force(&settings.daemon.state_dir, &settings.daemon.bpffs_root) => {
            Ok(FirstPolicy::Configured(Err(format!("{error:#}"))))
        }
        other => other,
    }
}

/// The log goes to standard error. A variable of its own goes before the setting: it also takes what only the logging
/// library knows.
fn log_as(setting: &str) -> Option<Log> {
    let variable = EnvFilter::try_from_env("AEGISBPF_LOG").ok();
    let is_set = variable.is_some();
    let (filter, log) = reload::Layer::new(variable.unwrap_or_else(|| EnvFilter::new(setting)));
    // Where standard error takes nothing, to say so there would be a panic.
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).log_internal_errors(false);
    tracing_subscriber::registry().with(filter).with(lines).init();
    (!is_set).then_some(log)
}

/// The settings as the daemon takes them.
fn run_settings(settings: &Settings, once: bool) -> RunSettings {
    let Settings { daemon, policy, events, survival, .. } = settings;
    let live = live(settings);
    RunSettings {
        loader: LoaderSettings {
            bpffs_root: daemon.bpffs_root.clone(),
            mode: live.mode,
            signal: live.signal,
            ring_bytes: events.ring_bytes,
            fallback: live.mode == Mode::Observe || policy.allow_audit_fallback,
            survival_cgroups: Some(survival.cgroups.clone()),
            test: TestSettings::default(),
            witness: Witness::default(),
        },
        socket: daemon.socket.clone(),
        once,
        state_directory: daemon.state_dir.clone(),
        live,
        configuration: None,
    }
}

/// Those of them that a reload can change.
pub(super) fn live(settings: &Settings) -> Live {
    let Settings { policy, trust, events, context, sinks, metrics, .. } = settings;
    Live {
        mode: match policy.mode {
            aegis_config::Mode::Enforce => Mode::Enforce,
            aegis_config::Mode::Observe => Mode::Observe,
        },
        signal: signal_number(policy.enforce_signal),
        holders: match policy.holders {
            aegis_config::Holders::Report => HolderAction::Report,
            aegis_config::Holders::Kill => HolderAction::Kill,
        },
        trust: TrustSettings {
            directory: trust.directory.clone(),
            threshold: trust.threshold,
            require_signature: trust.require_signature,
        },
        events_per_second: events.per_second,
        stdout_when_full: when_full(sinks.stdout.when_full),
        events_file: sinks.file.path.clone(),
        events_file_when_full: when_full(sinks.file.when_full),
        metrics_listen: metrics.listen,
        redaction: Redaction::new(context.argv, &context.hidden_words),
    }
}

fn when_full(setting: aegis_config::WhenFull) -> WhenFull {
    match setting {
        aegis_config::WhenFull::Wait => WhenFull::Wait,
        aegis_config::WhenFull::DropOldest => WhenFull::DropOldest,
        aegis_config::WhenFull::DropNewest => WhenFull::DropNewest,
    }
}

/// The kernel's number of a signal; 0 is none.
fn signal_number(signal: EnforceSignal) -> u8 {
    match signal {
        EnforceSignal::None => 0,
        EnforceSignal::Int => 2,
        EnforceSignal::Kill => 9,
        EnforceSignal::Term => 15,
    }
}

fn exit_of(error: &RunError) -> Exit {
    match error {
        RunError::Load(LoadError::Unresolved(_))
        | RunError::Policy(PolicyError::Wrong(_) | PolicyError::Untrusted(_)) => Exit::Refused,
        RunError::Load(error) if error.is_lsm_refused() => Exit::NoLsm,
        RunError::Hung { .. } => Exit::Hung,
        _ => Exit::Failed,
    }
}

/// What to do where the kernel refuses the probes.
pub(crate) fn no_lsm_remedy() -> &'static str {
    "nothing can be enforced on this host: its kernel may list `bpf` as a security module and refuse the programs \
     all the same. Boot a kernel from 6.1 on that is built with CONFIG_BPF_LSM and CONFIG_DEBUG_INFO_BTF, with \
     `bpf` in the boot option lsm=, and run as root; `aegisbpf health` tells what is missing. To have reported what \
     the policy would deny, start with --allow-audit-fallback."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hang_has_an_exit_code_of_its_own() {
        assert_eq!(exit_of(&RunError::Hung { part: "control".to_owned() }), Exit::Hung);
        assert_eq!(exit_of(&RunError::Ended("gave up".to_owned())), Exit::Failed);
    }
}
