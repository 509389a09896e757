//! The two clocks of records: since boot, as the kernel stamps events, and since 1970, as people read them.

use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds since 1970; 0 if the clock stands before that.
pub(crate) fn unix_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// What to add to nanoseconds of `CLOCK_BOOTTIME` to get nanoseconds since 1970, as of now.
pub(crate) fn boot_offset_ns() -> u64 {
    let boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(boot.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(boot.tv_nsec).unwrap_or(0);
    unix_ns().saturating_sub(seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds))
}

/// The id of this boot.
pub(crate) fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_owned())
        .unwrap_or_default()
}
