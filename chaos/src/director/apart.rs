//! A bpf file system that nobody else sees: whatever happens, what is pinned there ends with those who see it.

use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::{Command, ExitCode};

/// Mounts it, below the directory, and goes on as the same command with it.
const SCRIPT: &str = "mount -t bpf bpf \"$1\" && pins=$1/pins && shift && exec \"$@\" --pins \"$pins\"";

/// Runs this very command again, where that file system is.
pub(super) fn run(directory: &Path) -> Result<ExitCode> {
    let bpf = directory.join("bpf");
    std::fs::create_dir_all(&bpf).with_context(|| format!("cannot make {}", bpf.display()))?;
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", SCRIPT, "sh"]).arg(&bpf).args(std::env::args_os());
    let status = command.status().context("cannot start `unshare`");
    std::fs::remove_dir(&bpf).with_context(|| format!("cannot remove {}", bpf.display()))?;
    match status?.code() {
        Some(code) => Ok(ExitCode::from(u8::try_from(code).unwrap_or(1))),
        None => bail!("it was ended by a signal"),
    }
}
