//! The daemon. It never decides anything: the kernel does, with or without it. The daemon loads and proves what
//! the kernel decides by, reads what it decided, and answers the command.
//!
//! [`tree::run`] shows the whole of it. Each part is a folder with the same files: `mod.rs` says what can be
//! asked of it, `state.rs` is its pure core, `run.rs` its shell.
#![forbid(unsafe_code)]

pub mod control;
pub mod host;
pub mod loader;
pub mod local;
pub mod path_watcher;
pub mod printer;
pub mod ringbuf_reader;
pub mod tree;

mod clock;
