//! `cargo xtask compat`: what each kernel makes of the probes, measured in virtual machines and written down; and whether it
//! is still so.
//!
//! A program of the tests looks, as this one must be there before a compiler for the probes is. It is run in six machines,
//! two at a time: each kernel with and without BPF LSM.

mod compare;
mod page;
mod record;
#[cfg(test)]
mod sample;

use crate::report::{self, Tally};
use crate::vm::{self, Added, Job, Series, Settings, Unreachable};
use crate::{setup, workspace};
use anyhow::{Context, Result, ensure};
use record::{Boot, JSON, Kernel, PAGE, Record};
use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

/// Options of `compat`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Write nothing; fail if a kernel does not do what is recorded, or the verifier looks at more than a tenth more instructions
    /// of some program.
    #[arg(long)]
    check: bool,
}

const PROGRAM: &str = "compat";
/// A machine without `bpf` among its security modules is one whose kernel takes LSM programs and never calls them.
const BOOTS: [Option<&str>; 2] = [None, Some("landlock,lockdown,yama,integrity")];
/// What to do about findings.
const REMEDY: &str =
    "if that is as it should be, run `cargo xtask compat`, look at what has changed in docs/, and commit it";

/// Measures, and writes down or compares.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    setup::ensure(setup::Purpose::Tests)?;
    if args.check {
        check().map(|tally| report::conclude(&tally))
    } else {
        write().map(|()| ExitCode::SUCCESS)
    }
}

/// The page and its path, from what was recorded.
pub(crate) fn page() -> Result<(&'static str, String)> {
    let record = Record::read()?;
    let record = record.with_context(|| format!("{JSON} is not there: run `cargo xtask compat`"))?;
    Ok((PAGE, page::page(&record)))
}

/// Measures again. Each kernel counts as one test; one that is optional and cannot be had is skipped, and it is said.
pub(crate) fn check() -> Result<Tally> {
    let recorded = Record::read()?;
    let recorded = recorded.with_context(|| format!("{JSON} is not there: run `cargo xtask compat`"))?;
    let mut tally = Tally::default();
    let (measured, missing) = measure()?;
    for kernel in &measured {
        let findings = compare::findings(&recorded, kernel);
        if let Some(note) = compare::other_series(&recorded, kernel) {
            println!("compat: {note}");
        }
        for finding in &findings {
            println!("compat: {finding}");
        }
        let good = findings.is_empty();
        println!(
            "compat: {} ({}): {}",
            kernel.name,
            kernel.with_bpf.release,
            if good { "ok" } else { "NOT OK" }
        );
        if good {
            tally.passed += 1;
        } else {
            tally.failed += 1;
        }
    }
    tally.skipped += missing.len() as u64;
    if tally.failed > 0 {
        println!("compat: {REMEDY}");
    }
    Ok(tally)
}

fn write() -> Result<()> {
    let (mut kernels, missing) = measure()?;
    // What cannot be measured here stays as it was measured elsewhere.
    if let Some(recorded) = Record::read()? {
        kernels.extend(missing.iter().filter_map(|series| recorded.kernel(series.name()).cloned()));
    }
    let record = Record { version: Record::VERSION, kernels };
    for (path, text) in [(JSON, record.text()?), (PAGE, page::page(&record))] {
        fs::write(workspace::root().join(path), text).with_context(|| format!("cannot write {path}"))?;
        println!("wrote {path}");
    }
    Ok(())
}

/// Measures every kernel; also returns those that cannot be had.
fn measure() -> Result<(Vec<Kernel>, Vec<Series>)> {
    let build = ["build", "--package", "aegis-tests", "--example", PROGRAM];
    let program = workspace::executable(&build, PROGRAM)?;
    let added = [Added { from: program, to: format!("/usr/bin/{PROGRAM}").into() }];
    let (mut there, mut missing) = (Vec::new(), Vec::new());
    for series in Series::ALL {
        match vm::prepare(series) {
            Ok(()) => there.push(series),
            Err(error) if series.is_optional() && error.is::<Unreachable>() => {
                eprintln!("SKIPPED: nothing is known of the newest kernel on this machine: {error:#}");
                missing.push(series);
            }
            Err(error) => return Err(error),
        }
    }
    let machines: Vec<_> = there.iter().flat_map(|series| BOOTS.map(|lsm| (*series, lsm))).collect();
    let mut boots = vm::side_by_side(&machines, |(series, lsm)| boot(*series, *lsm, &added))?.into_iter();
    let mut kernels = Vec::new();
    for series in there {
        let (with_bpf, without_bpf) = boots.next().zip(boots.next()).context("a machine told nothing")?;
        kernels.push(Kernel { name: series.name().to_owned(), with_bpf, without_bpf });
    }
    Ok((kernels, missing))
}

/// Boots one machine and reads what the program in it found.
fn boot(series: Series, lsm: Option<&str>, added: &[Added]) -> Result<Boot> {
    let mut settings = Settings::default();
    if let Some(lsm) = lsm {
        lsm.clone_into(&mut settings.lsm);
    }
    let command = [PROGRAM.to_owned()];
    let output = Kept::default();
    let job = Job { series, settings: &settings, added, command: &command, out: None };
    let ending = vm::perform(&job, output.clone(), io::stderr())?;
    let status = ending.status();
    ensure!(status == 0, "the program that looks at the probes on {} ended with {status}", series.name());
    let text = output.text();
    serde_json::from_str(&text).with_context(|| format!("it is not known what this means: {text}"))
}

/// Keeps what is written to it.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
