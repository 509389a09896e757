//! The agent under test, as its users run it: the `aegisbpf` on the PATH.

use crate::ask::{Reply, ask};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// How long the agent may take to start or end: emulated machines are slow.
const PATIENCE: Duration = Duration::from_secs(180);

/// Where an agent lives, and the program that is its daemon.
#[derive(Debug, Clone)]
pub struct Site {
    /// For its socket, its policy files and what it keeps.
    pub directory: PathBuf,
    /// For its pins, on a bpf file system.
    pub pins: PathBuf,
    /// What starts its daemon; options follow.
    pub daemon: Vec<String>,
}

/// One agent with its own pins, socket and policy. Dropping it takes everything down.
#[derive(Debug)]
pub struct Agent {
    site: Site,
    arguments: Vec<String>,
    child: Option<Child>,
    /// How long the log of its daemons was when the last one was started.
    logged: usize,
}

impl Agent {
    /// Names an agent; nothing is started.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self::at(Site {
            directory: Path::new("/run/aegis-tests").join(name),
            pins: Path::new("/sys/fs/bpf").join(name),
            daemon: vec!["aegisbpf".to_owned(), "run".to_owned()],
        })
    }

    /// Names an agent that lives somewhere else; nothing is started.
    #[must_use]
    pub fn at(site: Site) -> Self {
        let agent = Self { site, arguments: Vec::new(), child: None, logged: 0 };
        // What an agent of the same name left there is not to count.
        let _ = fs::remove_dir_all(agent.state());
        let _ = fs::remove_file(agent.log_file());
        agent
    }

    /// Where its files are.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        self.site.directory.clone()
    }

    fn socket(&self) -> PathBuf {
        self.directory().join("control.sock")
    }

    fn common(&self) -> [String; 4] {
        let socket = self.socket().display().to_string();
        ["--bpffs-root".to_owned(), self.root(), "--socket".to_owned(), socket]
    }

    /// Where its pins are.
    #[must_use]
    pub fn root(&self) -> String {
        self.site.pins.display().to_string()
    }

    /// A command line of the agent.
    #[must_use]
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("aegisbpf");
        command.args(words).args(self.common());
        command
    }

    /// Runs a command line to its end.
    #[must_use]
    pub fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("aegisbpf is on the PATH")
    }

    /// Runs one that must succeed, with JSON for an answer.
    #[must_use]
    pub fn json(&self, words: &[&str]) -> Value {
        let output = self.run(&[words, &["-o", "json"]].concat());
        assert!(output.status.success(), "{words:?}: {output:?}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// Asks its daemon on the socket, without a command.
    #[must_use]
    pub fn ask(&self, path: &str, body: Option<&Value>) -> Reply {
        ask(&self.socket(), &self.root(), path, body)
    }

    /// Writes a policy file and names it.
    #[must_use]
    pub fn policy(&self, text: &str) -> String {
        fs::create_dir_all(self.directory()).expect("a directory for the agent");
        let path = self.directory().join(format!("policy-{}.toml", text.len()));
        fs::write(&path, text).expect("a policy file");
        path.display().to_string()
    }

    /// Starts the daemon with a policy and waits until it answers.
    pub fn start(&mut self, policy: &str, options: &[&str]) {
        let file = self.policy(policy);
        let _ = fs::remove_file(self.output_file());
        self.start_with(&[&["--policy", &file], options].concat());
    }

    /// Starts the daemon with these options of `run` and waits until it answers.
    pub fn start_with(&mut self, options: &[&str]) {
        fs::create_dir_all(self.directory()).expect("a directory for the agent");
        let state = self.state().display().to_string();
        let words = [&["--state-dir", &state], options].concat();
        self.arguments = words.iter().map(|word| (*word).to_owned()).collect();
        self.start_again();
    }

    fn output_file(&self) -> PathBuf {
        self.directory().join("output")
    }

    /// Where it keeps its local policy.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.directory().join("state")
    }

    /// Starts the daemon as the last time. Its standard output goes behind that of the one before it.
    pub fn start_again(&mut self) {
        let output =
            File::options().create(true).append(true).open(self.output_file()).expect("an output file");
        self.start_into(output.into());
    }

    /// The same with another standard output.
    pub fn start_into(&mut self, output: Stdio) {
        self.begin_into(output);
        wait_until("the daemon is ready", || {
            let log = self.log();
            let ended = self.try_wait();
            assert!(ended.is_none(), "the daemon ended, {}: {log}", ended.unwrap_or_default());
            log.contains("ready")
        });
    }

    /// Starts it and does not wait. What it says goes behind what those before it said.
    fn begin_into(&mut self, output: Stdio) {
        let log = File::options().create(true).append(true).open(self.log_file()).expect("a log file");
        self.logged = usize::try_from(log.metadata().expect("a log file").len()).expect("a short log");
        let (program, words) = self.site.daemon.split_first().expect("the name of a program");
        let mut command = Command::new(program);
        command.args(words).args(&self.arguments).args(self.common());
        self.child = Some(command.stdout(output).stderr(log).spawn().expect("the daemon starts"));
    }

    fn log_file(&self) -> PathBuf {
        self.directory().join("log")
    }

    /// What the last daemon has said.
    #[must_use]
    pub fn log(&self) -> String {
        let all = fs::read(self.log_file()).unwrap_or_default();
        String::from_utf8_lossy(all.get(self.logged..).unwrap_or_default()).into_owned()
    }

    /// The daemon that runs.
    #[must_use]
    pub fn pid(&self) -> Option<Pid> {
        self.child.as_ref().map(Pid::from_child)
    }

    /// How the daemon ended, if it did.
    pub fn try_wait(&mut self) -> Option<ExitStatus> {
        let ended = self.child.as_mut()?.try_wait().expect("the daemon can be waited for")?;
        self.child = None;
        Some(ended)
    }

    fn send(&self, signal: Signal) {
        let child = self.child.as_ref().expect("a running daemon");
        kill_process(Pid::from_child(child), signal).expect("the daemon can be signalled");
    }

    /// Stops the daemon where it is.
    pub fn stop(&self) {
        self.send(Signal::STOP);
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        self.send(Signal::CONT);
    }

    /// Sends the daemon a signal that ends it, and waits until it has.
    fn signal(&mut self, signal: Signal) -> ExitStatus {
        self.send(signal);
        let mut child = self.child.take().expect("a running daemon");
        child.wait().expect("the daemon ends")
    }

    /// Kills the daemon.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
    }

    /// Ends the daemon as systemd would.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM)
    }

    /// Takes everything down.
    pub fn detach(&mut self) {
        let output = self.run(&["detach", "--reason", "test"]);
        assert!(output.status.success(), "detach: {output:?}");
        if let Some(mut child) = self.child.take() {
            assert!(child.wait().expect("the daemon ends").success());
        }
    }

    /// All records that the daemon has.
    #[must_use]
    pub fn events(&self) -> Vec<Value> {
        let output = self.run(&["events"]);
        assert!(output.status.success(), "events: {output:?}");
        let lines = String::from_utf8(output.stdout).expect("UTF-8");
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// All records on the standard outputs of the daemons since the start. What a killed daemon did not finish is no
    /// record.
    #[must_use]
    pub fn output(&self) -> Vec<Value> {
        let text = fs::read(self.output_file()).unwrap_or_default();
        records(&String::from_utf8_lossy(&text))
    }

    /// What became of every decision that was to be reported, once everything was delivered.
    #[must_use]
    pub fn account(&self) -> Value {
        let mut account = Value::Null;
        wait_until("everything is delivered", || {
            account = self.json(&["events", "account"]);
            let total = &account["total"];
            [&total["in_ring"], &total["in_daemon"], &account["unsummarised"]]
                .iter()
                .all(|count| **count == 0)
        });
        account
    }

    /// The records of decisions.
    #[must_use]
    pub fn blocks(&self) -> Vec<Value> {
        self.events().into_iter().filter(|event| event["type"] == "block").collect()
    }

    /// Waits until a running daemon has read what is in the ring, and holds nothing back for its order.
    pub fn settle(&self) {
        if self.child.is_none() {
            return;
        }
        wait_until("the daemon has read the ring", || {
            let total = &self.json(&["events", "account"])["total"];
            [&total["in_ring"], &total["in_daemon"]].iter().all(|count| **count == 0)
        });
    }

    /// The ids of the links, by hook.
    #[must_use]
    pub fn links(&self) -> Vec<(String, u64)> {
        let status = self.json(&["status"]);
        let link = |link: &Value| {
            (link["hook"].as_str().unwrap_or("").to_owned(), link["link_id"].as_u64().unwrap_or(0))
        };
        status["links"].as_array().expect("links").iter().map(link).collect()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = self.run(&["detach", "--reason", "end of test"]);
    }
}

/// The lines that are records.
#[must_use]
pub fn records(text: &str) -> Vec<Value> {
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Waits for something that must come true.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
