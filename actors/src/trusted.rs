//! Files that root believes. Nobody else may be able to write them, nor what is in the directory they are in.

use rustix::fs::OFlags;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Opens one, if nobody else can have written it; one that is made is for root alone. The directory has been looked at.
pub(crate) fn open_trusted(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let file = options.mode(0o600).custom_flags(flags(OFlags::NOFOLLOW | OFlags::NONBLOCK)).open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is no regular file"));
    }
    demand_trusted(path, &found)?;
    Ok(file)
}

/// Refuses what others could have written.
pub(crate) fn demand_trusted(path: &Path, found: &Metadata) -> io::Result<()> {
    let ours = found.uid() == rustix::process::geteuid().as_raw();
    if ours && found.mode() & 0o022 == 0 {
        return Ok(());
    }
    let path = path.display();
    let why = format!(
        "others than root can write to {path}; `chown root {path}` and `chmod go-w {path}` once you have seen what is \
         in it"
    );
    Err(io::Error::new(ErrorKind::PermissionDenied, why))
}

/// Flags of open(2) as the standard library takes them.
pub(crate) fn flags(flags: OFlags) -> i32 {
    i32::try_from(flags.bits()).unwrap_or(0)
}
