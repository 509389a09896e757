//! The short form of the scenarios, on the machine that runs the tests: nothing but files of their own is named by a rule,
//! and the pins are in a file system of their own.
#![forbid(unsafe_code)]
#![allow(clippy::expect_used)]

use aegis_tests::long;
use aegis_tests::steps::{DEEDS, STEPS, Scene, play};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

const CHAOS: &str = env!("CARGO_BIN_EXE_aegis-chaos");
/// What is played in full, without anything at random after it.
const SCENARIOS: [&str; 4] = ["each", "process", "excess", "all"];

/// The program that its users run, which is built beside this one.
fn beside() -> &'static Path {
    Path::new(CHAOS).parent().expect("programs are in a directory")
}

fn attack(scenario: &str, name: &str) -> Output {
    let directory = env::temp_dir().join(format!("aegis-chaos-{name}-{}", std::process::id()));
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(std::iter::once(beside().to_owned()).chain(env::split_paths(&path)));
    let mut command = Command::new(CHAOS);
    command.args(["attack", "--minutes", "0", "--scenario", scenario]).arg("--directory").arg(&directory);
    let output = command.env("PATH", path.expect("a PATH")).output().expect("aegis-chaos starts");
    let _ = fs::remove_dir(&directory);
    output
}

fn held(scenario: &'static str) -> Result<(), Failed> {
    let output = attack(scenario, scenario);
    println!("{}", String::from_utf8_lossy(&output.stdout));
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(format!("{}: {}", output.status, String::from_utf8_lossy(&said)).into())
}

/// Set where a daemon may be armed: the directory that everything is in.
const INSIDE: &str = "AEGIS_STEPS";
/// Mounts a bpf file system that nobody else sees, and goes on as the same program.
const APART: &str = "mkdir \"$AEGIS_STEPS/bpf\" && mount -t bpf bpf \"$AEGIS_STEPS/bpf\" && exec \"$@\"";

/// A daemon that is killed at the end of each step of what changes the policy in force, by this program where that file
/// system is.
fn killed_at_each_step() -> Result<(), Failed> {
    let directory = env::temp_dir().join(format!("aegis-steps-{}", std::process::id()));
    fs::create_dir_all(&directory)?;
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(std::iter::once(beside().to_owned()).chain(env::split_paths(&path)))?;
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", APART, "sh"]).arg(env::current_exe()?);
    let output = command.env(INSIDE, &directory).env("PATH", path).output()?;
    let _ = fs::remove_dir_all(&directory);
    println!("{}", String::from_utf8_lossy(&output.stdout));
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)).into())
}

/// What is played there.
fn steps(directory: PathBuf) -> Result<(), Failed> {
    let rounds = if long() { 100 } else { 1 };
    let pins = directory.join("bpf/pins");
    let scene = Scene { directory, pins, enforces: false, steps: &STEPS, rounds };
    DEEDS.iter().try_for_each(|deed| play(&scene, deed))
}

/// Why nothing can be played here, if nothing can.
fn unfit() -> Option<&'static str> {
    let asked = Command::new(beside().join("aegisbpf")).args(["health", "-o", "json"]).output();
    let health: Value = serde_json::from_slice(&asked.expect("aegisbpf starts").stdout).expect("JSON");
    let checks = health["checks"].as_array().expect("checks");
    let is_ok = |name: &str| checks.iter().any(|check| check["name"] == name && check["ok"] == true);
    if is_ok("BPF LSM programs") {
        return Some("this kernel takes BPF LSM programs, and the host that runs tests must not be armed");
    }
    if !is_ok("audit fallback") {
        return Some("this kernel takes nothing that could decide or report (not root?)");
    }
    let mounted = Command::new("unshare").args(["--mount", "true"]).output();
    (!mounted.is_ok_and(|tried| tried.status.success())).then_some("a mount namespace cannot be had")
}

/// What is here is not in the program that users run.
fn no_trace() -> Result<(), Failed> {
    for (program, expected) in [(Path::new(CHAOS), true), (&beside().join("aegisbpf"), false)] {
        let bytes = fs::read(program)?;
        let found = bytes.windows(TRACE.len()).any(|window| window == TRACE);
        if found != expected {
            return Err(format!("{}: a trace of faults: {found}", program.display()).into());
        }
    }
    Ok(())
}

/// In the names of all functions and types here, and in what they say.
const TRACE: &[u8] = b"chaos";

fn main() {
    if let Some(directory) = env::var_os(INSIDE) {
        let played = steps(directory.into());
        assert!(
            played.is_ok(),
            "{}",
            played.err().and_then(|failed| failed.message().map(str::to_owned)).unwrap_or_default()
        );
        return;
    }
    let mut arguments = Arguments::from_args();
    // They measure how long a daemon takes to be well again.
    arguments.test_threads = Some(1);
    assert!(
        beside().join("aegisbpf").exists(),
        "there is no aegisbpf beside {CHAOS}: `cargo build --package aegisbpf` makes it"
    );
    let unfit = unfit();
    let trial = |scenario: &'static str| {
        let name = format!("chaos::{scenario}");
        if let Some(why) = unfit {
            eprintln!("skipped: {name}: {why}");
        }
        Trial::test(name, move || held(scenario)).with_ignored_flag(unfit.is_some())
    };
    let mut trials: Vec<Trial> = SCENARIOS.into_iter().map(trial).collect();
    if let Some(why) = unfit {
        eprintln!("skipped: chaos::killed_at_each_step: {why}");
    }
    let steps = Trial::test("chaos::killed_at_each_step", killed_at_each_step);
    trials.push(steps.with_ignored_flag(unfit.is_some()));
    trials.push(Trial::test("chaos::no_trace_in_the_product", no_trace));
    libtest_mimic::run(&arguments, trials).exit();
}
