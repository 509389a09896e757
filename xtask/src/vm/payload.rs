//! What the host brings into the guest for one run: a tar file on a disk of its own.

use super::Job;
use crate::workspace::Profile;
use crate::{process, workspace};
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The guest's own program and the units that start it under systemd.
const FILES: &[(&str, &str)] = &[("init", include_str!("init.sh")), ("fstab", include_str!("fstab"))];
const UNITS: &[(&str, &str)] = &[
    ("aegis-vm.target", "[Unit]\nRequires=multi-user.target\nWants=aegis-vm.service\n"),
    (
        "aegis-vm.service",
        "[Unit]\nAfter=multi-user.target\n[Service]\nType=oneshot\nExecStart=/usr/lib/aegis-vm/init\n",
    ),
];

/// What udev would add to /dev; the shell's process substitution needs it.
const DEVICE_LINKS: &[(&str, &str)] = &[
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

/// The tar file in the folder of a run.
pub(super) const PAYLOAD: &str = "payload";
/// Where the guest's own files are.
const HOME: &str = "usr/lib/aegis-vm";

/// A file or folder of the host and its place in the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Added {
    /// Path on the host.
    pub(crate) from: PathBuf,
    /// Path in the guest.
    pub(crate) to: PathBuf,
}

/// Reads `PATH[:DEST]`. Without DEST, and below a DEST that ends in `/`, the name stays.
pub(crate) fn added(text: &str) -> Result<Added, String> {
    let (from, to) = text.split_once(':').unwrap_or((text, "/root/"));
    let from = PathBuf::from(from);
    let name = from.file_name().ok_or_else(|| format!("`{text}` names no file"))?;
    if !to.starts_with('/') {
        return Err(format!("`{to}` is not an absolute path of the guest"));
    }
    let to = if to.ends_with('/') { Path::new(to).join(name) } else { PathBuf::from(to) };
    Ok(Added { from, to })
}

/// The aegisbpf program, freshly built, at its place in the guest; nothing while the workspace has none.
pub(crate) fn aegisbpf(profile: Profile) -> Result<Option<Added>> {
    if !workspace::has_package("aegisbpf")? {
        eprintln!("vm: this workspace has no package aegisbpf; the guest goes without it");
        return Ok(None);
    }
    let build = [&["build", "--package", "aegisbpf"], profile.options()].concat();
    let from = workspace::executable(&build, "aegisbpf")?;
    Ok(Some(Added { from, to: "/usr/bin/aegisbpf".into() }))
}

/// Packs everything for a run into the folder of the run.
pub(super) fn pack(folder: &Path, job: &Job) -> Result<()> {
    let stage = folder.join("stage");
    let home = stage.join(HOME);
    write_all(&home, FILES)?;
    process::quiet(Command::new("chmod").arg("755").arg(home.join("init")))?;
    let words: Vec<u8> = job.command.iter().flat_map(|word| word.bytes().chain([0])).collect();
    fs::write(home.join("command"), words)?;
    if job.settings.systemd {
        fs::write(home.join("systemd"), "")?;
        write_all(&stage.join("etc/systemd/system"), UNITS)?;
    }
    let devices = stage.join("dev");
    fs::create_dir(&devices)?;
    for (name, target) in DEVICE_LINKS {
        symlink(target, devices.join(name))?;
    }
    for Added { from, to } in job.added {
        let to = stage.join(to.strip_prefix("/").unwrap_or(to));
        fs::create_dir_all(to.parent().unwrap_or(&stage))?;
        process::quiet(Command::new("cp").arg("-aLT").arg(from).arg(&to))
            .with_context(|| format!("cannot add {}", from.display()))?;
    }
    let mut tar = Command::new("tar");
    tar.args(["--create", "--owner=0", "--group=0", "--file"]).arg(folder.join(PAYLOAD));
    process::quiet(tar.arg("--directory").arg(&stage).arg("."))?;
    fs::remove_dir_all(stage).context("cannot remove the stage of the payload")
}

fn write_all(folder: &Path, files: &[(&str, &str)]) -> Result<()> {
    fs::create_dir_all(folder)?;
    for (name, text) in files {
        fs::write(folder.join(name), text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destination_of_added_files() {
        let to = |text: &str| added(text).map(|added| added.to);
        assert_eq!(to("a/b"), Ok("/root/b".into()));
        assert_eq!(to("a/b:/x/"), Ok("/x/b".into()));
        assert_eq!(to("a/b:/x"), Ok("/x".into()));
        assert!(to("a/b:x").is_err());
        assert!(to("/").is_err());
    }
}
