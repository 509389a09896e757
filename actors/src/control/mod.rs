//! The control socket: HTTP with JSON over a unix socket, and metrics. Root may change, the group `aegisbpf` may read.
//!
//! A request goes through these files: `socket.rs` is where it comes in, `server.rs` gives its connection a place within
//! `limits.rs` and drives it, `patient.rs` gives up on one that takes nothing, `run.rs` has the routes, `body.rs` reads
//! what was sent, `entries.rs` and `events.rs` answer, and `refused.rs` is the form of every error. Nothing here knows
//! what a policy is.

mod body;
mod entries;
mod events;
mod limits;
mod patient;
mod refused;
mod run;
mod server;
mod socket;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use run::{ControlChild, status_with};
pub(crate) use socket::Socket;
pub(crate) use state::policy_refusal;
