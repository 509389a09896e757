//! The units, under a real systemd: when the service counts as started, and what is denied while it is stopped, killed,
//! hung and started again.

use aegis_tests::agent::wait_until;
use aegis_tests::check::{Test, expect, expect_text, trials as trials_of};
use aegis_tests::outcome::Outcome;
use libtest_mimic::{Failed, Trial};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

const TESTS: &[Test] = &[
    ("units_are_verified", verified),
    ("exposure_is_low", exposure),
    ("active_only_after_proof", active_after_proof),
    ("stop_goes_on_enforcing_and_start_adopts", stop_and_start),
    ("killed_is_started_again_without_a_window", killed),
    ("watchdog_ends_what_hangs_without_a_window", hung),
    ("wrong_policy_fails_and_is_not_tried_again", wrong_policy),
    ("who_is_ordered_after_it_finds_it_in_force", ordered),
    ("early_unit_arms_and_ends", early),
    ("reload_is_taken", reload),
    ("refused_reload_says_why_and_harms_nothing", refused_reload),
    ("changed_files_are_taken_by_themselves", watched),
    ("wrong_policy_at_boot_goes_on_with_the_last_good_one", last_good),
    ("group_may_read_and_change_nothing", group),
];

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    trials_of("systemd", TESTS)
}

/// Where the files of the repository's `systemd` folder are.
const UNITS: &str = "/usr/lib/aegis-units";
const SYSTEM: &str = "/etc/systemd/system";
const SERVICE: &str = "aegisbpf.service";
const SECRET: &str = "/scratch/secret";
const CONFIG: &str = "/etc/aegisbpf/config.toml";
const POLICY: &str = "/etc/aegisbpf/policy.d/test.toml";

fn run(program: &str, words: &[&str]) -> Output {
    Command::new(program).args(words).output().expect("a program")
}

fn systemctl(words: &[&str]) -> Output {
    run("systemctl", words)
}

fn said(output: &Output) -> String {
    [output.stdout.clone(), output.stderr.clone()].concat().iter().map(|byte| char::from(*byte)).collect()
}

fn property(name: &str) -> String {
    let output = systemctl(&["show", "--value", "--property", name, SERVICE]);
    said(&output).trim().to_owned()
}

fn read() -> Outcome {
    File::open(SECRET).map(drop).into()
}

/// A policy that denies reading these files.
fn policy(files: &[&str]) -> String {
    let rule = |(number, file): (usize, &&str)| {
        format!("[[rule]]\nid = \"rule-{number}\"\non = [\"read\"]\npath = \"{file}\"\n")
    };
    "version = 3\nname = \"unit\"\n".to_owned() + &files.iter().enumerate().map(rule).collect::<String>()
}

/// The units as a package installs them, with a policy of these tests. Everything is taken down in the end.
struct Installed;

impl Installed {
    fn with(drop_in: &str) -> Self {
        for unit in [SERVICE, "aegisbpf-early.service"] {
            fs::copy(Path::new(UNITS).join(unit), Path::new(SYSTEM).join(unit)).expect("a unit");
        }
        run("systemd-sysusers", &[&format!("{UNITS}/aegisbpf.sysusers")]);
        run("systemd-tmpfiles", &["--create", &format!("{UNITS}/aegisbpf.tmpfiles")]);
        fs::write(SECRET, "content\n").expect("a file");
        fs::write(POLICY, policy(&[SECRET])).expect("a policy");
        let config = format!("[policy]\nfiles = [\"{POLICY}\"]\nwatch = false\n");
        fs::write(CONFIG, config).expect("a configuration");
        let directory = Path::new(SYSTEM).join("aegisbpf.service.d");
        fs::create_dir_all(&directory).expect("a directory");
        // Settings of the service on top of those that it comes with.
        fs::write(directory.join("test.conf"), format!("[Service]\n{drop_in}")).expect("a drop-in");
        systemctl(&["daemon-reload"]);
        Self
    }

