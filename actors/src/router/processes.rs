//! Takes in what happens to processes, and tells who made a decision. What cannot be told is left out of records; nothing
//! else depends on it.

use crate::context::{Asked, Containers, Process, scan};
use crate::spool::Store;
use aegis_control_api::ProcessRecord;
use aegis_kernel_abi::Event;
use aegis_probes::{ProcessRing, Resolver};
use std::sync::Arc;

/// What is taken from the ring at once, at most: more than it can hold, unless it is filled all the while.
const AT_ONCE: usize = 32_768;

/// The ring, and what is known.
pub(super) struct Processes {
    ring: ProcessRing,
    store: Arc<Store>,
    containers: Containers,
}

impl Processes {
    pub(super) fn new(ring: ProcessRing, store: Arc<Store>) -> Self {
        Self { ring, store, containers: Containers::default() }
    }

    /// Finds those that were there before they were followed: once more, if they are now.
    pub(super) fn find_others(&mut self, are_followed: bool) {
        // Looking at all processes takes its time, in which nobody waits for what is known already.
        let redaction = Some(self.store.context()).filter(|context| !context.is_scanned);
        let Some(redaction) = redaction.map(|context| context.redaction().clone()) else { return };
        match Resolver::load() {
            Ok(resolver) => {
                let found = scan(&resolver, &redaction);
                self.store.context().found(found, are_followed);
            }
            Err(error) => {
                // It would fail the same way each time.
                self.store.context().found(Vec::new(), true);
                tracing::warn!(%error, "what was started before this daemon is not known");
            }
        }
    }

    /// Takes what is in the ring.
    pub(super) fn take_all(&mut self) {
        let mut context = self.store.context();
        for _ in 0..AT_ONCE {
            let taken = self.ring.next(|told| match told {
                Ok(told) => context.told(told),
                Err(error) => {
                    tracing::error!(%error, "an event of a process cannot be decoded and is left out");
                    context.malformed();
                }
            });
            if taken.is_none() {
                return;
            }
        }
    }

    /// Who made a decision. What the process did before is in the ring by now.
    pub(super) fn of(&mut self, event: &Event) -> ProcessRecord {
        self.take_all();
        let asked = Asked {
            process: Process { pid: event.pid, start_time: event.start_time },
            time_ns: event.time_ns,
            executable: event.executable,
            lineage: event.lineage,
        };
        let mut record = self.store.context().of(&asked);
        record.container_id = self.containers.of(event.cgroup);
        record
    }
}
