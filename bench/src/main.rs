//! `aegis-bench`: what the probes add to opening and closing a file, in instructions of the whole machine.
//!
//! It runs as root in a virtual machine whose clock advances by one nanosecond with each instruction, so time is
//! a count that a slow or busy host does not change. The daemon is killed before each measurement: what is
//! measured is the kernel, which goes on deciding without it.
//!
//! This program judges nothing but its own targets; it starts no machine.
#![forbid(unsafe_code)]

mod agent;
mod error;
mod measure;
mod report;
mod scene;

use agent::Armed;
use error::Error;
use report::{Numbers, Report, Under};
use scene::{RULES, Scene};
use std::process::ExitCode;

fn main() -> ExitCode {
    match run().map(|report| serde_json::to_string(&report)) {
        Ok(Ok(text)) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Ok(Err(error)) => failed(&error),
        Err(error) => failed(&error),
    }
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("aegis-bench: {error}");
    ExitCode::FAILURE
}

fn run() -> Result<Report, Error> {
    let scene = Scene::make()?;
    let bare = scene.without_slots()?;
    eprintln!("aegis-bench: bare {bare:.0}");
    let empty = aegis_probes::bench::attach_empty()?;
    let with_empty = scene.without_slots()?;
    eprintln!("aegis-bench: with an empty program {with_empty:.0}");
    drop(empty);
    let few = under(&scene, 1)?;
    let many = under(&scene, RULES)?;
    let bare_afterwards = scene.without_slots()?;
    Ok(Report::new(Numbers { bare, empty: with_empty, few, many, bare_afterwards }))
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
