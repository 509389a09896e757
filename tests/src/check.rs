//! Small tests as rows: a name, a function, and what was seen against what was expected.

use libtest_mimic::{Failed, Trial};
use std::fmt::Debug;

/// A test by its name.
pub type Test = (&'static str, fn() -> Result<(), Failed>);

/// The trials of one file of tests.
#[must_use]
pub fn trials(file: &str, tests: &[Test]) -> Vec<Trial> {
    tests.iter().map(|(name, test)| Trial::test(format!("{file}::{name}"), *test)).collect()
}

/// Fails with what was seen.
///
/// # Errors
/// If it is not what was expected.
#[expect(clippy::needless_pass_by_value, reason = "a test reads better without borrowing each literal")]
pub fn expect<T: PartialEq + Debug>(what: &str, seen: T, expected: T) -> Result<(), Failed> {
    if seen == expected { Ok(()) } else { Err(format!("{what}: expected {expected:?}, saw {seen:?}").into()) }
}

/// Fails if a text lacks a part.
///
/// # Errors
/// If it does.
pub fn expect_text(what: &str, text: &str, part: &str) -> Result<(), Failed> {
    if text.contains(part) { Ok(()) } else { Err(format!("{what}: no {part:?} in {text:?}").into()) }
}
