//! The ring of what happens to processes.

use crate::error::Error;
use crate::object::{PROCESSES, whole};
use crate::pins::PinDir;
use aegis_kernel_abi::{EventError, ProcessTold};
use aya::maps::{Map, MapData, RingBuf};

/// The reader's end of the ring. Where it stops is kept in the ring itself, so the next reader goes on there. The kernel
/// wakes nobody for it: whoever reads looks by itself.
pub struct ProcessRing {
    ring: RingBuf<MapData>,
}

impl std::fmt::Debug for ProcessRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProcessRing").finish_non_exhaustive()
    }
}

impl ProcessRing {
    /// Opens the ring.
    ///
    /// # Errors
    /// If it is not pinned there or cannot be mapped.
    pub fn open(pins: &PinDir) -> Result<Self, Error> {
        let wrong =
            |error: &dyn std::error::Error| Error::Object(format!("the ring of processes: {}", whole(error)));
        let data = MapData::from_pin(pins.map(PROCESSES)).map_err(|error| wrong(&error))?;
        let ring = RingBuf::try_from(Map::RingBuf(data)).map_err(|error| wrong(&error))?;
        Ok(Self { ring })
    }

    /// Hands what comes next to `take`, if there is something; its room in the ring is free again afterwards.
    pub fn next<T>(&mut self, take: impl FnOnce(Result<ProcessTold<'_>, EventError>) -> T) -> Option<T> {
        self.ring.next().map(|bytes| take(ProcessTold::decode(&bytes)))
    }
}
