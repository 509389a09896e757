//! The files that are opened, and the policies that speak of their neighbours.

use crate::error::{Error, call};
use crate::measure::{Place, open_and_close};
use rustix::fs::{CWD, Mode, OFlags, openat};
use std::fmt::Write;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// In memory: what a disk's file system adds to opening is not ours.
const BASE: &str = "/tmp/aegis-bench";
/// Files that no rule names; with 13 bytes the hash of a name needs two words.
const MEASURED: u32 = 16;

/// Directories in which rules name files, and files in each.
const DIRECTORIES: u32 = 100;
const FILES: u32 = 1_000;
/// The most rules that a policy can have here.
pub(crate) const RULES: u32 = DIRECTORIES * FILES;

/// What is measured.
pub(crate) struct Scene {
    without_slots: Vec<Place>,
    with_slots: Vec<Place>,
}

/// The file that rule number `rule` names.
fn ruled(rule: u32) -> PathBuf {
    // A policy of one rule names a file of the first directory: that is where the measured file with slots is.
    Path::new(BASE).join(format!("ruled/{:03}/{:03}", rule / FILES, rule % FILES))
}

/// A directory of which no rule knows anything.
fn plain(number: u32) -> PathBuf {
    Path::new(BASE).join(format!("plain/{number:03}"))
}

impl Scene {
    /// Makes the files.
    pub(crate) fn make() -> Result<Self, Error> {
        for rule in 0..RULES {
            make(&ruled(rule))?;
        }
        let beside = ruled(0);
        let beside = beside.parent().unwrap_or(Path::new(BASE));
        Ok(Self {
            without_slots: (0..MEASURED)
                .map(|file| measured(&plain(file), file))
                .collect::<Result<_, _>>()?,
            with_slots: (0..MEASURED).map(|file| measured(beside, file)).collect::<Result<_, _>>()?,
        })
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

    /// Measures files in directories that no rule concerns.
    pub(crate) fn without_slots(&self) -> Result<f64, Error> {
        open_and_close(&self.without_slots).map_err(call("open", "a measured file"))
    }

    /// Measures files whose neighbours have rules.
    pub(crate) fn with_slots(&self) -> Result<f64, Error> {
        open_and_close(&self.with_slots).map_err(call("open", "a measured file"))
    }

    /// Makes sure that the policy in force does something.
    pub(crate) fn expect_denial(&self) -> Result<(), Error> {
        let path = ruled(0);
        File::open(&path).err().map(drop).ok_or_else(|| Error::NotDenied(path.display().to_string()))
    }
}

fn make(file: &Path) -> Result<(), Error> {
    let directory = file.parent().unwrap_or(Path::new(BASE));
    fs::create_dir_all(directory).map_err(call("make", directory.display()))?;
    File::create(file).map(drop).map_err(call("make", file.display()))
}

/// Makes one of the measured files.
fn measured(directory: &Path, number: u32) -> Result<Place, Error> {
    let name = format!("setting{number:02}.ini");
    make(&directory.join(&name))?;
    let directory = openat(CWD, directory, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(call("open", directory.display()))?;
    Ok(Place { directory, name })
}
