//! What is between the ring and the sinks, in memory: events on their way to the router, lines on their way to sinks,
//! and the journal of the newest records.
//!
//! Whoever reads, routes or writes has in its hands only what it works on: the death of one of them loses no more than
//! that, and the sink sees by the numbers what is missing.

mod run;
mod state;

pub(crate) use run::{Get, SpoolActor, SpoolChild};
pub(crate) use state::{Journal, KEPT, Line, Passed, Received, Store, line};

#[cfg(test)]
pub(crate) use state::WhenFulls;
