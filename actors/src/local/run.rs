//! The order of things: read, check, compile, write down, put in force, put in place, write down what became of it.

use super::candidate::{Candidate, Found, names};
use super::content::Content;
use super::files::{Aside, StateDirectory};
use super::left::add_origin;
use super::state::{List, edit, entries, listed, local};
use super::vouch::{Demands, TrustSettings};
use super::{FirstPolicy, Origin, PolicyError};
use crate::loader::{self, Loader, Stopwatch};
use aegis_control_api::{
    API_VERSION, ApplyReply, Asker, ChangeReply, Deed, EntriesReply, EntriesRequest, HistoryEntry,
    HistoryReply, PolicyReply, PolicySource,
};
use aegis_policy::{Entries, Plan};
use std::path::PathBuf;
use std::time::Instant;

/// What a daemon has begun with.
#[derive(Debug)]
pub(crate) struct Begun {
    /// What was put in force; none if what was in force stays.
    pub(crate) applied: Option<ApplyReply>,
    /// Why it is not what the configuration names, if it is not.
    pub(crate) refused: Option<String>,
}

/// What becomes of the file of the local policy when something comes into force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LocalFile {
    /// It says what the content says.
    Follows,
    /// It is kept under another name.
    SetAside,
}

/// The policy in force, as text.
#[derive(Debug)]
pub(crate) struct Policies {
    pub(super) directory: StateDirectory,
    trust: TrustSettings,
    /// The sources of the policy in force, without the local one; none if they are not known.
    sources: Option<Vec<PolicySource>>,
    /// The number of the next entry of the history, once it was read.
    pub(super) next: Option<u64>,
    /// Entries of the history that the disk did not take.
    pub(super) unwritten: Vec<HistoryEntry>,
}

impl Policies {
    /// Nothing is read, and nothing known, before something is put in force or taken over.
    pub(crate) fn new(state_directory: PathBuf, trust: TrustSettings) -> Self {
        let directory = StateDirectory::new(state_directory);
        Self { directory, trust, sources: None, next: None, unwritten: Vec::new() }
    }

    /// Who is trusted from now on; who was before is returned.
    pub(crate) fn set_trust(&mut self, trust: TrustSettings) -> TrustSettings {
        std::mem::replace(&mut self.trust, trust)
    }

    /// What a daemon begins with.
    ///
    /// # Errors
    /// If it is ordered and wrong, or there is nothing that was in force before. Nothing has changed then.
    pub(crate) fn begin(&mut self, loader: &mut Loader, first: FirstPolicy) -> Result<Begun, PolicyError> {
        self.settle_history(loader);
        self.remember_highest(loader);
        let applied = |reply| Begun { applied: Some(reply), refused: None };
        match first {
            FirstPolicy::AsItWas => Ok(Begun { applied: self.take_over(loader)?, refused: None }),
            FirstPolicy::Ordered(sources) => self.apply(loader, sources, Origin::START).map(applied),
            FirstPolicy::Configured(read) => {
                let put = read.map_err(PolicyError::Wrong);
                let put = put.and_then(|sources| self.apply(loader, sources, Origin::START));
                put.map(applied).or_else(|error| self.go_on_as_before(loader, error))
            }
        }
    }

    /// What the configuration names is wrong: what is in force stays, and where nothing is, what was in force last on this
    /// host comes into force again.
    fn go_on_as_before(&mut self, loader: &mut Loader, error: PolicyError) -> Result<Begun, PolicyError> {
        let refused = Some(error.whole());
        if loader.active_generation() != 0 {
            return Ok(Begun { applied: self.take_over(loader)?, refused });
        }
        let Some(sources) = self.directory.read_applied().filter(|sources| !sources.is_empty()) else {
            return Err(error);
        };
        // If this is wrong, too, the first error is what somebody can do something about.
        let applied = self.apply(loader, sources, Origin::START).map_err(|_| error)?;
        Ok(Begun { applied: Some(applied), refused })
    }

