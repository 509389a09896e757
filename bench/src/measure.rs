//! How an operation is measured, and those that are.

use crate::error::{Error, call};
use rustix::fs::{AtFlags, Mode, OFlags, openat, unlinkat};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;

/// Rounds; the best counts. What is not part of the operation, above all the clock's interrupts, only adds.
const ROUNDS: u32 = 5;
/// Starting a program is so much longer than what is added to it, and so much less the same each time, that more rounds
/// are needed, of fewer starts each.
const START_ROUNDS: u32 = 25;

/// A file by its directory and its name there.
pub(crate) struct Place {
    pub(crate) directory: OwnedFd,
    pub(crate) name: String,
}

/// How often something is done: before the measurement, so that caches hold what they will hold, and in each round.
#[derive(Clone, Copy)]
struct Times {
    warm_up: u32,
    iterations: u32,
    rounds: u32,
}

/// Opens each file and closes it, or is denied that. The mean over files, as what a look-up in a hash costs depends on
/// the chance of what stands beside a key.
pub(crate) fn open_and_close(places: &[Place], is_denied: bool) -> Result<f64, Error> {
    let times = Times { warm_up: 100, iterations: 1_250, rounds: ROUNDS };
    let open = |Place { directory, name }: &Place| match openat(
        directory,
        name.as_str(),
        OFlags::RDONLY,
        Mode::empty(),
    ) {
        Ok(_) if is_denied => Err(Error::NotDenied(name.clone())),
        Err(Errno::PERM) if is_denied => Ok(()),
        opened => opened.map(drop).map_err(call("open", name)),
    };
    best(times, places, open)
}

/// Makes each file and removes it.
pub(crate) fn create_and_unlink(places: &[Place]) -> Result<f64, Error> {
    let times = Times { warm_up: 100, iterations: 500, rounds: ROUNDS };
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    let make = |Place { directory, name }: &Place| {
        drop(openat(directory, name.as_str(), flags, Mode::RUSR).map_err(call("make", name))?);
        unlinkat(directory, name.as_str(), AtFlags::empty()).map_err(call("remove", name))
    };
    best(times, places, make)
}

/// Starts a program and waits for its end.
pub(crate) fn start_and_wait(program: &Path) -> Result<f64, Error> {
    let times = Times { warm_up: 50, iterations: 100, rounds: START_ROUNDS };
    let start = |program: &&Path| {
        let status = Command::new(program).env_clear().status().map_err(call("start", program.display()))?;
        if status.success() { Ok(()) } else { Err(Error::Ended(program.display().to_string(), status)) }
    };
    best(times, &[program], start)
}

/// Nanoseconds, that is instructions, for doing it once.
fn best<T>(times: Times, objects: &[T], act: impl Fn(&T) -> Result<(), Error>) -> Result<f64, Error> {
    round(times.warm_up, objects, &act)?;
    let mut best = f64::INFINITY;
    for _ in 0..times.rounds {
        best = best.min(round(times.iterations, objects, &act)?);
    }
    Ok(best)
}

fn round<T>(iterations: u32, objects: &[T], act: impl Fn(&T) -> Result<(), Error>) -> Result<f64, Error> {
    let start = nanoseconds();
    for _ in 0..iterations {
        objects.iter().try_for_each(&act)?;
    }
    let acts = f64::from(iterations) * f64::from(u32::try_from(objects.len()).unwrap_or(u32::MAX));
    Ok((nanoseconds() - start) / acts)
}

#[expect(clippy::cast_precision_loss, reason = "a machine that lives for minutes has few nanoseconds")]
fn nanoseconds() -> f64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}
