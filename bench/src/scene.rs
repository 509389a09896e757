//! The files that are opened, and the policies that speak of their neighbours.

use crate::error::{Error, call};
use crate::measure::open_and_close;
use rustix::fs::{CWD, Mode, OFlags, openat};
use std::fmt::Write;
use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// In memory: what a disk's file system adds to opening is not ours.
const BASE: &str = "/tmp/aegis-bench";
/// No rule names this file; with its 13 bytes the hash of its name needs two words.
const MEASURED: &str = "settings.conf";

/// Directories in which rules name files, and files in each.
const DIRECTORIES: u32 = 100;
const FILES: u32 = 1_000;
/// The most rules that a policy can have here.
pub(crate) const RULES: u32 = DIRECTORIES * FILES;

/// All files.
pub(crate) struct Scene {
    without_slots: OwnedFd,
    with_slots: OwnedFd,
}

/// The file that rule number `rule` names.
fn ruled(rule: u32) -> PathBuf {
    // A policy of one rule names a file of the first directory: that is where the measured file with slots is.
    Path::new(BASE).join(format!("ruled/{:03}/{:03}", rule / FILES, rule % FILES))
}

impl Scene {
    /// Makes the files.
    pub(crate) fn make() -> Result<Self, Error> {
        let plain = Path::new(BASE).join("plain");
        let first = Path::new(BASE).join("ruled/000");
        for directory in (0..DIRECTORIES).map(|number| ruled(number * FILES)) {
            let directory = directory.parent().unwrap_or(Path::new(BASE));
            fs::create_dir_all(directory).map_err(call("make", directory.display()))?;
        }
        fs::create_dir_all(&plain).map_err(call("make", plain.display()))?;
        let measured = [&plain, &first].map(|directory| directory.join(MEASURED));
        for path in (0..RULES).map(ruled).chain(measured) {
            File::create(&path).map_err(call("make", path.display()))?;
        }
        Ok(Self { without_slots: directory(&plain)?, with_slots: directory(&first)? })
    }

    /// Writes a policy of the first so many rules and returns where.
    pub(crate) fn policy(&self, rules: u32) -> Result<PathBuf, Error> {
        let mut text = "version = 3\nname = \"bench\"\n".to_owned();
        for rule in 0..rules {
            let path = ruled(rule);
            // Writing to a String cannot fail.
            let _ =
                write!(text, "[[rule]]\nid = \"{rule}\"\non = [\"read\"]\npath = \"{}\"\n", path.display());
        }
        let path = Path::new(BASE).join("policy.toml");
        fs::write(&path, text).map_err(call("write", path.display()))?;
        Ok(path)
    }

    /// Measures the file in the directory that no rule concerns.
    pub(crate) fn without_slots(&self) -> Result<f64, Error> {
        open_and_close(self.without_slots.as_fd(), MEASURED).map_err(call("open", MEASURED))
    }

    /// Measures the file whose neighbours have rules.
    pub(crate) fn with_slots(&self) -> Result<f64, Error> {
        open_and_close(self.with_slots.as_fd(), MEASURED).map_err(call("open", MEASURED))
    }

    /// Makes sure that the policy in force does something.
    pub(crate) fn expect_denial(&self) -> Result<(), Error> {
        let path = ruled(0);
        File::open(&path).err().map(drop).ok_or_else(|| Error::NotDenied(path.display().to_string()))
    }
}

fn directory(path: &Path) -> Result<OwnedFd, Error> {
    openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(call("open", path.display()))
}