    /// Puts these sources and the local policy in force.
    ///
    /// # Errors
    /// Nothing has changed then.
    pub(crate) fn apply(
        &mut self,
        loader: &mut Loader,
        sources: Vec<PolicySource>,
        origin: Origin,
    ) -> Result<ApplyReply, PolicyError> {
        let files = names(&sources);
        match self.candidate_of(loader, sources, origin) {
            Ok(candidate) => self.put(loader, candidate, LocalFile::Follows, origin),
            Err(error) => {
                self.refuse_entry(origin, files, &error);
                Err(error)
            }
        }
    }

    /// Tries what [`Policies::apply`] would do, up to what it would load.
    ///
    /// # Errors
    /// As applying it would.
    pub(crate) fn rehearse(
        &self,
        loader: &Loader,
        sources: Vec<PolicySource>,
        origin: Origin,
    ) -> Result<ApplyReply, PolicyError> {
        let candidate = self.candidate_of(loader, sources, origin)?;
        Ok(with_what_was_found(loader.rehearse(&candidate.plan)?, candidate.found))
    }

    fn candidate_of(
        &self,
        loader: &Loader,
        sources: Vec<PolicySource>,
        origin: Origin,
    ) -> Result<Candidate, PolicyError> {
        let is_known = self.are_known(&sources) || self.were_last(&sources);
        let content = Content { sources, local: self.local()? };
        self.checked(loader, content, origin.demands(&self.trust, is_known))
    }

    /// Whether these were in force last on this host, when that is not known otherwise: a daemon starts.
    fn were_last(&self, sources: &[PolicySource]) -> bool {
        self.sources.is_none() && self.directory.read_applied().as_deref() == Some(sources)
    }

    fn checked(&self, loader: &Loader, content: Content, demands: Demands) -> Result<Candidate, PolicyError> {
        Candidate::checked(content, (&self.trust, demands), || self.highest(loader), loader.witness())
    }

    /// The local policy; none if there is no file, or nothing in it.
    pub(super) fn local(&self) -> Result<Option<PolicySource>, PolicyError> {
        let local = self.directory.read_local()?;
        Ok(if entries(local.as_ref())?.is_empty() { None } else { local })
    }

    /// Puts a candidate in force, and has files and history say the same.
    fn put(
        &mut self,
        loader: &mut Loader,
        candidate: Candidate,
        file: LocalFile,
        origin: Origin,
    ) -> Result<ApplyReply, PolicyError> {
        let (witness, mut watch) = (loader.witness(), Stopwatch::start(Instant::now(), loader.witness()));
        // Whatever can fail about the file fails before the kernel is asked; what is left is its last rename.
        let before = if file == LocalFile::SetAside { None } else { self.local()? };
        let aside = (file == LocalFile::Follows && before != candidate.content.local)
            .then(|| self.directory.write_local(&local_text(candidate.content.local.as_ref())))
            .transpose()?;
        let (begun, written) = self.begin_entry(loader, &candidate, origin);
        watch.ended("record", Instant::now());
        // Otherwise nobody would know after the next boot that it was in force. What was in force before is known, and a
        // host must not be open because its disk is full.
        if let (Err(source), true) = (&written, candidate.is_newest) {
            let error = self.unwritten(source);
            let ended = self.end_entry(begun, Err(&error));
            self.tell(ended);
            return Err(error);
        }
        let put = loader.apply(candidate.plan).map_err(PolicyError::from).and_then(|reply| {
            match aside.map(Aside::put) {
                Some(Err(error)) => Err(self.go_back(loader, before.as_ref(), error)),
                _ => Ok(reply),
            }
        });
        witness.reached("put");
        let mut reply = match put {
            Ok(reply) => reply,
            Err(error) => {
                let ended = self.end_entry(begun, Err(&error));
                self.tell(ended);
                return Err(error);
            }
        };
        reply.steps.splice(0..0, watch.into_steps());
        if file == LocalFile::SetAside {
            reply.notes.extend(self.set_local_aside());
        }
        reply.notes.extend(candidate.accepted.as_ref().and_then(|accepted| self.accept(loader, accepted)));
        witness.reached("accept");
        reply.notes.extend(self.remember(candidate.content.sources));
        witness.reached("remember");
        let ended = self.end_entry(begun, Ok(&reply));
        reply.notes.extend(self.tell(written.and(ended)));
        Ok(with_what_was_found(reply, candidate.found))
    }

