//! The decision of the probes, on the host.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may")]

mod above;
mod anchors;
mod model;
mod name_hash;
mod rules;
mod subjects;
mod undecidable;
mod world;
