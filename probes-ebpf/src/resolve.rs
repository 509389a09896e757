//! Asks the kernel for identities: of files that are open here, and of our own processes.

use crate::error::{Error, call};
use crate::object::{KernelTypes, load_iterator, resolve_object, whole};
use crate::sys;
use aegis_kernel_abi::{ObjectKey, Process, Resolved};
use aya::Ebpf;
use std::collections::HashMap;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use zerocopy::{FromBytes, Immutable, KnownLayout};

/// The loaded resolving probes. They decide nothing and need no BPF LSM.
pub struct Resolver {
    ebpf: Ebpf,
}

const FILES: &str = "aegis_resolve";
const PROCESS: &str = "aegis_process";

/// All programs of the object, with what each iterates over.
pub(crate) const PROGRAMS: [(&str, &str); 2] = [(FILES, "task_file"), (PROCESS, "task")];

impl Resolver {
    /// Loads the probes.
    ///
    /// # Errors
    /// If the kernel has no BTF or refuses iterators.
    pub fn load() -> Result<Self, Error> {
        let types = KernelTypes::read()?;
        let mut ebpf = types.open(resolve_object())?;
        for (name, over) in PROGRAMS {
            load_iterator(&mut ebpf, name, over, &types)?;
        }
        Ok(Self { ebpf })
    }

    /// The object keys of descriptors of the calling thread, in their order.
    ///
    /// # Errors
    /// If the kernel refuses, or leaves a descriptor out.
    pub fn object_keys(&self, descriptors: &[BorrowedFd<'_>]) -> Result<Vec<ObjectKey>, Error> {
        // SAFETY: gettid has no arguments and cannot fail.
        let thread = unsafe { libc::gettid() }.unsigned_abs();
        let records: Vec<Resolved> = self.run(FILES, thread)?;
        let keys: HashMap<u32, ObjectKey> =
            records.iter().map(|record| (record.descriptor, record.object)).collect();
        let key = |descriptor: &BorrowedFd<'_>| {
            let number = descriptor.as_raw_fd();
            keys.get(&number.unsigned_abs()).copied().ok_or_else(|| {
                call("find the object key of descriptor", number)(std::io::ErrorKind::NotFound.into())
            })
        };
        descriptors.iter().map(key).collect()
    }

    /// The kernel's pid and start time of a process, by its id in our pid namespace.
    ///
    /// # Errors
    /// If the kernel refuses, or there is no such process.
    pub fn process(&self, pid: u32) -> Result<Process, Error> {
        let records: Vec<Process> = self.run(PROCESS, pid)?;
        records.first().copied().ok_or_else(|| call("find process", pid)(std::io::ErrorKind::NotFound.into()))
    }

    fn run<T: FromBytes + KnownLayout + Immutable + Clone>(
        &self,
        name: &str,
        thread: u32,
    ) -> Result<Vec<T>, Error> {
        let program =
            self.ebpf.program(name).ok_or_else(|| Error::Object(format!("it has no program {name}")))?;
        let fd = program.fd().map_err(|error| Error::Object(whole(&error)))?;
        let mut output = sys::iterate_thread(fd.as_fd(), thread).map_err(call("iterate with", name))?;
        let mut bytes = Vec::new();
        output.read_to_end(&mut bytes).map_err(call("read from", name))?;
        let record = |chunk: &[u8]| T::read_from_bytes(chunk).ok();
        Ok(bytes.chunks_exact(size_of::<T>()).filter_map(record).collect())
    }
}
