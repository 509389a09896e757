//! Supervision of actors and processes by the rules of OTP's `supervisor`.
//!
//! The core ([`Tree`]) is a pure state machine: it decides who is started, stopped and restarted, in which order and
//! when, and does nothing itself.
#![forbid(unsafe_code)]

mod driver;
mod exit;
mod spec;
mod tree;
mod validate;

pub use driver::{
    BoxError, Busy, Child, ChildRef, Driver, Handle, HandleError, Io, Life, Limits, Options, Outcome,
    Process, Pulse, SendError, Status, Supervised, Work,
};
pub use exit::{Cause, Exit};
pub use spec::{
    AutoShutdown, Backoff, ChildSpec, Excess, Intensity, Kind, Restart, Shutdown, Strategy, SupervisorSpec,
};
pub use tree::{Call, CallError, CallId, Command, Event, Report, Run, State, Tree, View, What};
pub use validate::{Flaw, Invalid, validate};
