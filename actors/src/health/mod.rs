//! Proves the generation in force again and again. What it finds is in `status`, in the log and the journal, and decides
//! whether the guardian tells systemd that the daemon is well.

mod run;
mod state;

pub(crate) use run::HealthChild;
