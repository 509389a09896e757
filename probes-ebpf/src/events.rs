//! The event ring, read in the order in which the kernel made room.

use crate::error::{Error, call};
use crate::object::{open_map, whole};
use crate::pins::PinDir;
use crate::sys;
use aegis_kernel_abi::{Event, EventError};
use aya::maps::{Map, MapData, RingBuf};
use aya_obj::generated::bpf_map_info;
use std::os::fd::{AsFd, BorrowedFd};

/// The reader's end of the ring. Where it stops is kept in the ring itself, so the next reader goes on there.
pub struct EventRing {
    ring: RingBuf<MapData>,
    capacity: usize,
}

/// What was in the ring and is no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed {
    /// What is wrong with it.
    pub error: EventError,
    /// Its CPU and sequence number, if it has the form of an event. Untrusted like the rest.
    pub number: Option<(u32, u64)>,
}

impl EventRing {
    /// Opens the ring where an earlier reader stopped.
    ///
    /// # Errors
    /// If it is not pinned there or cannot be mapped.
    pub fn open(pins: &PinDir) -> Result<Self, Error> {
        let wrong =
            |error: &dyn std::error::Error| Error::Object(format!("the event ring: {}", whole(error)));
        let pinned = open_map(pins, "events")?;
        let described: bpf_map_info = sys::describe(pinned.as_fd()).map_err(call("describe", "events"))?;
        let data = MapData::from_pin(pins.map("events")).map_err(|error| wrong(&error))?;
        let ring = RingBuf::try_from(Map::RingBuf(data)).map_err(|error| wrong(&error))?;
        Ok(Self { ring, capacity: described.max_entries as usize / size_of::<Event>() })
    }

    /// How many events have room in it, at most.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Hands the next event to `take`, if there is one; its room in the ring is free again afterwards. What is no
    /// event comes as an error, with its CPU and sequence number if it has the form of one.
    pub fn next<T>(&mut self, take: impl FnOnce(Result<&Event, Malformed>) -> T) -> Option<T> {
        let malformed = |error, bytes: &[u8]| Malformed { error, number: Event::number(bytes) };
        self.ring.next().map(|bytes| take(Event::decode(&bytes).map_err(|error| malformed(error, &bytes))))
    }
}

impl AsFd for EventRing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }
}
