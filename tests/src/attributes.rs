//! Operations on attributes, and opening to append, as rows: what is tried, and which rule must deny it. A row without a
//! reason must stay allowed although a rule is on the file: what it does is something else, or belongs to something else.

use crate::names::{ANEW, ROW, Row};
use crate::outcome::{Outcome, of_command};
use rustix::fs::{
    AtFlags, CWD, Mode, Timespec, Timestamps, XattrFlags, chmodat, chownat, fchown, fsetxattr, futimens,
    lsetxattr, removexattr, setxattr, utimensat,
};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Error, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

/// An extended attribute that every file system of the tests has, for links too.
const ATTRIBUTE: &str = "trusted.aegis";

const ACCESS_LIST: &str = "system.posix_acl_access";
const DEFAULT_LIST: &str = "system.posix_acl_default";

/// Version 2; owner, one more user, group, mask and others, each with its tag, its rights and an id.
const LIST: [u8; 44] = [
    2, 0, 0, 0, // version
    1, 0, 6, 0, 255, 255, 255, 255, // owner
    2, 0, 4, 0, 1, 0, 0, 0, // the user 1
    4, 0, 4, 0, 255, 255, 255, 255, // group
    16, 0, 4, 0, 255, 255, 255, 255, // mask
    32, 0, 4, 0, 255, 255, 255, 255, // others
];

/// A bit that each side of a row has on its file `set-user-id`.
const SET_USER_ID: u32 = 0o4000;

/// Who owns nothing here.
const SOMEBODY: u32 = 65534;

/// A file whose set-user-id bit is there to be lost, and one with an extended attribute to be removed.
fn more(side: &Path) -> io::Result<()> {
    let file = side.join("set-user-id");
    fs::write(&file, "content\n")?;
    fs::set_permissions(&file, Permissions::from_mode(SET_USER_ID | 0o777))?;
    Ok(setxattr(side.join("file"), ATTRIBUTE, b"there", XattrFlags::empty())?)
}

const CHMOD: Row = Row { on: "chmod", operation: "chmod", more, ..ROW };
const CHOWN: Row = Row { on: "chown", operation: "chown", more, ..ROW };
const UTIME: Row = Row { on: "utime", operation: "utime", more, ..ROW };
const XATTR: Row = Row { on: "xattr", operation: "xattr", more, ..ROW };
const APPEND: Row = Row { on: "append", operation: "append", more, ..ROW };

