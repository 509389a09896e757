//! A file as a sink. Its account is kept in the state directory.

use super::cursor::{Cursor, Found, baseline};
use super::outbox::{Outbox, Progress};
use super::press::{Books, Out, Press};
use super::queue::WhenFull;
use crate::looped::Looped;
use crate::router::Summary;
use crate::trusted::flags;
use crate::ways::Ways;
use aegis_kernel_abi::Delivered;
use aegis_supervisor::{BoxError, Child, Life};
use async_trait::async_trait;
use rustix::fs::OFlags;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The file, as the command line chooses it.
#[derive(Debug, Clone)]
pub struct EventsFileSettings {
    /// Where it is.
    pub path: PathBuf,
    /// What happens when it cannot keep up, as its disk is full.
    pub when_full: WhenFull,
}

/// The account of it, in the state directory.
const CURSOR: &str = "sink-events-file";

/// Makes the writer of the file.
pub(crate) struct EventsFileChild {
    pub(crate) ways: Ways,
    pub(crate) path: PathBuf,
    pub(crate) state_directory: PathBuf,
}

#[async_trait(?Send)]
impl Child for EventsFileChild {
    type Actor = Looped;

    async fn init(&self, life: &Life) -> Result<Looped, BoxError> {
        let store = self.ways.store().await?;
        let outbox = store.events_file.clone().ok_or("nothing is handed on to the events file")?;
        let accounts = self.ways.loader.run(|loader, _| loader.probes().accounts()).await?;
        let (out, torn) = EventsFile::open(&self.path)?;
        let cpus = usize::try_from(accounts.cpus())?;
        let (cursor, kept) = open_cursor(&self.state_directory, &store.numbering.arming_id, cpus);
        outbox.begin();
        let is_known = outbox.progress().is_some();
        // One that is started again knows it better than the file, which may have refused.
        if !is_known {
            let told = baseline(kept.summarised, &store.before, &accounts.storms()?);
            outbox.progress().replace(Progress { told, ..kept });
        }
        let books = FileBooks { cursor, outbox: outbox.clone() };
        let press = Press::new(out, books, store.numbering.clone(), torn);
        Ok(Looped::new(life, write(press, outbox, life.clone())))
    }
}

async fn write(mut press: Press<EventsFile, FileBooks>, outbox: Outbox, life: Life) -> Result<(), BoxError> {
    if !press.print_all(&outbox, &life).await {
        tracing::warn!(
            "the events file did not take all records; the next daemon tells there which are missing"
        );
    }
    Ok(())
}

/// The account of the file. That it cannot be read or kept is no reason to stop: without it everything that was told is
/// told again, as a gap of reason `crash` for each CPU and a summary without a storm, so that nothing is left out in
/// silence.
fn open_cursor(directory: &Path, arming_id: &str, cpus: usize) -> (Option<Cursor>, Progress) {
    let path = directory.join(CURSOR);
    let path = path.display();
    match Cursor::open(directory, CURSOR, arming_id, cpus) {
        Ok((cursor, found, progress)) => {
            if found == Found::Damaged {
                tracing::warn!(
                    "{path} is damaged: what the events file was told since arming is told there again, as a gap of \
                     reason crash"
                );
            }
            (Some(cursor), progress)
        }
        Err(error) => {
            tracing::warn!(
                "{path} cannot be used ({error}): this daemon and the next tell in the events file as a gap of reason \
                 crash what was told there before"
            );
            (None, Progress { delivered: vec![Delivered::default(); cpus], ..Progress::default() })
        }
    }
}

struct FileBooks {
    cursor: Option<Cursor>,
    outbox: Outbox,
}

impl Books for FileBooks {
    fn delivered(&self, cpu: u32) -> Delivered {
        let progress = self.outbox.progress();
        let delivered = progress.as_ref().and_then(|progress| progress.delivered.get(cpu as usize));
        delivered.copied().unwrap_or_default()
    }

    fn set_delivered(&mut self, cpu: u32, delivered: &Delivered) {
        let mut progress = self.outbox.progress();
        let known = progress.as_mut().and_then(|progress| progress.delivered.get_mut(cpu as usize));
        if let Some(known) = known {
            *known = *delivered;
        }
    }

    fn summarised(&self) -> u64 {
        self.outbox.progress().as_ref().map_or(0, |progress| progress.summarised)
    }

    fn tell(&mut self, summary: &Summary) {
        if let Some(progress) = &mut *self.outbox.progress() {
            progress.told.extend(summary.storm);
            progress.summarised = summary.last;
        }
    }

    fn keep(&mut self) {
        let Some(cursor) = &mut self.cursor else { return };
        let next = self.outbox.progress().as_ref().map(|progress| cursor.next(progress));
        next.iter().for_each(|next| cursor.keep(next));
    }
}

/// A file that lines are added to.
#[derive(Debug)]
pub(crate) struct EventsFile {
    path: PathBuf,
    file: File,
    /// Device and inode number, by which it is seen that another file is at the path.
    identity: (u64, u64),
}

impl EventsFile {
    /// Opens it, makes it where there is none, and says whether its last line is not whole.
    ///
    /// # Errors
    /// Says what is in the way, and what to do.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, bool)> {
        match std::fs::symlink_metadata(path) {
            Ok(found) => demand_regular(&found)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(with_remedy(&error)),
        }
        let file = File::options()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o640)
            // A FIFO or terminal that was put there just now holds nothing up.
            .custom_flags(flags(OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC))
            .open(path)
            .map_err(|error| with_remedy(&error))?;
        let found = file.metadata()?;
        demand_regular(&found)?;
        let torn = is_torn(&file, found.len())?;
        Ok((Self { path: path.to_owned(), file, identity: identity(&found) }, torn))
    }
}

fn identity(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

fn is_torn(file: &File, length: u64) -> io::Result<bool> {
    let Some(last) = length.checked_sub(1) else { return Ok(false) };
    let mut byte = [0];
    // Somebody may have cut it off meanwhile.
    Ok(file.read_at(&mut byte, last)? == 1 && byte != *b"\n")
}

fn demand_regular(found: &Metadata) -> io::Result<()> {
    let kind = found.file_type();
    let what = match () {
        () if kind.is_file() => return Ok(()),
        () if kind.is_dir() => "a directory",
        () if kind.is_symlink() => "a symbolic link",
        () if kind.is_fifo() => "a FIFO",
        () if kind.is_socket() => "a socket",
        () => "a device",
    };
    let why = format!("it is {what}: name a regular file, or one that is not there yet");
    Err(io::Error::new(ErrorKind::InvalidInput, why))
}

fn with_remedy(error: &io::Error) -> io::Error {
    let remedy = match error.kind() {
        ErrorKind::NotFound => "make its directory first",
        ErrorKind::NotADirectory => "name a file in a directory",
        ErrorKind::PermissionDenied => "let root write there, or name another file",
        ErrorKind::ReadOnlyFilesystem => "name a file on a file system that can be written",
        ErrorKind::StorageFull => "make room there, or name another file",
        _ => "name another file, if this is to stay so",
    };
    io::Error::new(error.kind(), format!("{error}: {remedy}"))
}

impl Write for EventsFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Out for EventsFile {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Whoever rotates files moves this one away, or removes it: what is written from then on goes into a new one.
    fn prepare(&mut self) -> io::Result<Option<bool>> {
        let found = std::fs::symlink_metadata(&self.path);
        if found.is_ok_and(|found| identity(&found) == self.identity) {
            return Ok(None);
        }
        let (other, torn) = Self::open(&self.path)?;
        *self = other;
        Ok(Some(torn))
    }
}

#[cfg(test)]
mod tests;
