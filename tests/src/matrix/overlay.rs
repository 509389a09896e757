//! Overlays: rules on the merged file and on those in the layers, copying up, whiteouts, overlays of one's own.

use super::Row;

/// Overlays of the protected layer that somebody makes for himself.
const ANOTHER: &str =
    "unshare(NEWNS); mount('none', 'empty', 'tmpfs'); os.makedirs('empty/u'); os.makedirs('empty/w')
overlay('spare', 'lower', 'empty/u', 'empty/w'); read('spare/file')";
const ANOTHER_IN_USER: &str = "unshare(NEWUSER | NEWNS); mount('none', 'empty', 'tmpfs')
os.makedirs('empty/u'); os.makedirs('empty/w')
overlay('spare', 'lower', 'empty/u', 'empty/w', ',userxattr'); read('spare/file')";
const NESTED: &str = "unshare(NEWNS); overlay('spare', 'merged:empty', None); read('spare/file')";
const WITHOUT_UPPER: &str = "unshare(NEWNS); overlay('spare', 'lower:empty', None); read('spare/file')";

/// One with an overlay of its own, whose rule is on this path.
const fn row(name: &'static str, on: &'static str, path: &'static str, attempt: &'static str) -> Row {
    Row::new(name, on, attempt).path(path).first("layers()")
}

/// One whose rule is on the merged file, which is in the lower layer.
const fn merged(name: &'static str, on: &'static str, attempt: &'static str) -> Row {
    row(name, on, "merged/file", attempt)
}

/// One that would have the file of the lower layer copied up, on which the rule is.
const fn copies_up(name: &'static str, attempt: &'static str) -> Row {
    row(name, "read", "lower/file", attempt)
}

/// All rows.
pub(super) const ROWS: &[Row] = &[
    merged("merged-and-read", "read", "read('merged/file')"),
    merged("merged-and-written", "write", "write('merged/file')"),
    merged("merged-and-truncated", "truncate", "os.truncate('merged/file', 0)"),
    merged("merged-and-removed", "unlink", "os.remove('merged/file')"),
    merged("merged-and-renamed", "rename", "os.rename('merged/file', 'merged/new')"),
    merged("merged-and-replaced", "rename", "os.rename('merged/other', 'merged/file')"),
    merged("merged-and-linked", "link", "os.link('merged/file', 'merged/new')"),
    merged(
        "merged-by-hard-link-made-later",
        "read",
        "gone('merged/new'); os.link('merged/file', 'merged/new')
read('merged/new')",
    ),
    row("merged-and-made", "create", "merged/new", "make('merged/new')").slot(),
    row("merged-directory-made", "mkdir", "merged/new", "os.mkdir('merged/new')").slot(),
    row("merged-link-made", "symlink", "merged/new", "os.symlink('file', 'merged/new')").slot(),
    row("merged-in-a-directory", "read", "merged/folder/file", "read('merged/folder/file')"),
    row("merged-of-the-upper-layer", "read", "merged/high", "read('merged/high')"),
    row("merged-of-the-upper-layer-and-written", "write", "merged/high", "write('merged/high')"),
    row("merged-of-the-upper-layer-and-removed", "unlink", "merged/high", "os.remove('merged/high')"),
    merged("copied-up-by-writing", "read", "read('merged/file')")
        .exempt("write('merged/file', flags=os.O_APPEND)"),
    merged("copied-up-by-its-mode", "read", "read('merged/file')").exempt("os.chmod('merged/file', 0o600)"),
    merged("copied-up-by-renaming", "read", "read('merged/file')")
        .exempt("os.rename('merged/file', 'merged/x'); os.rename('merged/x', 'merged/file')"),
    merged("whiteout-and-made-anew", "read", "read('merged/file')")
        .slot()
        .exempt("os.remove('merged/file'); make('merged/file')"),
    row("merged-and-started", "exec", "merged/program", "run('merged/program')")
        .first("layers(); program('lower/program')"),
    row("merged-on-the-way", "read", "merged/folder/file", "os.rmdir('merged/folder')")
        .first("layers(); os.remove('merged/folder/file')")
        .anchor()
        .tells("unlink"),
    row("lower-by-itself", "read", "lower/file", "read('lower/file')"),
    row("lower-and-read", "read", "lower/file", "read('merged/file')"),
    row("lower-and-read-by-place", "read", "lower/file", "read(fd_path(place('merged/file')))"),
    row(
        "lower-and-mapped",
        "read",
        "lower/file",
        "mmap.mmap(os.open('merged/file', os.O_RDONLY), 4, prot=mmap.PROT_READ)",
    ),
    row("lower-and-started", "exec", "lower/program", "run('merged/program')")
        .first("layers(); program('lower/program')"),
    copies_up("copying-up-by-writing", "write('merged/file')"),
    copies_up("copying-up-by-truncating", "os.truncate('merged/file', 1)"),
    copies_up("copying-up-by-its-mode", "os.chmod('merged/file', 0o640)"),
    copies_up("copying-up-by-its-owner", "os.chown('merged/file', 1, 1)"),
    copies_up("copying-up-by-its-times", "os.utime('merged/file')"),
    copies_up("copying-up-by-renaming", "os.rename('merged/file', 'merged/new')"),
    copies_up("copying-up-by-linking", "os.link('merged/file', 'merged/new')"),
    copies_up("another-overlay", ANOTHER),
    copies_up("another-overlay-in-a-user-namespace", ANOTHER_IN_USER),
    copies_up("overlay-of-the-overlay", NESTED),
    copies_up("overlay-without-upper-layer", WITHOUT_UPPER),
    row("upper-by-itself", "read", "upper/high", "read('upper/high')"),
    row("upper-and-read", "read", "upper/high", "read('merged/high')"),
    row("upper-and-written", "write", "upper/high", "write('merged/high')"),
    row("upper-and-removed", "unlink", "upper/high", "os.remove('merged/high')"),
    row("upper-and-renamed", "rename", "upper/high", "os.rename('merged/high', 'merged/new')"),
    row("upper-and-made", "create", "upper/new", "make('merged/new')").slot(),
    // Writing goes to a copy, which is another file.
    row("lower-is-not-written", "write", "lower/file", "write('merged/file')").stays_allowed(),
];
