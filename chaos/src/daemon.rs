//! The daemon whose parts fail when they are told to. It is the daemon of `aegisbpf run`, with those of its options that
//! are needed here.

use crate::inside::{FAULTS, FaultyMaker};
use aegis_actors::host::{Mode, TestSettings};
use aegis_actors::loader::{LoaderSettings, Witness};
use aegis_actors::local::FirstPolicy;
use aegis_actors::reload::Live;
use aegis_actors::tree::{self, RunError, RunSettings};
use aegis_control_api::PolicySource;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// As of `aegisbpf run`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    bpffs_root: PathBuf,
    #[arg(long)]
    socket: PathBuf,
    #[arg(long)]
    state_dir: PathBuf,
    /// What it begins with; without one, what is in force.
    #[arg(long)]
    policy: Option<PathBuf>,
    /// A file that names the step of putting a policy in force at whose end it is killed; while it is not there, it lives.
    #[arg(long)]
    die_at: Option<PathBuf>,
    #[arg(long, default_value_t = 100)]
    events_per_second: u32,
    #[arg(long)]
    allow_audit_fallback: bool,
    #[arg(long)]
    events_file: PathBuf,
}

/// The exit code of `aegisbpf run` when a part of it hung.
pub(crate) const HUNG: u8 = 8;

/// Runs it until it ends.
pub(crate) fn run(args: Args) -> Result<ExitCode> {
    // Where standard error takes nothing, to say so there would be a panic.
    tracing_subscriber::fmt().with_writer(std::io::stderr).log_internal_errors(false).init();
    let first = first(args.policy.as_deref())?;
    let witness = args.die_at.map_or_else(Witness::default, mortal);
    let settings = RunSettings {
        loader: LoaderSettings {
            bpffs_root: args.bpffs_root,
            mode: Mode::Enforce,
            signal: 0,
            ring_bytes: 4 * 1024 * 1024,
            fallback: args.allow_audit_fallback,
            survival_cgroups: Some(Vec::new()),
            test: TestSettings::default(),
            witness,
        },
        socket: args.socket,
        once: false,
        state_directory: args.state_dir,
        live: Live {
            events_per_second: args.events_per_second,
            events_file: Some(args.events_file),
            ..Live::default()
        },
        configuration: None,
    };
    // Without a way in for faults its parts are as they are.
    let ended = match std::env::var_os(FAULTS) {
        None => tree::run(&settings, first),
        Some(faults) => {
            let maker = FaultyMaker::listening(faults.as_ref()).context("cannot listen for faults")?;
            tree::run_made_by(&maker, &settings, first)
        }
    };
    match ended {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            eprintln!("aegis-chaos: {}", error.whole());
            let is_hung = matches!(error, RunError::Hung { .. });
            Ok(if is_hung { ExitCode::from(HUNG) } else { ExitCode::FAILURE })
        }
    }
}

fn first(policy: Option<&Path>) -> Result<FirstPolicy> {
    let Some(path) = policy else { return Ok(FirstPolicy::AsItWas) };
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
    Ok(FirstPolicy::Ordered(vec![PolicySource::unsigned(name, text)]))
}

/// Kills this process at the end of the step that a file names.
fn mortal(file: PathBuf) -> Witness {
    Witness::new(move |ended| {
        if std::fs::read_to_string(&file).is_ok_and(|step| step == ended) {
            // Nothing of it is left to say that it failed.
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        }
    })
}
