//! The event ring, read in the order in which the kernel made room.

use crate::error::Error;
use crate::object::whole;
use crate::pins::PinDir;
use aegis_kernel_abi::{Event, EventError};
use aya::maps::{Map, MapData, RingBuf};
use std::os::fd::{AsFd, BorrowedFd};

/// The reader's end of the ring. Where it stops is kept in the ring itself, so the next reader goes on there.
pub struct EventRing {
    ring: RingBuf<MapData>,
}

impl EventRing {
    /// Opens the ring where an earlier reader stopped.
    ///
    /// # Errors
    /// If it is not pinned there or cannot be mapped.
    pub fn open(pins: &PinDir) -> Result<Self, Error> {
        let wrong =
            |error: &dyn std::error::Error| Error::Object(format!("the event ring: {}", whole(error)));
        let data = MapData::from_pin(pins.map("events")).map_err(|error| wrong(&error))?;
        let ring = RingBuf::try_from(Map::RingBuf(data)).map_err(|error| wrong(&error))?;
        Ok(Self { ring })
    }

    /// Hands the next event to `take`, if there is one; its room in the ring is free again afterwards.
    pub fn next<T>(&mut self, take: impl FnOnce(Result<&Event, EventError>) -> T) -> Option<T> {
        self.ring.next().map(|bytes| take(Event::decode(&bytes)))
    }
}

impl AsFd for EventRing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }
}