    fn unwritten(&self, source: &std::io::Error) -> PolicyError {
        let source = std::io::Error::new(source.kind(), source.to_string());
        PolicyError::File {
            operation: "write down in the history that a signed policy is put in force,",
            path: self.directory.history(),
            source,
            consequence: "; nothing has changed".to_owned(),
        }
    }

    /// That the history could not be written is told, once it is known that nothing depends on it.
    fn tell(&self, written: std::io::Result<()>) -> Option<String> {
        let error = written.err()?;
        let note =
            format!("the history could not be written to {}: {error}", self.directory.history().display());
        tracing::warn!("{note}");
        Some(note)
    }

    /// The plan in force: that of the loader if it is known there, otherwise what its sources are compiled to.
    ///
    /// # Errors
    /// If its sources are not known, or mean something else by now.
    pub(crate) fn plan(&self, loader: &Loader) -> Result<Plan, PolicyError> {
        if let Some(plan) = loader.plan() {
            return Ok(plan.clone());
        }
        let sources = self.sources.clone().ok_or(PolicyError::UnknownSources)?;
        let plan = Content { sources, local: self.local()? }.join()?.plan;
        let digest = loader.generation()?.map(|generation| generation.plan_digest);
        let is_same = digest == Some(loader::hex(&plan.digest()));
        if is_same { Ok(plan) } else { Err(PolicyError::UnknownSources) }
    }

    /// Whether these are the sources of the policy in force.
    pub(crate) fn are_known(&self, sources: &[PolicySource]) -> bool {
        self.sources.as_deref() == Some(sources)
    }

    /// Puts the policy in force again, in the manner of the loader as it is now. None if nothing is in force.
    ///
    /// # Errors
    /// If its sources are not known, or it cannot be put in force. Nothing has changed then.
    pub(crate) fn apply_again(
        &mut self,
        loader: &mut Loader,
        origin: Origin,
    ) -> Result<Option<ApplyReply>, PolicyError> {
        if loader.active_generation() == 0 {
            return Ok(None);
        }
        let sources = self.sources.clone().ok_or(PolicyError::UnknownSources)?;
        self.apply(loader, sources, origin).map(Some)
    }

    /// Puts the empty policy in force, without the local one, which is set aside: what is on its lists is in
    /// force, so nothing may be on them now. The way out must not depend on a file: if the file cannot be set
    /// aside, that is told, and the empty policy is in force all the same.
    ///
    /// # Errors
    /// Nothing has changed then.
    pub(crate) fn reset(&mut self, loader: &mut Loader, by: Asker) -> Result<ApplyReply, PolicyError> {
        let candidate = Candidate::trusted(Content::default(), Vec::new(), loader.witness())?;
        self.put(loader, candidate, LocalFile::SetAside, Origin::asked(Deed::Reset, by))
    }

    /// Keeps the local policy under another name. What is to be known then.
    fn set_local_aside(&self) -> Option<String> {
        // What cannot be read is kept as well; a file without entries would only take the place of one that has.
        let is_empty = self.local().map(|local| local.is_none());
        let aside = if is_empty.unwrap_or(false) { Ok(None) } else { self.directory.set_aside() };
        match aside {
            Ok(None) => None,
            Ok(Some(kept)) => {
                Some(format!("the local policy is out of force, and kept as {}", kept.display()))
            }
            Err(error) => Some(format!(
                "the local policy is out of force, but {} could not be set aside ({error}): remove it, or it \
                 counts again when the next policy is applied",
                self.directory.local().display()
            )),
        }
    }

