//! The agent as its users run it: the `aegisbpf` on the PATH, with its usual places.

use crate::error::{Error, call};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const PROGRAM: &str = "aegisbpf";

/// Probes that are armed with a policy and decide without a daemon.
pub(crate) struct Armed {
    tables: Tables,
}

/// How many entries the policy in force has, by table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tables {
    pub(crate) rules: u32,
    pub(crate) objects: u32,
    pub(crate) slots: u32,
}

/// The part of `aegisbpf status` that is wanted here.
#[derive(Deserialize)]
struct Status {
    generation: Tables,
    counts: Counts,
}

#[derive(Deserialize)]
struct Counts {
    audited: u64,
}

impl Armed {
    /// Arms the probes with a policy; the daemon is gone afterwards.
    pub(crate) fn start(policy: &Path) -> Result<Self, Error> {
        let mut command = Command::new(PROGRAM);
        command.args(["run", "--enforce", "--policy"]).arg(policy).env("NO_COLOR", "1");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut daemon = command.spawn().map_err(call("start", PROGRAM))?;
        let tables = wait_until_ready(&mut daemon).and_then(|()| status().map(|status| status.generation));
        // A daemon that waits has timers, and they would be counted.
        daemon.kill().and_then(|()| daemon.wait()).map_err(call("end", PROGRAM))?;
        tables.map(|tables| Self { tables })
    }

    /// What is in force.
    pub(crate) fn tables(&self) -> Tables {
        self.tables
    }

    /// How many requests were answered with audit.
    pub(crate) fn audited(&self) -> Result<u64, Error> {
        status().map(|status| status.counts.audited)
    }

    /// Takes everything down.
    pub(crate) fn detach(self) -> Result<(), Error> {
        run(&["detach", "--reason", "end of measurement"]).map(drop)
    }
}

/// Reads what the daemon says until it says that it is ready. It closes its stderr when it fails.
fn wait_until_ready(daemon: &mut Child) -> Result<(), Error> {
    let mut said = Vec::new();
    for line in daemon.stderr.take().map(BufReader::new).into_iter().flat_map(BufRead::lines) {
        let line = line.map_err(call("hear from", PROGRAM))?;
        if line.split_whitespace().any(|word| word == "ready") {
            return Ok(());
        }
        said.push(line);
    }
    Err(Error::Agent { command: "aegisbpf run".to_owned(), said: said.join("\n") })
}

fn status() -> Result<Status, Error> {
    let words = ["status", "-o", "json"];
    let said = run(&words)?;
    serde_json::from_str(&said)
        .map_err(|error| Error::Agent { command: words.join(" "), said: format!("{error} in {said}") })
}

fn run(words: &[&str]) -> Result<String, Error> {
    let output = Command::new(PROGRAM).args(words).output().map_err(call("start", PROGRAM))?;
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    Err(Error::Agent { command: format!("{PROGRAM} {}", words.join(" ")), said: text(&output.stderr) })
}
