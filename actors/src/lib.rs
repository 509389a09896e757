//! The daemon. It never decides anything: the kernel does, with or without it. The daemon loads and proves what
//! the kernel decides by, reads what it decided, and answers the command.
//!
//! [`tree::run`] shows the whole of it. Each part is a folder with the same files: `mod.rs` says what can be
//! asked of it, `state.rs` is its pure core, `run.rs` its shell.
#![forbid(unsafe_code)]

pub mod host;
pub mod loader;
pub mod local;
pub mod tree;
pub mod trust;

mod boot;
mod clock;
mod context;
mod control;
mod guardian;
mod health;
mod lock;
mod looped;
mod manager;
mod metrics;
mod policy_watcher;
pub mod reload;
mod ringbuf_reader;
mod router;
mod sink;
mod spool;
mod trusted;
mod ways;
