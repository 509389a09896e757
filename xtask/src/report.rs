//! Test results, read from what test programs print. Every runner of ours prints like libtest.

use crate::workspace;
use anyhow::{Context, Result};
use std::fs;
use std::io::{self, Write};
use std::ops::AddAssign;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

/// Skips that do not fail a run, a line each: where, test, reason.
const ALLOWED_SKIPS: &str = "tests/allowed-skips.txt";

/// Results added up.
#[derive(Default, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Tests that passed.
    pub(crate) passed: u64,
    /// Tests that failed, and runs that broke before they told their results.
    pub(crate) failed: u64,
    /// Tests that did not run.
    pub(crate) skipped: u64,
    /// Those of them that are not allowed to be skipped.
    pub(crate) forbidden: u64,
}

impl Tally {
    /// A run that broke.
    pub(crate) const BROKEN: Self = Self { passed: 0, failed: 1, skipped: 0, forbidden: 0 };

    /// True if nothing speaks against these results.
    pub(crate) fn good(&self) -> bool {
        self.failed == 0 && self.forbidden == 0
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.forbidden += other.forbidden;
    }
}

/// Prints the closing line of a run and returns its status.
pub(crate) fn conclude(tally: &Tally) -> ExitCode {
    println!("{} passed, {} failed, {} skipped", tally.passed, tally.failed, tally.skipped);
    if tally.good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Reads the output of test programs that ran at `place` and ended well or not. Skips that are not allowed
/// are named on stderr.
pub(crate) fn read(output: &str, place: &str, ended_well: bool) -> Result<Tally> {
    let allowed = match fs::read_to_string(workspace::root().join(ALLOWED_SKIPS)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        text => text.with_context(|| format!("cannot read {ALLOWED_SKIPS}"))?,
    };
    let (tally, forbidden) = tally(output, place, &allowed, ended_well);
    for test in forbidden {
        eprintln!("{place}: {test} was skipped; fix it, or add it with its reason to {ALLOWED_SKIPS}");
    }
    Ok(tally)
}

fn tally<'a>(output: &'a str, place: &str, allowed: &str, ended_well: bool) -> (Tally, Vec<&'a str>) {
    let mut tally = Tally::default();
    let mut summaries = 0;
    for summary in output.lines().filter_map(|line| line.strip_prefix("test result: ")) {
        summaries += 1;
        tally.passed += count(summary, "passed");
        tally.failed += count(summary, "failed");
        tally.skipped += count(summary, "ignored");
    }
    // A program that died, or told nothing, has hidden at least one failure.
    if tally.failed == 0 && (summaries == 0 || !ended_well) {
        tally.failed = 1;
    }
    let skipped = output.lines().filter_map(skipped_test);
    let forbidden: Vec<&str> = skipped.filter(|test| !is_allowed(allowed, place, test)).collect();
    tally.forbidden = forbidden.len() as u64;
    (tally, forbidden)
}

/// The number before a word in `ok. 3 passed; 0 failed; 1 ignored; …`.
fn count(summary: &str, word: &str) -> u64 {
    let mut words = summary.split([' ', ';', '.']).filter(|part| !part.is_empty());
    let mut last = "";
    words
        .find_map(|part| {
            if part == word {
                last.parse().ok()
            } else {
                last = part;
                None
            }
        })
        .unwrap_or(0)
}

fn skipped_test(line: &str) -> Option<&str> {
    let (test, outcome) = line.strip_prefix("test ")?.split_once(" ... ")?;
    outcome.starts_with("ignored").then_some(test.trim())
}

fn is_allowed(allowed: &str, place: &str, test: &str) -> bool {
    allowed.lines().any(|line| {
        let mut words = line.split_whitespace();
        (words.next(), words.next()) == (Some(place), Some(test)) && words.next().is_some()
    })
}

/// Passes on what is written to it and keeps a copy. With a name, whole lines are passed on with the name before
/// them, so that several can run at the same time.
#[derive(Clone, Default)]
pub(crate) struct Tee {
    copy: Arc<Mutex<Vec<u8>>>,
    name: Option<&'static str>,
    /// Whether it is passed on to stderr, as stdout is for the result.
    aside: bool,
    line: Vec<u8>,
}

impl Tee {
    /// One that puts a name before each line.
    pub(crate) fn named(name: &'static str) -> Self {
        Self { name: Some(name), ..Self::default() }
    }

    /// The same on stderr.
    pub(crate) fn aside(name: &'static str) -> Self {
        Self { aside: true, ..Self::named(name) }
    }

    /// Everything written so far.
    pub(crate) fn text(&self) -> String {
        let bytes = self.copy.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn pass_on(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(name) = self.name else { return io::stdout().write_all(bytes) };
        self.line.extend(bytes);
        while let Some(end) = self.line.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.line.drain(..=end).collect();
            let text = format!("{name:<14}{}", String::from_utf8_lossy(&line));
            if self.aside {
                io::stderr().write_all(text.as_bytes())?;
            } else {
                io::stdout().write_all(text.as_bytes())?;
            }
        }
        Ok(())
    }
}

impl Write for Tee {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pass_on(bytes)?;
        self.copy.lock().unwrap_or_else(PoisonError::into_inner).extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "running 3 tests\n\
        test a::b ... ok\n\
        test slow    ... ignored, takes an hour\n\
        test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
        test result: FAILED. 0 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n";

    #[test]
    fn summaries_add_up() {
        let (tally, _) = tally(OUTPUT, "host", "", true);
        assert_eq!(tally, Tally { passed: 2, failed: 2, skipped: 1, forbidden: 1 });
    }

    #[test]
    fn a_skip_is_allowed_at_its_place_and_with_a_reason() {
        let forbidden = |allowed| tally(OUTPUT, "6.1", allowed, true).0.forbidden;
        assert_eq!(forbidden("6.1 slow no such hook there"), 0);
        assert_eq!(forbidden("6.12 slow no such hook there"), 1);
        assert_eq!(forbidden("6.1 slow"), 1);
        assert_eq!(forbidden("# 6.1 slow reason"), 1);
    }

    #[test]
    fn a_broken_run_is_a_failure() {
        assert_eq!(tally("", "host", "", true).0, Tally::BROKEN);
        let good = "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured\n";
        assert_eq!(tally(good, "host", "", false).0.failed, 1);
        assert!(tally(good, "host", "", true).0.good());
    }
}
