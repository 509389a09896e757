//! Rules on inodes by number, and numbers that are used again.

use super::{EXT4, NOT_OVERLAY, Row};

/// One whose rule is on the inode of `file`.
const fn row(name: &'static str, on: &'static str, attempt: &'static str) -> Row {
    Row::new(name, on, attempt).inode("file")
}

/// Another file takes the place of `file`, and one with its number is `again`.
const REUSED: &str =
    "os.remove('again'); os.remove('hard'); number = os.stat('file').st_ino; os.remove('file')
reused('again', number)";

/// All rows.
pub(super) const ROWS: &[Row] = &[
    row("read", "read", "read('file')"),
    row("read-by-other-name", "read", "read('hard')"),
    row("read-when-renamed", "read", "os.path.exists('file') and os.rename('file', 'new'); read('new')"),
    row("read-when-linked-later", "read", "gone('new'); os.link('file', 'new'); read('new')"),
    row("read-by-place", "read", "read(fd_path(place('file')))"),
    row("read-by-handle", "read", "by_handle('file')"),
    row("read-when-bound", "read", "unshare(NEWNS); bind('file', 'other'); read('other')"),
    row("read-by-io-uring", "read", "Ring().do(18, address=b'file')"),
    row("read-in-a-user-namespace", "read", "unshare(NEWUSER); read('file')"),
    row("write", "write", "write('file')"),
    row("truncate", "truncate", "os.truncate('hard', 0)"),
    row("unlink", "unlink", "os.remove('file')"),
    row("unlink-by-other-name", "unlink", "os.remove('hard')"),
    row("link", "link", "os.link('file', 'new')"),
    row("rename", "rename", "os.rename('file', 'new')"),
    row("rename-onto-it", "rename", "os.rename('other', 'file')"),
    row("list-of-a-directory", "read", "os.listdir('folder')").inode("folder"),
    row("rmdir", "unlink", "os.rmdir('empty')").inode("empty"),
    row("exec", "exec", "run('./program')").inode("program").first("program()"),
    row("map-exec", "map-exec", "map_code(os.open('program', os.O_RDONLY))")
        .inode("program")
        .first("program()"),
    row("read-by-generation", "read", "read('file')").generation("file").only(EXT4),
    row(
        "read-by-generation-when-renamed",
        "read",
        "os.path.exists('file') and os.rename('file', 'new'); read('new')",
    )
    .generation("file")
    .only(EXT4),
    Row::allowed("number-with-a-generation-used-again", "read", "read('again')")
        .generation("file")
        .exempt(REUSED)
        .only(EXT4),
    // Without a generation the rule is on the number, whoever has it; a rule on a path is not.
    row("number-used-again", "read", "read('again')").exempt(REUSED).only(EXT4),
    Row::allowed("number-of-a-path-used-again", "read", "read('again')").exempt(REUSED).only(EXT4),
    Row::allowed("another-file-in-the-name", "read", "read('again')")
        .inode("again")
        .exempt(super::names::ANEW)
        .first("os.link('again', 'held')")
        .only(NOT_OVERLAY),
];
