//! The ways in: each tries one thing that a rule forbids.

use crate::outcome::{Outcome, of_command};
use crate::place::{Place, write_script};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::process::Command;

/// One way.
#[derive(Clone, Copy)]
pub struct Way {
    /// Its name in test names.
    pub name: &'static str,
    /// The rule that forbids it; none if it must stay allowed.
    pub rule: Option<&'static str>,
    /// What the event says, beside the rule.
    pub reason: &'static str,
    /// Tries it.
    pub attempt: fn(&Place) -> Outcome,
}

const fn way(name: &'static str, rule: &'static str, attempt: fn(&Place) -> Outcome) -> Way {
    Way { name, rule: Some(rule), reason: "object", attempt }
}

const fn by_name(name: &'static str, rule: &'static str, attempt: fn(&Place) -> Outcome) -> Way {
    Way { name, rule: Some(rule), reason: "slot", attempt }
}

const fn control(name: &'static str, attempt: fn(&Place) -> Outcome) -> Way {
    Way { name, rule: None, reason: "", attempt }
}

/// All ways to things that are there when the policy is applied.
pub const WAYS: &[Way] = &[
    way("read_by_path", "data", |place| read(&place.path("data"))),
    way("write_by_path", "data", |place| write(&place.path("data"))),
    way("append_by_path", "data", |place| {
        OpenOptions::new().append(true).open(place.path("data")).map(drop).into()
    }),
    way("truncate_by_open", "data", |place| open(&place.path("data"), OFlags::RDONLY | OFlags::TRUNC)),
    way("read_by_symlink", "data", |place| read(&place.path("elsewhere/soft"))),
    way("read_by_hard_link", "data", |place| read(&place.path("elsewhere/hard"))),
    way("read_by_dot_dot", "data", |place| read(&place.path("elsewhere/../data"))),
    way("read_by_bind_mount", "data", |place| read(&place.bound.join("data"))),
    way("read_in_other_mount_namespace", "data", |place| {
        of_command(Command::new("unshare").arg("--mount").arg("cat").arg(place.path("data")))
    }),
    way("read_in_user_namespace", "data", |place| {
        of_command(Command::new("unshare").args(["--user", "--map-root-user", "cat"]).arg(place.path("data")))
    }),
    way("read_by_openat2", "data", |place| {
        let opened = openat2(CWD, place.path("data"), OFlags::RDONLY, Mode::empty(), ResolveFlags::empty());
        opened.map(drop).map_err(io::Error::from).into()
    }),
    way("read_by_proc_self_fd", "data", |place| by_descriptor(&place.path("data"), read)),
    way("exec_directly", "program", |place| run(&place.path("program"))),
    way("exec_by_descriptor", "program", |place| by_descriptor(&place.path("program"), run)),
    way("exec_as_script", "program", |place| run(&place.path("script"))),
    way("exec_as_interpreter", "program", |place| {
        let script = place.path("elsewhere/uses-interpreter");
        write_script(&script, &place.path("interpreter").display().to_string());
        run(&script)
    }),
    way("exec_by_symlink", "program", |place| {
        of_command(Command::new(place.path("interpreter-link")).args(["-c", "true"]))
    }),
    way("exec_by_dynamic_loader", "program", |place| {
        of_command(Command::new(DYNAMIC_LOADER).arg(place.path("program")))
    }),
    way("map_exec_by_mmap", "library", |place| map(&place.path("library"), MMAP)),
    way("map_exec_by_mprotect", "library", |place| map(&place.path("library"), MPROTECT)),
    way("map_exec_by_dynamic_loader", "library", |place| {
        of_command(Command::new(DYNAMIC_LOADER).arg(place.path("library")))
    }),
    control("control_read", |place| read(&place.path("control"))),
    control("control_write", |place| write(&place.path("control"))),
    control("control_exec", |place| run(&place.path("control-program"))),
    control("control_script", |place| run(&place.path("control-script"))),
    control("control_read_of_program", |place| read(&place.path("program"))),
    control("control_read_of_library", |place| read(&place.path("library"))),
];

/// Ways to things that come into being only after the policy was applied: an exempt process deletes `recreated`
/// and makes it again, and makes `missing`.
pub const LATER: &[Way] = &[
    by_name("read_of_recreated", "recreated", |place| read(&place.path("recreated"))),
    by_name("write_of_recreated", "recreated", |place| write(&place.path("recreated"))),
    by_name("recreated_by_bind_mount", "recreated", |place| read(&place.bound.join("recreated"))),
    by_name("read_of_missing", "missing", |place| read(&place.path("missing"))),
    by_name("write_of_missing", "missing", |place| write(&place.path("missing"))),
];

/// Making the file that did not exist: opening it for writing creates it, and is denied.
pub const CREATE: Way = by_name("create_of_missing", "missing", |place| {
    let outcome = write_new(&place.path("missing"));
    // Where it is denied, an empty file may stay behind, which is for whoever guards creation.
    place.as_exempt("rm -f missing");
    outcome
});

const DYNAMIC_LOADER: &str = "/lib64/ld-linux-x86-64.so.2";

fn read(path: &Path) -> Outcome {
    File::open(path).map(drop).into()
}

fn write(path: &Path) -> Outcome {
    OpenOptions::new().write(true).open(path).map(drop).into()
}

fn write_new(path: &Path) -> Outcome {
    OpenOptions::new().write(true).create_new(true).open(path).map(drop).into()
}

fn open(path: &Path, flags: OFlags) -> Outcome {
    openat(CWD, path, flags, Mode::empty()).map(drop).map_err(io::Error::from).into()
}

fn run(path: &Path) -> Outcome {
    of_command(&mut Command::new(path))
}

fn by_descriptor(path: &Path, attempt: impl FnOnce(&Path) -> Outcome) -> Outcome {
    let opened: io::Result<OwnedFd> = openat(CWD, path, OFlags::PATH, Mode::empty()).map_err(Into::into);
    match opened {
        Ok(descriptor) => attempt(Path::new(&format!("/proc/self/fd/{}", descriptor.as_raw_fd()))),
        Err(error) => Err(error).into(),
    }
}

/// Maps a file as executable memory at once; exits with the errno.
const MMAP: &str = "import mmap,os,sys
f=os.open(sys.argv[1],os.O_RDONLY)
try: mmap.mmap(f,4096,flags=mmap.MAP_PRIVATE,prot=mmap.PROT_READ|mmap.PROT_EXEC)
except OSError as e: sys.exit(os.strerror(e.errno))";

/// Maps a file for reading and then makes the mapping executable; exits with the errno.
const MPROTECT: &str = "import ctypes,mmap,os,sys
libc=ctypes.CDLL(None,use_errno=True)
libc.mmap.restype=ctypes.c_void_p
libc.mmap.argtypes=[ctypes.c_void_p,ctypes.c_size_t,ctypes.c_int,ctypes.c_int,ctypes.c_int,ctypes.c_long]
libc.mprotect.argtypes=[ctypes.c_void_p,ctypes.c_size_t,ctypes.c_int]
f=os.open(sys.argv[1],os.O_RDONLY)
page=libc.mmap(None,4096,mmap.PROT_READ,mmap.MAP_PRIVATE,f,0)
if page in (None,2**64-1): sys.exit('mmap failed')
if libc.mprotect(page,4096,mmap.PROT_READ|mmap.PROT_EXEC): sys.exit(os.strerror(ctypes.get_errno()))";

fn map(path: &Path, program: &str) -> Outcome {
    of_command(Command::new("python3").args(["-c", program]).arg(path))
}
