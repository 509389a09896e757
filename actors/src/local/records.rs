//! Writing down what is done. What cannot be written is told; whether that is a reason to refuse is for whoever asks.

use super::candidate::{Candidate, entry};
use super::content::signed_digest;
use super::files::failed;
use super::history::{History, InForce};
use super::run::{Policies, local_text};
use super::{Origin, PolicyError};
use crate::loader::Loader;
use aegis_control_api::{ApplyReply, Deed, HistoryEntry, Outcome};
use aegis_kernel_abi::Accepted;
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
        if number.is_multiple_of(TIDY) { self.directory.tidy_history() } else { Ok(()) }
    }

    /// Writes down that something was refused before anything was done.
    pub(super) fn refuse_entry(&mut self, origin: Origin, files: Vec<String>, error: &PolicyError) {
        let refused = HistoryEntry { files, ..entry(origin, Outcome::Refused, &error.whole()) };
        let added = self
            .next_number()
            .and_then(|number| self.directory.add_history(&[HistoryEntry { number, ..refused }]));
        if let Err(error) = added {
            tracing::warn!(%error, "the history could not be written");
        }
    }

    /// A daemon that ended while it changed something left the second line of the history unwritten. The kernel says what
    /// became of it, and the files follow the kernel.
    pub(super) fn settle_history(&self, loader: &Loader) {
        let settled = Self::in_force(loader).and_then(|in_force| {
            let path = self.directory.history();
            let history = self.directory.read_history().map_err(failed("read the history", &path))?;
            let nothing = InForce { arming: String::new(), generation: 0, plan_digest: String::new() };
            let settled = history.settled(&in_force.unwrap_or(nothing));
            if settled.is_empty() {
                return Ok(());
            }
            if let Some(entry) = settled.iter().find(|entry| entry.outcome == Outcome::InForce) {
                self.follow(loader, entry)?;
            }
            self.directory.add_history(&settled).map_err(failed("write the history to", &path))
        });
        if let Err(error) = settled {
            tracing::warn!("what the last daemon was about to change is not fully known: {}", error.whole());
        }
    }

    /// Has the files say what is in force.
    fn follow(&self, loader: &Loader, entry: &HistoryEntry) -> Result<(), PolicyError> {
        let Some(content) = self.directory.kept(&entry.content) else { return Ok(()) };
        if !entry.signers.is_empty() && entry.serial > 0 && entry.deed != Deed::Rollback {
            let accepted = Accepted { serial: entry.serial, digest: signed_digest(&content.sources) };
            // Told where it is done.
            let _ = self.accept(loader, &accepted);
        }
        tracing::warn!(
            number = entry.number,
            "the last daemon ended while it put this policy in force; it is"
        );
        let path = self.directory.applied();
        self.directory.keep_applied(&content.sources).map_err(failed("write", &path))?;
        if self.local()? == content.local {
            return Ok(());
        }
        let aside = self.directory.write_local(&local_text(content.local.as_ref()))?;
        aside.put().map_err(failed("write the local policy", &self.directory.local()))
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
    entry(Origin::START, Outcome::Refused, detail).detail
}
