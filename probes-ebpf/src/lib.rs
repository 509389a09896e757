//! The probes, and a typed loader around them.
//!
//! The compiled BPF objects are part of this library. [`Probes`] arms or adopts them below a pin directory,
//! stages and flips generations, proves them and gives access to events and counters; [`inspect`] reads the same
//! from the pins without a daemon; [`take_down`] is the only way down. Bytes from the kernel are decoded with
//! checks. This crate knows tables, not policies, and has no runtime of its own, and no threads but those that work on
//! the tables of one generation and end before it is there. It is the only
//! one that calls bpf(2).

mod accepted;
mod accounts;
pub mod bench;
mod beside;
mod error;
mod events;
mod fallback;
mod fill;
mod generation;
mod guarded;
mod holders;
mod host;
mod inspect;
mod lineages;
mod mapped;
mod notices;
mod object;
mod pinned;
mod pins;
mod probes;
mod process_ring;
mod resolve;
mod say;
mod scratch;
mod self_check;
mod subjects;
mod survey;
mod sys;
mod tables;

pub use accepted::accepted;
pub use accounts::Accounts;
/// The hash of a name in slot keys: the one that the probes compute.
pub use aegis_decide::name_hash;
pub use error::Error;
pub use events::{EventRing, Malformed};
pub use fill::{Fill, Table};
pub use generation::{Generations, Staged};
pub use guarded::{Concern, Guarded, Spared, Survivors};
pub use holders::HolderProbes;
pub use host::{Capabilities, capabilities, mount_point, processes, share_heaps};
pub use inspect::{Inspection, LinkInfo, inspect, take_down};
pub use lineages::Lineages;
pub use notices::NoticeRing;
pub use object::{KernelTypes, fallback_object, holders_object, lsm_object, object_digest, resolve_object};
pub use pinned::{Pinned, examine};
pub use pins::{Lock, PinDir, file_system_magic};
pub use probes::{Arrival, Probes, Settings, TestSettings, survivors};
pub use process_ring::ProcessRing;
pub use resolve::Resolver;
pub use say::{Anchor, Escalate, Header, Say};
pub use self_check::{HELPER_ARGUMENT, Helper, RAN_ARGUMENT, helper_main};
pub use subjects::{Clause, Listed, Role, Who};
pub use survey::{Found, survey, survey_iterators};
pub use tables::{Builder, Tables, unpadded};
