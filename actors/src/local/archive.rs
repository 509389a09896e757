//! What is kept in the state directory of policies that are or were in force: their texts, the history, and the highest serial.

use super::PolicyError;
use super::content::{Content, content_name};
use super::files::{StateDirectory, failed};
use super::history::{History, line};
use crate::trusted::open_trusted;
use aegis_control_api::HistoryEntry;
use aegis_kernel_abi::Accepted;
use serde::{Deserialize, Serialize};
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

/// The history, a JSON object on each line.
const HISTORY: &str = "history.ndjson";
/// The texts of policies, by their digests.
const KEPT: &str = "kept";
/// The newest signed policy.
const ACCEPTED: &str = "accepted.json";

/// [`Accepted`] as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AcceptedFile {
    serial: u64,
    digest: [u8; 32],
}

impl StateDirectory {
    /// The history. A file that is not there is an empty one.
    pub(super) fn read_history(&self) -> io::Result<History> {
        Ok(History::parse(&self.read_bytes(&self.file(HISTORY))?.unwrap_or_default()))
    }

    /// Adds entries to the history, so that they are still there after a crash of the machine.
    pub(super) fn add_history(&self, entries: &[HistoryEntry]) -> io::Result<()> {
        self.make()?;
        let mut lines = Vec::new();
        for entry in entries {
            lines.extend(line(entry)?);
        }
        let mut file =
            open_trusted(OpenOptions::new().read(true).append(true).create(true), &self.file(HISTORY))?;
        if !ends_with_a_line(&mut file)? {
            // The last one was cut: it must not take this one with it.
            lines.insert(0, b'\n');
        }
        let before = file.metadata()?.len();
        file.write_all(&lines).and_then(|()| file.sync_all()).inspect_err(|_| {
            // Half a line would be one that cannot be read. If not even that works, it is one.
            let _ = file.set_len(before);
        })
    }

    /// Drops what no longer counts, if there is much of it.
    pub(super) fn tidy_history(&self) -> io::Result<()> {
        let history = self.read_history()?;
        if let Some(kept) = history.pruned() {
            let mut lines = Vec::new();
            for entry in &kept {
                lines.extend(line(entry)?);
            }
            self.write(HISTORY, &lines)?.put()?;
        }
        let counts = history.contents();
        for entry in std::fs::read_dir(self.file(KEPT))? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if !name.strip_suffix(".json").is_some_and(|name| counts.contains(&name)) {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// Keeps the texts of a policy, and says under which name.
    pub(super) fn keep(&self, content: &Content) -> io::Result<String> {
        self.make()?;
        let bytes = content.to_bytes()?;
        let name = content_name(&bytes);
        if self.kept(&name).is_none() {
            DirBuilder::new().recursive(true).mode(0o700).create(self.file(KEPT))?;
            self.write(&kept_file(&name), &bytes)?.put()?;
        }
        Ok(name)
    }

    /// The texts that are kept under this name. None if they are not, or are not what they were.
    pub(super) fn kept(&self, name: &str) -> Option<Content> {
        // From the history, which may be damaged: it must not lead elsewhere.
        let is_digest = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        let bytes =
            if is_digest { self.read_bytes(&self.file(&kept_file(name))).ok()?? } else { return None };
        Content::from_bytes(&bytes, name)
    }

    /// The newest signed policy as the disk knows it; serial 0 if there is no file.
    ///
    /// # Errors
    /// Also if it is damaged: then nobody knows which policies are older.
    pub(super) fn read_accepted(&self) -> Result<Accepted, PolicyError> {
        let path = self.file(ACCEPTED);
        let read = self.read_bytes(&path).and_then(|bytes| {
            let Some(bytes) = bytes else { return Ok(Accepted::default()) };
            let AcceptedFile { serial, digest } = serde_json::from_slice(&bytes)?;
            Ok(Accepted { serial, digest })
        });
        read.map_err(failed("read the highest serial from", &path))
    }

    /// Writes the newest signed policy to the disk.
    pub(super) fn write_accepted(&self, accepted: &Accepted) -> io::Result<()> {
        let Accepted { serial, digest } = *accepted;
        self.write(ACCEPTED, &serde_json::to_vec(&AcceptedFile { serial, digest })?)?.put()
    }

    /// Where the history is.
    pub(super) fn history(&self) -> PathBuf {
        self.file(HISTORY)
    }

    /// Where texts are kept.
    pub(super) fn kept_texts(&self) -> PathBuf {
        self.file(KEPT)
    }

    /// Where the newest signed policy is written.
    pub(super) fn accepted(&self) -> PathBuf {
        self.file(ACCEPTED)
    }
}

fn kept_file(name: &str) -> String {
    format!("{KEPT}/{name}.json")
}

fn ends_with_a_line(file: &mut std::fs::File) -> io::Result<bool> {
    let mut last = [0];
    match file.seek(SeekFrom::End(-1)) {
        Ok(_) => file.read_exact(&mut last)?,
        // It is empty.
        Err(error) if error.kind() == ErrorKind::InvalidInput => return Ok(true),
        Err(error) => return Err(error),
    }
    Ok(last == *b"\n")
}
