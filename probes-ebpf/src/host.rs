//! What this kernel can do, found out by trying.

use crate::fallback;
use crate::object::{self, KernelTypes};
use crate::probes::{Settings, TestSettings};
use crate::resolve::Resolver;
use aegis_kernel_abi::Kind;
use std::fs;
use std::path::{Path, PathBuf};

/// What was found.
#[derive(Debug, Clone)]
pub struct Capabilities {
    /// Release of the running kernel.
    pub kernel: String,
    /// Whether the kernel's types can be read.
    pub has_btf: bool,
    /// The security modules in force; `None` if securityfs is not mounted.
    pub security_modules: Option<Vec<String>>,
    /// Whether the probes load and are called; the kernel's words if not. Some kernels list `bpf` and refuse them.
    pub lsm: Result<(), String>,
    /// Whether the probes of the audit fallback load.
    pub fallback: Result<(), String>,
    /// Whether iterators load, which resolve paths.
    pub iterators: Result<(), String>,
    /// Whether there is a bpf file system at the usual place.
    pub has_bpffs: bool,
    /// Where the cgroup version 2 hierarchy is mounted.
    pub cgroup2: Option<PathBuf>,
}

/// The smallest ring that a kernel takes: one page.
pub(crate) const TRIAL: Settings =
    Settings { ring_bytes: 4096, test: TestSettings { force: 0, pause: 0 }, fallback: true };

/// Tries everything: loads probes, attaches for a moment one that only counts, leaves nothing behind.
#[must_use]
pub fn capabilities() -> Capabilities {
    let text = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    // Read once for all that is tried; without them each of it says so.
    let _types = KernelTypes::read().ok();
    Capabilities {
        kernel: text("/proc/sys/kernel/osrelease").unwrap_or_default(),
        has_btf: Path::new("/sys/kernel/btf/vmlinux").exists(),
        security_modules: text("/sys/kernel/security/lsm")
            .map(|list| list.split(',').map(str::to_owned).collect()),
        lsm: fallback::load_lsm(TRIAL).map(drop).map_err(|error| object::whole(&error)),
        fallback: object::load(Kind::Fallback, TRIAL).map(drop).map_err(|error| object::whole(&error)),
        iterators: Resolver::load().map(drop).map_err(|error| object::whole(&error)),
        has_bpffs: mount_point("bpf").is_some(),
        cgroup2: mount_point("cgroup2"),
    }
}

/// Two threads that allocate much at the same time do not wait for each other; no more ever do.
#[cfg(target_env = "gnu")]
const HEAPS: libc::c_int = 2;

/// Has all threads of this process share two heaps, before it starts any. By default glibc gives threads heaps of their
/// own, which keep what their peak was: reading the kernel's types takes some 30 MB for a moment, and each thread that ever
/// did it would keep them.
pub fn share_heaps() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt(3) takes two numbers and locks the heap itself. Refused, everything is as before.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, HEAPS);
    }
}

/// Where the first file system of a kind is mounted, by its name in `/proc/self/mountinfo`.
#[must_use]
pub fn mount_point(kind: &str) -> Option<PathBuf> {
    // Fields of proc_pid_mountinfo(5): … (5) mount point … "-" (1) file system type …
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let point = left.split(' ').nth(4)?;
        (right.split(' ').next()? == kind).then(|| PathBuf::from(point))
    })
}

/// The ids of all processes, in our pid namespace.
///
/// # Errors
/// If /proc cannot be read.
pub fn processes() -> std::io::Result<impl Iterator<Item = u32>> {
    let pid = |entry: std::io::Result<fs::DirEntry>| entry.ok()?.file_name().to_str()?.parse().ok();
    fs::read_dir("/proc").map(move |entries| entries.filter_map(pid))
}
