//! What is known of a file beside its content: mode bits and access lists, owner, times, extended attributes; and opening to
//! append. What the kernel changes by itself on the way of something else stays allowed.

use super::names::ANEW;
use super::{EXT4, Row};

/// A file whose set-user-id bit is there to be lost.
const SET_USER_ID: &str = "make('set-user-id'); os.chmod('set-user-id', 0o4777)";
/// An extended attribute to be removed.
const THERE: &str = "os.setxattr('file', ATTRIBUTE, b'there')";

/// One that a rule on `chmod` leaves alone: the file must have lost its bit afterwards.
const fn loses(name: &'static str, attempt: &'static str) -> Row {
    Row::allowed(name, "chmod", attempt).path("set-user-id").first(SET_USER_ID)
}

/// One that a rule on all of `folder` denies.
const fn below(name: &'static str, on: &'static str, attempt: &'static str) -> Row {
    Row { reason: "subtree", ..Row::new(name, on, attempt).on_what("subtree = \"$HERE/folder\"") }
}

/// All rows.
pub(super) const ROWS: &[Row] = &[
    Row::new("chmod", "chmod", "os.chmod('file', 0o640)"),
    Row::new("chmod-by-descriptor", "chmod", "os.fchmod(os.open('file', os.O_RDONLY), 0o640)"),
    Row::new("chmod-of-what-was-open", "chmod", "os.fchmod(had('open'), 0o640)")
        .keeps("keep('open', os.open('file', os.O_RDONLY))"),
    Row::new("chmod-in-a-directory", "chmod", "os.chmod('file', 0o640, dir_fd=place('.'))"),
    Row::new("chmod-by-hard-link", "chmod", "os.chmod('hard', 0o640)"),
    Row::new("chmod-by-proc", "chmod", "os.chmod(fd_path(place('file')), 0o640)"),
    Row::new("chmod-of-a-directory", "chmod", "os.chmod('folder', 0o700)").path("folder"),
    Row::new("chmod-by-symbolic-link", "chmod", "os.chmod('way', 0o700)").path("folder"),
    Row::new("chmod-of-a-new-file", "chmod", "os.chmod('again', 0o640)").path("again").slot().exempt(ANEW),
    below("chmod-below-a-directory", "chmod", "os.chmod('folder/deep/file', 0o640)"),
    Row::new("access-list-set", "chmod", "os.setxattr('file', ACCESS_LIST, LIST)"),
    Row::new(
        "access-list-set-by-descriptor",
        "chmod",
        "os.setxattr(os.open('file', os.O_RDONLY), ACCESS_LIST, LIST)",
    ),
    Row::new("access-list-handed-down-set", "chmod", "os.setxattr('folder', DEFAULT_LIST, LIST)")
        .path("folder"),
    Row::new("access-list-set-by-io-uring", "chmod", "Ring().set('file', ACCESS_LIST, LIST)"),
    Row::new("access-list-removed", "chmod", "os.removexattr('file', ACCESS_LIST)")
        .first("os.setxattr('file', ACCESS_LIST, LIST)"),
    Row::new("access-list-of-a-new-file", "chmod", "os.setxattr('again', ACCESS_LIST, LIST)")
        .path("again")
        .slot()
        .exempt(ANEW),
    Row::allowed("xattr-is-no-chmod", "chmod", "os.setxattr('file', ATTRIBUTE, b'1')"),
    Row::allowed("utime-is-no-chmod", "chmod", "os.utime('file')"),
    loses("writing-takes-set-user-id-away", "somebody(); change('set-user-id'); lost('set-user-id')"),
    loses(
        "truncating-takes-set-user-id-away",
        "somebody(); os.truncate('set-user-id', 3); lost('set-user-id')",
    ),
    loses("chown-takes-set-user-id-away", "os.chown('set-user-id', NOBODY, NOBODY); lost('set-user-id')"),
    Row::new("chown", "chown", "os.chown('file', NOBODY, NOBODY)"),
    Row::new("chown-of-the-group", "chown", "os.chown('file', -1, NOBODY)"),
    Row::new("chown-by-descriptor", "chown", "os.fchown(os.open('file', os.O_RDONLY), NOBODY, NOBODY)"),
    Row::new("chown-by-hard-link", "chown", "os.chown('hard', NOBODY, NOBODY)"),
    Row::new("chown-by-symbolic-link", "chown", "os.chown('way', NOBODY, NOBODY)").path("folder"),
    Row::new("chown-of-a-link", "chown", "os.lchown('way', NOBODY, NOBODY)").path("way").slot(),
    Row::allowed("chown-of-a-link-to-it", "chown", "os.lchown('way', NOBODY, NOBODY)").path("folder"),
    Row::new("chown-of-a-new-file", "chown", "os.chown('again', NOBODY, NOBODY)")
        .path("again")
        .slot()
        .exempt(ANEW),
    // Neither owner nor group is to change, and yet the set-user-id bit goes.
    Row::new("chown-that-changes-neither", "chown", "os.chown('set-user-id', -1, -1)")
        .path("set-user-id")
        .first(SET_USER_ID),
    below("chown-below-a-directory", "chown", "os.chown('folder/deep/file', NOBODY, NOBODY)"),
    Row::allowed("chmod-is-no-chown", "chown", "os.chmod('file', 0o640)"),
    Row::new("utime", "utime", "os.utime('file', (1, 1))"),
    Row::new("utime-to-now", "utime", "os.utime('file')"),
    Row::new("utime-by-descriptor", "utime", "os.utime(os.open('file', os.O_RDONLY), (1, 1))"),
    Row::new("utime-of-what-was-open", "utime", "os.utime(had('open'), (1, 1))")
        .keeps("keep('open', os.open('file', os.O_RDONLY))"),
    Row::new("utime-by-touch", "utime", "run('touch', 'file')"),
    Row::new("utime-by-hard-link", "utime", "os.utime('hard', (1, 1))"),
    Row::new("utime-of-a-link", "utime", "os.utime('way', (1, 1), follow_symlinks=False)").path("way").slot(),
    Row::new("utime-of-a-new-file", "utime", "os.utime('again')").path("again").slot().exempt(ANEW),
    below("utime-below-a-directory", "utime", "os.utime('folder/deep/file')"),
    Row::allowed("reading-and-writing-is-no-utime", "utime", "change('file'); open('file').read()"),
    Row::allowed(
        "truncating-is-no-utime",
        "utime",
        "os.truncate('file', 3); write('file', flags=os.O_TRUNC)",
    ),
    Row::allowed("chmod-is-no-utime", "utime", "os.chmod('file', 0o640)"),
    Row::new("xattr-set", "xattr", "os.setxattr('file', ATTRIBUTE, b'1')"),
    // File systems in memory have none for users before 6.6.
    Row::new("xattr-of-users-set", "xattr", "os.setxattr('file', 'user.aegis', b'1')").only(EXT4),
    Row::new("xattr-set-by-descriptor", "xattr", "os.setxattr(os.open('file', 0), ATTRIBUTE, b'1')"),
    Row::new("xattr-set-by-hard-link", "xattr", "os.setxattr('hard', ATTRIBUTE, b'1')"),
    Row::new("xattr-set-by-io-uring", "xattr", "Ring().set('file', ATTRIBUTE, b'1')"),
    Row::new("xattr-of-a-link-set", "xattr", "os.setxattr('way', ATTRIBUTE, b'1', follow_symlinks=False)")
        .path("way")
        .slot(),
    Row::new("xattr-of-a-new-file-set", "xattr", "os.setxattr('again', ATTRIBUTE, b'1')")
        .path("again")
        .slot()
        .exempt(ANEW),
    Row::new("xattr-removed", "xattr", "os.removexattr('file', ATTRIBUTE)").first(THERE),
    below("xattr-below-a-directory", "xattr", "os.setxattr('folder/deep/file', ATTRIBUTE, b'1')"),
    Row::allowed("xattr-read", "xattr", "os.getxattr('file', ATTRIBUTE)").first(THERE),
    Row::allowed("access-list-is-no-xattr", "xattr", "os.setxattr('file', ACCESS_LIST, LIST)"),
    Row::new("append", "append", "write('file', flags=os.O_APPEND)"),
    Row::new("append-and-read", "append", "os.open('file', os.O_RDWR | os.O_APPEND)"),
    Row::new("append-to-a-new-file", "append", "write('again', flags=os.O_APPEND)")
        .path("again")
        .slot()
        .exempt(ANEW),
    Row::new("append-is-writing", "write", "write('file', flags=os.O_APPEND)").tells("append"),
    Row::allowed("writing-is-no-append", "append", "change('file')"),
    Row::allowed("reading-to-append-is-no-append", "append", "read('file', flags=os.O_APPEND)"),
    Row::allowed("attributes-are-no-writing", "write", "os.chmod('file', 0o640); os.utime('file')"),
    Row::new("truncate-by-io-uring", "truncate", "Ring().truncate(os.open('file', os.O_WRONLY), 3)"),
];
