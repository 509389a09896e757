//! The loop of proofs.

use super::state::wrong;
use crate::loader::{LoadError, Loader};
use crate::local::Policies;
use crate::looped::Looped;
use crate::spool::Journal;
use crate::ways::Ways;
use aegis_control_api::ClassStatus;
use aegis_supervisor::{BoxError, Child, Life};
use async_trait::async_trait;
use std::time::Duration;

/// How often the generation in force is proven. Each proof reads all tables back: 100,000 rules take a tenth of a second.
const EVERY: Duration = Duration::from_secs(60);

/// Makes the prover. It is the last to start: when it has, the daemon is up.
pub(crate) struct HealthChild(pub(crate) Ways);

#[async_trait(?Send)]
impl Child for HealthChild {
    type Actor = Looped;

    async fn init(&self, life: &Life) -> Result<Looped, BoxError> {
        let Self(ways) = self;
        let journal = ways.store().await?.journal.clone();
        if !ways.boot.is_up() {
            // It was to be proven when it was put in force, or adopted; whether it was, the classes tell.
            let classes = ways.loader.run(|loader, _| loader.classes()).await?;
            if classes.is_ok_and(|classes| wrong(&classes).is_none()) {
                ways.boot.proven();
            }
            ways.boot.up();
            tracing::info!("ready");
        }
        Ok(Looped::new(life, prove_on(ways.clone(), journal, life.clone())))
    }
}

async fn prove_on(ways: Ways, journal: Journal, life: Life) -> Result<(), BoxError> {
    let mut before = None;
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = life.asked() => return Ok(()),
        }
        let prove = |loader: &mut Loader, _: &mut Policies| {
            loader.prove_active();
            Ok::<(Vec<ClassStatus>, u32), LoadError>((loader.classes()?, loader.active_generation()))
        };
        let (now, generation) = match ways.loader.run(prove).await? {
            Ok((classes, generation)) => (wrong(&classes), generation),
            Err(error) => (Some(error.whole()), 0),
        };
        match &now {
            None => ways.boot.proven(),
            // Once for each thing that is wrong, not once a minute.
            Some(what) if now != before => {
                tracing::error!(generation, "what is in force could not be proven: {what}");
                journal.did("unproven", generation, what);
            }
            Some(_) => {}
        }
        if now.is_none() && before.is_some() {
            tracing::info!(generation, "what is in force is proven again");
            journal.did("proven", generation, "");
        }
        before = now;
    }
}
