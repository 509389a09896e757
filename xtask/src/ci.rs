//! `cargo xtask ci`: every check that a change must pass. All of them run, so that one visit
//! shows everything.

use crate::report::{self, Tally};
use crate::{codegen, compat, process, setup, test, tidy, workspace};
use anyhow::Result;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

/// A check: its name and what it does. Only tests return something to count.
type Step = (&'static str, fn() -> Result<Tally>);

const STEPS: &[Step] = &[
    ("setup", || done(setup::ensure(setup::Purpose::Ci))),
    ("fmt", || cargo("fmt --all --check")),
    ("codegen", || done(codegen::run(&codegen::Args { check: true }))),
    ("tidy", || done(tidy::run())),
    ("deny", deny),
    ("clippy", || clippy(&["--all-targets"])),
    // Not among all targets, as `cargo test` must not run it.
    ("clippy of guest tests", || clippy(&["--test", "guest"])),
    ("docs", docs),
    ("host tests", test::host),
    ("compat", compat::check),
    ("vm tests", test::guests),
];

/// Runs every step and ends with a table of times and the sum of all tests.
pub(crate) fn run() -> ExitCode {
    let mut sum = Tally::default();
    let mut rows: Vec<(&str, Duration, bool)> = Vec::new();
    for (name, step) in STEPS {
        println!("\n=== {name} ===");
        let start = Instant::now();
        let good = match step() {
            Ok(tally) => {
                sum += tally;
                tally.good()
            }
            Err(error) => {
                println!("{name}: {error:#}");
                // Only what is counted reaches the closing line.
                sum += Tally::BROKEN;
                false
            }
        };
        rows.push((name, start.elapsed(), good));
    }
    println!("\n{:<12}{:>8}", "step", "seconds");
    for (name, time, good) in rows {
        println!("{name:<12}{:>8.1}  {}", time.as_secs_f32(), if good { "ok" } else { "NOT OK" });
    }
    report::conclude(&sum)
}

fn done(result: Result<()>) -> Result<Tally> {
    result.map(|()| Tally::default())
}

fn cargo(args: &str) -> Result<Tally> {
    done(process::run(workspace::cargo().args(args.split(' '))))
}

/// The programs of the fuzzer are checked with all else, though only their own verb builds them. Nothing is linked here, so
/// a path at which there is nothing spares a compiler for C++ and half a minute.
fn clippy(targets: &[&str]) -> Result<Tally> {
    let mut command = workspace::cargo();
    command.args(["clippy", "--quiet", "--workspace", "--features", "aegis-fuzz/libfuzzer"]).args(targets);
    command.args(["--", "-D", "warnings"]).env("CUSTOM_LIBFUZZER_PATH", "/nonexistent/libfuzzer.a");
    done(process::run(&mut command))
}

fn docs() -> Result<Tally> {
    let mut command = workspace::cargo();
    command.args(["doc", "--quiet", "--no-deps", "--workspace"]).env("RUSTDOCFLAGS", "-D warnings");
    done(process::run(&mut command))
}

fn deny() -> Result<Tally> {
    process::run(deny_check().args(["licenses", "bans", "sources"]))?;
    let database =
        process::quiet(Command::new("cargo").args(["deny", "fetch", "db"]).current_dir(workspace::root()));
    match database {
        Ok(()) => done(process::run(deny_check().args(["--disable-fetch", "advisories"]))),
        Err(error) => {
            println!(
                "SKIPPED: known vulnerabilities were not looked for; the database cannot be had: {error:#}"
            );
            done(Ok(()))
        }
    }
}

fn deny_check() -> Command {
    let mut command = workspace::cargo();
    command.args(["deny", "--workspace", "check", "--hide-inclusion-graph"]);
    command
}
