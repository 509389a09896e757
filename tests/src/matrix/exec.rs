//! All ways to start a program, or to have a file as executable memory.

use super::{EXT4, NOT_OVERLAY, Row};

/// With this personality whatever is readable is executable.
const READ_IMPLIES_EXEC: &str =
    "call(135, 0x400000); map_code(os.open('library', os.O_RDONLY), protection=1)";

/// By a call that also gives the page a key.
const PKEY: &str = "call(329, Mapped('library').address, PAGE, CODE, -1)";

const MEMFD: &str = "inside = os.memfd_create('copy')
with open('program', 'rb') as old: os.write(inside, old.read())
os.execv(fd_path(inside), ['copy'])";

/// The interpreter opens it once more by its descriptor, which so has to outlast the start.
const BY_DESCRIPTOR: &str =
    "at = os.open('script', os.O_RDONLY); os.set_inheritable(at, True); execveat(at, '', 0x1000)";

/// A way for programs of a kind that the kernel has to be told about.
const BINFMT: &str = "if not os.path.exists('/proc/sys/fs/binfmt_misc/register'):
    run('modprobe', 'binfmt_misc'); mount('none', '/proc/sys/fs/binfmt_misc', 'binfmt_misc')
kind = 'aegis' + os.path.basename(os.getcwd())
if os.path.exists('/proc/sys/fs/binfmt_misc/' + kind):
    with open('/proc/sys/fs/binfmt_misc/' + kind, 'w') as file: file.write('-1')
with open('/proc/sys/fs/binfmt_misc/register', 'w') as file:
    file.write(f':{kind}:E::{kind}::{os.getcwd()}/program:')
program(); program('x.' + kind)";

/// One that starts `program`.
const fn starts(name: &'static str, attempt: &'static str) -> Row {
    Row::new(name, "exec", attempt).path("program").first("program()")
}

/// One that starts `script`, whose interpreter is `program`, a shell.
const fn interprets(name: &'static str, attempt: &'static str) -> Row {
    Row::new(name, "exec", attempt)
        .path("program")
        .first("copy('/bin/sh', 'program'); script('script', os.path.abspath('program'))")
}

/// One that has `library` as code.
const fn maps(name: &'static str, attempt: &'static str) -> Row {
    Row::new(name, "map-exec", attempt).path("library").first("library()")
}

