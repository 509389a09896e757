//! Keys that are trusted and signatures of policies, as they are in files.
//!
//! A key counts because of where it is: whoever can put a file into the directory of keys can put any policy in force. So
//! the way there is walked one component at a time, and nobody but root may be able to change anything on it. Signatures
//! are believed by what is in them, and may be anywhere.

use crate::trusted::flags;
use aegis_trust::{Flaw, Key, MOST_BYTES};
use rustix::fs::{Dir, FileType, Mode, OFlags, Stat, fstat, openat};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

/// Nobody has more keys for one host; a directory with more is another one.
const MOST_KEYS: usize = 256;
/// As many must have signed at most; what is beyond that is no accident.
const MOST_SIGNATURES: usize = 16;

/// Why it is not known which keys are trusted. No key is, then.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// It cannot be read.
    #[error("cannot read {path}, where trusted keys are")]
    Read {
        /// The directory or file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody else could have put it there.
    #[error(
        "others than root can change {path}, and so which keys are trusted; look at what is there, then `chown root \
         {path}` and `chmod go-w {path}`"
    )]
    Exposed {
        /// The directory or file.
        path: PathBuf,
    },
    /// A link, or something else that has no place there.
    #[error("{path} is {what}; trusted keys are in plain files, and the way to them is of plain directories")]
    Kind {
        /// What was found.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// Not a key.
    #[error(
        "{path} is not a key that can be trusted: {flaw}. No key is trusted until it is mended or removed"
    )]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        flaw: Flaw,
    },
    /// Another kind of directory.
    #[error("{path} has more than {MOST_KEYS} keys; is it the right directory?")]
    TooMany {
        /// The directory.
        path: PathBuf,
    },
}

/// The keys in a directory: each of its files with a name in `.pub` that does not begin with a dot, in the order of their
/// names. A directory that is not there has none.
///
/// # Errors
/// If one of them cannot be read, is no key, or if others could have put it there: then none is trusted.
pub fn trusted_keys(directory: &Path) -> Result<Vec<(PathBuf, Key)>, TrustError> {
    let Some(opened) = walk(directory)? else { return Ok(Vec::new()) };
    let mut keys = Vec::new();
    for name in names(&opened, directory)? {
        let path = directory.join(&name);
        let key = Key::parse(&text(&opened, &name, &path)?);
        keys.push((path.clone(), key.map_err(|flaw| TrustError::Key { path, flaw })?));
    }
    Ok(keys)
}

/// Opens a directory that nobody else can change, nor what is above it. Nothing if it is not there.
fn walk(directory: &Path) -> Result<Option<OwnedFd>, TrustError> {
    let failed = |path: &Path, source: io::Error| TrustError::Read { path: path.to_owned(), source };
    let absolute = std::path::absolute(directory).map_err(|source| failed(directory, source))?;
    let mut so_far = PathBuf::from("/");
    let mut opened = open(rustix::fs::CWD, OsStr::new("/"), OFlags::DIRECTORY)
        .map_err(|errno| failed(&so_far, errno.into()))?;
    let mut components = absolute.components().filter(|part| *part != Component::RootDir).peekable();
    loop {
        let is_last = components.peek().is_none();
        demand(&so_far, &stat(&opened, &so_far)?, is_last)?;
        let Some(part) = components.next() else { return Ok(Some(opened)) };
        so_far.push(part);
        opened = match open(&opened, part.as_os_str(), OFlags::DIRECTORY) {
            Ok(next) => next,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP | Errno::NOTDIR) => {
                return Err(TrustError::Kind { path: so_far, what: "a link or no directory" });
            }
            Err(errno) => return Err(failed(&so_far, errno.into())),
        };
    }
}

/// Never through a link, and never waiting for whoever is at the other end of a FIFO.
fn open(at: impl AsFd, name: &OsStr, more: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | more;
    openat(at, name, flags, Mode::empty())
}

fn stat(opened: impl AsFd, path: &Path) -> Result<Stat, TrustError> {
    fstat(opened).map_err(|errno| TrustError::Read { path: path.to_owned(), source: errno.into() })
}

