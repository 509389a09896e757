//! How a daemon lets denials end, in our words and in those of the C++ AegisBPF.

use crate::output;
use crate::settings::Flags;
use aegis_config::{Mode, Value};
use clap::{Args, ValueEnum};

/// The mode, the signal, and options that only the C++ tool has.
#[derive(Debug, Clone, Args)]
pub(crate) struct MannerArgs {
    #[command(flatten)]
    mode: ModeArgs,
    /// Signal for a process that an enforcing rule denies something, beside the EPERM that it gets. Counts for the
    /// policies that this daemon applies. Setting policy.enforce_signal, built in is none.
    #[arg(long, value_enum, value_name = "SIGNAL")]
    enforce_signal: Option<EnforceSignal>,
    /// Accepted, without effect: each hook that the policy needs is attached.
    #[arg(long, value_enum, value_name = "HOOK", hide = true)]
    lsm_hook: Option<LsmHook>,
    /// Accepted, without effect: confine the service that runs the daemon.
    #[arg(long, hide = true)]
    seccomp: bool,
    /// Accepted, without effect: enforcement does not end by itself.
    #[arg(long, value_name = "SECONDS", hide = true)]
    deadman_ttl: Option<u64>,
    /// Accepted, without effect: `--enforce-signal kill` says it by itself.
    #[arg(long, hide = true)]
    allow_sigkill: bool,
}

/// One of these at most.
#[derive(Debug, Clone, Args)]
#[group(id = "one mode", multiple = false)]
struct ModeArgs {
    /// Deny what rules with `mode = "enforce"` forbid: the setting policy.mode, and built in.
    #[arg(long)]
    enforce: bool,
    /// Only report what the policies that this daemon applies would deny, whatever they say. A policy that is in
    /// force already goes on as it is until one is applied.
    #[arg(long, visible_alias = "audit")]
    observe: bool,
    /// The same as a word; `audit` is another one for `observe`.
    #[arg(long, value_enum)]
    mode: Option<ModeWord>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ModeWord {
    Enforce,
    #[value(alias = "audit")]
    Observe,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum EnforceSignal {
    None,
    Term,
    Int,
    Kill,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LsmHook {
    File,
    Inode,
    Both,
}

impl MannerArgs {
    /// What is given of it, as the top layer of the settings.
    pub(crate) fn flags(&self, flags: &mut Flags) {
        if self.mode.enforce {
            flags.switch("policy.mode", "--enforce", Value::Text(Mode::Enforce.word().to_owned()));
        }
        if self.mode.observe {
            flags.switch("policy.mode", "--observe", Value::Text(Mode::Observe.word().to_owned()));
        }
        let mode = self.mode.mode.map(|mode| match mode {
            ModeWord::Enforce => Mode::Enforce,
            ModeWord::Observe => Mode::Observe,
        });
        flags.word("policy.mode", "--mode", mode.map(Mode::word));
        let signal = self.enforce_signal.map(|signal| match signal {
            EnforceSignal::None => aegis_config::EnforceSignal::None,
            EnforceSignal::Term => aegis_config::EnforceSignal::Term,
            EnforceSignal::Int => aegis_config::EnforceSignal::Int,
            EnforceSignal::Kill => aegis_config::EnforceSignal::Kill,
        });
        flags.word(
            "policy.enforce_signal",
            "--enforce-signal",
            signal.map(aegis_config::EnforceSignal::word),
        );
    }

    /// Says what takes the place of options that have no effect.
    pub(crate) fn warn(&self) {
        let rows = [
            (
                self.lsm_hook.is_some(),
                "--lsm-hook",
                "each hook that the policy needs is attached and proven; `aegisbpf status` lists them",
            ),
            (
                self.seccomp,
                "--seccomp",
                "confine the daemon by its service, such as with SystemCallFilter= of systemd",
            ),
            (
                self.deadman_ttl.is_some(),
                "--deadman-ttl",
                "enforcement does not end by itself when the daemon does; `aegisbpf detach` ends it, and \
                 `aegisbpf policy reset` lifts all rules",
            ),
            (self.allow_sigkill, "--allow-sigkill", "`--enforce-signal kill` needs no leave"),
        ];
        for (_, option, instead) in rows.iter().filter(|(given, ..)| *given) {
            output::note(&format!("warning: {option} has no effect: {instead}"));
        }
    }
}
