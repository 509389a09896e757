//! The newest signed policy, as the kernel remembers it for the daemon: until the probes are taken down, whatever happens to
//! files. It does not say what the number is for, and lets it be set back: that is for whoever asks.

use crate::error::{Error, call};
use crate::object::open_map;
use crate::pins::PinDir;
use crate::probes::Probes;
use crate::sys;
use aegis_kernel_abi::Accepted;
use std::os::fd::AsFd;
use zerocopy::IntoBytes;

const ACCEPTED: &str = "accepted";

/// The newest signed policy that was put in force since these probes were armed; serial 0 before the first.
///
/// # Errors
/// If it cannot be read.
pub fn accepted(pins: &PinDir) -> Result<Accepted, Error> {
    let map = open_map(pins, ACCEPTED)?;
    let mut accepted = Accepted::default();
    sys::map_lookup(map.as_fd(), &0_u32, accepted.as_mut_bytes()).map_err(call("read", ACCEPTED))?;
    Ok(accepted)
}

impl Probes {
    /// The newest signed policy that was put in force since the probes were armed; serial 0 before the first.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn accepted(&self) -> Result<Accepted, Error> {
        accepted(self.pins())
    }

    /// Has the kernel remember this one.
    ///
    /// # Errors
    /// If it cannot be written. What was remembered before still is then.
    pub fn accept(&self, accepted: &Accepted) -> Result<(), Error> {
        let map = open_map(self.pins(), ACCEPTED)?;
        sys::map_update(map.as_fd(), &0_u32, accepted).map_err(call("write", ACCEPTED))
    }
}
