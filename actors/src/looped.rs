//! Actors whose whole work is one loop.

use actix::fut::wrap_future;
use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context};
use aegis_supervisor::{BoxError, Life, Supervised};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// What such an actor does, to its end. It ends by itself when its [`Life`] is asked to.
type Work = Pin<Box<dyn Future<Output = Result<(), BoxError>>>>;

/// An actor that does one thing until it is done, fails, or is asked to end.
pub(crate) struct Looped {
    life: Life,
    work: Option<Work>,
}

impl Looped {
    /// One that does this. An error is the actor's end.
    pub(crate) fn new(life: &Life, work: impl Future<Output = Result<(), BoxError>> + 'static) -> Self {
        Self { life: life.clone(), work: Some(Box::pin(work)) }
    }
}

impl Actor for Looped {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let Some(work) = self.work.take() else { return };
        ctx.spawn(wrap_future::<_, Self>(work).map(|done, actor, ctx| {
            if let Err(error) = done {
                actor.life.fail(error);
            }
            ctx.stop();
        }));
    }
}

impl Supervised for Looped {
    /// The loop sees to it: it may have something to finish.
    fn on_stop(&mut self, _: &mut Context<Self>) {}
}

/// Tells when there may be something to read from a descriptor of the kernel's, without owning what reads.
pub(crate) fn readiness(of: &impl AsFd) -> io::Result<AsyncFd<OwnedFd>> {
    // What it warns of are types that may give another descriptor each time. An `OwnedFd` is the same one all its life.
    #[expect(deprecated)]
    AsyncFd::with_interest(of.as_fd().try_clone_to_owned()?, Interest::READABLE)
}
