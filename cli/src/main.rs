//! `aegisbpf`: runs the daemon, talks to it, and works from the pins where there is none.
#![forbid(unsafe_code)]

mod client;
mod exit;
mod file;
mod output;
mod settings;
mod verbs;

use clap::{Args, Parser, Subcommand};
use exit::{Exit, Failure};
use output::Format;
use std::path::PathBuf;
use std::process::ExitCode;
use verbs::{
    allow, block, config, demo, detach, doctor, events, health, keys, metrics, network, policy, run, stats,
    status, survival,
};

/// Stops programs on Linux hosts from touching what a policy forbids.
#[derive(Parser)]
#[command(name = "aegisbpf", version, after_help = exit::HELP, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    common: CommonArgs,
    #[command(subcommand)]
    verb: Verb,
}

/// Options of every verb. None of them has a default here: it would hide what the configuration says.
#[derive(Debug, Clone, Args)]
struct CommonArgs {
    /// Where maps, programs and links are pinned; on a bpf file system. Setting daemon.bpffs_root, built in is
    /// /sys/fs/bpf/aegisbpf.
    #[arg(long, global = true, value_name = "DIR", value_parser = absolute)]
    bpffs_root: Option<PathBuf>,
    /// The daemon's control socket. Setting daemon.socket, built in is /run/aegisbpf/control.sock.
    #[arg(long, global = true, value_name = "PATH", value_parser = utf8)]
    socket: Option<PathBuf>,
    /// A file of settings in place of /etc/aegisbpf/config.toml.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A directory that stands for / where files of the configuration are looked for.
    #[arg(long, global = true, value_name = "DIR", hide = true)]
    config_root: Option<PathBuf>,
    /// How results are written.
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table, value_name = "FORMAT")]
    output: Format,
}

/// What every verb needs to know.
#[derive(Debug, Clone)]
struct Common {
    /// Where the pins are.
    bpffs_root: PathBuf,
    /// Where the control socket is.
    socket: PathBuf,
    /// How results are written.
    output: Format,
}

/// A directory is the same one for whoever is asked about it, wherever they stand.
fn absolute(path: &str) -> Result<PathBuf, String> {
    std::path::absolute(path).map_err(|error| error.to_string())
}

/// A path as it is. Settings are text: other bytes are refused here, before they become another path.
fn utf8(path: &str) -> Result<PathBuf, String> {
    Ok(path.into())
}

#[derive(Subcommand)]
enum Verb {
    /// Runs the daemon in the foreground. Ending it does not end enforcement: `detach` does.
    Run(run::RunArgs),
    /// Shows what the kernel is really doing, from the daemon or, without one, from the pins.
    Status(status::StatusArgs),
    /// Checks whether this host can enforce, and does.
    Health(output::JsonArgs),
    /// Says what is wrong with the host, the daemon and what is in force, and what to do about it.
    Doctor(output::JsonArgs),
    /// Checks and changes the policy in force.
    #[command(subcommand)]
    Policy(policy::PolicyVerb),
    /// Makes keys, and edits which are trusted: whose policies are put in force.
    #[command(subcommand)]
    Keys(keys::KeysVerb),
    /// Edits what is denied on this host beside the policy: a list that outlasts the daemon.
    #[command(subcommand)]
    Block(block::BlockVerb),
    /// Edits which cgroups are exempt on this host beside those of the policy.
    #[command(subcommand)]
    Allow(allow::AllowVerb),
    /// Edits which addresses and ports are denied on this host beside the policy.
    #[command(subcommand)]
    Network(network::NetworkVerb),
    /// Shows who and what is never denied, and whether all are there that should be.
    #[command(subcommand)]
    Survival(survival::SurvivalVerb),
    /// Prints the records that the daemon has, one JSON object per line.
    Events(events::EventsArgs),
    /// Prints counts since arming and sizes of the tables.
    Stats(stats::StatsArgs),
    /// Prints metrics of the daemon in the text format of Prometheus.
    Metrics(metrics::MetricsArgs),
    /// Takes everything down. Works without a daemon.
    Detach(detach::DetachArgs),
    /// Shows what is set, where it is set, and what can be set.
    #[command(subcommand)]
    Config(config::ConfigVerb),
    /// Plays a small attack on a scratch directory and shows what the kernel says to it.
    Demo(demo::DemoArgs),
}

