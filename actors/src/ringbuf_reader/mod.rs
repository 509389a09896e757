//! Reads the event ring and hands on what is in it. It never waits for whoever writes records: when much waits for the
//! router, it leaves events in the ring.
//!
//! `order.rs` puts events in the order of their numbers and finds out which ones will not come.

mod order;
mod run;

pub(crate) use run::ReaderChild;