/// Refuses what others could have changed. In a directory such as /tmp, nobody can rename or remove what is not theirs;
/// but that keys are put into it must not be possible either.
fn demand(path: &Path, found: &Stat, is_last: bool) -> Result<(), TrustError> {
    let ours = found.st_uid == 0 || found.st_uid == rustix::process::geteuid().as_raw();
    let mode = Mode::from_raw_mode(found.st_mode);
    let open_to_all = mode.intersects(Mode::WGRP | Mode::WOTH) && (is_last || !mode.contains(Mode::SVTX));
    if ours && !open_to_all { Ok(()) } else { Err(TrustError::Exposed { path: path.to_owned() }) }
}

/// The names of the keys.
fn names(opened: &OwnedFd, directory: &Path) -> Result<Vec<OsString>, TrustError> {
    let failed = |errno: Errno| TrustError::Read { path: directory.to_owned(), source: errno.into() };
    let mut names = Vec::new();
    for entry in Dir::read_from(opened).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if !name.as_bytes().starts_with(b".") && Path::new(name).extension() == Some(OsStr::new("pub")) {
            names.push(name.to_owned());
        }
        if names.len() > MOST_KEYS {
            return Err(TrustError::TooMany { path: directory.to_owned() });
        }
    }
    names.sort();
    Ok(names)
}

/// What is in the file of a key.
fn text(directory: &OwnedFd, name: &OsStr, path: &Path) -> Result<String, TrustError> {
    let failed = |source: io::Error| TrustError::Read { path: path.to_owned(), source };
    let kind = |what| TrustError::Kind { path: path.to_owned(), what };
    let opened = match open(directory, name, OFlags::NOCTTY) {
        Err(Errno::LOOP) => return Err(kind("a link")),
        Err(Errno::NXIO) => return Err(kind("a socket")),
        opened => opened.map_err(|errno| failed(errno.into()))?,
    };
    let found = stat(&opened, path)?;
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
        return Err(kind("no regular file"));
    }
    demand(path, &found, true)?;
    start_of(File::from(opened)).map_err(failed)
}

/// As much as a key or a signature can have, and one byte more, so that it is seen if there is more. Other bytes than
/// those of a text become characters that are in none.
fn start_of(file: File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.take(MOST_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The signatures beside a policy: the files with its name and `.minisig` or `.sig` behind it, with or without a word in
/// between, in the order of their names. Each has its name, and what is in it.
///
/// # Errors
/// If there are more than 16, or one cannot be read.
pub fn signatures_beside(policy: &Path) -> io::Result<Vec<(String, String)>> {
    let name = policy.file_name().ok_or_else(|| io::Error::from(ErrorKind::InvalidInput))?;
    let directory = policy.parent().unwrap_or(Path::new(""));
    let listed = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(listed)? {
        let other = entry?.file_name();
        if is_signature_of(name, &other) {
            paths.push(directory.join(other));
        }
        if paths.len() > MOST_SIGNATURES {
            let why = format!(
                "more than {MOST_SIGNATURES} signatures are beside it; remove those that do not count"
            );
            return Err(io::Error::new(ErrorKind::InvalidInput, why));
        }
    }
    paths.sort();
    paths.iter().map(|path| Ok((path.display().to_string(), signature(path)?))).collect()
}

fn is_signature_of(policy: &OsStr, other: &OsStr) -> bool {
    let rest = other.as_bytes().strip_prefix(policy.as_bytes());
    rest.is_some_and(|rest| {
        rest.starts_with(b".") && (rest.ends_with(b".minisig") || rest.ends_with(b".sig"))
    })
}

fn signature(path: &Path) -> io::Result<String> {
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("the signature {}: {error}", path.display()));
    let flags = flags(OFlags::NONBLOCK | OFlags::NOCTTY);
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(named)?;
    if !file.metadata().map_err(named)?.is_file() {
        return Err(named(io::Error::new(ErrorKind::InvalidInput, "it is no regular file; remove it")));
    }
    start_of(file).map_err(named)
}

#[cfg(test)]
mod tests;
