//! `aegis-bench`: what the probes add to opening a file, starting a program, and making and removing a file, in
//! instructions of the whole machine.
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
mod case;
mod error;
mod fallback;
mod measure;
mod policy;
mod report;
mod scene;

use agent::Armed;
use case::{Case, Operation, Policy};
use error::Error;
use report::{Measured, Numbers, Report};
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
    let mut numbers = Numbers::default();
    for case in Case::ALL {
        let bare = scene.measure(case, false)?;
        eprintln!("aegis-bench: {case:?}, nothing attached: {bare:.0}");
        numbers.bare.insert(case, bare);
    }
    for operation in Operation::ALL {
        let empty = operation.attach_empty()?;
        let total = scene.measure(operation.reference(), false)?;
        drop(empty);
        eprintln!("aegis-bench: {operation:?}, an empty program: {total:.0}");
        numbers.empty.insert(operation, total);
    }
    for policy in
        [Policy::Files(1), Policy::Files(RULES), Policy::Subtree, Policy::Matching, Policy::Everything]
    {
        numbers.measured.extend(under(&scene, policy)?);
    }
    for operation in Operation::ALL {
        numbers.bare_afterwards.insert(operation, scene.measure(operation.reference(), false)?);
    }
    Ok(Report::new(&numbers))
}

/// Measures with a policy in force.
fn under(scene: &Scene, policy: Policy) -> Result<Vec<Measured>, Error> {
    let armed = Armed::start(&scene.policy(policy)?)?;
    scene::expect_denials(policy)?;
    let mut measured = Vec::new();
    for &case in policy.cases() {
        let audited = armed.audited()?;
        let total = scene.measure(case, case == Case::Denied)?;
        eprintln!("aegis-bench: {case:?}, rules {}: {total:.0}", armed.tables().rules);
        if case == Case::Observed && armed.audited()? == audited {
            return Err(Error::NotAudited);
        }
        measured.push(Measured { case, tables: armed.tables(), total });
    }
    armed.detach()?;
    Ok(measured)
}
