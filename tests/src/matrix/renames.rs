//! What is renamed away, onto, into and in exchange; and that a file keeps its rule under its new name.

use super::names::ANEW;
use super::{NOT_OVERLAY, Row};

/// All rows.
pub(super) const ROWS: &[Row] = &[
    Row::new("away", "rename", "os.rename('file', 'new')"),
    Row::new("by-other-name", "rename", "os.rename('hard', 'new')"),
    Row::new("of-a-new-file", "rename", "os.rename('again', 'new')").path("again").slot().exempt(ANEW),
    Row::new("exchange-with-a-new-file", "rename", "renameat2('other', 'again', 2)")
        .path("again")
        .slot()
        .exempt(ANEW),
    Row::new("into-the-name", "rename", "os.rename('other', 'new')").path("new").slot(),
    Row::new("over-the-file", "rename", "os.rename('other', 'file')"),
    Row::new("of-a-directory", "rename", "os.rename('folder', 'new')").path("folder"),
    Row::new("exchange", "rename", "renameat2('file', 'other', 2)"),
    Row::new("exchange-the-other-way", "rename", "renameat2('other', 'file', 2)"),
    Row::new("exchange-with-a-directory", "rename", "renameat2('folder', 'file', 2)"),
    Row::new("without-replacing", "rename", "renameat2('file', 'new', 1)"),
    Row::new("into-the-name-without-replacing", "rename", "renameat2('other', 'new', 1)").path("new").slot(),
    Row::new("leaving-a-whiteout", "rename", "renameat2('file', 'new', 4)").only(NOT_OVERLAY),
    Row::new(
        "by-directories",
        "rename",
        "os.rename('file', 'new', src_dir_fd=place('.'), dst_dir_fd=place('empty'))",
    ),
    Row::new("across-directories", "rename", "os.rename('file', 'empty/new')"),
    Row::new("out-of-its-directory", "rename", "os.rename('folder/deep/file', 'new')")
        .path("folder/deep/file"),
    Row::new("over-a-file-elsewhere", "rename", "os.rename('other', 'folder/deep/file')")
        .path("folder/deep/file"),
    Row::new("into-a-name-elsewhere", "rename", "os.rename('other', 'empty/new')").path("empty/new").slot(),
    Row::new("over-an-empty-directory", "rename", "os.rename('spare/full', 'empty')").path("empty"),
    Row::new("by-the-old-call", "rename", "call(82, b'file', b'new')"),
    Row::new("by-io-uring", "rename", "Ring().do(35, address=b'file', length=HERE, second=b'new')"),
    Row::new(
        "in-exchange-by-io-uring",
        "rename",
        "Ring().do(35, address=b'file', length=HERE, second=b'other', flags=2)",
    ),
    Row::new("of-a-pipe", "rename", "os.rename('pipe', 'new')").path("pipe").first("os.mkfifo('pipe')"),
    Row::new("renamed-and-read", "read", "os.path.exists('file') and os.rename('file', 'new'); read('new')"),
    Row::new(
        "moved-and-read",
        "read",
        "os.path.exists('file') and os.rename('file', 'empty/new'); read('empty/new')",
    ),
    Row::new(
        "replaced-and-read",
        "read",
        "os.path.exists('other') and os.rename('other', 'file'); read('file')",
    )
    .slot(),
    Row::new("exchanged-and-read-there", "read", "renameat2('file', 'empty', 2); read('empty')"),
    Row::new("exchanged-and-read-here", "read", "renameat2('file', 'other', 2); read('file')").slot(),
    Row::new(
        "renamed-twice-and-read",
        "read",
        "os.rename('file', 'new'); os.rename('new', 'file'); read('file')",
    ),
    Row::new(
        "renamed-and-written",
        "write",
        "os.path.exists('file') and os.rename('file', 'new'); write('new')",
    ),
    Row::allowed("rename-is-not-reading", "read write", "os.rename('file', 'new'); os.rename('new', 'file')"),
    Row::allowed("rename-beside-it", "rename", "os.rename('other', 'beside'); os.rename('beside', 'other')"),
];
