//! A file as a sink, where the settings name one: they may name another, or none, at any time. Its account is kept in the
//! state directory.

use super::cursor::{Cursor, Found, baseline};
use super::outbox::{Outbox, Progress};
use super::press::{Books, Out, Press};
use crate::looped::Looped;
use crate::reload::Live;
use crate::router::Summary;
use crate::spool::Store;
use crate::trusted::flags;
use crate::ways::Ways;
use aegis_kernel_abi::Delivered;
use aegis_probes::Accounts;
use aegis_supervisor::{BoxError, Child, Life};
use async_trait::async_trait;
use rustix::fs::{Access, OFlags};
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;

/// The account of it, in the state directory.
const CURSOR: &str = "sink-events-file";

/// Makes the writer of the file, or what waits until there is one to write.
pub(crate) struct EventsFileChild {
    pub(crate) ways: Ways,
    pub(crate) state_directory: PathBuf,
}

#[async_trait(?Send)]
impl Child for EventsFileChild {
    type Actor = Looped;

    async fn init(&self, life: &Life) -> Result<Looped, BoxError> {
        let Self { ways, state_directory } = self;
        let store = ways.store().await?;
        let accounts = ways.loader.run(|loader, _| loader.probes().accounts()).await?;
        let sink = Sink {
            store,
            accounts,
            settings: ways.boot.settings(),
            state_directory: state_directory.clone(),
            life: life.clone(),
        };
        // Before anything is handed on, so that no line finds the sink off that is only about to start.
        let press = sink.begin()?;
        Ok(Looped::new(life, sink.work(press)))
    }
}

/// The file as a sink, while it is there and while it is not.
struct Sink {
    store: Arc<Store>,
    accounts: Arc<Accounts>,
    settings: watch::Receiver<Live>,
    state_directory: PathBuf,
    life: Life,
}

type FilePress = Press<Followed, FileBooks>;

fn is_on(live: &Live) -> bool {
    live.events_file.is_some()
}

impl Sink {
    async fn work(self, mut press: Option<FilePress>) -> Result<(), BoxError> {
        let mut settings = self.settings.clone();
        while !self.life.is_asked() {
            if let Some(press) = press.take() {
                self.write(press).await;
            }
            tokio::select! {
                on = settings.wait_for(is_on) => drop(on?),
                () = self.life.asked() => return Ok(()),
            }
            press = self.begin()?;
        }
        Ok(())
    }

    /// Writes until there is no file any more, or all is to end.
    async fn write(&self, mut press: FilePress) {
        let outbox = &self.store.events_file;
        let mut settings = self.settings.clone();
        let end = async {
            tokio::select! {
                _ = settings.wait_for(|live| !is_on(live)) => {}
                () = self.life.asked() => {}
            }
        };
        if !press.print_all(outbox, end).await {
            tracing::warn!(
                "the events file did not take all records; whoever writes it next tells there which are missing"
            );
        }
        if !self.life.is_asked() {
            outbox.turn_off();
        }
    }

    /// Lines wait for the file from now on, if there is one.
    fn begin(&self) -> Result<Option<FilePress>, BoxError> {
        if !is_on(&self.settings.borrow()) {
            self.store.events_file.turn_off();
            return Ok(None);
        }
        let press = self.press()?;
        self.store.events_file.turn_on();
        Ok(Some(press))
    }

    /// What writes from where the account says. One that is started again knows that better than the account in the state
    /// directory, which may have been refused.
    fn press(&self) -> Result<FilePress, BoxError> {
        let Self { store, accounts, settings, state_directory, .. } = self;
        let outbox = store.events_file.clone();
        let cpus = usize::try_from(accounts.cpus())?;
        let (cursor, kept) = open_cursor(state_directory, &store.numbering.arming_id, cpus);
        let is_known = outbox.progress().is_some();
        if !is_known {
            let told = baseline(kept.summarised, &store.before, &accounts.storms()?);
            outbox.progress().replace(Progress { told, ..kept });
        }
        let out = Followed { settings: settings.clone(), file: None };
        Ok(Press::new(out, FileBooks { cursor, outbox }, store.numbering.clone(), false))
    }
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

/// The file that the settings name, whichever that is.
struct Followed {
    settings: watch::Receiver<Live>,
    file: Option<EventsFile>,
}

impl Followed {
    fn file(&mut self) -> io::Result<&mut EventsFile> {
        self.file.as_mut().ok_or_else(|| io::Error::new(ErrorKind::NotFound, "no events file is open"))
    }
}

impl Write for Followed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file()?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Out for Followed {
    fn name(&self) -> String {
        let live = self.settings.borrow();
        let path = live.events_file.as_ref().or(self.file.as_ref().map(|file| &file.path));
        path.map_or_else(|| "the events file".to_owned(), |path| path.display().to_string())
    }

    fn prepare(&mut self) -> io::Result<Option<bool>> {
        let live = self.settings.borrow();
        let Some(path) = &live.events_file else {
            // What is left goes where the rest went.
            return Ok(None);
        };
        match &mut self.file {
            Some(file) if file.path == *path => file.prepare(),
            _ => {
                let (file, torn) = EventsFile::open(path)?;
                self.file = Some(file);
                Ok(Some(torn))
            }
        }
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

    /// Whether it could be opened, without making it: for what is refused, nothing changes.
    ///
    /// # Errors
    /// As [`EventsFile::open`].
    pub(crate) fn check(path: &Path) -> io::Result<()> {
        match std::fs::symlink_metadata(path) {
            Ok(_) => Self::open(path).map(drop),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let directory = path.parent().unwrap_or(Path::new("/"));
                let can = rustix::fs::access(directory, Access::WRITE_OK | Access::EXEC_OK);
                can.map_err(|errno| with_remedy(&errno.into()))
            }
            Err(error) => Err(with_remedy(&error)),
        }
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

#[cfg(test)]
mod tests;
