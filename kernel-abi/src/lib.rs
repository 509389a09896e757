//! Every byte that crosses the line between Aegis's probes and its daemon.
//!
//! These structs are the one place where the layout is written down: `cargo xtask codegen` makes the C header
//! of the probes (`probes-ebpf/bpf/abi.h`) from them, and a test of the `probes-ebpf` crate compares sizes and
//! offsets with the BTF of the compiled object. Each struct is free of padding, so that equal meaning is equal
//! bytes and a digest over table entries is well defined.
//!
//! This crate holds no logic beyond names and checked decoding; it knows no files, maps or policies.
#![no_std]
#![forbid(unsafe_code)]

mod access;
mod accounts;
mod event;
mod holder;
mod process;
mod subject;
mod tables;

pub use access::*;
pub use accounts::*;
pub use event::{Counters, EVENT_DECISION, Event, EventError, FLAG_PATH_CUT, PATH_BYTES, PATH_DEPTH};
pub use holder::{CGROUP_LEVELS, HELD_DESCRIPTOR, HELD_MAPPING, Held, Membership};
pub use process::*;
pub use subject::*;
pub use tables::*;
