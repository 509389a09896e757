//! How a daemon lets denials end, in our words and in those of the C++ AegisBPF.

use crate::output;
use aegis_actors::host::Mode;
use clap::{Args, ValueEnum};

/// The mode, the signal, and options that only the C++ tool has.
#[derive(Debug, Clone, Args)]
pub(crate) struct MannerArgs {
    #[command(flatten)]
    mode: ModeArgs,
    /// Signal for a process that an enforcing rule denies something, beside the EPERM that it gets. Counts for the
    /// policies that this daemon applies.
    #[arg(long, value_enum, default_value_t = EnforceSignal::None, value_name = "SIGNAL")]
    enforce_signal: EnforceSignal,
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
    /// Deny what rules with `mode = "enforce"` forbid (the default).
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
    /// The strongest mode that any rule can have.
    pub(crate) fn mode(&self) -> Mode {
        match self.mode.mode {
            Some(ModeWord::Observe) => Mode::Observe,
            _ if self.mode.observe => Mode::Observe,
            _ => Mode::Enforce,
        }
    }

    /// The kernel's number of the signal; 0 is none.
    pub(crate) fn signal(&self) -> u8 {
        match self.enforce_signal {
            EnforceSignal::None => 0,
            EnforceSignal::Int => 2,
            EnforceSignal::Kill => 9,
            EnforceSignal::Term => 15,
        }
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
