//! How an attempt ended.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It succeeded.
    Allowed,
    /// It failed with `EPERM`.
    Denied,
    /// It ended with a signal.
    Killed(i32),
    /// It failed otherwise: neither is what a test wants.
    Odd(String),
}

impl From<io::Result<()>> for Outcome {
    fn from(result: io::Result<()>) -> Self {
        match result {
            Ok(()) => Self::Allowed,
            Err(error) if error.raw_os_error() == Some(EPERM) => Self::Denied,
            Err(error) => Self::Odd(error.to_string()),
        }
    }
}

const EPERM: i32 = 1;

/// What programs print when they are denied: the text of EPERM, or what the dynamic loader makes of it.
const DENIED: [&str; 2] = ["Operation not permitted", "failed to map segment"];

/// Runs a program. If it cannot be started that is the outcome, else what it says.
#[must_use]
pub fn of_command(command: &mut Command) -> Outcome {
    match command.output() {
        Err(error) => Err(error).into(),
        Ok(output) if output.status.success() => Outcome::Allowed,
        Ok(output) if DENIED.iter().any(|text| said(&output).contains(text)) => Outcome::Denied,
        Ok(output) => match output.status.signal() {
            Some(signal) => Outcome::Killed(signal),
            None => Outcome::Odd(format!("{}: {}", output.status, said(&output))),
        },
    }
}

/// What a program printed on standard error.
#[must_use]
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}
