//! The daemon to which everything happens, as it is seen from outside.

use crate::inside::FAULTS;
use crate::vitals::Vitals;
use aegis_control_api::{ChildStatus, Posture, Status, TreeReply};
use aegis_tests::agent::{Agent, Site, records};
use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

/// How the daemon is, as far as it says so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wellness {
    /// By path.
    pub(super) incarnations: BTreeMap<String, u32>,
    is_running: bool,
}

/// The daemon.
pub(super) struct Subject {
    pub(super) agent: Agent,
    faults: PathBuf,
    events: PathBuf,
    policy: String,
    /// As it was at first: what the kernel does, and by what.
    pub(super) posture: Posture,
    pub(super) generation: u32,
    pub(super) links: Vec<(String, u64)>,
}

/// Equal decisions that are events of their own in a second. The attackers make thousands: most of them are folded, and
/// what is written stays small.
const EVENTS_PER_SECOND: &str = "20";

impl Subject {
    /// Arms, with a policy.
    pub(super) fn start(directory: &Path, pins: &Path, is_inside: bool, policy: &str) -> Result<Self> {
        let own = std::env::current_exe().context("this program has no path")?.display().to_string();
        let daemon =
            if is_inside { vec![own, "daemon".to_owned()] } else { vec!["aegisbpf".into(), "run".into()] };
        let faults = directory.join("faults.sock");
        // Backtraces of panics keep all symbols of the program in memory, which is no leak and looks like one.
        let environment =
            ["env".to_owned(), "RUST_BACKTRACE=0".to_owned(), format!("{FAULTS}={}", faults.display())];
        let daemon = [environment.to_vec(), daemon].concat();
        let site = Site { directory: directory.join("agent"), pins: pins.to_owned(), daemon };
        let mut agent = Agent::at(site);
        let file = agent.policy(policy);
        let events = agent.directory().join("events");
        let sink = ["--events-file".to_owned(), events.display().to_string()];
        let options = ["--policy", &file, "--allow-audit-fallback", "--events-per-second", EVENTS_PER_SECOND];
        agent.start_with(&[&options[..], &[&sink[0], &sink[1]]].concat());
        let status = status(&agent)?;
        let (posture, links) = (status.posture(), agent.links());
        let generation = status.generation.context("no generation is in force")?.generation;
        Ok(Self { agent, faults, events, policy: file, posture, generation, links })
    }

    /// The records in the events file, of all daemons.
    pub(super) fn events(&self) -> Vec<Value> {
        let text = std::fs::read(&self.events).unwrap_or_default();
        records(&String::from_utf8_lossy(&text))
    }

    pub(super) fn status(&self) -> Result<Status> {
        status(&self.agent)
    }

    /// Whether the kernel denies.
    pub(super) fn is_enforced(&self) -> bool {
        self.posture == Posture::Enforce
    }

    fn pid(&self) -> Result<Pid> {
        self.agent.pid().context("the daemon does not run")
    }

    pub(super) fn vitals(&self) -> Result<Vitals> {
        Vitals::of(self.pid()?)
    }

    pub(super) fn children(&self) -> Result<Vec<Pid>> {
        Ok(crate::vitals::children(self.pid()?))
    }

    pub(super) fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(self.pid()?, signal).context("the daemon cannot be signalled")
    }

    /// Lets a part fail.
    pub(super) fn fail(&self, part: &str, kind: crate::fault::Kind) -> Result<()> {
        crate::inside::ask(&self.faults, part, kind)
    }

    /// Waits until the process ends by itself.
    pub(super) fn wait_for_end(&mut self, limit: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.agent.try_wait() {
                return Ok(status);
            }
            ensure!(Instant::now() < deadline, "the daemon goes on after {limit:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Puts the same policy in force again. What comes of it is for who asked.
    pub(super) fn apply(&self) -> std::process::Command {
        self.agent.command(&["policy", "apply", &self.policy])
    }

    /// Whether all parts run, and the kernel is proven to do what it did at first. None if nobody answers.
    pub(super) fn wellness(&self) -> Option<Wellness> {
        let tree = self.agent.run(&["status", "--tree", "-o", "json"]);
        let told: TreeReply = serde_json::from_slice(&tree.stdout).ok()?;
        let is_proven = self.status().ok()?.posture() == self.posture;
        let mut wellness = Wellness { is_running: tree.status.success() && is_proven, ..Wellness::default() };
        gather(&told.root, &mut wellness.incarnations);
        Some(wellness)
    }
}

/// What an agent says of itself, whatever its exit code.
fn status(agent: &Agent) -> Result<Status> {
    let output = agent.run(&["status", "-o", "json"]);
    serde_json::from_slice(&output.stdout).with_context(|| format!("no status: {output:?}"))
}

impl Wellness {
    /// Whether everything is as it should be, and this part is another one than it was in `before`.
    pub(super) fn is_well_after(&self, before: &Self, part: Option<&str>) -> bool {
        let is_another = |part: &str| self.incarnations.get(part) > before.incarnations.get(part);
        self.is_running && part.is_none_or(is_another)
    }
}

fn gather(child: &ChildStatus, into: &mut BTreeMap<String, u32>) {
    into.insert(child.path.clone(), child.incarnation);
    child.children.iter().for_each(|child| gather(child, into));
}
