//! What the kernel recorded of processes: what they were started from, and from whom they descend.

use crate::error::{Error, call, call_path};
use crate::host::processes;
use crate::object::{LINEAGES, RECORDER, open_map};
use crate::pins::PinDir;
use crate::sys;
use aegis_kernel_abi::Lineage;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use zerocopy::{FromZeros, IntoBytes};

/// The records, which are kept in the storage of each process.
#[derive(Debug)]
pub struct Lineages {
    map: OwnedFd,
}

/// How often all processes are passed over: one that is made meanwhile by one that is not recorded yet is met the second
/// time.
const PASSES: usize = 2;

impl Lineages {
    pub(crate) fn open(pins: &PinDir) -> Result<Self, Error> {
        open_map(pins, LINEAGES).map(|map| Self { map })
    }

    /// What is recorded of a process, by its id in our pid namespace; `None` if nothing is.
    ///
    /// # Errors
    /// If there is no such process, or the kernel refuses.
    pub fn of(&self, pid: u32) -> Result<Option<Lineage>, Error> {
        let process = sys::pidfd(pid).map_err(call("look at process", pid))?;
        let mut lineage = Lineage::new_zeroed();
        let found = sys::map_lookup(self.map.as_fd(), &process.as_raw_fd(), lineage.as_mut_bytes())
            .map_err(call("read", LINEAGES))?;
        Ok(found.then_some(lineage))
    }

    /// Forgets what is recorded: while nobody recorded, processes became others.
    pub(crate) fn forget_all(&self) -> Result<(), Error> {
        let pids = processes().map_err(call("read", "/proc"))?;
        for process in pids.filter_map(|pid| sys::pidfd(pid).ok()) {
            match sys::map_delete(self.map.as_fd(), &process.as_raw_fd()) {
                // Nothing is recorded, or the process is gone meanwhile.
                Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH)) => {}
                deleted => deleted.map_err(call("write", LINEAGES))?,
            }
        }
        Ok(())
    }

    /// Records all processes that are there and of which nothing is recorded.
    pub(crate) fn record_all(&self, pins: &PinDir) -> Result<(), Error> {
        let path = pins.program_named(RECORDER);
        let program = sys::open_pin(&path).map_err(call_path("open", &path))?;
        for _ in 0..PASSES {
            let mut output = sys::iterate_all(program.as_fd()).map_err(call("iterate with", RECORDER))?;
            output.read_to_end(&mut Vec::new()).map_err(call("read from", RECORDER))?;
        }
        Ok(())
    }
}
