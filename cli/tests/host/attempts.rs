//! Ways to open, map and start files, and what the audit fallback must report of each.

use crate::place::Place;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, open, openat2};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One attempt; it must succeed.
pub(crate) struct Attempt {
    pub(crate) name: &'static str,
    /// The rule that must be named; none if nothing must be reported.
    pub(crate) rule: Option<&'static str>,
    pub(crate) hook: &'static str,
    pub(crate) operations: &'static [&'static str],
    /// The file whose key must be reported.
    pub(crate) file: &'static str,
    pub(crate) make: fn(&Place) -> io::Result<()>,
}

type Make = fn(&Place) -> io::Result<()>;

const fn opens(name: &'static str, operations: &'static [&'static str], make: Make) -> Attempt {
    Attempt { name, rule: Some("data"), hook: "sys_exit", operations, file: "data", make }
}

const fn maps(name: &'static str, make: Make) -> Attempt {
    let operations = &["map-exec"];
    Attempt { name, rule: Some("library"), hook: "sys_exit", operations, file: "library", make }
}

const fn starts(name: &'static str, file: &'static str, make: Make) -> Attempt {
    let operations = &["exec", "map-exec"];
    Attempt { name, rule: Some("program"), hook: "sched_process_exec", operations, file, make }
}

const fn control(name: &'static str, make: Make) -> Attempt {
    Attempt { name, rule: None, hook: "", operations: &[], file: "", make }
}

/// All attempts, in the order in which they are made: some need what an earlier one has made.
pub(crate) const ATTEMPTS: &[Attempt] = &[
    opens("openat", &["read"], |place| File::open(place.path("data")).map(drop)),
    opens("openat_for_writing", &["write"], |place| {
        OpenOptions::new().write(true).open(place.path("data")).map(drop)
    }),
    opens("openat_for_both", &["read", "write"], |place| {
        OpenOptions::new().read(true).write(true).open(place.path("data")).map(drop)
    }),
    opens("openat_to_append", &["write", "append"], |place| {
        OpenOptions::new().append(true).open(place.path("data")).map(drop)
    }),
    opens("openat_that_empties", &["read", "write"], |place| {
        open(place.path("data"), OFlags::RDONLY | OFlags::TRUNC, Mode::empty()).map(drop).map_err(Into::into)
    }),
    opens("open", &["read"], |place| perl("syscall(2, $ARGV[0], 0) >= 0", &place.path("data"))),
    opens("open_that_empties", &["read", "write"], |place| {
        perl("syscall(2, $ARGV[0], 01000) >= 0", &place.path("data"))
    }),
    opens("creat", &["write"], |place| perl("syscall(85, $ARGV[0], 0600) >= 0", &place.path("data"))),
    opens("openat2", &["read"], |place| by_openat2(place, OFlags::RDONLY)),
    opens("openat2_that_empties", &["read", "write"], |place| {
        by_openat2(place, OFlags::RDONLY | OFlags::TRUNC)
    }),
    opens("open_in_32_bits", &["read"], |place| in_32_bits(place, "data")),
    opens("by_symbolic_link", &["read"], |place| File::open(place.path("elsewhere/soft")).map(drop)),
    opens("by_hard_link", &["read"], |place| File::open(place.path("elsewhere/hard")).map(drop)),
    opens("by_descriptor", &["read"], |place| {
        let place = open(place.path("data"), OFlags::PATH, Mode::empty())?;
        File::open(format!("/proc/self/fd/{}", place.as_raw_fd())).map(drop)
    }),
    // By its slot, as there is no object yet.
    Attempt {
        name: "of_what_was_missing",
        rule: Some("data"),
        hook: "sys_exit",
        operations: &["write"],
        file: "missing",
        make: |place| fs::write(place.path("missing"), "here"),
    },
    maps("mmap", |place| {
        perl("open(F, $ARGV[0]); syscall(9, 0, 4096, 5, 2, fileno F, 0) != -1", &place.path("library"))
    }),
    maps("mprotect", |place| {
        let program =
            "open(F, $ARGV[0]); $a = syscall(9, 0, 4096, 1, 2, fileno F, 0); !syscall(10, $a, 4096, 5)";
        perl(program, &place.path("library"))
    }),
    starts("exec", "program", |place| run(&place.path("program"))),
    starts("exec_by_symbolic_link", "program", |place| run(&place.path("elsewhere/soft-program"))),
    starts("exec_by_descriptor", "program", |place| {
        let place = open(place.path("program"), OFlags::PATH, Mode::empty())?;
        run(Path::new(&format!("/proc/self/fd/{}", place.as_raw_fd())))
    }),
    starts("exec_as_interpreter", "interpreter", |place| run(&place.path("elsewhere/interpreted"))),
    control("a_mere_place", |place| {
        open(place.path("data"), OFlags::PATH, Mode::empty()).map(drop).map_err(Into::into)
    }),
    // What started it is not on any rule, and it is gone when the kernel tells: that is counted.
    control("exec_of_a_script", |place| run(&place.path("script"))),
    control("read_of_another", |place| File::open(place.path("control")).map(drop)),
    control("read_of_a_program", |place| File::open(place.path("program")).map(drop)),
    control("exec_of_another", |place| run(&place.path("control-program"))),
    control("mmap_to_read", |place| {
        perl("open(F, $ARGV[0]); syscall(9, 0, 4096, 1, 2, fileno F, 0) != -1", &place.path("library"))
    }),
    control("open_that_fails", |place| {
        let found = File::open(place.path("nowhere"));
        if found.is_err() { Ok(()) } else { Err(io::ErrorKind::AlreadyExists.into()) }
    }),
];

fn by_openat2(place: &Place, flags: OFlags) -> io::Result<()> {
    let opened = openat2(CWD, place.path("data"), flags, Mode::empty(), ResolveFlags::empty());
    opened.map(drop).map_err(Into::into)
}

/// A program of Perl's, which is on every machine and can make any system call; it must be true.
fn perl(program: &str, path: &Path) -> io::Result<()> {
    succeed(
        Command::new("perl").args(["-e", &format!("exit !({{{program}}})").replace("({", "(do {")]).arg(path),
    )
}

fn run(path: &Path) -> io::Result<()> {
    succeed(&mut Command::new(path))
}

fn succeed(command: &mut Command) -> io::Result<()> {
    let output = command.output()?;
    if output.status.success() { Ok(()) } else { Err(io::Error::other(format!("{command:?}: {output:?}"))) }
}

/// Opens a file by the system call of 32-bit programs: `open(path, O_RDONLY)`, then `exit`.
fn in_32_bits(place: &Place, file: &str) -> io::Result<()> {
    let program: PathBuf = place.path("elsewhere/program-32");
    fs::write(&program, program_of_32_bits(place.path(file).to_str().unwrap()))?;
    fs::set_permissions(&program, Permissions::from_mode(0o755))?;
    run(&program)
}

/// A whole ELF file of 32 bits: a header, one segment, and some instructions before the path.
fn program_of_32_bits(path: &str) -> Vec<u8> {
    const BASE: u32 = 0x0804_8000;
    const HEADERS: u32 = 52 + 32;
    // mov eax,5; mov ebx,path; xor ecx,ecx; int 0x80; mov ebx,eax; shr ebx,31; mov eax,1; int 0x80
    let before = [0xb8, 5, 0, 0, 0, 0xbb];
    let after = [0x31, 0xc9, 0xcd, 0x80, 0x89, 0xc3, 0xc1, 0xeb, 31, 0xb8, 1, 0, 0, 0, 0xcd, 0x80];
    let code = u32::try_from(before.len() + 4 + after.len()).unwrap();
    let size = HEADERS + code + u32::try_from(path.len()).unwrap() + 1;
    let mut file = vec![0x7f, b'E', b'L', b'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 3, 0];
    let header = [1, BASE + HEADERS, 52, 0, 0, 52 | 32 << 16, 1, 0];
    let segment = [1, 0, BASE, BASE, size, size, 5, 0x1000];
    for word in header.into_iter().chain(segment) {
        file.extend(u32::to_le_bytes(word));
    }
    file.extend(before);
    file.extend((BASE + HEADERS + code).to_le_bytes());
    file.extend(after);
    file.extend(path.bytes().chain([0]));
    file
}