    fn started(drop_in: &str) -> Result<Self, Failed> {
        let installed = Self::with(drop_in);
        let started = systemctl(&["start", SERVICE]);
        expect(&format!("start: {}", said(&started)), started.status.success(), true)?;
        Ok(installed)
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        systemctl(&["stop", SERVICE, "aegisbpf-early.service"]);
        systemctl(&["reset-failed"]);
        run("aegisbpf", &["detach", "--reason", "end of test"]);
        let _ = fs::remove_dir_all("/var/lib/aegisbpf");
        let _ = fs::remove_dir_all("/etc/aegisbpf");
    }
}

/// Opens the file without pause until it is stopped.
struct Hammer {
    is_over: Arc<AtomicBool>,
    tried: Arc<AtomicU64>,
    thread: JoinHandle<u64>,
}

impl Hammer {
    fn start() -> Self {
        let (is_over, tried) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stop, count) = (Arc::clone(&is_over), Arc::clone(&tried));
        let thread = std::thread::spawn(move || {
            let mut wrong = 0;
            while !stop.load(Ordering::Relaxed) {
                wrong += u64::from(read() != Outcome::Denied);
                count.fetch_add(1, Ordering::Relaxed);
                // Leaves the emulated processors to the others now and then.
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
            wrong
        });
        Self { is_over, tried, thread }
    }

    /// How many were tried, and how many were not denied.
    fn stop(self) -> (u64, u64) {
        self.is_over.store(true, Ordering::Relaxed);
        let wrong = self.thread.join().expect("the hammer");
        (self.tried.load(Ordering::Relaxed), wrong)
    }
}

fn not_one(hammer: Hammer) -> Result<(), Failed> {
    let (tried, wrong) = hammer.stop();
    println!("{tried} opens meanwhile, {wrong} not denied");
    expect("opens that were not denied", wrong, 0)?;
    expect("many were tried", tried > 100, true)
}

fn verified() -> Result<(), Failed> {
    let _installed = Installed::with("");
    let units = [SERVICE, "aegisbpf-early.service"].map(|unit| format!("{SYSTEM}/{unit}"));
    let output = run("systemd-analyze", &["verify", &units[0], &units[1]]);
    expect("what is said", said(&output).as_str(), "")?;
    expect("success", output.status.success(), true)
}

fn exposure() -> Result<(), Failed> {
    let unit = format!("{UNITS}/{SERVICE}");
    let output = run("systemd-analyze", &["security", "--offline=true", "--threshold=30", &unit]);
    println!("{}", said(&output).lines().last().unwrap_or_default());
    // Its exit code says whether the exposure is below the threshold, in tenths.
    expect("success", output.status.success(), true)
}

fn active_after_proof() -> Result<(), Failed> {
    let installed = Installed::with("");
    expect("before", read(), Outcome::Allowed)?;
    systemctl(&["start", "--no-block", SERVICE]);
    // At no look is the service active while the file can be read.
    let mut looks = 0;
    wait_until("the service is active", || {
        looks += 1;
        let is_active = property("ActiveState") == "active";
        assert!(!is_active || read() == Outcome::Denied, "active, and not in force");
        is_active
    });
    expect("looks before it was", looks > 1, true)?;
    expect_text("status", &property("StatusText"), "in force and proven")?;
    let posture = run("aegisbpf", &["status", "-o", "json"]);
    expect_text("status", &said(&posture), "\"ENFORCE\"")?;
    drop(installed);
    expect("after", read(), Outcome::Allowed)
}

fn stop_and_start() -> Result<(), Failed> {
    let _installed = Installed::started("")?;
    let links = || said(&run("ls", &["-i", "/sys/fs/bpf/aegisbpf/links"]));
    let (before, hammer) = (links(), Hammer::start());
    expect("stop", systemctl(&["stop", SERVICE]).status.success(), true)?;
    expect("state", property("ActiveState").as_str(), "inactive")?;
    expect("result", property("Result").as_str(), "success")?;
    expect("links", links(), before.clone())?;
    expect("start", systemctl(&["start", SERVICE]).status.success(), true)?;
    expect("links", links(), before)?;
    not_one(hammer)
}