/// All rows.
pub(super) const ROWS: &[Row] = &[
    starts("directly", "run('./program')"),
    starts("by-absolute-path", "os.execv(os.path.abspath('program'), ['program'])"),
    starts("by-spawning", "os.posix_spawn('./program', ['program'], os.environ)"),
    starts("by-a-shell", "run('sh', '-c', './program || exit')"),
    starts("by-directory", "execveat(place('.'), 'program')"),
    starts("by-descriptor", "execveat(os.open('program', os.O_RDONLY), '', 0x1000)"),
    starts("by-place", "execveat(place('program'), '', 0x1000)"),
    starts("by-kept-place", "execveat(had('place'), '', 0x1000)").keeps("keep('place', place('program'))"),
    starts("by-kept-descriptor", "execveat(had('open'), '', 0x1000)")
        .keeps("keep('open', os.open('program', os.O_RDONLY))"),
    starts("deleted-and-open", "execveat(had('place'), '', 0x1000)")
        .keeps("keep('place', place('program'))")
        .exempt("os.remove('program')"),
    starts("by-proc-self-fd", "os.execv(fd_path(place('program')), ['program'])"),
    starts("by-hard-link", "run('./linked')").first("program(); os.link('program', 'linked')"),
    starts("by-hard-link-made-later", "gone('linked'); os.link('program', 'linked'); run('./linked')"),
    starts("by-symbolic-link", "run('./soft')").first("program(); os.symlink('program', 'soft')"),
    starts("renamed", "os.path.exists('program') and os.rename('program', 'moved'); run('./moved')"),
    starts("made-anew", "run('./program')").exempt("os.remove('program'); program()").slot(),
    starts("by-another-user", "os.setresuid(65534, 65534, 65534); os.execv('program', ['program'])"),
    starts("by-a-thread", "by_thread(lambda: run('./program'))"),
    starts("by-the-dynamic-loader", "run(LOADER, './program')").tells("map-exec"),
    starts("mapped", "map_code(os.open('program', os.O_RDONLY))").tells("map-exec"),
    starts("bound", "unshare(NEWNS); bind('program', 'other'); run('./other')").only(EXT4),
    starts("from-a-cloned-tree", "execveat(clone('.'), 'program')").only(EXT4),
    starts("as-a-kind-of-its-own", "run('./x.aegis' + os.path.basename(os.getcwd()))")
        .first(BINFMT)
        .only(EXT4),
    Row::new("script", "exec", "run('./script')").path("script").first("script('script', '/bin/sh')"),
    Row::new("script-by-descriptor", "exec", BY_DESCRIPTOR)
        .path("script")
        .first("script('script', '/bin/sh')"),
    Row::new("script-of-a-script", "exec", "run('./outer')")
        .path("script")
        .first("script('script', '/bin/sh'); script('outer', os.path.abspath('script'))"),
    interprets("interpreter", "run('./script')"),
    interprets("interpreter-by-itself", "run('./program', '-c', 'true')"),
    interprets("interpreter-by-link", "run('./later')").first(
        "copy('/bin/sh', 'program'); os.symlink('program', 'soft'); script('later', os.path.abspath('soft'))",
    ),
    interprets(
        "interpreter-of-a-script-made-later",
        "script('later', os.path.abspath('program')); run('./later')",
    ),
    interprets("interpreter-by-the-dynamic-loader", "run(LOADER, './program', '-c', 'true')")
        .tells("map-exec"),
    maps("map", "map_code(os.open('library', os.O_RDONLY))"),
    maps("map-shared", "map_code(os.open('library', os.O_RDONLY), mmap.MAP_SHARED)"),
    maps("map-of-what-was-open", "map_code(had('open'))")
        .keeps("keep('open', os.open('library', os.O_RDONLY))"),
    maps("map-by-hard-link", "map_code(os.open('linked', os.O_RDONLY))")
        .first("library(); os.link('library', 'linked')"),
    maps("map-where-reading-implies-it", READ_IMPLIES_EXEC),
    maps("mprotect", "Mapped('library').protect(CODE)"),
    maps("mprotect-with-a-key", PKEY),
    maps("mprotect-of-what-was-mapped", "had('page').protect(CODE)").keeps("keep('page', Mapped('library'))"),
    maps("preloaded", "run('/bin/true', LD_PRELOAD=os.path.abspath('library'))"),
    maps("from-the-search-path", "run('/bin/true', LD_LIBRARY_PATH=os.path.abspath('libraries'))")
        .path("libraries/libc.so.6")
        .first("os.mkdir('libraries'); copy('/lib/x86_64-linux-gnu/libc.so.6', 'libraries/libc.so.6')")
        .only(NOT_OVERLAY),
    maps("loaded-by-a-program", "run('python3', '-c', 'import ctypes; ctypes.CDLL(\"./library\")')"),
    maps("mapped-by-the-dynamic-loader", "run(LOADER, './program')").path("program").first("program()"),
    // Mapped by the kernel when it is too late to go back: whoever starts it is killed.
    maps("code-of-a-program", "os.execv('./program', ['program'])")
        .path("program")
        .first("program()")
        .killed(11),
    // Not what the rule is on: a copy is another file, and a script that is read by its interpreter is not started.
    starts("a-copy-in-memory", MEMFD).stays_allowed(),
    starts("a-copy", "copy('program', 'copied'); run('./copied')").stays_allowed(),
    starts("reading-it", "read('program')").stays_allowed(),
    Row::allowed("script-given-to-its-interpreter", "exec", "run('sh', 'script')")
        .path("script")
        .first("script('script', '/bin/sh')"),
    maps("mapping-to-read", "map_code(os.open('library', os.O_RDONLY), protection=1)").stays_allowed(),
];
