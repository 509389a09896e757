//! Files that are written as a whole, or not at all.

use anyhow::{Context, Result};
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Whoever reads the file meanwhile finds the old or the new one. It is for everybody to read. What is left behind by one
/// that was killed ends in `.tmp`, so that nobody takes it for what it was to be.
pub(crate) fn replace(path: &Path, text: &str) -> Result<()> {
    try_replace(path, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}

fn try_replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let unfinished = path.with_file_name(format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id()));
    // Never one that is there: others may write to the directory, and what is there may be a link of theirs.
    let file = OpenOptions::new().write(true).create_new(true).open(&unfinished)?;
    let written = write(file, bytes).and_then(|()| std::fs::rename(&unfinished, path));
    if written.is_err() {
        // The error is what is told; a file too many does no harm.
        let _ = std::fs::remove_file(&unfinished);
    }
    written
}

fn write(mut file: File, bytes: &[u8]) -> io::Result<()> {
    // Whatever the umask is.
    file.set_permissions(Permissions::from_mode(0o644))?;
    file.write_all(bytes)
}

/// Writes a text to a file, or to standard output if none is named.
pub(crate) fn put(out: Option<&Path>, text: &str) -> Result<()> {
    match out {
        Some(path) => replace(path, text),
        None => {
            crate::output::line(text.trim_end());
            Ok(())
        }
    }
}