fn killed() -> Result<(), Failed> {
    let _installed = Installed::started("")?;
    let hammer = Hammer::start();
    let before = property("MainPID");
    systemctl(&["kill", "--signal=SIGKILL", SERVICE]);
    wait_until("another daemon runs", || {
        property("ActiveState") == "active" && !["0", &before].contains(&property("MainPID").as_str())
    });
    not_one(hammer)
}

fn hung() -> Result<(), Failed> {
    let _installed = Installed::started("WatchdogSec=15\n")?;
    let hammer = Hammer::start();
    let before = property("MainPID");
    // Nothing of it turns any more, as if it hung as a whole.
    systemctl(&["kill", "--signal=SIGSTOP", SERVICE]);
    wait_until("another daemon runs", || {
        property("ActiveState") == "active" && !["0", &before].contains(&property("MainPID").as_str())
    });
    let journal = said(&run("journalctl", &["--unit", SERVICE, "--no-pager"]));
    expect_text("journal", &journal, "Watchdog timeout")?;
    not_one(hammer)
}

fn wrong_policy() -> Result<(), Failed> {
    let _installed = Installed::with("");
    fs::write(POLICY, "version = 3\nname = \"unit\"\n[[rule]]\nid = \"secret\"\nin = [\"read\"]\n")
        .expect("a policy");
    let started = systemctl(&["start", SERVICE]);
    expect("start", started.status.success(), false)?;
    expect("exit code", property("ExecMainStatus").as_str(), "6")?;
    expect("state", property("ActiveState").as_str(), "failed")?;
    expect("restarts", property("NRestarts").as_str(), "0")?;
    let journal = said(&run("journalctl", &["--unit", SERVICE, "--no-pager"]));
    expect_text("journal", &journal, POLICY)
}

fn ordered() -> Result<(), Failed> {
    let _installed = Installed::with("");
    let unit = format!(
        "[Unit]\nAfter={SERVICE}\nRequires={SERVICE}\n[Service]\nType=oneshot\nExecStart=/bin/sh -c '! cat {SECRET}'\n"
    );
    fs::write(format!("{SYSTEM}/aegis-after.service"), unit).expect("a unit");
    systemctl(&["daemon-reload"]);
    let started = systemctl(&["start", "aegis-after.service"]);
    expect(&said(&started), started.status.success(), true)
}

fn early() -> Result<(), Failed> {
    let _installed = Installed::with("");
    let started = systemctl(&["start", "aegisbpf-early.service"]);
    expect(&said(&started), started.status.success(), true)?;
    let daemons = said(&run("pgrep", &["--exact", "aegisbpf"]));
    expect("daemons", daemons.as_str(), "")?;
    expect("without a daemon", read(), Outcome::Denied)?;
    let hammer = Hammer::start();
    expect("start", systemctl(&["start", SERVICE]).status.success(), true)?;
    not_one(hammer)
}

const OTHER: &str = "/scratch/other";

fn read_other() -> Outcome {
    File::open(OTHER).map(drop).into()
}

fn reload() -> Result<(), Failed> {
    let _installed = Installed::started("")?;
    fs::write(OTHER, "content\n")?;
    expect("before", (read(), read_other()), (Outcome::Denied, Outcome::Allowed))?;
    let before = property("MainPID");
    fs::write(POLICY, policy(&[SECRET, OTHER]))?;
    let hammer = Hammer::start();
    let reloaded = systemctl(&["reload", SERVICE]);
    expect(&said(&reloaded), reloaded.status.success(), true)?;
    expect("after", (read(), read_other()), (Outcome::Denied, Outcome::Denied))?;
    expect("the daemon", property("MainPID"), before)?;
    not_one(hammer)?;
    // By signal, without an answer.
    fs::write(POLICY, policy(&[SECRET]))?;
    systemctl(&["kill", "--signal=SIGHUP", "--kill-who=main", SERVICE]);
    wait_until("the other file is allowed", || read_other() == Outcome::Allowed);
    expect("still", read(), Outcome::Denied)
}

