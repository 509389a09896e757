//! Reads the event ring and turns events into records. It never waits for whoever reads the records: the newest
//! of them are kept in memory, and a reader that comes late is told how many are gone.
//!
//! `order.rs` puts events in the order of their numbers and finds out which ones will not come; `storms.rs` makes
//! summaries of those that were folded.

mod order;
mod run;
mod state;
mod storms;

pub(crate) use run::spawn;
pub use run::{Reader, Received};
pub use state::{Journal, Line};
pub(crate) use state::{Numbering, gap_record, line, unnumbered_gap};
pub(crate) use storms::Summary;