    /// Puts a policy in force again that was in force before on this host, with the local policy of then.
    ///
    /// # Errors
    /// If the history does not know it, or it can no longer be put in force. Nothing has changed then.
    pub(crate) fn rollback(
        &mut self,
        loader: &mut Loader,
        to: Option<u32>,
        by: Asker,
    ) -> Result<ApplyReply, PolicyError> {
        let origin = Origin::asked(Deed::Rollback, by);
        let history = self.history_now()?;
        let nothing = || PolicyError::Wrong("nothing is in force that could be gone back from".to_owned());
        let in_force = Self::in_force(loader)?.ok_or_else(nothing)?;
        let found = history.target(to, &in_force).map_err(PolicyError::Wrong)?;
        let earlier = self.earlier(loader, found, origin);
        match earlier {
            Ok(candidate) => self.put(loader, candidate, LocalFile::Follows, origin),
            Err(error) => {
                self.refuse_entry(origin, Vec::new(), &error);
                Err(error)
            }
        }
    }

    fn earlier(
        &self,
        loader: &Loader,
        entry: &HistoryEntry,
        origin: Origin,
    ) -> Result<Candidate, PolicyError> {
        let generation = entry.generation.unwrap_or_default();
        let content = self.directory.kept(&entry.content).ok_or_else(|| {
            PolicyError::Wrong(format!(
                "the texts of generation {generation} are no longer kept in {}, or are damaged: apply them from their files",
                self.directory.kept_texts().display()
            ))
        })?;
        let demands = origin.demands(&self.trust, false);
        if demands.signed {
            refuse_exemptions(&exempted(self.local()?.as_ref())?, &exempted(content.local.as_ref())?)?;
        }
        let candidate = self.checked(loader, content, demands)?;
        if loader::hex(&candidate.plan.digest()) != entry.plan_digest {
            return Err(PolicyError::Wrong(format!(
                "the texts of generation {generation} mean something else to this version of aegisbpf: apply them from \
                 their files, if they are still right"
            )));
        }
        Ok(candidate)
    }

    /// What is known of the policy in force.
    ///
    /// # Errors
    /// If it cannot be read from the kernel.
    pub(crate) fn show(&self, loader: &Loader) -> Result<PolicyReply, PolicyError> {
        let mut reply = loader.policy()?;
        reply.pending = loader.pending()?;
        reply.highest_serial = self.highest(loader).map_or(0, |highest| highest.serial);
        if let Some(in_force) = Self::in_force(loader)? {
            add_origin(&mut reply, &self.history_or_none(), &in_force);
        }
        Ok(reply)
    }

