//! The operation that is measured, and how.

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Result;
use rustix::time::{ClockId, clock_gettime};
use std::os::fd::{AsFd, OwnedFd};

/// Times that each file is opened before the measurement, so that caches hold what they will hold.
const WARM_UP: u32 = 100;
/// Times that each file is opened in one round.
const ITERATIONS: u32 = 1_250;
/// Rounds; the best counts. What is not part of the operation, above all the clock's interrupts, only adds.
const ROUNDS: u32 = 5;

/// A file by its directory and its name there.
pub(crate) struct Place {
    pub(crate) directory: OwnedFd,
    pub(crate) name: String,
}

/// Nanoseconds, that is instructions, for opening a file and closing it: the mean over files, as what a look-up in
/// a hash costs depends on the chance of what stands beside a key.
pub(crate) fn open_and_close(places: &[Place]) -> Result<f64> {
    round(places, WARM_UP)?;
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        best = best.min(round(places, ITERATIONS)?);
    }
    Ok(best)
}

fn round(places: &[Place], iterations: u32) -> Result<f64> {
    let start = nanoseconds();
    for _ in 0..iterations {
        for Place { directory, name } in places {
            drop(openat(directory.as_fd(), name.as_str(), OFlags::RDONLY, Mode::empty())?);
        }
    }
    let opens = f64::from(iterations) * f64::from(u32::try_from(places.len()).unwrap_or(u32::MAX));
    Ok((nanoseconds() - start) / opens)
}

#[expect(clippy::cast_precision_loss, reason = "a machine that lives for minutes has few nanoseconds")]
fn nanoseconds() -> f64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}
