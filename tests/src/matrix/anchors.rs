//! The way to a file: what is on it stays where it is, and where something is missing nothing is put into its place.

use super::Row;

/// One whose rule is on a path, and which the way to it denies.
const fn row(name: &'static str, path: &'static str, operation: &'static str, attempt: &'static str) -> Row {
    Row::new(name, "read", attempt).path(path).anchor().tells(operation)
}

/// All rows.
pub(super) const ROWS: &[Row] = &[
    row("missing-parent-mkdir", "new/deep/file", "mkdir", "os.mkdir('new')"),
    row("missing-parent-symlink", "new/deep/file", "symlink", "os.symlink('folder', 'new')"),
    row("missing-parent-rename", "new/deep/file", "rename", "os.rename('folder', 'new')"),
    row("missing-parent-create", "new/deep/file", "create", "os.open('new', os.O_CREAT | os.O_EXCL)"),
    row("missing-parent-link", "new/deep/file", "link", "os.link('other', 'new')"),
    row("missing-parent-mknod", "new/deep/file", "mknod", "os.mkfifo('new')"),
    row("missing-parent-exchange", "again/deep/file", "rename", "renameat2('folder', 'again', 2)")
        .first("os.remove('again'); os.mkdir('again')"),
    row(
        "missing-parent-by-io-uring",
        "new/deep/file",
        "mkdir",
        "Ring().do(37, address=b'new', length=0o700)",
    ),
    row("ancestor-rename", "folder/deep/file", "rename", "os.rename('folder/deep', 'new')"),
    row("ancestor-rename-higher", "folder/deep/file", "rename", "os.rename('folder', 'new')"),
    row("ancestor-exchange", "folder/deep/file", "rename", "renameat2('spare', 'folder', 2)"),
    row(
        "ancestor-by-directory",
        "folder/deep/file",
        "rename",
        "os.rename('deep', 'new', src_dir_fd=place('folder'))",
    ),
    row("ancestor-rmdir", "empty/file", "unlink", "os.rmdir('empty')"),
    row("ancestor-rmdir-by-io-uring", "empty/file", "unlink", "Ring().do(36, address=b'empty', flags=0x200)"),
    row("ancestor-replaced", "empty/file", "rename", "os.rename('spare', 'empty')"),
    row(
        "ancestor-in-a-user-namespace",
        "folder/deep/file",
        "rename",
        "unshare(NEWUSER); os.rename('folder', 'new')",
    ),
    row("link-on-the-way-removed", "way/deep/file", "unlink", "os.remove('way')"),
    row("link-on-the-way-renamed", "way/deep/file", "rename", "os.rename('way', 'new')"),
    row("link-on-the-way-replaced", "way/deep/file", "rename", "os.rename('other', 'way')"),
    row("target-of-the-link-renamed", "way/deep/file", "rename", "os.rename('folder', 'new')"),
    // The last link is the name of the rule itself: it is held by a rule that says so.
    Row::new("link-to-the-file-removed", "unlink", "os.remove('soft')")
        .path("soft")
        .slot()
        .first("os.symlink('file', 'soft')"),
    Row::allowed("way-that-may-move", "read", "os.rename('folder', 'new'); os.rename('new', 'folder')")
        .path("folder/deep/file")
        .more("anchors = \"follow\""),
    Row::allowed("beside-the-way", "read", "os.rename('spare', 'moved'); os.rename('moved', 'spare')")
        .path("folder/deep/file"),
];
