//! Work on several tables at once: see ADR 11 for who may start threads. It decides nothing about order: whoever starts
//! something waits for it.

use crate::error::{Error, call};
use std::io;
use std::thread::{Builder, Scope};

/// Starts work for a table on a thread that ends with the scope; what is returned waits for it. Where the host gives no more
/// threads, whoever waits does the work.
pub(crate) fn start<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    table: &'static str,
    work: &'scope (impl Fn() -> Result<T, Error> + Sync),
) -> impl FnOnce() -> Result<T, Error> + 'scope {
    let started = Builder::new().spawn_scoped(scope, work);
    move || match started {
        Ok(thread) => thread.join().unwrap_or_else(|_| Err(call("work on", table)(panicked()))),
        Err(_) => work(),
    }
}

/// Nothing is known of a table then.
fn panicked() -> io::Error {
    io::Error::other("the thread that worked on it panicked")
}
