//! What is cut, made and removed, by the file and by the name.

use super::Row;

/// Makes a file anew, so that only its name is known, until the daemon looks.
pub(super) const ANEW: &str = "os.remove('again'); make('again')";

/// All rows.
pub(super) const ROWS: &[Row] = &[
    Row::new("truncate", "truncate", "os.truncate('file', 0)"),
    Row::new("truncate-by-descriptor", "truncate", "os.ftruncate(os.open('file', os.O_WRONLY), 3)"),
    Row::new("truncate-by-opening", "truncate", "write('file', flags=os.O_TRUNC)"),
    Row::new("truncate-by-opening-to-read", "truncate", "read('file', flags=os.O_TRUNC)"),
    Row::new("truncate-by-hard-link", "truncate", "os.truncate('hard', 0)"),
    Row::new("truncate-by-link", "truncate", "os.truncate('way/deep/file', 0)").path("folder/deep/file"),
    Row::new("truncate-of-what-was-open", "truncate", "os.ftruncate(had('open'), 3)")
        .keeps("keep('open', os.open('file', os.O_WRONLY))"),
    Row::new("truncate-is-writing", "write", "os.truncate('file', 0)").tells("truncate"),
    Row::new("truncate-of-a-new-file", "truncate", "os.truncate('again', 0)")
        .path("again")
        .slot()
        .exempt(ANEW),
    Row::new("create", "create", "os.open('new', os.O_CREAT | os.O_EXCL | os.O_WRONLY)").path("new").slot(),
    Row::new("create-to-read", "create", "os.open('new', os.O_CREAT | os.O_RDONLY)").path("new").slot(),
    Row::new("create-by-creat", "create", "call(85, b'new', 0o600)").path("new").slot(),
    Row::new("create-by-openat2", "create", "openat2('new', 8, os.O_CREAT | os.O_WRONLY)").path("new").slot(),
    Row::new("create-by-mknod", "create", "os.mknod('new', stat.S_IFREG | 0o600)").path("new").slot(),
    Row::new("create-by-writing", "write", "make('new')").path("new").slot().tells("create"),
    Row::new("create-through-a-dangling-link", "create", "make('dangling')")
        .path("new")
        .slot()
        .first("os.symlink('new', 'dangling')"),
    Row::new("create-means-mkdir", "create", "os.mkdir('new')").path("new").slot().tells("mkdir"),
    Row::new("create-by-io-uring", "create", "Ring().do(18, address=b'new', length=0o600, flags=os.O_CREAT)")
        .path("new")
        .slot(),
    Row::allowed("nameless-file-is-no-name", "create write", "nameless()")
        .path("new")
        .only(super::NOT_OVERLAY),
    Row::new("mkdir", "mkdir", "os.mkdir('new')").path("new").slot(),
    Row::new("mkdir-by-directory", "mkdir", "os.mkdir('new', dir_fd=place('folder'))")
        .path("folder/new")
        .slot(),
    Row::new("mkdir-by-io-uring", "mkdir", "Ring().do(37, address=b'new', length=0o700)").path("new").slot(),
    Row::new("mknod", "mknod", "os.mkfifo('new')").path("new").slot(),
    Row::new("mknod-of-a-device", "mknod", "os.mknod('new', stat.S_IFCHR | 0o600, os.makedev(1, 3))")
        .path("new")
        .slot(),
    Row::new("mknod-of-a-disk", "mknod", "os.mknod('new', stat.S_IFBLK | 0o600, os.makedev(7, 0))")
        .path("new")
        .slot(),
    Row::new("bind-of-a-socket", "mknod", "socket.socket(socket.AF_UNIX).bind('new')").path("new").slot(),
    Row::new("symlink", "symlink", "os.symlink('file', 'new')").path("new").slot(),
    Row::new("symlink-by-io-uring", "symlink", "Ring().do(38, address=b'file', second=b'new')")
        .path("new")
        .slot(),
    Row::new("unlink", "unlink", "os.remove('file')"),
    Row::new("unlink-by-other-name", "unlink", "os.remove('hard')"),
    Row::new("unlink-of-a-new-file", "unlink", "os.remove('again')").path("again").slot().exempt(ANEW),
    Row::new("unlink-by-directory", "unlink", "os.remove('file', dir_fd=place('folder/deep'))")
        .path("folder/deep/file"),
    Row::new("unlink-by-io-uring", "unlink", "Ring().do(36, address=b'file')"),
    Row::new("unlink-of-a-link", "unlink", "os.remove('dangling')")
        .path("dangling")
        .slot()
        .first("os.symlink('nothing', 'dangling')"),
    Row::new("unlink-of-a-pipe", "unlink", "os.remove('pipe')").path("pipe").first("os.mkfifo('pipe')"),
    Row::new("rmdir", "unlink", "os.rmdir('empty')").path("empty"),
    Row::new("rmdir-by-unlinkat", "unlink", "call(263, HERE, b'empty', 0x200)").path("empty"),
    Row::new("rmdir-by-io-uring", "unlink", "Ring().do(36, address=b'empty', flags=0x200)").path("empty"),
    Row::allowed("unlink-beside-it", "unlink", "gone('other')"),
    Row::allowed("create-beside-it", "create", "make('beside')").path("new"),
];
