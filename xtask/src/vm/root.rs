//! The guest's root file system: a small Debian of the host's own suite, so that programs built on the host
//! find the C library they were linked with.

use super::apt;
use crate::process;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// What the guest has beside the essential packages. The workload proof builds with a compiler of a megabyte and has a
/// file system tried by `stress-ng`.
pub(super) const PACKAGES: &[&str] = &[
    "btrfs-progs",
    "dbus",
    "e2fsprogs",
    "iproute2",
    "kmod",
    "libc6-dev",
    "make",
    "mount",
    "procps",
    "python3",
    "stress-ng",
    "systemd",
    "systemd-sysv",
    "tcc",
    "util-linux",
];

/// Left out of the image: nothing in the guest reads them.
const DISPENSABLE: &[&str] = &[
    "usr/share/doc",
    "usr/share/info",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/man",
    "var/cache/apt",
    "var/lib/apt/lists",
];

/// Units that would only cost time in a machine that lives for seconds.
const MASKED: &[&str] = &[
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "console-getty.service",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "getty@tty1.service",
    "serial-getty@ttyS0.service",
    "systemd-random-seed.service",
    "systemd-timesyncd.service",
    "systemd-update-utmp.service",
];

/// The first program of the guest: it unpacks what the host brings for this run, and starts it. It is all the
/// image knows of a run, so that no run needs another image. The kernel numbers disks as it finds them, in no
/// fixed order: the number of the namespace is what QEMU was told.
const FIRST: &str = r#"#!/bin/bash
mount -t devtmpfs dev /dev
mount -t sysfs sys /sys
for disk in /sys/block/nvme*; do
    read -r number <"$disk/nsid"
    [[ $number == 2 ]] && tar --extract --file "/dev/${disk##*/}" --directory / \
        --keep-directory-symlink --no-overwrite-dir
done
exec /usr/lib/aegis-vm/init
"#;

/// Where `FIRST` is in the image.
pub(super) const FIRST_PATH: &str = "/usr/sbin/aegis-vm-first";

/// Everything but the kernels that decides what the root contains.
pub(super) fn recipe() -> String {
    format!("{PACKAGES:?} {DISPENSABLE:?} {MASKED:?} {FIRST}")
}

/// Makes the root file system in an empty folder.
pub(super) fn make(folder: &Path, suite: &str) -> Result<()> {
    let include = format!("--include={}", PACKAGES.join(","));
    let mirror = apt::host_mirror(suite)?;
    let mut debootstrap = process::tool("debootstrap");
    let components = format!("--components={}", apt::host_components()?);
    debootstrap.args(["--variant=minbase", &components, &include, suite]).arg(folder).arg(mirror);
    process::quiet(&mut debootstrap)?;
    trim(folder)?;
    let first = folder.join(FIRST_PATH.trim_start_matches('/'));
    fs::write(&first, FIRST)?;
    process::quiet(process::tool("chmod").arg("755").arg(first))?;
    fs::create_dir(folder.join("scratch")).context("cannot make /scratch")
}

/// Runs a program of the root inside it.
pub(super) fn enter(folder: &Path, command: &[&str]) -> Result<()> {
    process::quiet(process::tool("chroot").arg(folder).args(command))
}

fn trim(folder: &Path) -> Result<()> {
    for path in DISPENSABLE {
        match fs::remove_dir_all(folder.join(path)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {path}"));
            }
            _ => {}
        }
    }
    for unit in MASKED {
        let link = folder.join("etc/systemd/system").join(unit);
        if link.symlink_metadata().is_ok() {
            fs::remove_file(&link)?;
        }
        std::os::unix::fs::symlink("/dev/null", link)?;
    }
    // A machine without an identity makes one at boot, which takes a while.
    fs::write(folder.join("etc/machine-id"), "ae915000000000000000000000000001\n")?;
    fs::write(folder.join("etc/hostname"), "aegis-vm\n")?;
    fs::write(folder.join("etc/hosts"), "127.0.0.1 localhost aegis-vm\n::1 localhost\n")?;
    Ok(())
}
