//! Values of maps in memory that is shared with the kernel and with other processes, as words.

use crate::error::{Error, call};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicU64, Ordering};

const PAGE: usize = 4096;
const WORD: usize = size_of::<u64>();

/// The values of an array map that was made for being mapped.
#[derive(Debug)]
pub(crate) struct Mapped {
    memory: *mut libc::c_void,
    bytes: usize,
}

// SAFETY: the memory is only accessed as whole atomic words.
unsafe impl Send for Mapped {}
// SAFETY: as above.
unsafe impl Sync for Mapped {}

impl Mapped {
    /// Maps the first `bytes` of an array's values; the kernel refuses more than there are.
    pub(crate) fn map(array: BorrowedFd<'_>, name: &'static str, bytes: usize) -> Result<Self, Error> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let bytes = bytes.max(1).next_multiple_of(PAGE);
        // SAFETY: a fresh mapping, of no memory that anybody uses.
        let memory = unsafe {
            libc::mmap(std::ptr::null_mut(), bytes, access, libc::MAP_SHARED, array.as_raw_fd(), 0)
        };
        if memory == libc::MAP_FAILED {
            return Err(call("map", name)(std::io::Error::last_os_error()));
        }
        Ok(Self { memory, bytes })
    }

    fn word(&self, index: usize) -> Option<&AtomicU64> {
        let offset = index.checked_mul(WORD).filter(|offset| *offset <= self.bytes - WORD)?;
        // SAFETY: the word lies within the mapping, which lives as long as self and is aligned to pages; all who
        // share it read and write it whole.
        Some(unsafe { &*self.memory.byte_add(offset).cast() })
    }

    /// A word by its number; 0 beyond the end.
    pub(crate) fn load(&self, index: usize) -> u64 {
        self.word(index).map_or(0, |word| word.load(Ordering::Acquire))
    }

    /// Writes a word, after all that was written before it. Beyond the end nothing is written.
    pub(crate) fn store(&self, index: usize, value: u64) {
        if let Some(word) = self.word(index) {
            word.store(value, Ordering::Release);
        }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: the memory was mapped by us with this length and no reference to it outlives self.
        unsafe { libc::munmap(self.memory, self.bytes) };
    }
}
