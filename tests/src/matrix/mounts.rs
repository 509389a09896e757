//! Other mounts of the same files: bound, moved, cloned, mounted again, from before arming and after it.

use super::Row;

/// Mounts what holds the file once more, in a namespace of our own, and reads it there.
const AGAIN: &str = "device, kind, _, way = source_of('.')
unshare(NEWNS); mount(device, 'empty', kind); read('empty/' + way + '/file')";

/// The same by the newer calls, mounted nowhere.
const MOUNTED_NOWHERE: &str = "device, kind, _, way = source_of('.')
context = call(430, kind.encode(), 0)
call(431, context, 1, b'source', device.encode(), 0)
call(431, context, 6, None, None, 0)
read(way + '/file', at=call(432, context, 0, 0))";

/// A mount on which other users own the files.
const IDMAPPED: &str = "tree, process = clone('.'), beside(lambda: unshare(NEWUSER))
users = os.open(f'/proc/{process}/ns/user', os.O_RDONLY)
call(442, tree, b'', 0x1000, struct.pack('QQQQ', 0x100000, 0, 0, users), 32)
read('file', at=tree)";

/// One that reads `file` after having left the mounts of the others.
const fn reads(name: &'static str, attempt: &'static str) -> Row {
    Row::new(name, "read", attempt)
}

/// One whose directory is bound before arming; the bound one is `empty`.
const fn bound(name: &'static str, on: &'static str, attempt: &'static str) -> Row {
    Row::new(name, on, attempt).path("folder/deep/file").first("bind('folder', 'empty')")
}

/// All rows.
pub(super) const ROWS: &[Row] = &[
    bound("bound-before-and-read", "read", "read('empty/deep/file')"),
    bound("bound-before-and-written", "write", "write('empty/deep/file')"),
    bound("bound-before-and-truncated", "truncate", "os.truncate('empty/deep/file', 0)"),
    bound("bound-before-and-removed", "unlink", "os.remove('empty/deep/file')"),
    bound("bound-before-and-renamed", "rename", "os.rename('empty/deep/file', 'empty/deep/new')"),
    bound("bound-before-and-linked", "link", "os.link('empty/deep/file', 'empty/deep/new')"),
    bound("bound-before-and-created", "create", "make('empty/deep/new')").path("folder/deep/new").slot(),
    reads("file-bound-before", "read('other')").first("bind('file', 'other')"),
    reads("directory-bound-later", "unshare(NEWNS); bind('folder', 'empty'); read('empty/deep/file')")
        .path("folder/deep/file"),
    reads("file-bound-later", "unshare(NEWNS); bind('file', 'other'); read('other')"),
    reads("bound-with-all-below", "unshare(NEWNS); bind('.', 'empty', REC); read('empty/file')"),
    reads("bound-twice", "unshare(NEWNS); bind('.', 'empty'); bind('empty', 'spare'); read('spare/file')"),
    reads(
        "moved-mount",
        "unshare(NEWNS); bind('.', 'empty'); mount('empty', 'spare', None, MOVE); read('spare/file')",
    ),
    reads(
        "read-only-mount",
        "unshare(NEWNS); bind('.', 'empty'); bind('.', 'empty', REMOUNT | READ_ONLY); read('empty/file')",
    ),
    reads(
        "unmounted-but-open",
        "unshare(NEWNS); bind('.', 'empty'); at = place('empty'); unmount('empty', DETACH)
read('file', at=at)",
    ),
    reads(
        "below-a-mount",
        "at = place('.'); unshare(NEWNS); mount('none', os.getcwd(), 'tmpfs'); read('file', at=at)",
    ),
    reads(
        "below-a-mount-on-a-parent",
        "at = place('.'); unshare(NEWNS); mount('none', os.path.dirname(os.getcwd()), 'tmpfs')
read('file', at=at)",
    ),
    reads(
        "below-a-mount-on-the-file",
        "at = place('file'); unshare(NEWNS); bind('other', 'file'); read(fd_path(at))",
    ),
    reads("mounted-again", AGAIN),
    reads("mounted-nowhere", MOUNTED_NOWHERE),
    reads("opened-tree", "read('file', at=clone('.', 0))"),
    reads("cloned-tree", "read('file', at=clone('.'))"),
    reads("cloned-tree-of-the-file", "read(fd_path(clone('file')))"),
    reads("attached-tree", "unshare(NEWNS); attach(clone('.'), 'empty'); read('empty/file')"),
    reads(
        "moved-tree",
        "unshare(NEWNS); bind('.', 'empty'); attach(clone('empty', 0), 'spare'); read('spare/file')",
    ),
    reads("mount-of-other-owners", IDMAPPED),
    Row::new("cloned-tree-and-removed", "unlink", "os.remove('file', dir_fd=clone('.'))"),
    Row::new("cloned-tree-and-written", "write", "write('file', at=clone('.'))"),
    // What is mounted over the name is another object, and the one below stays covered.
    Row::allowed("mounted-over-the-file", "read", "unshare(NEWNS); bind('other', 'file'); read('file')"),
];