/// All rows.
pub const ROWS: &[Row] = &[
    Row { name: "chmod", way: |at| chmod(&at.join("file")), ..CHMOD },
    Row {
        name: "chmod-by-descriptor",
        way: |at| File::open(at.join("file"))?.set_permissions(permissions()),
        ..CHMOD
    },
    Row { name: "chmod-in-a-directory", way: |at| chmod_in(at, "file"), ..CHMOD },
    Row { name: "chmod-by-hard-link", way: |at| chmod(&at.join("hard")), ..CHMOD },
    Row {
        name: "chmod-by-proc-self-fd",
        way: |at| {
            let file = File::open(at.join("file"))?;
            chmod(Path::new(&format!("/proc/self/fd/{}", file.as_raw_fd())))
        },
        ..CHMOD
    },
    Row { name: "chmod-of-a-directory", path: "folder", way: |at| chmod(&at.join("folder")), ..CHMOD },
    Row { name: "chmod-by-symbolic-link", path: "folder", way: |at| chmod(&at.join("way")), ..CHMOD },
    Row {
        name: "chmod-of-a-new-file",
        path: "again",
        reason: "slot",
        exempt: ANEW,
        way: |at| chmod(&at.join("again")),
        ..CHMOD
    },
    Row { name: "access-list-set", way: |at| set(&at.join("file"), ACCESS_LIST, &LIST), ..CHMOD },
    Row {
        name: "access-list-set-by-descriptor",
        way: |at| {
            let file = File::open(at.join("file"))?;
            Ok(fsetxattr(file, ACCESS_LIST, &LIST, XattrFlags::empty())?)
        },
        ..CHMOD
    },
    Row {
        name: "access-list-handed-down-set",
        path: "folder",
        way: |at| set(&at.join("folder"), DEFAULT_LIST, &LIST),
        ..CHMOD
    },
    Row { name: "access-list-removed", way: |at| remove(&at.join("file"), ACCESS_LIST), ..CHMOD },
    Row {
        name: "access-list-of-a-new-file",
        path: "again",
        reason: "slot",
        exempt: ANEW,
        way: |at| set(&at.join("again"), ACCESS_LIST, &LIST),
        ..CHMOD
    },
    Row { name: "chmod-is-no-xattr", reason: "", way: |at| set(&at.join("file"), ATTRIBUTE, b"1"), ..CHMOD },
    Row { name: "chmod-is-no-utime", reason: "", way: |at| touch(&at.join("file")), ..CHMOD },
    Row {
        name: "writing-takes-set-user-id-away",
        path: "set-user-id",
        reason: "",
        way: |at| somebody(&at.join("set-user-id"), "open(sys.argv[1],'r+').write('x')"),
        ..CHMOD
    },
    Row {
        name: "truncating-takes-set-user-id-away",
        path: "set-user-id",
        reason: "",
        way: |at| somebody(&at.join("set-user-id"), "os.truncate(sys.argv[1],3)"),
        ..CHMOD
    },
    Row {
        name: "chown-takes-set-user-id-away",
        path: "set-user-id",
        reason: "",
        way: |at| chown(&at.join("set-user-id")).and_then(|()| lost(&at.join("set-user-id"))),
        ..CHMOD
    },
    Row { name: "chown", way: |at| chown(&at.join("file")), ..CHOWN },
    Row { name: "chown-by-descriptor", way: |at| chown_opened(&at.join("file")), ..CHOWN },
    Row { name: "chown-by-hard-link", way: |at| chown(&at.join("hard")), ..CHOWN },
    Row { name: "chown-through-a-link", path: "folder", way: |at| chown(&at.join("way")), ..CHOWN },
    Row { name: "chown-of-a-link", path: "way", reason: "slot", way: |at| lchown(&at.join("way")), ..CHOWN },
    Row {
        name: "chown-of-a-link-to-it",
        path: "folder",
        reason: "",
        way: |at| lchown(&at.join("way")),
        ..CHOWN
    },
    Row {
        name: "chown-of-a-new-file",
        path: "again",
        reason: "slot",
        exempt: ANEW,
        way: |at| chown(&at.join("again")),
        ..CHOWN
    },
    // Neither owner nor group is to change, and yet the set-user-id bit goes.
    Row {
        name: "chown-to-nobody",
        path: "set-user-id",
        way: |at| Ok(chownat(CWD, at.join("set-user-id"), None, None, AtFlags::empty())?),
        ..CHOWN
    },
    Row { name: "chown-is-no-chmod", reason: "", way: |at| chmod(&at.join("file")), ..CHOWN },
    Row { name: "utime-by-path", way: |at| utime(&at.join("file"), AtFlags::empty()), ..UTIME },
    Row {
        name: "utime-by-descriptor",
        way: |at| Ok(futimens(File::open(at.join("file"))?, &times())?),
        ..UTIME
    },
    Row { name: "utime-by-touch", way: |at| touch(&at.join("file")), ..UTIME },
    Row { name: "utime-by-hard-link", way: |at| utime(&at.join("hard"), AtFlags::empty()), ..UTIME },
    Row {
        name: "utime-of-a-link",
        path: "way",
        reason: "slot",
        way: |at| utime(&at.join("way"), AtFlags::SYMLINK_NOFOLLOW),
        ..UTIME
    },
    Row {
        name: "utime-of-a-new-file",
        path: "again",
        reason: "slot",
        exempt: ANEW,
        way: |at| touch(&at.join("again")),
        ..UTIME
    },
    Row { name: "writing-is-no-utime", reason: "", way: |at| write(&at.join("file")), ..UTIME },
    Row {
        name: "truncating-is-no-utime",
        reason: "",
        way: |at| File::create(at.join("file")).map(drop),
        ..UTIME
    },
    Row { name: "chmod-is-no-utime-either", reason: "", way: |at| chmod(&at.join("file")), ..UTIME },
    Row { name: "xattr-set", way: |at| set(&at.join("file"), ATTRIBUTE, b"1"), ..XATTR },
    Row { name: "xattr-of-users-set", way: |at| set(&at.join("file"), "user.aegis", b"1"), ..XATTR },
    Row {
        name: "xattr-set-by-descriptor",
        way: |at| {
            let file = File::open(at.join("file"))?;
            Ok(fsetxattr(file, ATTRIBUTE, b"1", XattrFlags::empty())?)
        },
        ..XATTR
    },
    Row { name: "xattr-set-by-hard-link", way: |at| set(&at.join("hard"), ATTRIBUTE, b"1"), ..XATTR },
    Row {
        name: "xattr-of-a-link-set",
        path: "way",
        reason: "slot",
        way: |at| Ok(lsetxattr(at.join("way"), ATTRIBUTE, b"1", XattrFlags::empty())?),
        ..XATTR
    },
    Row {
        name: "xattr-of-a-new-file-set",
        path: "again",
        reason: "slot",
        exempt: ANEW,
        way: |at| set(&at.join("again"), ATTRIBUTE, b"1"),
        ..XATTR
    },
    Row { name: "xattr-removed", way: |at| remove(&at.join("file"), ATTRIBUTE), ..XATTR },
    Row {
        name: "xattr-is-no-access-list",
        reason: "",
        way: |at| set(&at.join("file"), ACCESS_LIST, &LIST),
        ..XATTR
    },
    Row { name: "append", way: |at| append(&at.join("file")), ..APPEND },
    Row {
        name: "append-and-read",
        way: |at| OpenOptions::new().read(true).append(true).open(at.join("file")).map(drop),
        ..APPEND
    },
    Row {
        name: "append-to-a-new-file",
        path: "again",
        reason: "slot",
        exempt: ANEW,
        way: |at| append(&at.join("again")),
        ..APPEND
    },
    Row { name: "append-is-writing", on: "write", way: |at| append(&at.join("file")), ..APPEND },
    Row { name: "writing-is-no-append", reason: "", way: |at| write(&at.join("file")), ..APPEND },
    Row {
        name: "attributes-are-no-writing",
        on: "write",
        reason: "",
        way: |at| all(&at.join("file")),
        ..APPEND
    },
];

