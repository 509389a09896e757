//! Actors as children.

use super::life::{Life, chain};
use super::reference::ChildRef;
use super::{Begin, BoxError, Limits, Start, Told, panics};
use crate::exit::{Cause, Exit};
use actix::fut::wrap_future;
use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context};
use async_trait::async_trait;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinError;

/// An actor that can be a child.
pub trait Supervised: Actor<Context = Context<Self>> + Sized {
    /// It is to end. Stops at once, unless it has something to finish first; then it calls `ctx.stop()` itself, before
    /// its stop deadline.
    fn on_stop(&mut self, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}

/// Makes an actor, each time that it is started.
#[async_trait(?Send)]
pub trait Child: Send + Sync + 'static {
    /// The actor.
    type Actor: Supervised;

    /// Makes it, on the thread where it will live. Dropped where it waits if it takes too long or is to end.
    ///
    /// # Errors
    /// Whatever keeps it from working. That counts as a failed start.
    async fn init(&self, life: &Life) -> Result<Self::Actor, BoxError>;

    /// Gives the new actor what is to run in it beside its own work, before it starts. Nothing, unless it says so.
    fn enter(&self, life: &Life, context: &mut Context<Self::Actor>) {
        let _ = (life, context);
    }
}

pub(super) struct ActorWork<C: Child> {
    pub(super) child: Arc<C>,
    pub(super) reference: ChildRef<C::Actor>,
    pub(super) limits: Limits,
}

impl<C: Child> Begin for ActorWork<C> {
    fn begin(&self, start: Start) -> std::io::Result<()> {
        let (child, reference, limits) = (Arc::clone(&self.child), self.reference.clone(), self.limits);
        // The kernel keeps 15 characters of a name.
        let name = start.path.rsplit('/').next().unwrap_or_default().to_owned();
        let thread = std::thread::Builder::new().name(name);
        #[expect(clippy::disallowed_methods, reason = "this is the supervisor")]
        thread.spawn(move || {
            panics::note();
            let Start { run, life, tell, kill, .. } = start;
            let whole = AssertUnwindSafe(|| body(&child, &reference, limits, &life, (kill, &tell, run)));
            // Beside the actor's own panics: those of what it leaves behind to be dropped.
            let exit = catch_unwind(whole).unwrap_or_else(|payload| panics::exit(&*payload));
            reference.withdraw(life.incarnation());
            // The driver is gone if this fails, and with it whoever wants to know.
            let _ = tell.blocking_send(Told::Ended(run, exit));
        })?;
        Ok(())
    }

    fn limits(&self) -> Limits {
        self.limits
    }
}

type Line<'a> = (oneshot::Receiver<()>, &'a tokio::sync::mpsc::Sender<Told>, crate::tree::Run);

/// The whole of a thread. Everything that the actor spawned on it is gone when this returns.
fn body<C: Child>(
    child: &Arc<C>,
    reference: &ChildRef<C::Actor>,
    limits: Limits,
    life: &Life,
    (kill, tell, run): Line<'_>,
) -> Exit {
    let runtime = match actix_rt::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return Exit::Failed(format!("cannot make a runtime: {error}")),
    };
    let exit = runtime.block_on(async {
        tokio::select! {
            biased;
            _ = kill => Exit::Killed,
            exit = live(child, reference, limits, life, (tell, run)) => exit,
        }
    });
    // Its mailbox closes before its tasks end, so that nobody sends to what is being dropped.
    reference.withdraw(life.incarnation());
    drop(runtime);
    exit
}

async fn live<C: Child>(
    child: &Arc<C>,
    reference: &ChildRef<C::Actor>,
    limits: Limits,
    life: &Life,
    (tell, run): (&tokio::sync::mpsc::Sender<Told>, crate::tree::Run),
) -> Exit {
    task(beat(life.clone(), limits.heartbeat));
    let actor = match init(child, limits.start, life).await {
        Ok(actor) => actor,
        Err(exit) => return exit,
    };
    let mut context = Context::new();
    let (asked, failed) = (life.clone(), life.clone());
    let stop = wrap_future::<_, C::Actor>(async move { asked.asked().await });
    context.spawn(stop.map(|(), actor: &mut C::Actor, context| actor.on_stop(context)));
    let failed = wrap_future::<_, C::Actor>(async move { failed.failed().await });
    context.spawn(failed.map(|(), _: &mut C::Actor, context: &mut Context<C::Actor>| context.stop()));
    child.enter(life, &mut context);
    let address = context.address();
    let done = task(context.into_future(actor));
    life.ready();
    reference.publish(life.incarnation(), address);
    if tell.send(Told::Started(run)).await.is_err() {
        // The driver is gone: nobody will ask this one to end.
        return Exit::Killed;
    }
    match done.await {
        Err(error) => of_join(error),
        Ok(()) => match life.error() {
            Some(error) => Exit::Failed(error),
            None if life.is_asked() => Exit::Shutdown(Cause::Asked),
            None => Exit::Normal,
        },
    }
}

/// Makes the actor in a task of its own, so that a panic there is told apart. If it is given up, it ends with the thread's
/// runtime, as all tasks do.
async fn init<C: Child>(child: &Arc<C>, limit: Duration, life: &Life) -> Result<C::Actor, Exit> {
    let (maker, mine) = (Arc::clone(child), life.clone());
    let made = task(async move { maker.init(&mine).await });
    tokio::select! {
        biased;
        () = life.asked() => Err(Exit::Shutdown(Cause::Asked)),
        made = made => match made {
            Ok(Ok(actor)) => Ok(actor),
            Ok(Err(error)) => Err(Exit::Failed(chain(&*error))),
            Err(error) => Err(of_join(error)),
        },
        () = tokio::time::sleep(limit) => Err(Exit::InitTimeout),
    }
}

/// A task on the actor's thread, which ends with it at the latest.
#[expect(clippy::disallowed_methods, reason = "this is the supervisor")]
fn task<F: Future + 'static>(future: F) -> tokio::task::JoinHandle<F::Output> {
    actix_rt::spawn(future)
}

fn of_join(error: JoinError) -> Exit {
    error.try_into_panic().map_or(Exit::Killed, |payload| panics::exit(&*payload))
}

/// Beats as long as the thread is not blocked, several times within the limit.
async fn beat(life: Life, limit: Option<Duration>) {
    const SLOWEST: Duration = Duration::from_secs(1);
    const FASTEST: Duration = Duration::from_millis(5);
    let Some(limit) = limit else { return };
    let mut interval = tokio::time::interval((limit / 5).clamp(FASTEST, SLOWEST));
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        life.beat();
    }
}
