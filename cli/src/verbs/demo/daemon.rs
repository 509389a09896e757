//! The demo's own daemon: the same program, with pins and a socket that nobody else uses.

use super::attempt::Attempt;
use super::interrupt::Interrupt;
use super::records::Records;
use crate::Common;
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::output;
use crate::verbs::digest::is_digest;
use aegis_actors::loader::detach_pins;
use aegis_control_api::{DetachReply, DetachRequest, PolicyReply, Status, paths};
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The daemon, running or not. Dropping it ends it and takes its pins down.
#[derive(Debug)]
pub(super) struct Daemon {
    root: PathBuf,
    socket: PathBuf,
    log: PathBuf,
    /// The last component of the scratch directory.
    scratch_name: String,
    child: Option<Child>,
}

/// How long it may take to be ready: it proves what it loads, and an emulated machine is slow.
const START: Duration = Duration::from_secs(120);
/// How long records of what has happened may take to come in.
const RECORDS: Duration = Duration::from_secs(20);
/// How often it is looked whether something has come true.
const PAUSE: Duration = Duration::from_millis(50);

impl Daemon {
    /// Names everything; nothing is started. The pins are beside those of the real daemon.
    pub(super) fn new(common: &Common, scratch: &Path) -> Self {
        let name = scratch.file_name().unwrap_or_default();
        let real = std::path::absolute(&common.bpffs_root);
        Self {
            root: real.unwrap_or_else(|_| common.bpffs_root.clone()).with_file_name(name),
            socket: scratch.join("control.sock"),
            log: scratch.join("log"),
            scratch_name: name.to_string_lossy().into_owned(),
            child: None,
        }
    }

    /// The command that takes down what it pinned. It names the socket too: without it, the real daemon would be
    /// asked.
    pub(super) fn way_down(&self) -> String {
        let (root, socket) = (self.root.display(), self.socket.display());
        format!("aegisbpf detach --reason demo --bpffs-root {root} --socket {socket}")
    }

    fn client(&self) -> Client {
        Client::new(&self.socket, &self.root)
    }

    /// Starts it, with a policy or with the one in force, and waits until it answers.
    pub(super) fn start(&mut self, policy: Option<&Path>, interrupt: &mut Interrupt) -> Result<()> {
        let log = File::create(&self.log).context("cannot make a log for the daemon")?;
        let mut command = Command::new("/proc/self/exe");
        command.arg0("aegisbpf");
        command
            .args(["run", "--enforce"])
            .arg("--bpffs-root")
            .arg(&self.root)
            .arg("--socket")
            .arg(&self.socket)
            .arg("--state-dir")
            .arg(self.socket.with_file_name("state"));
        // What is set for the real daemon is not for this one, above all not its policy.
        command.arg("--config-root").arg(self.socket.with_file_name("none"));
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| aegis_config::is_variable(name) || is_digest(name))
        {
            command.env_remove(name);
        }
        if let Some(policy) = policy {
            command.arg("--policy").arg(policy);
        }
        // Out of the reach of Ctrl-C: the demo ends it, when it has cleaned up.
        command.process_group(0).env("AEGISBPF_LOG", "warn");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().context("cannot start the daemon")?);
        let deadline = Instant::now() + START;
        loop {
            interrupt.check()?;
            self.fail_if_ended()?;
            let Err(error) = self.client().get::<PolicyReply>(paths::POLICY) else { return Ok(()) };
            if Instant::now() > deadline {
                return Err(error.context("the daemon did not become ready in time"));
            }
            sleep(PAUSE);
        }
    }

    /// Passes on what a daemon said that has ended by itself, and its exit code.
    fn fail_if_ended(&mut self) -> Result<()> {
        let ended =
            self.child.as_mut().map(Child::try_wait).transpose().context("cannot look for the daemon")?;
        let Some(status) = ended.flatten() else { return Ok(()) };
        self.child = None;
        let said = fs::read_to_string(&self.log).unwrap_or_default();
        // Our own name stands before it once more when it is told.
        let (before, message) = said.split_once("aegisbpf: ").unwrap_or(("", &said));
        if !before.trim().is_empty() {
            output::note(before.trim_end());
        }
        let message = match message.trim() {
            "" => format!("the daemon ended with {status} and said nothing"),
            message => message.to_owned(),
        };
        Err(Failure::new(exit_of(status), message).into())
    }

    /// What the kernel is really doing, in one word.
    pub(super) fn posture(&self) -> Result<&'static str> {
        Ok(self.client().get::<Status>(paths::STATUS)?.posture().word())
    }

    /// Finds the records of attempts that were denied, and waits for them as long as it may take. Attempts for
    /// which none comes stay without, which counts against them.
    pub(super) fn explain(&self, attempts: &mut [Attempt], interrupt: &mut Interrupt) -> Result<()> {
        let (client, deadline) = (self.client(), Instant::now() + RECORDS);
        let mut records = Records::default();
        loop {
            interrupt.check()?;
            records.read(&client)?;
            for attempt in attempts.iter_mut().filter(|attempt| attempt.is_unexplained()) {
                if let Some(record) = records.claim(|record| attempt.is_told_by(record, &self.scratch_name)) {
                    attempt.explain(record);
                }
            }
            if !attempts.iter().any(Attempt::is_unexplained) || Instant::now() > deadline {
                return Ok(());
            }
            sleep(PAUSE);
        }
    }

    /// Ends it the hard way.
    pub(super) fn kill(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { bail!("the daemon is not running") };
        child.kill().and_then(|()| child.wait()).context("cannot kill the daemon")?;
        Ok(())
    }

    /// Takes everything down, as `aegisbpf detach` does, and waits for the end of the daemon.
    pub(super) fn detach(&mut self) -> Result<()> {
        let request = DetachRequest { reason: "end of the demo".to_owned() };
        let _: DetachReply = self.client().post(paths::DETACH, &request)?;
        if let Some(mut child) = self.child.take() {
            child.wait().context("cannot wait for the end of the daemon")?;
        }
        Ok(())
    }
}

/// An exit code of the daemon as one of ours.
fn exit_of(status: ExitStatus) -> Exit {
    status.code().and_then(Exit::from_code).unwrap_or(Exit::Failed)
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.child.is_some()
            && let Err(error) = self.kill()
        {
            output::note(&format!("demo: {error:#}"));
        }
        if !self.root.is_dir() {
            return;
        }
        if let Err(error) = detach_pins(&self.root) {
            let error = anyhow::Error::new(error);
            output::note(&format!("demo: its pins stay: {error:#}; try: {}", self.way_down()));
        }
    }
}
