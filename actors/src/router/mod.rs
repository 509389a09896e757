//! Makes records of events and hands them on: to the journal, and to each sink as a line. It never waits for a sink:
//! what finds no room there is told of in a gap record by that sink.
//!
//! `processes.rs` knows who acts; `storms.rs` makes summaries of what the kernel folded.

mod processes;
mod run;
mod state;
mod storms;

pub(crate) use run::RouterChild;
pub(crate) use state::{Numbering, gap_record, unnumbered_gap};
pub(crate) use storms::Summary;
