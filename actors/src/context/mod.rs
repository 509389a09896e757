//! Who acts: what was started in each process, with which arguments, and by whom it was made.
//!
//! `state.rs` keeps it, `scan.rs` finds those that were there before, `redact.rs` hides arguments, `containers.rs` tells
//! containers by their cgroups. Nothing here decides anything, and what is not known is left out, not guessed.

mod containers;
mod redact;
mod scan;
mod state;

pub(crate) use containers::Containers;
pub use redact::Redaction;
pub(crate) use scan::scan;
pub(crate) use state::{Asked, Context, Process, Sums};
