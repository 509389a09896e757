//! The bound socket.

use std::path::{Path, PathBuf};

/// The bound socket; removed when dropped. It outlives those who answer on it, so that whoever connects while they are
/// started again only waits.
#[derive(Debug)]
pub(crate) struct Socket {
    path: PathBuf,
    pub(super) listener: std::os::unix::net::UnixListener,
}

impl Socket {
    /// Binds the socket. One that a dead daemon left behind is replaced; one that is answered is not.
    ///
    /// # Errors
    /// If the directory or the socket cannot be made, or another daemon answers there.
    pub(crate) fn bind(path: &Path) -> std::io::Result<Self> {
        use std::os::unix::fs::PermissionsExt;
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            let taken =
                format!("another daemon answers on {}; name another socket with --socket", path.display());
            return Err(std::io::Error::new(std::io::ErrorKind::AddrInUse, taken));
        }
        use std::os::unix::fs::FileTypeExt;
        if std::fs::symlink_metadata(path).is_ok_and(|found| !found.file_type().is_socket()) {
            let other =
                format!("{} is there and is no socket; name another one with --socket", path.display());
            return Err(std::io::Error::new(std::io::ErrorKind::AlreadyExists, other));
        }
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = std::os::unix::net::UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
        if let Some(group) = group("aegisbpf") {
            std::os::unix::fs::chown(path, None, Some(group))?;
        }
        Ok(Self { path: path.to_owned(), listener })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // A socket that stays behind is replaced by the next daemon.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The number of a group of `/etc/group`.
fn group(name: &str) -> Option<u32> {
    let groups = std::fs::read_to_string("/etc/group").ok()?;
    let line = groups.lines().find(|line| line.split(':').next() == Some(name))?;
    line.split(':').nth(2)?.parse().ok()
}
