//! Reads the event ring and turns events into records. It never waits for whoever reads the records: the newest
//! of them are kept in memory, and a reader that comes late is told how many are gone.

mod run;
mod state;

pub use run::{Reader, Received, spawn};
pub(crate) use state::lifecycle;
pub use state::{Journal, Line};
