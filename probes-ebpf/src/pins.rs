//! The directory on a bpf file system where maps, programs and links outlive the daemon.
//!
//! `maps/`, `programs/` and `links/` hold one pin each by name. A link's pin is what enforces: going down means
//! removing it. One daemon at a time holds the lock, which is on the directory itself and dies with the process.

use crate::error::{Error, call_path};
use aegis_kernel_abi::Hook;
use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) const MAPS_DIR: &str = "maps";
pub(crate) const PROGRAMS_DIR: &str = "programs";
pub(crate) const LINKS_DIR: &str = "links";

/// `f_type` of a bpf file system (include/uapi/linux/magic.h).
const BPF_FS_MAGIC: i64 = 0xcafe_4a11;

/// How long a start waits for the lock: a `status` without a daemon holds it for the time of a self-check.
const LOCK_WAIT: Duration = Duration::from_secs(3);
/// How often it is tried.
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// A pin directory.
#[derive(Debug, Clone)]
pub struct PinDir {
    root: PathBuf,
}

/// The right to change what is pinned; ends when it is dropped or the process dies.
#[derive(Debug)]
pub struct Lock {
    _directory: File,
}

impl PinDir {
    /// Names a directory; nothing is touched.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The directory itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether probes are pinned there, by us or an earlier daemon.
    pub(crate) fn is_armed(&self) -> bool {
        self.map("identity").exists()
    }

    pub(crate) fn map(&self, name: &str) -> PathBuf {
        self.root.join(MAPS_DIR).join(name)
    }

    pub(crate) fn program(&self, hook: Hook) -> PathBuf {
        self.program_named(hook.word())
    }

    pub(crate) fn program_named(&self, name: &str) -> PathBuf {
        self.root.join(PROGRAMS_DIR).join(name)
    }

    pub(crate) fn link(&self, hook: Hook) -> PathBuf {
        self.root.join(LINKS_DIR).join(hook.word())
    }

    /// Makes sure that the root exists on a bpf file system and holds nothing of anybody else's, and locks it.
    ///
    /// # Errors
    /// If there is no bpf file system, if others' pins are found, or if another daemon holds the lock.
    pub fn lock(&self) -> Result<Lock, Error> {
        if !self.exists_on_bpffs()? {
            make_dir(&self.root)?;
        }
        self.refuse_foreign()?;
        let directory = File::open(&self.root).map_err(call_path("open", &self.root))?;
        let deadline = Instant::now() + LOCK_WAIT;
        loop {
            match directory.try_lock() {
                Ok(()) => return Ok(Lock { _directory: directory }),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(LOCK_PAUSE),
                Err(TryLockError::WouldBlock) => return Err(Error::Locked(self.root.clone())),
                Err(TryLockError::Error(error)) => return Err(call_path("lock", &self.root)(error)),
            }
        }
    }

    /// Whether a daemon holds the lock.
    ///
    /// # Errors
    /// If the directory cannot be opened.
    pub fn is_locked(&self) -> Result<bool, Error> {
        match File::open(&self.root) {
            Ok(directory) => Ok(matches!(directory.try_lock_shared(), Err(TryLockError::WouldBlock))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(call_path("open", &self.root)(error)),
        }
    }

    /// Whether the root is there. It is on a bpf file system, or could be made there.
    pub(crate) fn exists_on_bpffs(&self) -> Result<bool, Error> {
        let exists = self.root.is_dir();
        let parent = self.root.parent().unwrap_or(Path::new("/"));
        if is_bpffs(if exists { &self.root } else { parent })? {
            Ok(exists)
        } else {
            Err(Error::NoBpffs(self.root.clone()))
        }
    }

    /// What is pinned in one of the directories, by name; nothing if it is not there.
    pub(crate) fn names(&self, directory: &str) -> Result<BTreeSet<String>, Error> {
        let path = self.root.join(directory);
        let entries = match fs::read_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            other => other.map_err(call_path("read", &path))?,
        };
        let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
        entries.map(name).collect::<io::Result<_>>().map_err(call_path("read", &path))
    }

    pub(crate) fn refuse_foreign(&self) -> Result<(), Error> {
        for entry in fs::read_dir(&self.root).map_err(call_path("read", &self.root))? {
            let name = entry.map_err(call_path("read", &self.root))?.file_name();
            let name = name.to_string_lossy();
            if ![MAPS_DIR, PROGRAMS_DIR, LINKS_DIR].contains(&name.as_ref()) {
                return Err(Error::ForeignPins { path: self.root.clone(), found: name.into_owned() });
            }
        }
        Ok(())
    }

    pub(crate) fn create(&self) -> Result<(), Error> {
        [MAPS_DIR, PROGRAMS_DIR, LINKS_DIR].iter().try_for_each(|name| make_dir(&self.root.join(name)))
    }

    /// Removes the links, so that nothing is decided any more. What is missing already is no error.
    pub(crate) fn remove_links(&self) -> Result<(), Error> {
        remove_all(&self.root.join(LINKS_DIR))
    }

    /// Removes programs and maps; to be called after [`PinDir::remove_links`].
    pub(crate) fn remove_contents(&self) -> Result<(), Error> {
        self.remove_links()?;
        remove_all(&self.root.join(PROGRAMS_DIR))?;
        remove_all(&self.root.join(MAPS_DIR))
    }

    /// Removes the directory itself, once it is empty. The lock that is held on it ends with it.
    pub(crate) fn remove_root(&self) -> Result<(), Error> {
        remove_dir(&self.root)
    }
}

fn make_dir(path: &Path) -> Result<(), Error> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(call_path("create", path)(error)),
        _ => Ok(()),
    }
}

fn remove_dir(path: &Path) -> Result<(), Error> {
    match fs::remove_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(call_path("remove", path)(error)),
        _ => Ok(()),
    }
}

fn remove_all(directory: &Path) -> Result<(), Error> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(call_path("read", directory))?,
    };
    for entry in entries {
        let path = entry.map_err(call_path("read", directory))?.path();
        fs::remove_file(&path).map_err(call_path("remove", &path))?;
    }
    remove_dir(directory)
}

fn is_bpffs(path: &Path) -> Result<bool, Error> {
    Ok(file_system_magic(path)? == BPF_FS_MAGIC)
}

/// The magic number of the file system that a path is on.
///
/// # Errors
/// If the kernel cannot tell.
pub fn file_system_magic(path: &Path) -> Result<i64, Error> {
    let name = std::ffi::CString::new(path.as_os_str().as_bytes())
        .map_err(|_| call_path("look at", path)(io::ErrorKind::InvalidInput.into()))?;
    // SAFETY: statfs is a struct of integers, for which zeros are valid.
    let mut stat: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: the name ends with NUL and both live through the call.
    if unsafe { libc::statfs(name.as_ptr(), &raw mut stat) } != 0 {
        return Err(call_path("look at", path)(io::Error::last_os_error()));
    }
    Ok(stat.f_type)
}