    /// What was put in force on this host, and what was tried.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(crate) fn history(&self, loader: &Loader) -> Result<HistoryReply, PolicyError> {
        let history = self.history_now()?;
        let (damaged, arming) = (history.damaged, loader.probes().arming_id());
        Ok(HistoryReply { version: API_VERSION, arming, entries: history.into_entries(), damaged })
    }

    /// Takes over what is in force when the daemon starts without a policy. Where nothing is, the local policy is
    /// put in force, if there is one.
    ///
    /// # Errors
    /// If the local policy cannot be put in force.
    pub(crate) fn take_over(&mut self, loader: &mut Loader) -> Result<Option<ApplyReply>, PolicyError> {
        if loader.active_generation() == 0 {
            if self.local()?.is_some() {
                return self.apply(loader, Vec::new(), Origin::START).map(Some);
            }
            // For the next daemon, too: the lists may have entries until then.
            if let Some(note) = self.remember(Vec::new()) {
                tracing::warn!("{note}");
            }
            return Ok(None);
        }
        self.sources = self.known_sources(loader);
        if self.sources.is_none() {
            tracing::warn!(
                "the files of the policy in force are not known: `block` and `allow` need `policy apply`"
            );
        }
        Ok(None)
    }

    /// The sources that were kept, if they and the local policy are what is in force.
    fn known_sources(&self, loader: &Loader) -> Option<Vec<PolicySource>> {
        let in_force = loader.generation().ok()??.plan_digest;
        let content = Content { sources: self.directory.read_applied()?, local: self.local().ok()? };
        let plan = content.join().ok()?.plan;
        (loader::hex(&plan.digest()) == in_force).then_some(content.sources)
    }

    /// What is on a list.
    ///
    /// # Errors
    /// If the file cannot be read or is wrong.
    pub(crate) fn list(&self, list: List) -> Result<EntriesReply, PolicyError> {
        let entries = entries(self.directory.read_local()?.as_ref())?;
        let file = self.directory.local().display().to_string();
        Ok(EntriesReply { version: API_VERSION, file, entries: listed(&entries, list) })
    }

    /// Changes a list, in the kernel and in the file.
    ///
    /// # Errors
    /// Neither has changed then, or the message says which.
    pub(crate) fn change(
        &mut self,
        loader: &mut Loader,
        list: List,
        request: &EntriesRequest,
        by: Asker,
    ) -> Result<ChangeReply, PolicyError> {
        let sources = self.sources.clone().ok_or(PolicyError::UnknownSources)?;
        let mut entries = entries(self.directory.read_local()?.as_ref())?;
        let exempt = listed(&entries, List::Allow);
        let changed = edit(&mut entries, list, request)?;
        if self.trust.require_signature {
            refuse_exemptions(&exempt, &listed(&entries, List::Allow))?;
        }
        let local = local(&self.directory.local().display().to_string(), &entries);
        let signers = self.signers(loader)?;
        let candidate = Candidate::trusted(Content { sources, local }, signers, loader.witness())?;
        let origin = Origin::asked(Deed::Local, by);
        let applied = self.put(loader, candidate, LocalFile::Follows, origin)?;
        Ok(ChangeReply { version: API_VERSION, changed, entries: listed(&entries, list), applied })
    }

    /// Puts the policy of before in force again, as the file could not be changed.
    fn go_back(
        &self,
        loader: &mut Loader,
        before: Option<&PolicySource>,
        source: std::io::Error,
    ) -> PolicyError {
        let sources = self.sources.clone().unwrap_or_default();
        let back = Content { sources, local: before.cloned() }.join();
        let back = back.and_then(|joined| Ok(loader.apply(joined.plan)?));
        let consequence = match back {
            Ok(_) => "; the policy in force and the file are as they were".to_owned(),
            Err(error) => format!(
                "; the file is as it was, but the kernel decides by the changed policy until the next apply, as the one \
                 of before could not be put in force again: {}",
                error.whole()
            ),
        };
        PolicyError::File {
            operation: "put the changed local policy in its place,",
            path: self.directory.local(),
            source,
            consequence,
        }
    }

    /// Keeps the sources of the policy in force, here and for the next daemon. The policy is in force, so that
    /// they could not be written is only told.
    fn remember(&mut self, sources: Vec<PolicySource>) -> Option<String> {
        let kept = self.directory.keep_applied(&sources);
        self.sources = Some(sources);
        let error = kept.err()?;
        Some(format!(
            "the files of this policy could not be kept ({error}): after a restart of the daemon without --policy, \
             `block` and `allow` need `policy apply` first"
        ))
    }
}

fn exempted(local: Option<&PolicySource>) -> Result<Vec<String>, PolicyError> {
    Ok(listed(&entries(local)?, List::Allow))
}

/// Where policies must be signed, nobody's word alone exempts a cgroup from them.
fn refuse_exemptions(before: &[String], after: &[String]) -> Result<(), PolicyError> {
    let new: Vec<&str> = after.iter().filter(|cgroup| !before.contains(cgroup)).map(String::as_str).collect();
    if new.is_empty() {
        return Ok(());
    }
    Err(PolicyError::Untrusted(format!(
        "policies must be signed here, and {} would be exempt from them without a signature: write it into `[exempt]` of \
         the policy, and sign that",
        new.join(", ")
    )))
}

/// The file of a local policy; one without entries where there is none.
pub(super) fn local_text(local: Option<&PolicySource>) -> String {
    local.map_or_else(|| Entries::default().to_text(), |local| local.text.clone())
}

/// What was found before the kernel was asked comes first.
fn with_what_was_found(mut reply: ApplyReply, found: Found) -> ApplyReply {
    reply.steps.splice(0..0, found.steps);
    reply.notes.splice(0..0, found.notes);
    reply.warnings = found.warnings;
    reply
}
