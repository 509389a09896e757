//! The control socket: HTTP with JSON over a unix socket, and metrics. Root may change, the group `aegisbpf` may read.

mod entries;
mod run;
mod state;

pub(crate) use run::{ControlChild, Socket, read_status};
pub(crate) use state::policy_refusal;
