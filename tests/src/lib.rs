//! What the tests in the guest share: the agent under test, the places where files are, the ways in.
#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

pub mod account;
pub mod agent;
pub mod ask;
pub mod check;
pub mod matrix;
pub mod outcome;
pub mod place;
pub mod steps;
pub mod ways;

/// Whether the long form of a proof is wanted.
#[must_use]
pub fn long() -> bool {
    std::env::var_os("AEGIS_LONG").is_some()
}
