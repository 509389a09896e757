//! The folder of one run: sockets, console and payload. It is in the system's folder for temporary files
//! because the path of a socket must be short.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs, process};

const PREFIX: &str = "aegis-vm-";

/// A folder that is removed with this value; one that an interrupted process left is removed by the next.
pub(super) struct RunFolder(PathBuf);

impl RunFolder {
    /// Makes the folder of one run of this process.
    pub(super) fn new() -> Result<Self> {
        let parent = env::temp_dir();
        remove_abandoned(&parent)?;
        // One process may run several machines.
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("{PREFIX}{}-{number}", process::id()));
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        // Nothing depends on this: what stays is removed by a later run.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn remove_abandoned(parent: &Path) -> Result<()> {
    for entry in fs::read_dir(parent)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        if owner.is_some_and(|id| !Path::new("/proc").join(id.to_string()).exists()) {
            // Another run may remove it at the same time.
            let _ = fs::remove_dir_all(&path);
        }
    }
    Ok(())
}
