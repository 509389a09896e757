//! The operation that is measured, and how.

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Result;
use rustix::time::{ClockId, clock_gettime};
use std::os::fd::BorrowedFd;

/// Opens that come before the measurement, so that caches hold what they will hold.
const WARM_UP: u32 = 2_000;
/// Opens in one round.
const ITERATIONS: u32 = 20_000;
/// Rounds; the best counts. What is not part of the operation, above all the clock's interrupts, only adds.
const ROUNDS: u32 = 5;

/// Nanoseconds, that is instructions, for opening a file in a directory and closing it.
pub(crate) fn open_and_close(directory: BorrowedFd<'_>, name: &str) -> Result<f64> {
    round(directory, name, WARM_UP)?;
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        best = best.min(round(directory, name, ITERATIONS)?);
    }
    Ok(best)
}

fn round(directory: BorrowedFd<'_>, name: &str, iterations: u32) -> Result<f64> {
    let start = nanoseconds();
    for _ in 0..iterations {
        drop(openat(directory, name, OFlags::RDONLY, Mode::empty())?);
    }
    Ok((nanoseconds() - start) / f64::from(iterations))
}

#[expect(clippy::cast_precision_loss, reason = "a machine that lives for minutes has few nanoseconds")]
fn nanoseconds() -> f64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}
