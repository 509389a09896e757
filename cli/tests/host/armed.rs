//! A daemon with the audit fallback on a bpf file system that nobody else sees.

use crate::place::{Place, Ran};
use serde_json::Value;
use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The daemon, and the process that keeps its mount namespace. Dropping it takes everything down.
pub(crate) struct Armed {
    pub(crate) place: Place,
    keeper: Child,
    daemon: Option<Child>,
    words: Vec<String>,
}

const ROOT: &str = "bpf/pins";
const PATIENCE: Duration = Duration::from_secs(30);
/// How long is waited for records that must not come.
const SETTLE: Duration = Duration::from_millis(300);

impl Armed {
    /// Makes the scratch files and their policy, mounts, starts the daemon with these words, waits until it is ready.
    pub(crate) fn start(words: &[&str]) -> Self {
        let place = Place::make();
        fill(&place);
        // It ends with its standard input, whatever becomes of the test.
        let mount = "mount -t bpf bpf bpf && echo mounted && read -r _";
        let mut keeper = Command::new("unshare");
        keeper.args(["-m", "sh", "-c", mount]).current_dir(place.path(""));
        keeper.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut keeper = keeper.spawn().expect("unshare");
        let mut mounted = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut mounted).unwrap();
        assert_eq!(mounted, "mounted\n");
        let words = [words, &["--policy", "scratch.toml", "--state-dir", "state"]].concat();
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        let mut armed = Self { place, keeper, daemon: None, words };
        armed.start_again();
        armed
    }

    /// What starts a command line where the bpf file system is, in the directory.
    pub(crate) fn wrapper(&self) -> Vec<String> {
        let keeper = self.keeper.id().to_string();
        let directory = self.place.path("").display().to_string();
        let enter = "cd \"$0\" && exec \"$@\"";
        ["nsenter", "-m", "-t", &keeper, "sh", "-c", enter, &directory].map(str::to_owned).to_vec()
    }

    /// A command line beside it.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let wrapper = self.wrapper();
        let wrapper: Vec<&str> = wrapper.iter().map(String::as_str).collect();
        self.place.command(&wrapper, words, ROOT)
    }

    /// Runs a shell's words where its pins are.
    pub(crate) fn among_pins(&self, script: &str) {
        let keeper = self.keeper.id().to_string();
        let directory = self.place.path(ROOT);
        let mut shell = Command::new("nsenter");
        shell.args(["-m", "-t", &keeper, "sh", "-ec", "cd \"$0\" && eval \"$1\""]).arg(directory).arg(script);
        assert!(shell.status().expect("nsenter").success(), "{script}");
    }

    /// Words that its next starts have as well.
    pub(crate) fn add_words(&mut self, words: &[&str]) {
        self.words.extend(words.iter().map(|word| (*word).to_owned()));
    }

    /// Starts the daemon as the last time.
    pub(crate) fn start_again(&mut self) {
        let log = File::create(self.place.path("log")).unwrap();
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        let mut command = self.command(&words);
        self.daemon = Some(command.stdout(Stdio::null()).stderr(log).spawn().expect("aegisbpf starts"));
        let deadline = Instant::now() + PATIENCE;
        while !self.log().contains("ready") {
            let ended = self.daemon.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "not ready: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Where it answers.
    pub(crate) fn socket(&self) -> PathBuf {
        self.place.path("none.sock")
    }

    /// What the daemon wrote to standard error.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.place.path("log")).unwrap()
    }

    /// Runs a command line beside it.
    pub(crate) fn run(&self, words: &[&str]) -> Ran {
        self.command(words).output().expect("aegisbpf starts").into()
    }

    /// The status.
    pub(crate) fn status(&self) -> Value {
        self.run(&["status", "-o", "json"]).json()
    }

    /// All records of a type.
    pub(crate) fn records(&self, kind: &str) -> Vec<Value> {
        let lines = self.run(&["events"]).stdout;
        let records = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        records.filter(|record| record["type"] == kind).collect()
    }

    /// The records of decisions.
    pub(crate) fn blocks(&self) -> Vec<Value> {
        self.records("block")
    }

    /// Those after the first so many, once so many more have come; and whatever else comes soon after them.
    pub(crate) fn blocks_after(&self, before: usize, expected: usize) -> Vec<Value> {
        let deadline = Instant::now() + PATIENCE;
        while self.blocks().len() < before + expected && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(SETTLE);
        self.blocks().split_off(before)
    }

    /// Whether the numbers of stat() are those of the kernel on the file system of the directory.
    pub(crate) fn stat_is_right(&self) -> bool {
        let magic = rustix::fs::statfs(self.place.path("")).unwrap().f_type;
        // btrfs and overlayfs.
        ![0x9123_683e, 0x794c_7630].contains(&magic)
    }

    /// Kills the daemon.
    pub(crate) fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill().unwrap();
            daemon.wait().unwrap();
        }
    }

    /// Takes everything down, with the daemon's help.
    pub(crate) fn detach(&mut self) {
        let ran = self.run(&["detach", "--reason", "test"]);
        assert_eq!(ran.status, Some(0), "{}", ran.stderr);
        self.wait_for_its_end();
    }

    /// It was told to end, and does so in order.
    pub(crate) fn wait_for_its_end(&mut self) {
        assert!(self.daemon.take().unwrap().wait().unwrap().success());
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        let _ = self.command(&["detach", "--reason", "end of test"]).output();
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

const POLICY: &str = r#"version = 3
name = "scratch"

[[rule]]
id = "data"
on = ["read", "write"]
path = ["@/data", "@/missing"]

[[rule]]
id = "program"
on = ["exec"]
path = ["@/program", "@/script", "@/interpreter"]

[[rule]]
id = "library"
on = ["map-exec"]
path = ["@/library"]
"#;

fn fill(place: &Place) {
    let path = |name: &str| place.path(name);
    for directory in ["bpf", "elsewhere"] {
        fs::create_dir(path(directory)).unwrap();
    }
    for file in ["data", "control"] {
        fs::write(path(file), "content\n").unwrap();
    }
    for program in ["program", "control-program", "library"] {
        fs::copy("/bin/true", path(program)).unwrap();
    }
    fs::copy("/bin/sh", path("interpreter")).unwrap();
    fs::hard_link(path("data"), path("elsewhere/hard")).unwrap();
    symlink("../data", path("elsewhere/soft")).unwrap();
    symlink("../program", path("elsewhere/soft-program")).unwrap();
    script(&path("script"), "/bin/sh");
    script(&path("elsewhere/interpreted"), &path("interpreter").display().to_string());
    let policy = POLICY.replace('@', place.path("").display().to_string().trim_end_matches('/'));
    fs::write(path("scratch.toml"), policy).unwrap();
}

fn script(path: &Path, interpreter: &str) {
    fs::write(path, format!("#!{interpreter}\nexit 0\n")).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}
