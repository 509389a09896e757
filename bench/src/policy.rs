//! What it costs to put a policy in force, by its size: each step by itself, as the daemon tells it, and the TOML
//! parser alone. On the machine itself, by its clock, with the audit fallback on a bpf file system that nobody else
//! sees.
//!
//! Nothing but files in the given directory is named by a rule, and nothing is denied.

mod report;

use crate::error::{Error, call};
use aegis_control_api::{ApplyReply, Status, Step};
use report::{Report, Size};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// How many rules, and how often they are put in force.
const SIZES: [(u32, u64); 3] = [(1_000, 5), (10_000, 5), (100_000, 3)];
/// Files in each directory.
const FILES: u32 = 1_000;
/// How long the daemon may take to be ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// Measures and writes the report.
pub(crate) fn main(directory: &str, json: bool) -> ExitCode {
    match measure(Path::new(directory)) {
        Ok(report) if json => println!("{:#}", serde_json::json!(report)),
        Ok(report) => print!("{report}"),
        Err(error) => {
            eprintln!("aegis-bench: {error}");
            return ExitCode::FAILURE;
        }
    }
    // A missed target is a finding, which the report names; the measurement itself went well.
    ExitCode::SUCCESS
}

fn measure(directory: &Path) -> Result<Report, Error> {
    let scene = Scene { directory: directory.to_owned() };
    scene.fill()?;
    let sizes = SIZES.iter().map(|(rules, rounds)| scene.size(*rules, *rounds)).collect::<Result<_, _>>()?;
    Ok(Report::new(sizes))
}

/// The files, in a directory with a bpf file system of its own.
struct Scene {
    directory: PathBuf,
}

/// A daemon with the audit fallback. Dropping it takes everything down.
struct Daemon<'a> {
    scene: &'a Scene,
    process: Child,
}

impl Scene {
    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The file that a rule names.
    fn ruled(&self, rule: u32) -> PathBuf {
        self.path(&format!("ruled/{:03}/{:03}", rule / FILES, rule % FILES))
    }

    fn fill(&self) -> Result<(), Error> {
        let most = SIZES.iter().map(|(rules, _)| *rules).max().unwrap_or_default();
        for rule in 0..most {
            let file = self.ruled(rule);
            if let Some(directory) = file.parent().filter(|_| rule % FILES == 0) {
                fs::create_dir_all(directory).map_err(call("make", directory.display()))?;
            }
            File::create(&file).map_err(call("make", file.display()))?;
        }
        Ok(())
    }

    /// A policy of the first so many rules. Another serial is another policy, which is loaded anew.
    fn policy(&self, rules: u32, serial: u64) -> String {
        let mut text = format!("version = 3\nname = \"bench\"\nserial = {serial}\n");
        for rule in 0..rules {
            let path = self.ruled(rule);
            // Writing to a String cannot fail.
            let _ = write!(
                text,
                "[[rule]]\nid = \"rule-{rule}\"\non = [\"read\", \"write\"]\npath = \"{}\"\n",
                path.display()
            );
        }
        text
    }

    fn write(&self, name: &str, text: &str) -> Result<String, Error> {
        let path = self.path(name);
        fs::write(&path, text).map_err(call("write", path.display()))?;
        Ok(path.display().to_string())
    }

    /// Measures policies of one size under a daemon of their own, so that its memory is theirs.
    fn size(&self, rules: u32, rounds: u64) -> Result<Size, Error> {
        let daemon = Daemon::start(self)?;
        let mut told = Vec::new();
        for round in 1..=rounds {
            let text = self.policy(rules, round + 1);
            let parse = parse(&text)?;
            let policy = self.write("policy.toml", &text)?;
            let reply: ApplyReply = self.ask(&["policy", "apply", &policy, "-o", "json"])?;
            told.push(std::iter::once(parse).chain(reply.steps).collect::<Vec<Step>>());
            eprintln!("aegis-bench: {rules} rules, round {round} of {rounds}");
        }
        let status: Status = self.ask(&["status", "-o", "json"])?;
        daemon.detach()?;
        Ok(Size::new(rules, &told, &status.memory))
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("aegisbpf");
        command.args(words).arg("--bpffs-root").arg(self.path("bpf/pins"));
        command.arg("--socket").arg(self.path("socket")).stdin(Stdio::null()).env("NO_COLOR", "1");
        command
    }

    fn run(&self, words: &[&str]) -> Result<Vec<u8>, Error> {
        let output = self.command(words).output().map_err(call("start", "aegisbpf"))?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(Error::Agent { command: words.join(" "), said })
    }

    fn ask<T: serde::de::DeserializeOwned>(&self, words: &[&str]) -> Result<T, Error> {
        serde_json::from_slice(&self.run(words)?)
            .map_err(|error| Error::Agent { command: words.join(" "), said: error.to_string() })
    }
}

/// The parser alone, as the compiler calls it.
fn parse(text: &str) -> Result<Step, Error> {
    let start = Instant::now();
    let (table, errors) = toml::de::DeTable::parse_recoverable(text);
    let microseconds = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
    drop(table);
    match errors.first() {
        Some(error) => Err(Error::Agent { command: "parse".to_owned(), said: error.to_string() }),
        None => Ok(Step { step: "parse".to_owned(), microseconds }),
    }
}

impl<'a> Daemon<'a> {
    /// With one rule in force: what is attached stays so from here on.
    fn start(scene: &'a Scene) -> Result<Self, Error> {
        // In a file of its own: the daemon watches what it was started with.
        let policy = scene.write("first.toml", &scene.policy(1, 1))?;
        let path = scene.path("log");
        let log = File::create(&path).map_err(call("make", path.display()))?;
        let mut command = scene.command(&["run", "--observe", "--policy", &policy]);
        command.arg("--state-dir").arg(scene.path("state")).stdout(Stdio::null()).stderr(log);
        let process = command.spawn().map_err(call("start", "aegisbpf"))?;
        let mut daemon = Self { scene, process };
        daemon.wait_until_ready(&path)?;
        let status: Status = scene.ask(&["status", "-o", "json"])?;
        if status.probes == "fallback" { Ok(daemon) } else { Err(Error::NotFallback) }
    }

    fn wait_until_ready(&mut self, log: &Path) -> Result<(), Error> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let said = fs::read_to_string(log).map_err(call("read", log.display()))?;
            if said.split_whitespace().any(|word| word == "ready") {
                return Ok(());
            }
            let ended = self.process.try_wait().map_err(call("wait for", "aegisbpf"))?;
            if ended.is_some() || Instant::now() > deadline {
                return Err(Error::Agent { command: "run".to_owned(), said });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Takes everything down; the daemon ends by itself.
    fn detach(mut self) -> Result<(), Error> {
        self.scene.run(&["detach", "--reason", "end of measurement"])?;
        self.process.wait().map(drop).map_err(call("wait for", "aegisbpf"))
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        // It has ended by itself if all went well.
        if matches!(self.process.try_wait(), Ok(Some(_))) {
            return;
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = self.scene.run(&["detach", "--reason", "end of measurement"]);
    }
}
