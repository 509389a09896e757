//! The driver with real threads and processes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

mod actors;
mod calls;
mod processes;
mod scene;
