//! A file system in memory that belongs to the self-check's helper alone: it is mounted nowhere, so nobody else
//! can reach it, and it is gone with the process. What is tried there harms nobody even if it is not denied.

use aegis_kernel_abi::Hook;
use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;

/// The directory, with one file and one directory in it.
#[derive(Debug)]
pub(crate) struct Scratch {
    root: File,
    file: File,
    directory: File,
}

const FILE: &CStr = c"file";
const DIRECTORY: &CStr = c"directory";
const NEW: &CStr = c"new";

/// FSCONFIG_CMD_CREATE (include/uapi/linux/mount.h).
const CMD_CREATE: libc::c_long = 6;
const CLOEXEC: libc::c_long = 1;

impl Scratch {
    /// Makes it.
    pub(crate) fn make() -> io::Result<Self> {
        // SAFETY: the name of the file system ends with NUL; the call keeps no pointer.
        let context = descriptor(unsafe { libc::syscall(libc::SYS_fsopen, c"tmpfs".as_ptr(), CLOEXEC) })?;
        let null = std::ptr::null::<libc::c_char>();
        // SAFETY: this command takes no key and no value.
        let created =
            unsafe { libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), CMD_CREATE, null, null, 0) };
        done(created)?;
        // SAFETY: numbers only.
        let root = File::from(descriptor(unsafe {
            libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), CLOEXEC, 0)
        })?);
        let at = root.as_raw_fd();
        let file = open(at, FILE, libc::O_CREAT | libc::O_RDWR)?;
        // SAFETY: the name ends with NUL.
        done(unsafe { libc::mkdirat(at, DIRECTORY.as_ptr(), 0o700) }.into())?;
        let directory = open(at, DIRECTORY, libc::O_RDONLY)?;
        Ok(Self { root, file, directory })
    }

    /// Tries the operation of a hook.
    pub(crate) fn attempt(&self, hook: Hook) -> io::Result<()> {
        let at = self.root.as_raw_fd();
        match hook {
            // By a descriptor's own path: it has no other.
            Hook::PathTruncate => truncate(&self.file),
            Hook::FileTruncate => self.file.set_len(0),
            Hook::InodeCreate | Hook::PathMknod => open(at, NEW, libc::O_CREAT | libc::O_EXCL).map(drop),
            // SAFETY: of each call below, the names end with NUL and no pointer is kept.
            Hook::InodeMknod => done(unsafe { libc::mknodat(at, NEW.as_ptr(), libc::S_IFIFO, 0) }.into()),
            Hook::InodeMkdir | Hook::PathMkdir => {
                // SAFETY: as above.
                done(unsafe { libc::mkdirat(at, NEW.as_ptr(), 0o700) }.into())
            }
            Hook::InodeSymlink | Hook::PathSymlink => {
                // SAFETY: as above.
                done(unsafe { libc::symlinkat(FILE.as_ptr(), at, NEW.as_ptr()) }.into())
            }
            Hook::InodeLink | Hook::PathLink => {
                // SAFETY: as above.
                done(unsafe { libc::linkat(at, FILE.as_ptr(), at, NEW.as_ptr(), 0) }.into())
            }
            Hook::InodeUnlink | Hook::PathUnlink => {
                // SAFETY: as above.
                done(unsafe { libc::unlinkat(at, FILE.as_ptr(), 0) }.into())
            }
            Hook::InodeRmdir | Hook::PathRmdir => {
                // SAFETY: as above.
                done(unsafe { libc::unlinkat(at, DIRECTORY.as_ptr(), libc::AT_REMOVEDIR) }.into())
            }
            Hook::InodeRename | Hook::PathRename => {
                // SAFETY: as above.
                done(unsafe { libc::renameat(at, FILE.as_ptr(), at, NEW.as_ptr()) }.into())
            }
            Hook::InodeSetattr
            | Hook::InodeSetxattr
            | Hook::InodeRemovexattr
            | Hook::InodeSetAcl
            | Hook::InodeRemoveAcl
            | Hook::PathChmod
            | Hook::PathChown => change(hook, &self.file),
            // These are tried on the executable.
            Hook::FileOpen
            | Hook::MmapFile
            | Hook::FileMprotect
            | Hook::BprmCheck
            | Hook::SysExit
            | Hook::SchedExec
            | Hook::CommittedCreds
            | Hook::TaskAlloc
            | Hook::SchedFork
            | Hook::SchedExit => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Whether what a hook decides is tried here.
    #[cfg(test)]
    fn is_for(hook: Hook) -> bool {
        let on_executable =
            matches!(hook, Hook::FileOpen | Hook::MmapFile | Hook::FileMprotect | Hook::BprmCheck);
        !on_executable
            && !matches!(hook, Hook::CommittedCreds | Hook::TaskAlloc | Hook::SchedFork | Hook::SchedExit)
    }

    /// Inode number and device of what a hook's attempt is about: the file or directory, or where nothing is yet
    /// the directory in which it is to be made. `None` for what is tried on the executable.
    pub(crate) fn object(&self, hook: Hook) -> Option<(u64, u32)> {
        let object = match hook {
            Hook::FileOpen
            | Hook::MmapFile
            | Hook::FileMprotect
            | Hook::BprmCheck
            | Hook::SysExit
            | Hook::SchedExec
            | Hook::CommittedCreds
            | Hook::TaskAlloc
            | Hook::SchedFork
            | Hook::SchedExit => return None,
            Hook::InodeRmdir | Hook::PathRmdir => &self.directory,
            Hook::PathTruncate
            | Hook::FileTruncate
            | Hook::InodeLink
            | Hook::PathLink
            | Hook::InodeUnlink
            | Hook::PathUnlink
            | Hook::InodeRename
            | Hook::PathRename
            | Hook::InodeSetattr
            | Hook::InodeSetxattr
            | Hook::InodeRemovexattr
            | Hook::InodeSetAcl
            | Hook::InodeRemoveAcl
            | Hook::PathChmod
            | Hook::PathChown => &self.file,
            _ => &self.root,
        };
        // Of a tmpfs, unlike others, stat tells the kernel's own numbers.
        let stat = object.metadata().ok()?;
        let dev = libc::major(stat.dev()) << 20 | libc::minor(stat.dev());
        Some((stat.ino(), dev))
    }
}

/// An extended attribute that a file system in memory takes on all kernels, and that means nothing to anybody.
const ATTRIBUTE: &CStr = c"security.aegis_self_check";

const ACCESS_LIST: &CStr = c"system.posix_acl_access";

/// An access list that says what mode 0600 says (include/uapi/linux/posix_acl_xattr.h): version 2; owner, group and
/// others, each with its tag, its rights and the id of nobody in particular.
const SAME_AS_MODE: [u8; 28] = [
    2, 0, 0, 0, // version
    1, 0, 6, 0, 255, 255, 255, 255, // owner: read and write
    4, 0, 0, 0, 255, 255, 255, 255, // group: nothing
    32, 0, 0, 0, 255, 255, 255, 255, // others: nothing
];

/// Tries the operation of a hook on attributes.
fn change(hook: Hook, file: &File) -> io::Result<()> {
    let file = file.as_raw_fd();
    let set = |name: &CStr, value: &[u8]| {
        // SAFETY: the name ends with NUL, and the length is that of the value.
        done(unsafe { libc::fsetxattr(file, name.as_ptr(), value.as_ptr().cast(), value.len(), 0) }.into())
    };
    // SAFETY: the name ends with NUL.
    let remove = |name: &CStr| done(unsafe { libc::fremovexattr(file, name.as_ptr()) }.into());
    match hook {
        Hook::PathChmod => {
            // SAFETY: of this call and the next, numbers only.
            done(unsafe { libc::fchmod(file, 0o600) }.into())
        }
        Hook::PathChown => {
            // SAFETY: as above.
            done(unsafe { libc::fchown(file, libc::getuid(), libc::getgid()) }.into())
        }
        // SAFETY: no times are given, which means now.
        Hook::InodeSetattr => done(unsafe { libc::futimens(file, std::ptr::null()) }.into()),
        Hook::InodeSetxattr => set(ATTRIBUTE, b"1"),
        Hook::InodeRemovexattr => {
            // There must be one to be removed. If it cannot be set, the removal tells.
            let _ = set(ATTRIBUTE, b"1");
            remove(ATTRIBUTE)
        }
        Hook::InodeSetAcl => set(ACCESS_LIST, &SAME_AS_MODE),
        Hook::InodeRemoveAcl => remove(ACCESS_LIST),
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

fn truncate(file: &File) -> io::Result<()> {
    let path = std::ffi::CString::new(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    // SAFETY: the path ends with NUL.
    done(unsafe { libc::truncate(path.as_ptr(), 0) }.into())
}

fn open(at: RawFd, name: &CStr, flags: libc::c_int) -> io::Result<File> {
    // SAFETY: the name ends with NUL.
    let opened = unsafe { libc::openat(at, name.as_ptr(), flags | libc::O_CLOEXEC, 0o600) };
    descriptor(opened.into()).map(File::from)
}

fn descriptor(returned: libc::c_long) -> io::Result<OwnedFd> {
    done(returned)?;
    let number = RawFd::try_from(returned).map_err(|_| io::ErrorKind::InvalidData)?;
    // SAFETY: the kernel has just opened it for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

fn done(returned: libc::c_long) -> io::Result<()> {
    if returned < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aegis_kernel_abi::Kind;

    #[test]
    fn what_nobody_denies_succeeds() {
        let on_files = |hook: &Hook| Scratch::is_for(*hook);
        for hook in Kind::Lsm.hooks().filter(on_files) {
            let scratch = match Scratch::make() {
                Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
                    println!("skipped: only root can make a file system");
                    return;
                }
                made => made.unwrap(),
            };
            assert!(scratch.object(hook).is_some_and(|(ino, dev)| ino != 0 && dev != 0), "{hook:?}");
            scratch.attempt(hook).unwrap_or_else(|error| panic!("{hook:?}: {error}"));
        }
    }
}
