//! The decision of the probes, on the host.

mod model;
mod name_hash;
mod rules;
mod undecidable;
mod world;
