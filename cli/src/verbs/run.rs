//! `run`: the daemon in the foreground.

use super::holders::Holders;
use super::manner::MannerArgs;
use super::policy::{compile, read_sources};
use super::sinks::SinkArgs;
use crate::Common;
use crate::exit::{Exit, Failure};
use aegis_actors::host::{Mode, TestSettings};
use aegis_actors::loader::{LoadError, LoaderSettings};
use aegis_actors::local::{FirstPolicy, PolicyError};
use aegis_actors::tree::{self, RunError, RunSettings};
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;

/// Options of `run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    manner: MannerArgs,
    /// Where the kernel refuses BPF LSM programs, report what the policy would deny, although nothing is blocked then.
    /// Without it the daemon does not start there. `--observe` needs no such word, as it blocks nothing anyway.
    #[arg(long)]
    allow_audit_fallback: bool,
    /// A policy file; may be given more than once, the files are merged. Without one, the policy that is in force
    /// stays; where none is, nothing is denied until `policy apply`.
    #[arg(long, value_name = "FILE")]
    policy: Vec<PathBuf>,
    /// Size of the event ring in bytes: a power of two, at least 4096. Counts when the probes are armed.
    #[arg(long, default_value_t = 4 * 1024 * 1024, value_name = "BYTES", value_parser = ring_bytes)]
    ringbuf_bytes: u32,
    /// How many equal decisions (same rule, object, program, operations) are reported in a second, each as a record
    /// of its own; the others are counted and reported as one summary. 0 folds nothing.
    #[arg(long, default_value_t = 100, value_name = "N")]
    events_per_second: u32,
    /// A cgroup that is never denied anything, by its path in the hierarchy: for the way in, such as the service
    /// that you log in with. May be given more than once.
    #[arg(long, value_name = "CGROUP")]
    survival_cgroup: Vec<String>,
    /// What is done about processes that opened or mapped before what the policy given here forbids: they can go on.
    #[arg(long, value_enum, default_value_t, value_name = "ACTION", requires = "policy")]
    holders: Holders,
    /// End as soon as the policy is in force and proven: what is armed goes on deciding. For early in boot, before the
    /// daemon that stays.
    #[arg(long)]
    once: bool,
    /// Where the local policy is kept, which `block` and `allow` edit, and the files of the policy in force. Give
    /// each daemon its own.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/aegisbpf", value_parser = crate::absolute)]
    state_dir: PathBuf,
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

/// Runs the daemon until it is told to end.
pub(crate) fn run(common: &Common, args: &RunArgs) -> Result<()> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("AEGISBPF_LOG")
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info")),
        )
        .init();
    args.manner.warn();
    let sources = match args.policy.as_slice() {
        [] => None,
        files => Some(read_sources(files)?),
    };
    // Told here, where the terminal is; the daemon compiles them together with the local policy.
    sources.as_deref().map(compile).transpose()?;
    let settings = RunSettings {
        loader: LoaderSettings {
            bpffs_root: common.bpffs_root.clone(),
            mode: args.manner.mode(),
            signal: args.manner.signal(),
            ring_bytes: args.ringbuf_bytes,
            fallback: args.manner.mode() == Mode::Observe || args.allow_audit_fallback,
            survival_cgroups: Some(args.survival_cgroup.clone()),
            test: TestSettings::default(),
        },
        socket: common.socket.clone(),
        holders: args.holders.into(),
        events_per_second: args.events_per_second,
        once: args.once,
        state_directory: args.state_dir.clone(),
        stdout_when_full: args.sinks.stdout_when_full(),
        events_file: args.sinks.events_file(),
    };
    let first = sources.map_or(FirstPolicy::AsItWas, FirstPolicy::Ordered);
    tree::run(&settings, first).map_err(|error| {
        let exit = exit_of(&error);
        let message = format!("{:#}", anyhow::Error::new(error));
        let remedy = if exit == Exit::NoLsm { format!("\n{}", no_lsm_remedy()) } else { String::new() };
        Failure::new(exit, message + &remedy).into()
    })
}

fn exit_of(error: &RunError) -> Exit {
    match error {
        RunError::Load(LoadError::Unresolved(_)) | RunError::Policy(PolicyError::Wrong(_)) => Exit::Refused,
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
