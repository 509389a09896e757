//! What the kernel tells the daemon of processes: that one was started, made, or has ended.

use crate::event::{EventError, PATH_BYTES, is_known, is_lineage};
use crate::tables::{ABI_VERSION, ObjectKey};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// [`ProcessEvent::kind`]: a program was started in the process. An [`ExecEvent`].
pub const PROCESS_EXEC: u8 = 1;
/// [`ProcessEvent::kind`]: the process was made.
pub const PROCESS_FORK: u8 = 2;
/// [`ProcessEvent::kind`]: the process ends.
pub const PROCESS_EXIT: u8 = 3;
/// [`ProcessEvent::flags`]: components nearest to the root are missing from the path.
pub const PROCESS_PATH_CUT: u8 = 1;
/// [`ProcessEvent::flags`]: arguments, or the end of one, are missing.
pub const PROCESS_ARGV_CUT: u8 = 2;
/// Bytes for the arguments of a program.
pub const ARGV_BYTES: usize = 1024;
/// The most bytes of one argument, its NUL included. There is room for one more of this length after what is written.
pub const ARGUMENT_BYTES: usize = 512;
/// The most arguments.
pub const ARGUMENTS: u32 = 64;

/// What happened to a process: all that is told of its making and its end, and the beginning of an [`ExecEvent`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ProcessEvent {
    /// [`ABI_VERSION`].
    pub abi_version: u16,
    /// `PROCESS_…`: what happened.
    pub kind: u8,
    /// `PROCESS_…_CUT` bits.
    pub flags: u8,
    /// `LINEAGE_…` bits of what is recorded of the process, or of its maker if it was made; 0 if nothing is.
    pub lineage: u32,
    /// Nanoseconds of `CLOCK_BOOTTIME`.
    pub time_ns: u64,
    /// Process id in the initial namespace.
    pub pid: u32,
    /// Process id of who made it, if that is what happened; 0 otherwise: who is its parent later need not be who made it.
    pub maker: u32,
    /// When it started, in nanoseconds since boot.
    pub start_time: u64,
    /// When its maker started; 0 otherwise.
    pub maker_start_time: u64,
    /// What it was started from, or its maker if it was made; all zeros if that is not known.
    pub executable: ObjectKey,
}

/// A program was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ExecEvent {
    /// In which process, and what.
    pub process: ProcessEvent,
    /// Used bytes of `path`.
    pub path_bytes: u16,
    /// Components in `path`.
    pub path_components: u16,
    /// Used bytes of `argv`.
    pub argv_bytes: u16,
    /// Always 0.
    pub reserved: u16,
    /// The path of the file as [`Event::path`](crate::Event::path) has it.
    pub path: [u8; PATH_BYTES],
    /// The arguments, each ended by NUL, as they were when the program was started.
    pub argv: [u8; ARGV_BYTES],
}

/// What was in the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessTold<'a> {
    /// A program was started.
    Exec(&'a ExecEvent),
    /// A process was made.
    Fork(&'a ProcessEvent),
    /// A process ends.
    Exit(&'a ProcessEvent),
}

impl<'a> ProcessTold<'a> {
    /// Reads what is in the ring and checks every field that has a limited range: bytes from the kernel are untrusted.
    ///
    /// # Errors
    /// Tells the first thing that is wrong with them.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, EventError> {
        let wrong = || EventError::Size(bytes.len());
        let (process, rest) = ProcessEvent::ref_from_prefix(bytes).map_err(|_| wrong())?;
        process.check()?;
        match process.kind {
            PROCESS_EXEC => {
                let exec = ExecEvent::ref_from_bytes(bytes).map_err(|_| wrong())?;
                exec.check().map(|()| Self::Exec(exec))
            }
            _ if !rest.is_empty() => Err(wrong()),
            PROCESS_FORK => Ok(Self::Fork(process)),
            PROCESS_EXIT => Ok(Self::Exit(process)),
            other => Err(EventError::Field("kind", other.into())),
        }
    }
}

impl ProcessEvent {
    fn check(&self) -> Result<(), EventError> {
        if u32::from(self.abi_version) != ABI_VERSION {
            return Err(EventError::Version(self.abi_version));
        }
        let flags = if self.kind == PROCESS_EXEC { PROCESS_PATH_CUT | PROCESS_ARGV_CUT } else { 0 };
        let known = [
            ("flags", u64::from(self.flags), self.flags & !flags == 0),
            ("lineage", self.lineage.into(), is_lineage(self.lineage)),
            ("executable", self.executable.ino, is_known(&self.executable, self.lineage)),
        ];
        first_wrong(&known)
    }
}

fn first_wrong(known: &[(&'static str, u64, bool)]) -> Result<(), EventError> {
    match known.iter().find(|(_, _, valid)| !valid) {
        Some((field, value, _)) => Err(EventError::Field(field, *value)),
        None => Ok(()),
    }
}

impl ExecEvent {
    fn check(&self) -> Result<(), EventError> {
        first_wrong(&[
            ("path_bytes", self.path_bytes.into(), usize::from(self.path_bytes) <= PATH_BYTES),
            ("argv_bytes", self.argv_bytes.into(), usize::from(self.argv_bytes) <= ARGV_BYTES),
        ])
    }

    /// The components of the path, from the root down. They are bytes: names need not be UTF-8.
    pub fn path_from_root(&self) -> impl Iterator<Item = &[u8]> {
        let used = self.path.get(..usize::from(self.path_bytes)).unwrap_or_default();
        used.split(|byte| *byte == 0).rev().filter(|name| !name.is_empty())
    }

    /// The arguments. An empty one is one, too.
    pub fn arguments(&self) -> impl Iterator<Item = &[u8]> {
        let used = self.argv.get(..usize::from(self.argv_bytes)).unwrap_or_default();
        used.split_inclusive(|byte| *byte == 0).map(|one| one.strip_suffix(&[0]).unwrap_or(one))
    }

    /// Whether components nearest to the root are missing from the path.
    #[must_use]
    pub fn path_is_cut(&self) -> bool {
        self.process.flags & PROCESS_PATH_CUT != 0
    }

    /// Whether arguments, or the end of one, are missing.
    #[must_use]
    pub fn argv_is_cut(&self) -> bool {
        self.process.flags & PROCESS_ARGV_CUT != 0
    }
}
