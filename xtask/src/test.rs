//! `cargo xtask test`: every test of the repository, here and in virtual machines.

use crate::report::{self, Tally, Tee};
use crate::{promtool, setup, vm, workspace};
use anyhow::{Context, Result};
use std::io;
use std::process::{ExitCode, Stdio};

/// Runs everything and prints the sum.
pub(crate) fn run() -> Result<ExitCode> {
    setup::ensure(setup::Purpose::Tests)?;
    promtool::ready()?;
    let mut tally = host()?;
    tally += guests()?;
    Ok(report::conclude(&tally))
}

/// The tests that need no kernel of their own.
pub(crate) fn host() -> Result<Tally> {
    let mut command = workspace::cargo();
    command.args(["test", "--workspace", "--no-fail-fast"]).stdin(Stdio::null()).stdout(Stdio::piped());
    match promtool::ready() {
        Ok(path) => drop(command.env(promtool::VARIABLE, path)),
        // The step that sets up has failed by it; all other tests tell what they have to tell.
        Err(error) => eprintln!("{error:#}"),
    }
    let mut child = command.spawn().context("cannot start cargo test")?;
    let mut tee = Tee::default();
    if let Some(mut stdout) = child.stdout.take() {
        io::copy(&mut stdout, &mut tee)?;
    }
    report::read(&tee.text(), "host", child.wait()?.success())
}

/// The tests in virtual machines, on every kernel.
pub(crate) fn guests() -> Result<Tally> {
    vm::test(&vm::TestArgs::everywhere())
}
