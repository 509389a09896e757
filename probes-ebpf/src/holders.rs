//! Asks the kernel who holds files: every descriptor and every mapping of every process.
//!
//! Memory stays small however many there are: what is read is handed on record by record. Not found are descriptors
//! that are on their way through a socket or registered with an io_uring, and files that the kernel itself holds
//! open, as for loop devices and swap.

use crate::error::{Error, call};
use crate::object::{KernelTypes, holders_object, load_iterator, whole};
use crate::sys;
use aegis_kernel_abi::{HELD_DESCRIPTOR, Held, Membership, ObjectKey};
use aya::Ebpf;
use std::collections::HashSet;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use zerocopy::FromBytes;

/// The loaded looking probes. They decide nothing and need no BPF LSM.
pub struct HolderProbes {
    ebpf: Ebpf,
}

const DESCRIPTORS: &str = "aegis_descriptors";
const MAPPINGS: &str = "aegis_mappings";
const MEMBERSHIPS: &str = "aegis_memberships";

/// All programs of the object, with what each iterates over.
pub(crate) const PROGRAMS: [(&str, &str); 3] =
    [(DESCRIPTORS, "task_file"), (MAPPINGS, "task_vma"), (MEMBERSHIPS, "task")];

/// Descriptors of threads with tables of their own that are remembered, so that none is told twice. Only threads whose
/// first thread has ended, or that left its table, have such. Beyond that number a descriptor may be told twice.
const REMEMBERED: usize = 65_536;

/// Bytes that are read at a time: what the kernel collects before it hands it out.
const CHUNK: usize = 64 * 1024;

impl HolderProbes {
    /// Loads the probes.
    ///
    /// # Errors
    /// If the kernel has no BTF or refuses iterators.
    pub fn load() -> Result<Self, Error> {
        let types = KernelTypes::read()?;
        let mut ebpf = types.open(holders_object())?;
        for (name, over) in PROGRAMS {
            load_iterator(&mut ebpf, name, over, &types)?;
        }
        Ok(Self { ebpf })
    }

    /// Hands each file that a process in our pid namespace holds to `look`: all descriptors, then all mappings, by
    /// process.
    ///
    /// # Errors
    /// If the kernel refuses, or says what is no record.
    pub fn each(&self, mut look: impl FnMut(&Held)) -> Result<(), Error> {
        let mut told: HashSet<(u32, u64, ObjectKey)> = HashSet::new();
        let mut once = |held: &Held| {
            let again = held.kind == HELD_DESCRIPTOR
                && held.tid != held.pid
                && (told.len() < REMEMBERED)
                && !told.insert((held.pid, held.first, held.object));
            if !again {
                look(held);
            }
        };
        for name in [DESCRIPTORS, MAPPINGS] {
            records(name, &mut self.output(name, None)?, size_of::<Held>(), &mut |bytes| {
                Held::decode(bytes).map(&mut once).is_some()
            })?;
        }
        Ok(())
    }

    /// The cgroups of a process, its own first, by its id in our pid namespace. Empty if it is gone.
    ///
    /// # Errors
    /// If the kernel refuses, or says what is no record.
    pub fn memberships(&self, pid: u32) -> Result<Vec<Membership>, Error> {
        let mut output = match self.output(MEMBERSHIPS, Some(pid)) {
            Err(Error::Call { source, .. }) if source.raw_os_error() == Some(libc::ESRCH) => {
                return Ok(Vec::new());
            }
            output => output?,
        };
        let mut memberships = Vec::new();
        records(MEMBERSHIPS, &mut output, size_of::<Membership>(), &mut |bytes| {
            Membership::read_from_bytes(bytes).map(|membership| memberships.push(membership)).is_ok()
        })?;
        Ok(memberships)
    }

    fn output(&self, name: &str, thread: Option<u32>) -> Result<File, Error> {
        let program =
            self.ebpf.program(name).ok_or_else(|| Error::Object(format!("it has no program {name}")))?;
        let fd = program.fd().map_err(|error| Error::Object(whole(&error)))?;
        let output = match thread {
            Some(thread) => sys::iterate_thread(fd.as_fd(), thread),
            None => sys::iterate_all(fd.as_fd()),
        };
        output.map_err(call("iterate with", name))
    }
}

/// Reads records of one size to the end. `take` says whether it could use one.
fn records(
    name: &str,
    output: &mut impl Read,
    size: usize,
    take: &mut dyn FnMut(&[u8]) -> bool,
) -> Result<(), Error> {
    let broken = || call("understand", name)(ErrorKind::InvalidData.into());
    let mut buffer = vec![0; CHUNK];
    let mut filled = 0;
    loop {
        let room = buffer.get_mut(filled..).unwrap_or_default();
        match output.read(room) {
            Ok(0) => break,
            Ok(count) => filled += count,
            // The kernel gives up its CPU after a million things about which the program said nothing; it goes on
            // from there.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => continue,
            Err(error) => return Err(call("read from", name)(error)),
        }
        let whole = filled - filled % size;
        if !buffer.get(..whole).unwrap_or_default().chunks_exact(size).all(&mut *take) {
            return Err(broken());
        }
        buffer.copy_within(whole..filled, 0);
        filled -= whole;
    }
    if filled == 0 { Ok(()) } else { Err(broken()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    /// Gives out bytes in pieces, and says "again" between them.
    struct Pieces<'a>(Vec<&'a [u8]>);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Some(piece) = self.0.pop() else { return Ok(0) };
            if piece.is_empty() {
                return Err(ErrorKind::WouldBlock.into());
            }
            buffer[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    /// Reads pieces as records of three bytes; what was taken, or that it failed.
    fn check(pieces: &[&[u8]], expected: Option<&[&[u8]]>) {
        let mut taken: Vec<Vec<u8>> = Vec::new();
        let mut source = Pieces(pieces.iter().rev().copied().collect());
        let read = records("a test", &mut source, 3, &mut |bytes| {
            taken.push(bytes.to_vec());
            bytes != b"bad"
        });
        assert_eq!(read.is_ok(), expected.is_some(), "{pieces:?}");
        if let Some(expected) = expected {
            assert_eq!(taken, expected, "{pieces:?}");
        }
    }

    #[test]
    fn records_are_whole_however_they_come() {
        check(&[], Some(&[]));
        check(&[b"abcdef"], Some(&[b"abc", b"def"]));
        check(&[b"ab", b"", b"cde", b"", b"", b"f"], Some(&[b"abc", b"def"]));
        check(&[b"abcd"], None);
        check(&[b"abcbad"], None);
    }
}
