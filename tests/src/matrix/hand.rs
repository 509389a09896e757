//! The hand that tries things: a Python of its own, as most of what is tried are system calls that no safe Rust makes.
//!
//! It tells how an attempt ended and knows nothing of rules.

use crate::outcome::Outcome;
use serde_json::{Value, json};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// All that it can do.
const TEXT: &str = include_str!("hand.py");

/// A running one.
struct Hand {
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

static HAND: Mutex<Option<Hand>> = Mutex::new(None);

impl Hand {
    fn start() -> io::Result<Self> {
        let mut command = Command::new("python3");
        // It ends with its input, which ends with us.
        let mut child = command.args(["-c", TEXT]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let broken = || io::Error::other("the hand has no pipes");
        let requests = child.stdin.take().ok_or_else(broken)?;
        let answers = BufReader::new(child.stdout.take().ok_or_else(broken)?);
        Ok(Self { requests, answers })
    }

    fn ask(&mut self, request: &Value) -> io::Result<Value> {
        writeln!(self.requests, "{request}")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        serde_json::from_str(&line).map_err(|error| io::Error::other(format!("{error} in {line:?}")))
    }
}

fn answer(request: &Value) -> io::Result<Value> {
    let mut hand = HAND.lock().unwrap_or_else(PoisonError::into_inner);
    let answer = match hand.as_mut() {
        Some(running) => running.ask(request),
        None => Hand::start().and_then(|started| hand.insert(started).ask(request)),
    };
    if answer.is_err() {
        // The next one gets another hand.
        *hand = None;
    }
    answer
}

fn ask(request: &Value) -> Outcome {
    match answer(request) {
        Ok(answer) => outcome(&answer),
        Err(error) => Outcome::Odd(format!("the hand: {error}")),
    }
}

fn outcome(answer: &Value) -> Outcome {
    let number = |key: &str| answer[key].as_i64().and_then(|number| i32::try_from(number).ok());
    match (number("errno"), number("signal")) {
        (Some(0), _) => Outcome::Allowed,
        (Some(errno), _) => match Outcome::from(Err(io::Error::from_raw_os_error(errno))) {
            Outcome::Denied => Outcome::Denied,
            _ => Outcome::Odd(answer["text"].to_string()),
        },
        (None, Some(signal)) => Outcome::Killed(signal),
        (None, None) => Outcome::Odd(answer["odd"].to_string()),
    }
}

/// Tries something in a process of its own, in a directory.
#[must_use]
pub fn try_it(at: &Path, code: &str) -> Outcome {
    ask(&json!({ "do": "try", "at": at, "code": code }))
}

/// The same as a member of a cgroup.
#[must_use]
pub fn try_in_cgroup(at: &Path, cgroup: &str, code: &str) -> Outcome {
    ask(&json!({ "do": "try", "at": at, "code": code, "cgroup": cgroup }))
}

/// Does something in the process that stays, so that what it opens is open for what is tried later.
#[must_use]
pub fn keep(at: &Path, code: &str) -> Outcome {
    ask(&json!({ "do": "here", "at": at, "code": code }))
}

/// The value of something in a directory; none if it has none.
#[must_use]
pub fn number(at: &Path, code: &str) -> Option<u64> {
    answer(&json!({ "do": "ask", "at": at, "code": code })).ok()?["value"].as_u64()
}

/// Lets go of what was kept for a directory and all below it, and unmounts what is mounted there.
#[must_use]
pub fn clear(at: &Path) -> Outcome {
    ask(&json!({ "do": "clear", "at": at, "code": "" }))
}
