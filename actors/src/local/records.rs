//! Writing down what is done. What cannot be written is told; whether that is a reason to refuse is for whoever asks.

use super::candidate::{Candidate, entry};
use super::history::{History, InForce};
use super::run::Policies;
use super::{Origin, PolicyError};
use crate::loader::Loader;
use aegis_control_api::{ApplyReply, HistoryEntry, Outcome, PolicySource};
use std::io;

/// After this many entries it is looked whether some no longer count.
const TIDY: u64 = 50;

impl Policies {
    /// What is in force, as the history knows it.
    pub(super) fn in_force(loader: &Loader) -> Result<Option<InForce>, PolicyError> {
        let Some(generation) = loader.generation()? else { return Ok(None) };
        let arming = loader.probes().arming_id();
        let (generation, plan_digest) = (generation.generation, generation.plan_digest);
        Ok(Some(InForce { arming, generation, plan_digest }))
    }

    /// The history; an empty one with a warning if it cannot be read: it is not what enforcement depends on.
    pub(super) fn history_or_none(&self) -> History {
        self.directory.read_history().unwrap_or_else(|error| {
            tracing::warn!(%error, "the history cannot be read");
            History::default()
        })
    }

    /// Writes down that a candidate is about to be put in force, with its texts: after a crash the kernel tells whether it
    /// is, and this what it was made of.
    pub(super) fn begin_entry(
        &mut self,
        loader: &Loader,
        candidate: &Candidate,
        origin: Origin,
    ) -> io::Result<HistoryEntry> {
        let content = self.directory.keep(&candidate.content)?;
        let number = self.next_number()?;
        let begun = HistoryEntry { number, ..candidate.entry(origin, loader.probes().arming_id(), content) };
        self.directory.add_history(std::slice::from_ref(&begun))?;
        Ok(begun)
    }

    /// Writes down what became of it.
    pub(super) fn end_entry(
        &self,
        begun: HistoryEntry,
        ended: Result<&ApplyReply, &PolicyError>,
    ) -> io::Result<()> {
        let (outcome, generation, detail) = match ended {
            Ok(reply) if reply.changed => {
                (Outcome::InForce, Some(reply.generation.generation), String::new())
            }
            Ok(reply) => (Outcome::Unchanged, Some(reply.generation.generation), String::new()),
            Err(error) => (Outcome::Refused, None, error.whole()),
        };
        let number = begun.number;
        let ended = HistoryEntry { outcome, generation, detail: entry_detail(&detail), ..begun };
        self.directory.add_history(&[ended])?;
        if number % TIDY == 0 { self.directory.tidy_history() } else { Ok(()) }
    }

    /// Writes down that something was refused before anything was done.
    pub(super) fn refuse_entry(&mut self, origin: Origin, sources: &[PolicySource], error: &PolicyError) {
        let refused = entry(origin, sources, Outcome::Refused, &error.whole());
        let added = self
            .next_number()
            .and_then(|number| self.directory.add_history(&[HistoryEntry { number, ..refused }]));
        if let Err(error) = added {
            tracing::warn!(%error, "the history could not be written");
        }
    }

    fn next_number(&mut self) -> io::Result<u64> {
        let number = match self.next {
            Some(next) => next,
            None => self.directory.read_history()?.next(),
        };
        self.next = Some(number.saturating_add(1));
        Ok(number)
    }
}

fn entry_detail(detail: &str) -> String {
    entry(Origin::START, &[], Outcome::Refused, detail).detail
}
