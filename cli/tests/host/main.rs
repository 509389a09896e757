//! The command as its users meet it on a host where nothing is armed: what it says, and how it ends. Each run has pins
//! and a socket of its own, where there is nothing. Nothing here denies anything, whatever the kernel can do: the audit
//! fallback is armed where it is all that the kernel takes, and looks at files of the test's own alone.
#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod armed;
mod attempts;
mod config;
mod control;
mod digest;
mod fallback;
mod fuzz;
mod import;
mod kept;
mod keys;
mod lint;
mod metrics;
mod network;
mod nothing_armed;
mod peer;
mod pinned;
mod pipes;
mod place;
mod refused;
mod reload;
mod survival;
mod transcripts;
mod trusted;
mod usage;
mod verbs;

use libtest_mimic::{Arguments, Trial};

fn main() {
    let trials = [
        usage::trials(),
        lint::trials(),
        import::trials(),
        digest::trials(),
        config::trials(),
        nothing_armed::trials(),
        refused::trials(),
        fallback::trials(),
        metrics::trials(),
        network::trials(),
        reload::trials(),
        pinned::trials(),
        survival::trials(),
        control::trials(),
        fuzz::trials(),
        keys::trials(),
        kept::trials(),
        transcripts::trials(),
        trusted::trials(),
        pipes::trials(),
    ];
    let trials: Vec<Trial> = trials.into_iter().flatten().collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
