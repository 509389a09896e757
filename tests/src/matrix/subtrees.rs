//! What is below a directory: by every way to it, in it and out of it, and whatever is put in its place.

use super::{EXT4, NOT_OVERLAY, Row};

/// One on what is below `folder`.
const fn below(name: &'static str, on: &'static str, attempt: &'static str) -> Row {
    Row { reason: "subtree", ..Row::new(name, on, attempt).on_what("subtree = \"$HERE/folder\"") }
}

/// One that reads below it.
const fn reads(name: &'static str, attempt: &'static str) -> Row {
    below(name, "read", attempt)
}

/// Moves something once: the attempt is made again after detach.
const MOVED_IN: &str = "if os.path.exists('other'): os.rename('other', 'folder/other')
read('folder/other')";
const DIRECTORY_MOVED_IN: &str = "if os.path.exists('spare'): os.rename('spare', 'folder/spare')
read('folder/spare/full/file')";
const MOVED_OUT: &str = "if not os.path.exists('taken'): os.rename('folder/deep', 'taken')
read('taken/file')";

/// All rows.
pub(super) const ROWS: &[Row] = &[
    reads("read", "read('folder/deep/file')"),
    Row { reason: "object", ..reads("itself", "read('folder')") },
    reads("directory-below", "read('folder/deep')"),
    Row::allowed("beside-it", "read", "read('file')").on_what("subtree = \"$HERE/folder\""),
    Row::allowed("another-operation", "read", "write('folder/deep/file')")
        .on_what("subtree = \"$HERE/folder\""),
    below("write", "write", "write('folder/deep/file')"),
    below("append", "write", "write('folder/deep/file', flags=os.O_APPEND)"),
    below("truncate", "truncate", "os.truncate('folder/deep/file', 0)"),
    below("truncate-by-descriptor", "truncate", "os.truncate(os.open('folder/deep/file', os.O_WRONLY), 0)"),
    below("create", "create", "gone('folder/deep/new'); make('folder/deep/new')"),
    below(
        "create-deeper",
        "mkdir",
        "os.path.isdir('folder/new') and os.rmdir('folder/new'); os.mkdir('folder/new')",
    ),
    below("mknod", "mknod", "gone('folder/pipe'); os.mkfifo('folder/pipe')"),
    below("symlink", "symlink", "gone('folder/new'); os.symlink('deep', 'folder/new')"),
    below(
        "unlink",
        "unlink",
        "os.path.exists('folder/deep/file') or make('folder/deep/file')
os.remove('folder/deep/file')",
    ),
    below(
        "rmdir",
        "unlink",
        "os.path.isdir('folder/deep/no') or os.mkdir('folder/deep/no')
os.rmdir('folder/deep/no')",
    )
    .first("os.mkdir('folder/deep/no')"),
    below(
        "rename-inside",
        "rename",
        "os.rename('folder/deep/file', 'folder/file')
os.rename('folder/file', 'folder/deep/file')",
    ),
    below(
        "rename-out",
        "rename",
        "os.rename('folder/deep/file', 'new'); os.rename('new', 'folder/deep/file')",
    ),
    below("rename-in", "rename", "os.rename('other', 'folder/new'); os.rename('folder/new', 'other')"),
    below("link-out", "link", "gone('new'); os.link('folder/deep/file', 'new')"),
    below("link-in", "link", "gone('folder/new'); os.link('other', 'folder/new')"),
    below(
        "link-of-a-nameless-file",
        "link",
        "gone('folder/new')
linkat('', 'folder/new', 0x1000, nameless('spare'))",
    )
    .only(NOT_OVERLAY),
    below("nameless-file", "write", "os.close(nameless('folder/deep'))").only(NOT_OVERLAY),
    below("exec", "exec", "run('folder/deep/program')").first("program('folder/deep/program')"),
    below("script", "exec", "run('folder/script')").first("script('folder/script', '/bin/sh')"),
    below("map-exec", "map-exec", "map_code(os.open('folder/library', os.O_RDONLY))")
        .first("library('folder/library')"),
    reads("moved-in", MOVED_IN),
    reads("directory-moved-in", DIRECTORY_MOVED_IN).first("make('spare/full/file')"),
    Row::allowed("moved-out", "read", MOVED_OUT).on_what("subtree = \"$HERE/folder\""),
    reads("by-symbolic-link", "read('way/deep/file')"),
    reads("by-dot-dot", "read('folder/deep/../deep/file')"),
    reads("in-its-directory", "os.chdir('folder/deep'); read('file')"),
    reads("by-descriptor-of-the-directory", "read('deep/file', at=place('folder'))"),
    reads("by-descriptor-of-the-file", "read(fd_path(place('folder/deep/file')))"),
    reads("by-handle", "os.close(by_handle('folder/deep/file'))").only(EXT4),
    reads("by-root-of-a-process", "read(f'/proc/self/root{os.getcwd()}/folder/deep/file')"),
    reads("by-directory-of-a-process", "os.chdir('folder'); read('/proc/self/cwd/deep/file')"),
    reads("in-a-thread", "by_thread(lambda: read('folder/deep/file'))"),
    reads("chroot", "os.chroot('folder'); read('/deep/file')"),
    reads("chroot-below", "os.chroot('folder/deep'); read('/file')"),
    reads("user-namespace", "unshare(NEWUSER); read('folder/deep/file')"),
    reads("mount-namespace", "unshare(NEWNS); read('folder/deep/file')"),
    reads("part-bound-elsewhere", "unshare(NEWNS); bind('folder/deep', 'empty'); read('empty/file')"),
    reads("file-bound-elsewhere", "unshare(NEWNS); bind('folder/deep/file', 'other'); read('other')"),
    reads("part-cloned", "read('file', at=clone('folder/deep'))"),
    reads(
        "mounted-below",
        "unshare(NEWNS); mount('none', 'folder/deep', 'tmpfs')
make('folder/deep/new'); read('folder/deep/new')",
    ),
    reads(
        "mounted-over-it",
        "unshare(NEWNS); mount('none', 'folder', 'tmpfs')
make('folder/new'); read('folder/new')",
    ),
    reads(
        "mounted-below-a-mount-below",
        "unshare(NEWNS); mount('none', 'folder/deep', 'tmpfs')
os.mkdir('folder/deep/at'); mount('none', 'folder/deep/at', 'tmpfs')
make('folder/deep/at/new'); read('folder/deep/at/new')",
    ),
    reads(
        "bound-in",
        "unshare(NEWNS); bind('spare', 'folder/deep'); make('folder/deep/new'); read('folder/deep/new')",
    ),
    Row::allowed(
        "bound-in-and-read-where-it-is",
        "read",
        "unshare(NEWNS); bind('spare', 'folder/deep')
make('spare/new'); read('spare/new')",
    )
    .on_what("subtree = \"$HERE/folder\""),
    reads("made-anew", "read('folder/deep/file')")
        .exempt("os.rename('folder', 'before'); make_below('folder/deep/file')"),
    reads(
        "what-was-there-before",
        "read('before/deep/file' if os.path.exists('before') else 'folder/deep/file')",
    )
    .exempt("os.rename('folder', 'before'); make_below('folder/deep/file')"),
    Row {
        reason: "subtree",
        ..Row::new(
            "made-later",
            "read",
            "os.path.isdir('later') or os.mkdir('later')
make('later/file'); read('later/file')",
        )
        .on_what("subtree = \"$HERE/later\"")
    },
    reads("200-levels", "os.chdir('folder'); read(by_steps(DEEP + 'file'))")
        .first("make_below('folder/' + DEEP + 'file')"),
];
