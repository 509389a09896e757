//! What every part of the daemon is given: the ways to those that it may use.

use crate::boot::Boot;
use crate::loader::LoaderRef;
use crate::spool::{Get, SpoolActor, Store};
use aegis_supervisor::{ChildRef, SendError};
use std::sync::Arc;

/// The ways to the parts at the top of the tree. They lead to whichever incarnation runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ways {
    pub(crate) loader: LoaderRef,
    pub(crate) spool: ChildRef<SpoolActor>,
    pub(crate) boot: Arc<Boot>,
}

impl Ways {
    /// What is between the ring and the sinks.
    ///
    /// # Errors
    /// If the spool is not running.
    pub(crate) async fn store(&self) -> Result<Arc<Store>, SendError> {
        self.spool.send(Get).await
    }
}