fn refused_reload() -> Result<(), Failed> {
    let _installed = Installed::started("")?;
    let hammer = Hammer::start();
    // Without the warning that the configuration is wrong.
    let generation = || run("aegisbpf", &["policy", "show", "-o", "json"]).stdout;
    let before = generation();
    fs::write(POLICY, policy(&[SECRET]).replace("on =", "in ="))?;
    let reloaded = systemctl(&["reload", SERVICE]);
    expect("reload", reloaded.status.success(), false)?;
    fs::write(POLICY, policy(&[SECRET]))?;
    fs::write(CONFIG, format!("[policy]\nfiles = [\"{POLICY}\"]\nmood = \"observe\"\n"))?;
    let refused = run("aegisbpf", &["config", "reload"]);
    expect("exit code", refused.status.code(), Some(6))?;
    expect_text("what is said", &said(&refused), "config.toml:3:1")?;
    let journal = said(&run("journalctl", &["--unit", SERVICE, "--no-pager"]));
    expect_text("journal", &journal, "policy.d/test.toml")?;
    expect_text("journal", &journal, "nothing has changed")?;
    expect("state", property("ActiveState").as_str(), "active")?;
    expect("in force", generation(), before)?;
    not_one(hammer)
}

fn watched() -> Result<(), Failed> {
    let _installed = Installed::with("");
    fs::write(CONFIG, format!("[policy]\nfiles = [\"{POLICY}\"]\n"))?;
    expect("start", systemctl(&["start", SERVICE]).status.success(), true)?;
    fs::write(OTHER, "content\n")?;
    // As tools replace files: the new one is written beside it.
    fs::write(format!("{POLICY}.new"), policy(&[SECRET, OTHER]))?;
    fs::rename(format!("{POLICY}.new"), POLICY)?;
    wait_until("the other file is denied", || read_other() == Outcome::Denied);
    // And the configuration itself.
    fs::write(CONFIG, format!("[policy]\nfiles = [\"{POLICY}\"]\nmode = \"observe\"\n"))?;
    wait_until("nothing is denied any more", || read_other() == Outcome::Allowed);
    Ok(())
}

fn last_good() -> Result<(), Failed> {
    let _installed = Installed::started("")?;
    expect("stop", systemctl(&["stop", SERVICE]).status.success(), true)?;
    // As a boot leaves it: nothing is armed.
    run("aegisbpf", &["detach", "--reason", "test"]);
    expect("detached", read(), Outcome::Allowed)?;
    fs::write(POLICY, "version = 3\nnonsense\n")?;
    let started = systemctl(&["start", SERVICE]);
    expect(&said(&started), started.status.success(), true)?;
    expect("after", read(), Outcome::Denied)?;
    let journal = said(&run("journalctl", &["--unit", SERVICE, "--no-pager"]));
    expect_text("journal", &journal, "what was in force last goes on")
}

fn group() -> Result<(), Failed> {
    let _installed = Installed::started("")?;
    let as_member = |words: &[&str]| {
        let command = [&["--reuid=65534", "--regid=65534", "--groups=aegisbpf", "aegisbpf"], words].concat();
        run("setpriv", &command)
    };
    let read = as_member(&["status"]);
    expect(&said(&read), read.status.success(), true)?;
    for change in [&["policy", "reset"][..], &["block", "add", "/scratch/x"], &["detach", "--reason", "x"]] {
        let refused = as_member(change);
        expect(&format!("{change:?}: {}", said(&refused)), refused.status.code(), Some(3))?;
    }
    let stranger =
        run("setpriv", &["--reuid=65534", "--regid=65534", "--clear-groups", "aegisbpf", "status"]);
    expect(&said(&stranger), stranger.status.code(), Some(3))
}
