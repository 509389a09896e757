//! Writing down what is done. What cannot be written is told; whether that is a reason to refuse is for whoever asks.

use super::candidate::{Candidate, entry, shortened};
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
/// Entries that wait for a disk that takes them again. Beyond these the oldest are lost, like all with the daemon.
const UNWRITTEN: usize = 200;

impl Policies {
    /// What is in force, as the history knows it.
    pub(super) fn in_force(loader: &Loader) -> Result<Option<InForce>, PolicyError> {
        let Some(generation) = loader.generation()? else { return Ok(None) };
        let arming = loader.probes().arming_id();
        let (generation, plan_digest) = (generation.generation, generation.plan_digest);
        Ok(Some(InForce { arming, generation, plan_digest }))
    }

    /// The history, with what could not be written to it.
    pub(super) fn history_now(&self) -> Result<History, PolicyError> {
        let path = self.directory.history();
        let mut history = self.directory.read_history().map_err(failed("read the history", &path))?;
        history.add(&self.unwritten);
        Ok(history)
    }

    /// The same; what is not known of it is told: enforcement does not depend on it.
    pub(super) fn history_or_none(&self) -> History {
        self.history_now().unwrap_or_else(|error| {
            tracing::warn!("{}", error.whole());
            let mut history = History::default();
            history.add(&self.unwritten);
            history
        })
    }

    /// Writes down that a candidate is about to be put in force, with its texts: after a crash the kernel tells whether it
    /// is, and this what it was made of.
    pub(super) fn begin_entry(
        &mut self,
        loader: &Loader,
        candidate: &Candidate,
        origin: Origin,
    ) -> (HistoryEntry, io::Result<()>) {
        let kept = self.directory.keep(&candidate.content);
        let (content, kept) = kept.map_or_else(|error| (String::new(), Err(error)), |name| (name, Ok(())));
        let number = self.next_number();
        let begun = HistoryEntry { number, ..candidate.entry(origin, loader.probes().arming_id(), content) };
        let written = self.write(begun.clone());
        (begun, kept.and(written))
    }

    /// Writes down what became of it.
    pub(super) fn end_entry(
        &mut self,
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
        self.write(HistoryEntry { outcome, generation, detail: shortened(&detail), ..begun })?;
        if number.is_multiple_of(TIDY) { self.directory.tidy_history() } else { Ok(()) }
    }

    /// Writes down that something was refused before anything was done.
    pub(super) fn refuse_entry(&mut self, origin: Origin, files: Vec<String>, error: &PolicyError) {
        let number = self.next_number();
        let refused = HistoryEntry { number, files, ..entry(origin, Outcome::Refused, &error.whole()) };
        if let Err(error) = self.write(refused) {
            tracing::warn!(%error, "the history could not be written");
        }
    }

    /// Adds an entry, with those that could not be written before.
    fn write(&mut self, entry: HistoryEntry) -> io::Result<()> {
        self.unwritten.push(entry);
        let written = self.directory.add_history(&self.unwritten);
        match written {
            Ok(()) => self.unwritten.clear(),
            Err(_) if self.unwritten.len() > UNWRITTEN => drop(self.unwritten.remove(0)),
            Err(_) => {}
        }
        written
    }

    /// A daemon that ended while it changed something left the second line of the history unwritten. The kernel says what
    /// became of it, and the files follow the kernel.
    pub(super) fn settle_history(&self, loader: &Loader) {
        let settled = Self::in_force(loader).and_then(|in_force| {
            let path = self.directory.history();
            let history = self.history_now()?;
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
        if entry.deed == Deed::Reset {
            // What was on its lists is kept, as it would have been.
            let aside = self.directory.set_aside().map(drop);
            return aside.map_err(failed("set aside the local policy", &self.directory.local()));
        }
        let aside = self.directory.write_local(&local_text(content.local.as_ref()))?;
        aside.put().map_err(failed("write the local policy", &self.directory.local()))
    }

    fn next_number(&mut self) -> u64 {
        let number = self.next.unwrap_or_else(|| self.history_or_none().next());
        self.next = Some(number.saturating_add(1));
        number
    }
}
