//! What must hold of every text that is given to the policy language, and of every key and signature.
//!
//! A [`Target`] takes any bytes and tells what does not hold. Two forms use the same targets: `cargo xtask fuzz` lets
//! libFuzzer look for bytes that reach new code, for as long as is asked for; the tests of this crate try the seeds and
//! random changes of them for some seconds, as a part of `cargo test`.
//!
//! What is not here: inputs of other parts. Only these come from people and are read by root.
#![forbid(unsafe_code)]

mod change;
mod hold;
mod seeds;
mod signatures;
mod slots;
mod targets;
mod words;

pub use change::Changes;
pub use targets::{FORMAT1, FORMAT3, MERGED, SIGNATURES, TARGETS, VALUES};
pub use words::{dictionary, words};

use std::io;

/// What was found not to hold.
pub type Finding = String;

/// A way to read bytes as policies, or as what proves whose they are.
#[derive(Debug)]
pub struct Target {
    /// What it is called; its program has the same name.
    pub name: &'static str,
    check: fn(&[u8]) -> Result<(), Finding>,
    seeds: fn() -> Vec<Vec<u8>>,
}

impl Target {
    /// The target with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        TARGETS.iter().copied().find(|target| target.name == name)
    }

    /// Tries one input.
    ///
    /// # Errors
    /// What does not hold of it.
    pub fn check(&self, input: &[u8]) -> Result<(), Finding> {
        (self.check)(input)
    }

    /// Inputs to begin with: the example policies, the texts of the tests of the language, and what was found once.
    ///
    /// # Errors
    /// If the files of this crate cannot be read.
    pub fn seeds(&self) -> io::Result<Vec<Vec<u8>>> {
        let mut seeds = (self.seeds)();
        seeds.extend(seeds::kept(self.name)?);
        seeds.sort_unstable();
        seeds.dedup();
        Ok(seeds)
    }
}

/// Tries one input and panics if something does not hold, as fuzzers want it.
pub fn try_one(target: &Target, input: &[u8]) {
    let found = target.check(input);
    assert!(found.is_ok(), "{}: {}", target.name, found.err().unwrap_or_default());
}
