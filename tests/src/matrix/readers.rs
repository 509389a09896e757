//! All ways to open a file for reading or writing.

use super::{EXT4, NOT_OVERLAY, Row};

/// Copies some bytes out of a file by a call that is given both descriptors.
const SENDFILE: &str =
    "os.sendfile(os.open('out', os.O_CREAT | os.O_WRONLY), os.open('file', os.O_RDONLY), 0, 4)";
const SPLICE: &str = "os.splice(os.open('file', os.O_RDONLY), os.pipe()[1], 4)";
const COPY: &str =
    "os.copy_file_range(os.open('file', os.O_RDONLY), os.open('out', os.O_CREAT | os.O_WRONLY), 4)";

/// A mapping that was made before arming, by the name that the kernel has for it.
const MAP_FILES: &str = "with open('/proc/self/maps') as maps:
    line = next(line for line in maps if line.rstrip().endswith(os.path.abspath('file')))
start, end = [int(part, 16) for part in line.split(' ')[0].split('-')]
read(f'/proc/self/map_files/{start:x}-{end:x}')";

const ACCOUNT: &str = "call(163, os.path.abspath('file').encode()); call(163, None)";

/// One that opens `file` for reading.
const fn reads(name: &'static str, attempt: &'static str) -> Row {
    Row::new(name, "read", attempt)
}

