//! Enforcement, seen from outside: allow → deny → still denied without a daemon → allow after detach. Runs only
//! in a machine of its own (`cargo xtask vm test`), as root.
#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]
#![allow(clippy::disallowed_methods, reason = "tests end what they spawn")]

mod accounts;
mod attributes;
mod chaos;
mod context;
mod daemon;
mod fallback;
mod forced;
mod health;
mod holders;
mod large;
mod life;
mod matrix;
mod metrics;
mod moves;
mod no_window;
mod policies;
mod reload;
mod signals;
mod steps;
mod survival;
mod systemd;
mod verbs;
mod workload;

use aegis_actors::host::{HELPER_ARGUMENT, RAN_ARGUMENT, helper_main};
use libtest_mimic::{Arguments, Trial};

/// Only tests whose names begin with this, if it is set.
const ONLY: &str = "AEGIS_ONLY";
/// Set where anything may be armed.
const ALLOWED: &str = "AEGIS_VM";

/// Whether the kernel was told to call BPF LSM programs. Where it was not, there is only the audit fallback; where
/// that cannot be told, nothing runs anyway.
fn lists_bpf() -> bool {
    let modules = std::fs::read_to_string("/sys/kernel/security/lsm");
    modules.map_or(true, |modules| modules.split(',').any(|module| module.trim() == "bpf"))
}

/// Whether this machine was booted by systemd: then its units are tested, and nothing else.
fn runs_systemd() -> bool {
    std::env::var_os(ALLOWED).is_some() && std::path::Path::new("/run/systemd/system").exists()
}

fn main() {
    // Tests that load probes by themselves start this program as the helper of the self-check.
    match std::env::args().nth(1).as_deref() {
        Some(HELPER_ARGUMENT) => return helper_main().expect("the helper of the self-check"),
        Some(RAN_ARGUMENT) => return println!("0"),
        _ => {}
    }
    let arguments = Arguments::from_args();
    let trials: Vec<Trial> = [
        accounts::trials(),
        attributes::trials(),
        chaos::trials(),
        context::trials(),
        life::trials(),
        metrics::trials(),
        daemon::trials(),
        matrix::trials(),
        forced::trials(),
        no_window::trials(),
        steps::trials(),
        large::trials(),
        policies::trials(),
        health::trials(),
        holders::trials(),
        moves::trials(),
        reload::trials(),
        signals::trials(),
        survival::trials(),
        verbs::trials(),
        workload::trials(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let trials = if runs_systemd() {
        systemd::trials()
    } else if lists_bpf() {
        trials
    } else {
        fallback::trials()
    };
    let only = std::env::var(ONLY).unwrap_or_default();
    let trials: Vec<Trial> = trials.into_iter().filter(|trial| trial.name().starts_with(&only)).collect();
    if std::env::var_os(ALLOWED).is_some() {
        libtest_mimic::run(&arguments, trials).exit();
    }
    eprintln!(
        "skipped: these tests arm the host they run on; `cargo xtask vm test` runs them in a machine of theirs"
    );
    let skipped = trials.into_iter().map(|trial| trial.with_ignored_flag(true)).collect();
    libtest_mimic::run(&arguments, skipped).exit();
}
