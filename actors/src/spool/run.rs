//! The actor that owns the store.

use super::state::{Journal, Store};
use crate::router::Numbering;
use crate::tree::announce;
use crate::ways::Ways;
use actix::{Actor, Context, Handler, Message, MessageResult};
use aegis_supervisor::{BoxError, Child, Life, Supervised};
use async_trait::async_trait;
use std::sync::Arc;

/// Makes an empty store.
pub(crate) struct SpoolChild(pub(crate) Ways);

#[async_trait(?Send)]
impl Child for SpoolChild {
    type Actor = SpoolActor;

    async fn init(&self, life: &Life) -> Result<SpoolActor, BoxError> {
        let Self(Ways { loader, boot, .. }) = self;
        let boot = Arc::clone(boot);
        let made = loader.run(move |loader, _| {
            let arming_id = loader.probes().arming_id();
            let journal = Journal::of(&arming_id);
            if !boot.is_up() {
                announce(loader, &journal);
            }
            boot.set_journal(journal.clone());
            let numbering = Numbering { boot_id: crate::clock::boot_id(), arming_id };
            let told = loader.probes().accounts().summarised()?;
            Ok::<_, aegis_probes::Error>(Store::new(journal, numbering, told.into_iter().collect()))
        });
        let store = Arc::new(made.await??);
        let shown = Arc::clone(&store);
        life.gauge("to_route", move || shown.waiting());
        let shown = Arc::clone(&store);
        life.gauge("to_stdout", move || shown.outbox.waiting());
        Ok(SpoolActor { store })
    }
}

/// Owns the store.
pub(crate) struct SpoolActor {
    store: Arc<Store>,
}

impl Actor for SpoolActor {
    type Context = Context<Self>;
}

impl Supervised for SpoolActor {}

/// Asks for the store. Whoever has it is started again when the spool is.
pub(crate) struct Get;

impl Message for Get {
    type Result = Arc<Store>;
}

impl Handler<Get> for SpoolActor {
    type Result = MessageResult<Get>;

    fn handle(&mut self, Get: Get, _: &mut Context<Self>) -> Self::Result {
        MessageResult(Arc::clone(&self.store))
    }
}