/// All rows.
pub(super) const ROWS: &[Row] = &[
    reads("open", "call(2, b'file', 0)"),
    reads("openat", "read('file', at=place('.'))"),
    reads("openat-below", "read('deep/file', at=place('folder'))").path("folder/deep/file"),
    reads("open-by-absolute-path", "read(os.path.abspath('file'))"),
    reads("open-by-dots", "read('./folder/deep/../.././file')"),
    reads("open-by-many-slashes", "read('.///////file')"),
    reads("open-without-following", "read('file', flags=os.O_NOFOLLOW)"),
    reads("open-without-time", "read('file', flags=os.O_NOATIME)"),
    reads("open-without-waiting", "read('file', flags=os.O_NONBLOCK)"),
    reads("open-direct", "read('file', flags=os.O_DIRECT)").only(EXT4),
    reads("open-what-may-exist", "os.open('file', os.O_RDONLY | os.O_CREAT)"),
    reads("open-to-read-and-write", "os.open('file', os.O_RDWR)"),
    reads("open-for-neither", "os.open('file', 3)"),
    Row::new("open-to-write", "write", "write('file')"),
    Row::new("open-to-append", "write", "write('file', flags=os.O_APPEND)"),
    Row::new("open-to-truncate", "write", "write('file', flags=os.O_TRUNC)"),
    Row::new("creat", "write", "call(85, b'file', 0o600)"),
    Row::new("write-for-neither", "write", "os.open('file', 3)"),
    reads("openat2", "openat2('file')"),
    reads("openat2-beneath", "openat2('file', 0x08)"),
    reads("openat2-in-root", "openat2('/file', 0x10)"),
    reads("openat2-without-links", "openat2('file', 0x04)"),
    reads("openat2-without-magic-links", "openat2('file', 0x02)"),
    reads("openat2-without-crossing", "openat2('file', 0x01)"),
    reads("openat2-cached", "os.stat('file'); openat2('file', 0x20)"),
    Row::new("openat2-to-write", "write", "openat2('file', 0x08, os.O_WRONLY)"),
    reads("place-opened-again", "read(fd_path(place('file')))"),
    reads("place-opened-by-dev-fd", "read(f'/dev/fd/{place(\"file\")}')"),
    reads("place-opened-by-thread-self", "read(f'/proc/thread-self/fd/{place(\"file\")}')"),
    reads("place-from-before-arming", "read(fd_path(had('place')))").keeps("keep('place', place('file'))"),
    Row::new("place-opened-to-write", "write", "write(fd_path(place('file')))"),
    reads("descriptor-opened-again", "read(fd_path(had('open')))")
        .keeps("keep('open', os.open('file', os.O_RDONLY))"),
    Row::new("descriptor-opened-again-to-write", "write", "write(fd_path(had('open')))")
        .keeps("keep('open', os.open('file', os.O_RDONLY))"),
    reads("mapping-opened-again", MAP_FILES).keeps("keep('page', Mapped('file'))").only(EXT4),
    reads("handle", "by_handle('file')").only(NOT_OVERLAY),
    Row::new("handle-to-write", "write", "by_handle('file', os.O_WRONLY)").only(NOT_OVERLAY),
    reads("handle-opened-again", "read(fd_path(by_handle('file', os.O_PATH)))").only(NOT_OVERLAY),
    reads("hard-link", "read('hard')"),
    reads("proc-self-cwd", "read('/proc/self/cwd/file')"),
    reads("proc-self-root", "read('/proc/self/root' + os.path.abspath('file'))"),
    reads("proc-of-another-cwd", "read(f'/proc/{beside()}/cwd/file')"),
    reads("proc-of-another-root", "read(f'/proc/{beside()}/root' + os.path.abspath('file'))"),
    reads("proc-of-another-descriptor", "number = place('file'); read(f'/proc/{beside()}/fd/{number}')"),
    reads("proc-of-a-chrooted-root", "read(f'/proc/{beside(lambda: os.chroot(\".\"))}/root/file')"),
    reads("passed-place-opened-again", "read(fd_path(passed(place('file'))))"),
    reads("opened-to-be-passed", "passed(os.open('file', os.O_RDONLY))"),
    reads("opened-by-a-child", "apart(lambda: read('file'))"),
    reads("opened-by-a-thread", "by_thread(lambda: read('file'))"),
    reads(
        "place-taken-from-another",
        "number = place('file')
read(fd_path(call(438, os.pidfd_open(beside()), number, 0)))",
    ),
    reads("sendfile", SENDFILE),
    reads("splice", SPLICE),
    reads("copy-file-range", COPY),
    Row::new(
        "copy-file-range-onto",
        "write",
        "os.copy_file_range(os.open('other', os.O_RDONLY), os.open('file', os.O_WRONLY), 4)",
    ),
    reads("map-to-read", "mmap.mmap(os.open('file', os.O_RDONLY), 4, prot=mmap.PROT_READ)"),
    Row::new("map-to-write", "write", "mmap.mmap(os.open('file', os.O_RDWR), 4)"),
    reads("io-uring-openat", "Ring().do(18, address=b'file')"),
    reads(
        "io-uring-openat2",
        "Ring().do(28, address=b'file', length=24, second=struct.pack('QQQ', 0, 0, 8))",
    ),
    reads("io-uring-by-a-worker", "Ring().do(18, address=b'file', how=Ring.ASYNC)"),
    reads("io-uring-by-polling", "Ring(Ring.POLL).do(18, address=b'file')"),
    Row::new("io-uring-to-write", "write", "Ring().do(18, address=b'file', flags=os.O_WRONLY)"),
    Row::new("accounting", "write", ACCOUNT).only(NOT_OVERLAY),
    reads("list-of-a-directory", "os.listdir('folder')").path("folder"),
    reads("pipe", "os.open('pipe', os.O_RDONLY | os.O_NONBLOCK)").path("pipe").first("os.mkfifo('pipe')"),
    reads("device", "read('null')")
        .path("null")
        .first("os.mknod('null', stat.S_IFCHR | 0o666, os.makedev(1, 3))"),
    reads("new-file-in-the-name", "read('again')").path("again").slot().exempt(super::names::ANEW),
    Row::new("new-file-in-the-name-to-write", "write", "write('again')")
        .path("again")
        .slot()
        .exempt(super::names::ANEW),
    reads("new-file-in-a-missing-name", "os.path.exists('new') or make('new'); read('new')")
        .path("new")
        .slot()
        .exempt("make('new')"),
    reads("one-of-several-paths", "read('other')").on_what("path = [\"$HERE/file\", \"$HERE/other\"]"),
    reads("with-a-signal", "read('file')").more("signal = \"kill\"").killed(9),
    Row::allowed("observed-only", "read", "read('file')").more("mode = \"observe\""),
    Row::allowed("a-place-is-not-reading", "read write", "place('file')"),
    Row::allowed("status-is-not-reading", "read write", "os.stat('file'); os.access('file', os.R_OK)"),
    Row::allowed("a-handle-is-not-reading", "read", "handle('file')").only(NOT_OVERLAY),
    Row::allowed("writing-is-not-reading", "read", "write('file')"),
    Row::allowed("reading-is-not-writing", "write", "read('file')"),
    Row::allowed("way-through-a-directory", "read", "read('folder/deep/file')").path("folder"),
    // What was open before arming goes on working, here and wherever it is passed to.
    Row::allowed("descriptor-from-before-arming", "read", "os.pread(had('open'), 1, 0)")
        .keeps("keep('open', os.open('file', os.O_RDONLY))"),
    Row::allowed("passed-from-before-arming", "read", "os.pread(passed(had('open')), 1, 0)")
        .keeps("keep('open', os.open('file', os.O_RDONLY))"),
];
