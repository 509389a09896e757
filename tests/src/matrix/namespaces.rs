//! From inside other namespaces, roots, cgroups and users.

use super::Row;

/// The root is what was `protected`, and the old one is gone from sight.
const PIVOT: &str = "unshare(NEWNS); bind('.', '.', REC); os.chdir(os.getcwd())
call(155, b'.', b'empty'); os.chdir('/'); read('/file')";

/// Out of a smaller root by a descriptor from outside.
const OUT_OF_CHROOT: &str =
    "at = os.open('.', os.O_RDONLY); os.chroot('empty'); os.chdir('/'); os.fchdir(at); read('file')";

const EVERYTHING: &str = "unshare(NEWUSER | NEWNS | NEWPID | NEWNET | NEWIPC | NEWUTS | NEWCGROUP)
apart(lambda: read('file'))";

/// A cgroup of our own, which no policy names.
const CGROUP: &str = "at = f'/sys/fs/cgroup/aegis-try-{os.getpid()}'; os.mkdir(at)
def inside():
    with open(at + '/cgroup.procs', 'w') as file: file.write('0')
    read('file')
try: apart(inside)
finally: os.rmdir(at)";

const ORPHAN: &str = "ours, theirs = os.pipe()
def work():
    if os.fork(): os._exit(0)
    try: read('file'); told = 0
    except OSError as error: told = error.errno
    os.write(theirs, bytes([told]))
    os._exit(0)
apart(work); told = os.read(ours, 1)[0]
if told: raise OSError(told, 'the orphan was denied')";

/// One that reads `file`.
const fn reads(name: &'static str, attempt: &'static str) -> Row {
    Row::new(name, "read", attempt)
}

/// All rows.
pub(super) const ROWS: &[Row] = &[
    reads("mount", "unshare(NEWNS); read('file')"),
    reads("user", "unshare(NEWUSER); read('file')"),
    reads("user-and-mount", "unshare(NEWUSER | NEWNS); read('file')"),
    reads("user-and-bound", "unshare(NEWUSER | NEWNS); bind('.', 'empty'); read('empty/file')"),
    reads("user-in-user", "unshare(NEWUSER); unshare(NEWUSER); read('file')"),
    reads("pid", "unshare(NEWPID); apart(lambda: read('file'))"),
    reads("pid-and-chroot", "unshare(NEWPID); apart(lambda: (os.chroot('.'), read('/file')))"),
    reads("network", "unshare(NEWNET); read('file')"),
    reads("ipc", "unshare(NEWIPC); read('file')"),
    reads("uts", "unshare(NEWUTS); read('file')"),
    reads("cgroup", "unshare(NEWCGROUP); read('file')"),
    reads("time", "unshare(NEWTIME); apart(lambda: read('file'))"),
    reads("everything", EVERYTHING),
    reads("chroot", "os.chroot('.'); read('/file')"),
    reads("chroot-in-user", "unshare(NEWUSER); os.chroot('.'); read('/file')"),
    reads("out-of-chroot", OUT_OF_CHROOT),
    reads("pivoted-root", PIVOT),
    reads(
        "mounts-of-another",
        "at = os.path.abspath('file'); join(beside(lambda: unshare(NEWNS)), 'mnt'); read(at)",
    ),
    reads("user-of-another", "join(beside(lambda: unshare(NEWUSER)), 'user'); read('file')"),
    reads("root-of-another", "read(f'/proc/{beside(lambda: (unshare(NEWNS), os.chroot(\".\")))}/root/file')"),
    reads("another-cgroup", CGROUP),
    reads("another-user", "os.setresuid(65534, 65534, 65534); read('file')").first("os.chmod('file', 0o644)"),
    reads("another-session", "os.setsid(); read('file')"),
    reads("orphan", ORPHAN),
    reads("another-name", "call(157, 15, b'aegisbpf'); read('file')"),
    Row::new("user-and-written", "write", "unshare(NEWUSER); write('file')"),
    Row::new("user-and-removed", "unlink", "unshare(NEWUSER); os.remove('file')"),
    Row::new("user-and-renamed", "rename", "unshare(NEWUSER); os.rename('file', 'new')"),
    Row::new("user-and-linked", "link", "unshare(NEWUSER); os.link('file', 'new')"),
    Row::new("user-and-started", "exec", "unshare(NEWUSER); run('./program')")
        .path("program")
        .first("program()"),
    Row::new("chroot-and-removed", "unlink", "os.chroot('.'); os.remove('/file')"),
    Row::new("mount-and-truncated", "truncate", "unshare(NEWNS); os.truncate('file', 0)"),
];
