//! The actor that owns the store.

use super::state::{Journal, Store, WhenFulls};
use crate::router::Numbering;
use crate::sink::Progress;
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
        let live = boot.live();
        let sinks = WhenFulls { stdout: live.stdout_when_full, events_file: live.events_file_when_full };
        let boot = Arc::clone(boot);
        let made = loader.run(move |loader, _| {
            let arming_id = loader.probes().arming_id();
            let journal = Journal::of(&arming_id);
            if !boot.is_up() {
                announce(loader, &journal);
            }
            boot.set_journal(journal.clone());
            let numbering = Numbering { boot_id: crate::clock::boot_id(), arming_id };
            let accounts = loader.probes().accounts();
            let (summarised, told) = (accounts.ledger().summarised, accounts.summarised()?);
            let before = Progress { summarised, told: told.into_iter().collect(), delivered: Vec::new() };
            let store = Store::new(journal, numbering, sinks, before);
            for cpu in 0..accounts.cpus() {
                store.were_taken(cpu, accounts.taken(cpu).max(accounts.delivered(cpu).upto));
            }
            Ok::<_, aegis_probes::Error>(store)
        });
        let store = Arc::new(made.await??);
        let shown = Arc::clone(&store);
        life.gauge("to_route", move || shown.waiting());
        let shown = Arc::clone(&store);
        life.gauge("to_stdout", move || shown.outbox.waiting());
        let events_file = store.events_file.clone();
        life.gauge("to_events_file", move || events_file.waiting());
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
