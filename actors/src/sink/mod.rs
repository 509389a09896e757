//! Writes records to standard output, and keeps the account of what was written.
//!
//! Nobody waits for it: lines wait in a queue of limited length, and what finds no room there is told of in a gap record
//! once there is room again. What standard output refuses becomes a gap likewise. How far it has come is kept with the
//! pins, after the lines are written: whoever comes next knows what was not.

mod run;
mod state;

pub(crate) use run::{Outbox, StdoutChild, ToldStorms};
pub(crate) use state::{CpuGap, Item, Told};
