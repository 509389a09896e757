//! Those processes that were there before they were followed, as far as they can be told: what a process shows of itself in
//! /proc can be forged, so all of this is unproven. What it was started from is looked up by the kernel's own key, and shown
//! only while that is what the kernel has recorded.

use super::redact::Redaction;
use super::state::{Found, Image, Process};
use aegis_probes::{Resolver, processes};
use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;

/// Bytes that are read of the arguments of a process: as many as the kernel tells of one that is started.
const ARGV_BYTES: u64 = aegis_kernel_abi::ARGV_BYTES as u64;

/// Looks at all processes. Those that end meanwhile, and threads of the kernel, are left out.
pub(crate) fn scan(resolver: &Resolver, redaction: &Redaction) -> Vec<Found> {
    let Ok(pids) = processes() else { return Vec::new() };
    pids.filter_map(|pid| look_at(pid, resolver, redaction)).collect()
}

fn look_at(pid: u32, resolver: &Resolver, redaction: &Redaction) -> Option<Found> {
    let link = format!("/proc/{pid}/exe");
    // Not opened for reading, which a rule could deny to us.
    let exe =
        OpenOptions::new().read(true).custom_flags(rustix::fs::OFlags::PATH.bits().cast_signed()).open(&link);
    let exe = exe.ok()?;
    let executable = resolver.object_keys(&[exe.as_fd()]).ok()?.first().copied()?;
    let path = fs::read_link(&link).ok()?.to_string_lossy().into_owned();
    let parent = parent(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
    let mut argv = Vec::new();
    let file = fs::File::open(format!("/proc/{pid}/cmdline")).ok()?;
    file.take(ARGV_BYTES + 1).read_to_end(&mut argv).ok()?;
    let argv_cut = argv.len() as u64 > ARGV_BYTES;
    argv.truncate(aegis_kernel_abi::ARGV_BYTES);
    let arguments = argv.split_inclusive(|byte| *byte == 0).map(|one| one.strip_suffix(&[0]).unwrap_or(one));
    let argv = redaction.shown(arguments.map(String::from_utf8_lossy));
    // The kernel's own id and time, at last: what was read before is of this process if it is the one that is there now.
    let known = resolver.process(pid).ok()?;
    let process = Process { pid: known.pid, start_time: known.start_time };
    let image = Image { executable, path: Some(path), argv, argv_cut, unproven: true, ..Image::default() };
    Some(Found { process, parent, image })
}

/// The parent in a line of /proc/PID/stat. The name before it can hold anything.
fn parent(stat: &str) -> Option<u32> {
    let (_, after) = stat.rsplit_once(')')?;
    after.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_forge_its_parent() {
        assert_eq!(parent("12 (sh) S 7 12 12 0"), Some(7));
        assert_eq!(parent("12 (a) S 99 (b) R 7 12"), Some(7));
        assert_eq!(parent("12 (a"), None);
        assert_eq!(parent(""), None);
    }
}
