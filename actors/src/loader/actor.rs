//! The loader as an actor: one change at a time, each for as long as it takes.

use super::run::{Loader, LoaderSettings};
use crate::boot::Boot;
use crate::local::Policies;
use actix::{Actor, Context, Handler, Message, MessageResult};
use aegis_supervisor::{BoxError, Child, ChildRef, Life, SendError, Supervised};
use async_trait::async_trait;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The longest that a change may take before the loader counts as hung: 100,000 rules take seconds, in an emulated
/// machine minutes.
const PATIENCE: Duration = Duration::from_secs(600);

/// Makes the loader: arms the probes, or adopts those that are armed.
pub(crate) struct LoaderChild {
    pub(crate) settings: LoaderSettings,
    pub(crate) state_directory: PathBuf,
    pub(crate) boot: Arc<Boot>,
}

#[async_trait(?Send)]
impl Child for LoaderChild {
    type Actor = LoaderActor;

    async fn init(&self, life: &Life) -> Result<LoaderActor, BoxError> {
        // A reload may have changed some of them since the last start.
        let live = self.boot.live();
        let settings = LoaderSettings { mode: live.mode, signal: live.signal, ..self.settings.clone() };
        let loader = Loader::open(settings).map_err(|error| self.boot.failed(error.into()))?;
        loader.probes().accounts().set_events_per_second(live.events_per_second);
        let policies = Policies::new(self.state_directory.clone(), live.trust);
        Ok(LoaderActor { loader, policies, life: life.clone(), boot: Arc::clone(&self.boot) })
    }
}

/// The loader and the policies it puts in force.
pub(crate) struct LoaderActor {
    loader: Loader,
    policies: Policies,
    life: Life,
    boot: Arc<Boot>,
}

impl Actor for LoaderActor {
    type Context = Context<Self>;
}

impl Supervised for LoaderActor {}

impl Drop for LoaderActor {
    fn drop(&mut self) {
        // A start that fails leaves nothing armed where nothing was.
        if !self.boot.is_up() {
            self.loader.give_up();
        }
    }
}

/// What is to be done with the loader.
type Deed<T> = Box<dyn FnOnce(&mut Loader, &mut Policies) -> T + Send>;

/// Asks for it.
struct Do<T>(Deed<T>);

impl<T: Send + 'static> Message for Do<T> {
    type Result = T;
}

impl<T: Send + 'static> Handler<Do<T>> for LoaderActor {
    type Result = MessageResult<Do<T>>;

    fn handle(&mut self, Do(work): Do<T>, _: &mut Context<Self>) -> Self::Result {
        let _busy = self.life.busy(PATIENCE);
        let done = work(&mut self.loader, &mut self.policies);
        self.boot.set_generation(self.loader.active_generation());
        MessageResult(done)
    }
}

/// The way to the loader.
#[derive(Debug, Clone, Default)]
pub(crate) struct LoaderRef(pub(crate) ChildRef<LoaderActor>);

impl LoaderRef {
    /// Has something done with the loader, after what others have asked for, and waits until it is done.
    ///
    /// # Errors
    /// If the loader is not running, or ends meanwhile.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Loader, &mut Policies) -> T + Send + 'static,
    ) -> Result<T, SendError> {
        self.0.send(Do(Box::new(work))).await
    }
}
