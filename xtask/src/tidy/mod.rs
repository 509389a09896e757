//! `cargo xtask tidy`: the rules of the repository that no compiler checks. All findings are told at once.

mod crates;
mod layout;
mod sources;

use crate::{process, workspace};
use anyhow::{Context, Result, bail};
use std::fmt;
use std::fs;
use std::process::Command;

/// A file of the repository: its path from the root, and its text unless it is binary.
struct SourceFile {
    path: String,
    bytes: Vec<u8>,
}

impl SourceFile {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap_or_default()
    }

    fn has_extension(&self, extensions: &[&str]) -> bool {
        self.path.rsplit_once('.').is_some_and(|(_, extension)| extensions.contains(&extension))
    }

    fn is_below(&self, folders: &[&str]) -> bool {
        folders.iter().any(|folder| self.path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
    }
}

/// Something against the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    line: usize,
    what: String,
    why: &'static str,
    remedy: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let Self { path, line, what, why, remedy } = self;
        write!(formatter, "{path}:{line}: {what}\n    why: {why}\n    remedy: {remedy}")
    }
}

/// Checks everything.
pub(crate) fn run() -> Result<()> {
    let files = files()?;
    let crates = crates::read(&workspace::metadata()?, workspace::root())?;
    let findings = [layout::check(&files), sources::check(&files), crates::check(&crates, &files)].concat();
    for finding in &findings {
        eprintln!("{finding}");
    }
    match findings.len() {
        0 => Ok(()),
        count => bail!("{count} findings in {} files", files.len()),
    }
}

/// What git tracks, or would track.
fn files() -> Result<Vec<SourceFile>> {
    let mut list = Command::new("git");
    list.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(workspace::root());
    let mut files = Vec::new();
    for path in process::output(&mut list)?.split_terminator('\0') {
        let place = workspace::root().join(path);
        // A file may be deleted here and still be tracked.
        if place.is_file() {
            let bytes = fs::read(&place).with_context(|| format!("cannot read {path}"))?;
            files.push(SourceFile { path: path.to_owned(), bytes });
        }
    }
    Ok(files)
}

#[cfg(test)]
fn file(path: &str, text: &str) -> SourceFile {
    SourceFile { path: path.to_owned(), bytes: text.as_bytes().to_vec() }
}
