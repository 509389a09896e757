//! `aegis-bench`: what the probes add to opening and closing a file, in instructions of the whole machine.
//!
//! It runs as root in a virtual machine whose clock advances by one nanosecond with each instruction, so time is
//! a count that a slow or busy host does not change. The daemon is killed before each measurement: what is
//! measured is the kernel, which goes on deciding without it.
//!
//! With `fallback` it measures the audit fallback, on the machine itself and by its clock: see `fallback.rs`. With
//! `policy` it measures in the same way what it costs to put a policy in force: see `policy.rs`.
//!
//! This program judges nothing but its own targets; it starts no machine.
#![forbid(unsafe_code)]

mod agent;
mod error;
mod fallback;
mod measure;
mod policy;
mod report;
mod scene;

use agent::Armed;
use error::Error;
use report::{Numbers, Report, Under};
use scene::{RULES, Scene};
use std::process::ExitCode;

/// How the result is written.
#[derive(Clone, Copy)]
enum Format {
    Table,
    Json,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let format = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] | ["-o", "table"] => Format::Table,
        ["-o", "json"] => Format::Json,
        ["fallback", directory] => return fallback::main(directory, false),
        ["fallback", directory, "-o", format @ ("table" | "json")] => {
            return fallback::main(directory, *format == "json");
        }
        ["policy", directory] => return policy::main(directory, false),
        ["policy", directory, "-o", format @ ("table" | "json")] => {
            return policy::main(directory, *format == "json");
        }
        _ => {
            eprintln!("usage: aegis-bench [fallback|policy DIRECTORY] [-o table|json]");
            return ExitCode::from(2);
        }
    };
    let report = match run() {
        Ok(report) => report,
        Err(error) => {
            eprintln!("aegis-bench: {error}");
            return ExitCode::FAILURE;
        }
    };
    match format {
        Format::Table => print!("{report}"),
        Format::Json => println!("{:#}", serde_json::json!(report)),
    }
    // A missed target is a finding, which the report names; the measurement itself went well.
    ExitCode::SUCCESS
}

/// Set where anything may be armed.
const MACHINE: &str = "AEGIS_VM";

fn run() -> Result<Report, Error> {
    if std::env::var_os(MACHINE).is_none() {
        return Err(Error::NotInMachine(MACHINE));
    }
    let scene = Scene::make()?;
    let bare = scene.without_slots()?;
    let bare_beside_rules = scene.with_slots()?;
    eprintln!("aegis-bench: bare {bare:.0} and {bare_beside_rules:.0}");
    let empty = aegis_probes::bench::attach_empty()?;
    let with_empty = scene.without_slots()?;
    eprintln!("aegis-bench: with an empty program {with_empty:.0}");
    drop(empty);
    let few = under(&scene, 1)?;
    let many = under(&scene, RULES)?;
    let bare_afterwards = scene.without_slots()?;
    Ok(Report::new(Numbers { bare, bare_beside_rules, empty: with_empty, few, many, bare_afterwards }))
}

/// Measures with a policy of so many rules in force.
fn under(scene: &Scene, rules: u32) -> Result<Under, Error> {
    let armed = Armed::start(&scene.policy(rules)?)?;
    scene.expect_denial()?;
    let under = Under {
        tables: armed.tables(),
        without_slots: scene.without_slots()?,
        with_slots: scene.with_slots()?,
    };
    eprintln!("aegis-bench: {rules} rules: {:.0} and {:.0}", under.without_slots, under.with_slots);
    armed.detach()?;
    Ok(under)
}
