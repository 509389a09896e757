//! The order of things: read, edit, compile, write aside, put in force, put in place.

use super::files::StateDirectory;
use super::state::{Joined, List, edit, entries, heed_expiry, join, listed, local};
use super::{FirstPolicy, PolicyError};
use crate::clock::unix_ns;
use crate::loader::{self, Loader, Stopwatch};
use aegis_control_api::{
    API_VERSION, ApplyReply, ChangeReply, EntriesReply, EntriesRequest, PolicySource, Step,
};
use aegis_policy::Plan;
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

/// The policy in force, as text.
#[derive(Debug)]
pub(crate) struct Policies {
    directory: StateDirectory,
    /// The sources of the policy in force, without the local one; none if they are not known.
    sources: Option<Vec<PolicySource>>,
}

impl Policies {
    /// Nothing is read, and nothing known, before something is put in force or taken over.
    pub(crate) fn new(state_directory: PathBuf) -> Self {
        Self { directory: StateDirectory::new(state_directory), sources: None }
    }

    /// What a daemon begins with.
    ///
    /// # Errors
    /// If it is ordered and wrong, or there is nothing that was in force before. Nothing has changed then.
    pub(crate) fn begin(&mut self, loader: &mut Loader, first: FirstPolicy) -> Result<Begun, PolicyError> {
        let applied = |reply| Begun { applied: Some(reply), refused: None };
        match first {
            FirstPolicy::AsItWas => Ok(Begun { applied: self.take_over(loader)?, refused: None }),
            FirstPolicy::Ordered(sources) => self.apply(loader, sources).map(applied),
            FirstPolicy::Configured(read) => {
                let put = read.map_err(PolicyError::Wrong).and_then(|sources| self.apply(loader, sources));
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
        let applied = self.apply(loader, sources).map_err(|_| error)?;
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
    ) -> Result<ApplyReply, PolicyError> {
        let (joined, steps) = timed_join(&sources, self.directory.read_local()?.as_ref())?;
        let is_known =
            || self.are_known(&sources) || self.directory.read_applied().as_ref() == Some(&sources);
        let expired = heed_expiry(&joined.plan, unix_seconds(), is_known)?;
        let mut reply = put(loader, joined, steps)?;
        reply.notes.extend(expired);
        reply.notes.extend(self.remember(sources));
        Ok(reply)
    }

    /// The plan in force: that of the loader if it is known there, otherwise what its sources are compiled to.
    ///
    /// # Errors
    /// If its sources are not known, or mean something else by now.
    pub(crate) fn plan(&self, loader: &Loader) -> Result<Plan, PolicyError> {
        if let Some(plan) = loader.plan() {
            return Ok(plan.clone());
        }
        let sources = self.sources.as_ref().ok_or(PolicyError::UnknownSources)?;
        let plan = join(sources, self.directory.read_local()?.as_ref())?.plan;
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
    pub(crate) fn apply_again(&mut self, loader: &mut Loader) -> Result<Option<ApplyReply>, PolicyError> {
        if loader.active_generation() == 0 {
            return Ok(None);
        }
        let sources = self.sources.clone().ok_or(PolicyError::UnknownSources)?;
        self.apply(loader, sources).map(Some)
    }

    /// Puts the empty policy in force, without the local one, which is set aside: what is on its lists is in
    /// force, so nothing may be on them now. The way out must not depend on a file: if the file cannot be set
    /// aside, that is told, and the empty policy is in force all the same.
    ///
    /// # Errors
    /// Nothing has changed then.
    pub(crate) fn reset(&mut self, loader: &mut Loader) -> Result<ApplyReply, PolicyError> {
        let mut reply = loader.apply(Plan::empty())?;
        let file = self.directory.local();
        let file = file.display();
        // What cannot be read is kept as well; a file without entries would only take the place of one that has.
        let is_empty = self.directory.read_local().and_then(|local| Ok(entries(local.as_ref())?.is_empty()));
        let aside = if is_empty.unwrap_or(false) { Ok(None) } else { self.directory.set_aside() };
        reply.notes.extend(match aside {
            Ok(None) => None,
            Ok(Some(kept)) => Some(format!("the local policy is out of force, and kept as {}", kept.display())),
            Err(error) => Some(format!(
                "the local policy is out of force, but {file} could not be set aside ({error}): remove it, or it \
                 counts again when the next policy is applied"
            )),
        });
        reply.notes.extend(self.remember(Vec::new()));
        Ok(reply)
    }

    /// Takes over what is in force when the daemon starts without a policy. Where nothing is, the local policy is
    /// put in force, if there is one.
    ///
    /// # Errors
    /// If the local policy cannot be put in force.
    pub(crate) fn take_over(&mut self, loader: &mut Loader) -> Result<Option<ApplyReply>, PolicyError> {
        if loader.active_generation() == 0 {
            let local = self.directory.read_local()?;
            if !entries(local.as_ref())?.is_empty() {
                return self.apply(loader, Vec::new()).map(Some);
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
        let sources = self.directory.read_applied()?;
        let plan = join(&sources, self.directory.read_local().ok()?.as_ref()).ok()?.plan;
        let digest = plan.digest().iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        (digest == in_force).then_some(sources)
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
    ) -> Result<ChangeReply, PolicyError> {
        let sources = self.sources.as_ref().ok_or(PolicyError::UnknownSources)?;
        let before = self.directory.read_local()?;
        let mut entries = entries(before.as_ref())?;
        let changed = edit(&mut entries, list, request)?;
        let after = local(&self.directory.local().display().to_string(), &entries);
        let (joined, steps) = timed_join(sources, after.as_ref())?;
        // Whatever can fail about the file fails before the kernel is asked; what is left is its last rename.
        let aside = self.directory.write_local(&entries.to_text())?;
        let applied = put(loader, joined, steps)?;
        if let Err(error) = aside.put() {
            return Err(self.go_back(loader, before.as_ref(), error));
        }
        Ok(ChangeReply { version: API_VERSION, changed, entries: listed(&entries, list), applied })
    }

    /// Puts the policy of before in force again, as the file could not be changed.
    fn go_back(
        &self,
        loader: &mut Loader,
        before: Option<&PolicySource>,
        source: std::io::Error,
    ) -> PolicyError {
        let back = join(self.sources.as_deref().unwrap_or_default(), before)
            .and_then(|joined| Ok(loader.apply(joined.plan)?));
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

fn unix_seconds() -> u64 {
    unix_ns() / 1_000_000_000
}

/// Joins, and says how long that took.
fn timed_join(
    sources: &[PolicySource],
    local: Option<&PolicySource>,
) -> Result<(Joined, Vec<Step>), PolicyError> {
    let mut watch = Stopwatch::start(Instant::now());
    let joined = join(sources, local)?;
    watch.ended("compile", Instant::now());
    let steps = watch.into_steps();
    loader::log(&steps);
    Ok((joined, steps))
}

/// Puts what was joined in force. Its steps come before those of the loader.
fn put(loader: &mut Loader, joined: Joined, mut steps: Vec<Step>) -> Result<ApplyReply, PolicyError> {
    let reply = loader.apply(joined.plan)?;
    steps.extend(reply.steps);
    Ok(ApplyReply { warnings: joined.warnings, steps, ..reply })
}
