//! Metrics for Prometheus, in its classic text format and in OpenMetrics.
//!
//! Every number is read when it is asked for, by the functions that answer `status`, `events account` and
//! `status --tree`; nothing is counted here. What takes the kernel many calls to tell is a second old at most. How many series there are does not depend on policies, on users or on
//! what programs do: label values are made from enums alone (`labels.rs`), so that no path, rule, name or process can
//! get into one.
//!
//! It proves nothing, and what it costs does not depend on the size of the policy: it may be asked for every few
//! seconds.

mod labels;
mod listen;
mod run;
mod state;

pub(crate) use listen::{Listener, serve};
pub(crate) use run::router;