impl Verb {
    /// Whether root could do more than others. It does not help whoever makes keys and signs.
    fn needs_root(&self) -> bool {
        use policy::PolicyVerb::{Sign, Verify};
        !matches!(self, Self::Keys(_) | Self::Policy(Sign(_) | Verify(_)))
    }
}

fn main() -> ExitCode {
    // The two faces of the self-check's helper process come before everything else: it must not print.
    match std::env::args().nth(1).as_deref() {
        Some(aegis_actors::host::HELPER_ARGUMENT) => {
            return ending(aegis_actors::host::helper_main().map_err(Into::into), true);
        }
        Some(aegis_actors::host::RAN_ARGUMENT) => {
            output::line("0");
            return Exit::Ok.into();
        }
        _ => {}
    }
    let cli = Cli::parse_from(policy::understood(std::env::args_os()));
    let needs_root = cli.verb.needs_root();
    ending(dispatch(cli), needs_root)
}

fn dispatch(cli: Cli) -> anyhow::Result<()> {
    let args = cli.common;
    // These are about the configuration, and refuse a wrong one.
    let verb = match cli.verb {
        Verb::Run(run_args) => return run::run(&args, &run_args),
        Verb::Config(verb) => return config::run(&args, &verb),
        Verb::Keys(verb) => return keys::run(&args, &verb),
        Verb::Policy(policy::PolicyVerb::Verify(verify)) => return policy::verify(&args, &verify),
        verb => verb,
    };
    let common = settings::places(&args);
    match verb {
        Verb::Status(args) => status::run(&common, &args),
        Verb::Health(json) => health::run(&common, json.or(common.output)),
        Verb::Doctor(json) => doctor::run(&args, &common, json.or(common.output)),
        Verb::Policy(verb) => policy::run(&args, &common, &verb),
        Verb::Block(verb) => block::run(&common, &verb),
        Verb::Allow(verb) => allow::run(&common, &verb),
        Verb::Network(verb) => network::run(&common, &verb),
        Verb::Survival(verb) => survival::run(&args, &common, &verb),
        Verb::Stats(args) => stats::run(&common, &args),
        Verb::Metrics(args) => metrics::run(&common, &args),
        Verb::Events(args) => events::run(&common, &args),
        Verb::Detach(args) => detach::run(&common, &args),
        Verb::Demo(args) => demo::run(&common, &args),
        // Were asked for above.
        Verb::Run(_) | Verb::Config(_) | Verb::Keys(_) => Ok(()),
    }
}

fn ending(result: anyhow::Result<()>, needs_root: bool) -> ExitCode {
    let Err(error) = result else { return Exit::Ok.into() };
    let exit = error.downcast_ref::<Failure>().map_or_else(|| exit_of(&error), |failure| failure.exit);
    let unprivileged = needs_root && !is_root() && matches!(exit, Exit::Failed | Exit::NoLsm);
    let exit = if unprivileged { Exit::NotPermitted } else { exit };
    let message = if unprivileged { format!("{error:#}; try again as root") } else { format!("{error:#}") };
    if !message.is_empty() {
        output::complain(&message);
    }
    exit.into()
}

/// An error without an exit code of its own: not permitted if that is at its bottom.
fn exit_of(error: &anyhow::Error) -> Exit {
    let denied = |cause: &(dyn std::error::Error + 'static)| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
    };
    if error.chain().any(denied) { Exit::NotPermitted } else { Exit::Failed }
}

/// What the kernel is asked for here it gives to root; others get errors that look like those of an old kernel.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}
