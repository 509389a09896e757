//! How much and how long: every bound of the control socket. A peer may be slow, silent, wrong or hostile; it costs one
//! of these, and nobody else's answer.

use aegis_control_api::paths;
use std::time::Duration;

/// Connections of anybody at a time. A command has one for as long as its answer takes, so this is far more than people
/// and monitoring need; each costs a descriptor and some 50 kB. Further ones are answered with 503.
pub(super) const CONNECTIONS: usize = 48;

/// Connections beyond these that only root may have: whoever may only read cannot keep root from changing anything.
pub(super) const FOR_ROOT: usize = 16;

/// Connections that are being told that there is no room, or that they are not known. Further ones are closed without a
/// word.
pub(super) const TURNED_AWAY: usize = 64;

/// How long one that is turned away may take to read why.
pub(super) const FAREWELL: Duration = Duration::from_secs(1);

/// Bytes of the first line and headers of a request: ours have some 200, those of curl too. More is answered with 431.
/// This bounds what is read ahead of a body as well; hyper takes no less than 8,192.
pub(super) const HEADER_BYTES: usize = 16 * 1024;

/// Headers of a request. More is answered with 431.
pub(super) const HEADERS: usize = 64;

/// Most bytes of a body that is neither a policy nor a list. More is answered with 413.
pub(super) const SMALL_BODY: usize = 64 * 1024;

/// Most bytes of a list for `block`, `allow` and `network deny`: more than a command line can hold, which is 2 MB by default (execve(2)).
pub(super) const LIST_BODY: usize = 4 * 1024 * 1024;

/// A policy may be large, but not without bound: 100,000 paths of 4,095 bytes are some 400 MB. Only root can send one.
pub(super) const POLICY_BODY: usize = 512 * 1024 * 1024;

/// Those who follow the records at a time. Each is woken by every record. Further ones are answered with 503.
pub(super) const FOLLOWERS: usize = 16;

/// Most bytes of the body of a request on this path.
pub(super) fn body_limit(path: &str) -> usize {
    match path {
        paths::APPLY => POLICY_BODY,
        paths::BLOCK | paths::ALLOW | paths::NETWORK => LIST_BODY,
        _ => SMALL_BODY,
    }
}

/// How long is waited for a peer. Tests wait for less.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// From a connection, or the last answer on it, to the end of the next request's headers. So this is also how long
    /// an idle connection is kept. The peer is on this host, and sends them at once.
    pub(super) headers: Duration,
    /// For the next piece of a body. Answered with 408.
    pub(super) piece: Duration,
    /// For the whole body, so that one byte now and then does not hold a place for good: as long as the command waits for
    /// a change. Answered with 408.
    pub(super) body: Duration,
    /// For a peer to take something of its answer. A reader of records may be a pager, or stopped for a moment. One that
    /// is cut has missed nothing that it cannot ask for again.
    pub(super) reading: Duration,
}

/// What the daemon waits for.
pub(super) const PATIENCE: Patience = Patience {
    headers: Duration::from_secs(10),
    piece: Duration::from_secs(30),
    body: Duration::from_secs(600),
    reading: Duration::from_secs(60),
};
