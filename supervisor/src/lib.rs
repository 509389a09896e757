//! Supervision of actors and processes by the rules of OTP's `supervisor`.
//!
//! A tree of supervisors starts its workers in order, watches them, starts again those that end although they should
//! not, together with those that depend on them, gives up when that happens too often, and stops all of them in reverse
//! order.
//!
//! - The core, [`Tree`], is a pure state machine: it decides who is started, stopped and restarted, in which order and
//!   when, and does nothing itself.
//! - The driver, [`Driver`], does it: with actors of actix, each on a thread of its own, and with processes. It finds
//!   those that panic, fail, start badly and hang.
//!
//! # Example
//!
//! A counter that loses count now and then, and is started again.
//!
//! ```
//! use actix::{Actor, Context, Handler, Message};
//! use aegis_supervisor::{
//!     BoxError, Child, ChildRef, ChildSpec, Driver, Life, Limits, Options, Strategy, Supervised, SupervisorSpec, Work,
//! };
//! use async_trait::async_trait;
//!
//! struct Counter(u32);
//!
//! impl Actor for Counter {
//!     type Context = Context<Self>;
//! }
//!
//! impl Supervised for Counter {}
//!
//! struct Next;
//!
//! impl Message for Next {
//!     type Result = u32;
//! }
//!
//! impl Handler<Next> for Counter {
//!     type Result = u32;
//!
//!     fn handle(&mut self, Next: Next, _: &mut Context<Self>) -> u32 {
//!         assert!(self.0 < 2, "I cannot count further");
//!         self.0 += 1;
//!         self.0
//!     }
//! }
//!
//! struct CounterChild;
//!
//! #[async_trait(?Send)]
//! impl Child for CounterChild {
//!     type Actor = Counter;
//!
//!     async fn init(&self, _: &Life) -> Result<Counter, BoxError> {
//!         Ok(Counter(0))
//!     }
//! }
//!
//! let counter = ChildRef::default();
//! let work = Work::actor(CounterChild, &counter, Limits::default());
//! let root = SupervisorSpec::new(Strategy::OneForOne).child(ChildSpec::worker("counter", work));
//! let (driver, handle) = Driver::new(root, Options::default()).expect("a tree without flaws");
//! let thread = std::thread::spawn(move || driver.run());
//!
//! let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! let next = || runtime.block_on(counter.send(Next)).ok();
//! let count_to = |wanted| while next() != Some(wanted) {};
//! count_to(1);
//! count_to(2);
//! assert_eq!(next(), None, "it panicked");
//! count_to(1);
//!
//! handle.stop();
//! thread.join().expect("the driver does not panic").expect("a runtime");
//! ```
//!
//! # What it does not do
//!
//! It moves no children between machines, keeps no messages for those that are down, and cannot end a thread that is
//! blocked: then the process must end, and [`Outcome::Stuck`] says so.
#![forbid(unsafe_code)]

// A panic must end one child, not the process.
const _: () = assert!(
    cfg!(panic = "unwind"),
    "build with panic = \"unwind\": a panic must end one child, not the process"
);

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