fn permissions() -> Permissions {
    Permissions::from_mode(0o640)
}

fn chmod(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, permissions())
}

fn chmod_in(directory: &Path, name: &str) -> io::Result<()> {
    let directory = File::open(directory)?;
    Ok(chmodat(directory, name, Mode::from_raw_mode(0o640), AtFlags::empty())?)
}

fn owners() -> (Option<Uid>, Option<Gid>) {
    (Some(Uid::from_raw(SOMEBODY)), Some(Gid::from_raw(SOMEBODY)))
}

fn chown(path: &Path) -> io::Result<()> {
    let (user, group) = owners();
    Ok(chownat(CWD, path, user, group, AtFlags::empty())?)
}

fn lchown(path: &Path) -> io::Result<()> {
    let (user, group) = owners();
    Ok(chownat(CWD, path, user, group, AtFlags::SYMLINK_NOFOLLOW)?)
}

fn chown_opened(path: &Path) -> io::Result<()> {
    let (user, group) = owners();
    Ok(fchown(File::open(path)?, user, group)?)
}

fn times() -> Timestamps {
    let moment = Timespec { tv_sec: 1_000_000_000, tv_nsec: 0 };
    Timestamps { last_access: moment, last_modification: moment }
}

fn utime(path: &Path, flags: AtFlags) -> io::Result<()> {
    Ok(utimensat(CWD, path, &times(), flags)?)
}

fn touch(path: &Path) -> io::Result<()> {
    outcome(Command::new("touch").arg(path))
}

fn set(path: &Path, name: &str, value: &[u8]) -> io::Result<()> {
    Ok(setxattr(path, name, value, XattrFlags::empty())?)
}

fn remove(path: &Path, name: &str) -> io::Result<()> {
    Ok(removexattr(path, name)?)
}

fn append(path: &Path) -> io::Result<()> {
    OpenOptions::new().append(true).open(path).map(drop)
}

fn write(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).open(path)?.write_all(b"x")
}

fn all(path: &Path) -> io::Result<()> {
    chmod(path)?;
    chown(path)?;
    utime(path, AtFlags::empty())?;
    set(path, ATTRIBUTE, b"1")
}

/// Lets a user without rights do something in Python with a file, which must lose its set-user-id bit by that.
fn somebody(path: &Path, what: &str) -> io::Result<()> {
    let program = format!("import os,sys\nos.setuid({SOMEBODY})\n{what}");
    outcome(Command::new("python3").args(["-c", &program]).arg(path))?;
    lost(path)
}

/// Fails if a file has its set-user-id bit still.
fn lost(path: &Path) -> io::Result<()> {
    let is_there = fs::metadata(path)?.mode() & SET_USER_ID != 0;
    if is_there { Err(Error::other("the set-user-id bit is still there")) } else { Ok(()) }
}

fn outcome(command: &mut Command) -> io::Result<()> {
    match of_command(command) {
        Outcome::Allowed => Ok(()),
        Outcome::Denied => Err(Errno::PERM.into()),
        Outcome::Odd(text) => Err(Error::other(text)),
    }
}
