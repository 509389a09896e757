//! Sinks: where records are written as lines, each with an account of its own of what was written there. One is standard
//! output, the other a file.
//!
//! Nobody waits for a sink, and no sink for another: lines wait in a queue of limited length (`queue.rs`), and what finds
//! no room there is told of in a gap record, in the place of its numbers. What a sink refuses becomes a gap likewise, or
//! is tried again, as the command line says. How far a sink has come is kept after the lines are written, that of
//! standard output with the pins, that of the file in the state directory (`cursor.rs`): whoever comes next knows what was
//! not. Order, gaps and retries are the same for all of them (`press.rs`).

mod cursor;
mod file;
mod outbox;
mod press;
mod queue;
mod state;
mod stdout;

pub(crate) use file::{EventsFile, EventsFileChild};
pub(crate) use outbox::{Outbox, Progress};
pub(crate) use queue::Waiting;
pub use queue::WhenFull;
pub(crate) use state::{CpuGap, Item, Told};
pub(crate) use stdout::StdoutChild;
