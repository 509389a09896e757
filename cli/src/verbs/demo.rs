//! `demo`: a small attack on files of its own, and what the kernel said to each attempt.
//!
//! It plays on the host it is typed on, with its own scratch directory, policy, pins, socket and daemon. What it
//! makes is gone when it ends, also on an error, Ctrl-C or SIGTERM. Only a kill -9 of the demo itself leaves its
//! daemon and pins behind; what it writes to standard error first tells how to take them down.

mod attempt;
mod daemon;
mod interrupt;
mod records;
mod rows;
mod scratch;

use crate::Common;
use crate::exit::{Exit, Failure};
use crate::output::{self, Format};
use anyhow::Result;
use attempt::Attempt;
use clap::Args;
use daemon::Daemon;
use interrupt::Interrupt;
use rows::{ROWS, Stage};
use scratch::Scratch;
use serde::Serialize;

/// Options of `demo`: it has none of its own.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {}

/// What was found, as the one JSON document.
#[derive(Debug, Serialize)]
struct Findings {
    kernel: String,
    posture: &'static str,
    attempts: Vec<Attempt>,
    passed: usize,
    failed: usize,
}

/// Plays and tells; exit code 1 unless everything ended as expected, the daemon's own if it cannot start.
pub(crate) fn run(common: &Common, _args: &DemoArgs) -> Result<()> {
    let findings = Play::prepare(common)?.perform()?;
    match common.output {
        Format::Json => output::json(&findings)?,
        Format::Table => print(&findings),
    }
    let failed: Vec<_> = findings.attempts.iter().filter_map(Attempt::complaint).collect();
    if failed.is_empty() {
        return Ok(());
    }
    let all = findings.attempts.len();
    let text = format!("{} of {all} attempts did not end as expected:\n{}", failed.len(), failed.join("\n"));
    Err(Failure::new(Exit::Failed, text).into())
}

/// The play. Dropping it at any point ends the daemon, takes the pins down and removes the files, in this order.
struct Play {
    daemon: Daemon,
    scratch: Scratch,
    interrupt: Interrupt,
    attempts: Vec<Attempt>,
}

impl Play {
    fn prepare(common: &Common) -> Result<Self> {
        let interrupt = Interrupt::watch()?;
        let scratch = Scratch::make()?;
        let daemon = Daemon::new(common, scratch.directory());
        output::note(&format!("demo: its files are below {}", scratch.directory().display()));
        output::note(&format!("demo: if it is killed, this cleans up: {}", daemon.way_down()));
        Ok(Self { daemon, scratch, interrupt, attempts: Vec::new() })
    }

    fn perform(mut self) -> Result<Findings> {
        self.attempt_all(Stage::Before)?;
        self.daemon.start(Some(&self.scratch.write_policy()?), &mut self.interrupt)?;
        let posture = self.daemon.posture()?;
        output::note(&format!("demo: armed, posture {posture}"));
        self.attempt_all(Stage::Armed)?;
        self.daemon.explain(&mut self.attempts, &mut self.interrupt)?;
        self.daemon.kill()?;
        output::note("demo: killed the daemon with SIGKILL");
        self.attempt_all(Stage::Killed)?;
        self.daemon.start(None, &mut self.interrupt)?;
        output::note("demo: started it again; it delivers what was decided meanwhile");
        self.daemon.explain(&mut self.attempts, &mut self.interrupt)?;
        self.daemon.detach()?;
        output::note("demo: detached");
        self.attempt_all(Stage::Detached)?;
        let failed = self.attempts.iter().filter_map(Attempt::complaint).count();
        let passed = self.attempts.len() - failed;
        Ok(Findings { kernel: kernel(), posture, attempts: self.attempts, passed, failed })
    }

    fn attempt_all(&mut self, stage: Stage) -> Result<()> {
        for row in ROWS.iter().filter(|row| row.stage == stage) {
            self.interrupt.check()?;
            self.attempts.extend(Attempt::make(row, &self.scratch)?);
        }
        Ok(())
    }
}

/// The release of the running kernel.
fn kernel() -> String {
    std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned()
}

fn print(findings: &Findings) {
    let head = ["operation", "path used", "expected", "observed", "rule", "reason"];
    output::table(head, findings.attempts.iter().map(Attempt::cells));
    output::line(&format!(
        "\nkernel {}, posture {}: {} as expected, {} not",
        findings.kernel, findings.posture, findings.passed, findings.failed
    ));
}
