//! More names for a file: hard links and symbolic links, made before arming and after it.

use super::names::ANEW;
use super::{NOT_OVERLAY, Row};

/// A chain of as many symbolic links as may be followed.
const CHAIN: &str = "os.symlink('file', 'chain-1')
for number in range(2, 41): os.symlink(f'chain-{number - 1}', f'chain-{number}')";

/// All rows.
pub(super) const ROWS: &[Row] = &[
    Row::new("link-of-the-file", "link", "os.link('file', 'new')"),
    Row::new("link-by-other-name", "link", "os.link('hard', 'new')"),
    Row::new("link-into-the-name", "link", "os.link('other', 'new')").path("new").slot(),
    Row::new("link-of-a-new-file", "link", "os.link('again', 'new')").path("again").slot().exempt(ANEW),
    Row::new("link-across-directories", "link", "os.link('folder/deep/file', 'empty/new')")
        .path("folder/deep/file"),
    Row::new("link-through-a-link", "link", "linkat('soft', 'new', 0x400)")
        .first("os.symlink('file', 'soft')"),
    Row::new("link-of-a-descriptor", "link", "linkat('', 'new', 0x1000, place('file'))"),
    Row::new("link-of-a-descriptor-by-proc", "link", "linkat(fd_path(place('file')), 'new', 0x400)"),
    Row::new("link-by-io-uring", "link", "Ring().do(39, address=b'file', length=HERE, second=b'new')"),
    // Overlays of 6.1 know no files without a name.
    Row::new("link-of-a-nameless-file", "link", "linkat('', 'new', 0x1000, nameless())")
        .path("new")
        .slot()
        .only(NOT_OVERLAY),
    Row::new("link-of-a-nameless-file-by-proc", "link", "linkat(fd_path(nameless()), 'new', 0x400)")
        .path("new")
        .slot()
        .only(NOT_OVERLAY),
    Row::new("read-by-hard-link", "read", "read('hard')"),
    Row::new("read-by-hard-link-made-later", "read", "gone('new'); os.link('file', 'new'); read('new')"),
    Row::new(
        "read-by-hard-link-of-a-descriptor",
        "read",
        "gone('new'); linkat('', 'new', 0x1000, place('file')); read('new')",
    ),
    Row::new("read-by-what-is-left", "read", "read('hard')").exempt("os.remove('file')"),
    Row::new("write-by-hard-link", "write", "write('hard')"),
    Row::new("read-by-symbolic-link", "read", "read('soft')").first("os.symlink('file', 'soft')"),
    Row::new("read-by-absolute-link", "read", "read('soft')")
        .first("os.symlink(os.path.abspath('file'), 'soft')"),
    Row::new("read-by-link-made-later", "read", "gone('soft'); os.symlink('file', 'soft'); read('soft')"),
    Row::new("read-by-chain-of-links", "read", "read('chain-40')").first(CHAIN),
    Row::new("read-through-a-linked-directory", "read", "read('way/deep/file')").path("folder/deep/file"),
    Row::new("read-of-a-path-through-a-link", "read", "read('folder/deep/file')").path("way/deep/file"),
    Row::new("read-by-link-to-proc", "read", "read('soft/file')")
        .first("os.symlink('/proc/self/cwd', 'soft')"),
    Row::allowed("reading-a-link-is-not-reading", "read", "os.readlink('soft')")
        .first("os.symlink('file', 'soft')"),
    Row::allowed("link-is-not-reading", "read write", "gone('new'); os.link('file', 'new')"),
];
