//! The way to an actor that may be another one by now.

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Context, Handler, MailboxError, Message};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

/// Leads to the incarnation of a child that runs now. It can be made before the child, and kept longer.
pub struct ChildRef<A: Actor>(Arc<RwLock<Option<Published<A>>>>);

struct Published<A: Actor> {
    incarnation: u32,
    address: Addr<A>,
}

/// Why a message got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The child is not running; its supervisor may be restarting it. The message was not delivered.
    #[error("it is not running at the moment")]
    Down,
    /// The child ended before it answered. Whether it saw the message is not known.
    #[error("it ended before it answered")]
    Ended,
}

impl<A: Actor> Default for ChildRef<A> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<A: Actor> Clone for ChildRef<A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<A: Actor> fmt::Debug for ChildRef<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChildRef({:?})", self.incarnation())
    }
}

impl<A: Actor> ChildRef<A> {
    /// The incarnation that runs now.
    #[must_use]
    pub fn incarnation(&self) -> Option<u32> {
        self.read(|published| published.incarnation)
    }

    /// Sends a message to the incarnation that runs now, and waits for its answer.
    ///
    /// # Errors
    /// If none runs, or it ends before it answers. Messages are not kept for the next incarnation, which may know
    /// nothing of what they are about.
    pub async fn send<M>(&self, message: M) -> Result<M::Result, SendError>
    where
        A: Actor<Context = Context<A>> + Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
        Context<A>: ToEnvelope<A, M>,
    {
        let address = self.read(|published| published.address.clone()).ok_or(SendError::Down)?;
        address.send(message).await.map_err(|error| match error {
            MailboxError::Closed | MailboxError::Timeout => SendError::Ended,
        })
    }

    fn read<T>(&self, what: impl FnOnce(&Published<A>) -> T) -> Option<T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(what)
    }

    pub(super) fn publish(&self, incarnation: u32, address: Addr<A>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Published { incarnation, address });
    }

    /// Takes back what this incarnation has published.
    pub(super) fn withdraw(&self, incarnation: u32) {
        let mut published = self.0.write().unwrap_or_else(PoisonError::into_inner);
        published.take_if(|published| published.incarnation == incarnation);
    }
}
