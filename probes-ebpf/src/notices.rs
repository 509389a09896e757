//! Notices from the kernel that what a name stands for may be about to change.

use crate::error::Error;
use crate::object::whole;
use crate::pins::PinDir;
use aegis_kernel_abi::Notice;
use aya::maps::{Map, MapData, RingBuf};
use std::os::fd::{AsFd, BorrowedFd};
use zerocopy::FromBytes;

/// The reader's end of the ring of notices. Notices that nobody reads are dropped once it is full: one that waits
/// says as much as many.
pub struct NoticeRing {
    ring: RingBuf<MapData>,
}

impl NoticeRing {
    /// Opens the ring.
    ///
    /// # Errors
    /// If it is not pinned there or cannot be mapped.
    pub fn open(pins: &PinDir) -> Result<Self, Error> {
        let wrong =
            |error: &dyn std::error::Error| Error::Object(format!("the ring of notices: {}", whole(error)));
        let data = MapData::from_pin(pins.map("notices")).map_err(|error| wrong(&error))?;
        let ring = RingBuf::try_from(Map::RingBuf(data)).map_err(|error| wrong(&error))?;
        Ok(Self { ring })
    }

    /// Takes all notices that wait and returns the last. Bytes that are none count as one, without content: looking
    /// once too often does no harm.
    pub fn take_all(&mut self) -> Option<Notice> {
        let mut last = None;
        while let Some(bytes) = self.ring.next() {
            last = Some(Notice::read_from_bytes(&bytes).unwrap_or_default());
        }
        last
    }
}

impl AsFd for NoticeRing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }
}
