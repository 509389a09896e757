//! A policy that is to come into force, looked at as far as that can be without the kernel.

use super::content::Content;
use super::state::{Joined, heed_expiry};
use super::{Origin, PolicyError};
use crate::clock::unix_ns;
use crate::loader::{self, Stopwatch, Witness};
use aegis_control_api::{Deed, HistoryEntry, Outcome, PolicySource, Step};
use aegis_kernel_abi::Accepted;
use std::time::Instant;

/// Long enough for a report on a policy; the rest of it is for whoever applies it.
const DETAIL: usize = 2_000;

/// What is to come into force.
pub(crate) struct Candidate {
    pub(crate) content: Content,
    pub(crate) joined: Joined,
    /// What was done so far.
    pub(crate) steps: Vec<Step>,
    /// The keys whose signatures count.
    pub(crate) signers: Vec<String>,
    /// Set if its signatures count and it has a serial: no older one is accepted once it is in force.
    pub(crate) accepted: Option<Accepted>,
    /// What is to be known about it.
    pub(crate) notes: Vec<String>,
}

impl Candidate {
    /// Compiles a content. `is_known` says that it is in force already, or was last: then only what is in it counts, not
    /// whether it may come into force anew.
    ///
    /// # Errors
    /// If it is wrong or expired.
    pub(crate) fn new(content: Content, is_known: bool, witness: Witness) -> Result<Self, PolicyError> {
        let mut watch = Stopwatch::start(Instant::now(), witness);
        let joined = content.join()?;
        watch.ended("compile", Instant::now());
        let notes = heed_expiry(&joined.plan, unix_seconds(), || is_known)?.into_iter().collect();
        let steps = watch.into_steps();
        loader::log(&steps);
        Ok(Self { content, joined, steps, signers: Vec::new(), accepted: None, notes })
    }

    /// What the history says of it before anything is done.
    pub(crate) fn entry(&self, origin: Origin, arming: String, content: String) -> HistoryEntry {
        let plan = &self.joined.plan;
        HistoryEntry {
            policy: plan.name().to_string(),
            serial: plan.serial().unwrap_or(0),
            expires: plan.expires(),
            signers: self.signers.clone(),
            plan_digest: loader::hex(&plan.digest()),
            content,
            arming,
            ..entry(origin, &self.content.sources, Outcome::Begun, "")
        }
    }
}

/// An entry of which nothing more is known.
pub(crate) fn entry(
    origin: Origin,
    sources: &[PolicySource],
    outcome: Outcome,
    detail: &str,
) -> HistoryEntry {
    HistoryEntry {
        number: 0,
        at_ns: unix_ns(),
        deed: origin.deed,
        by: origin.by,
        outcome,
        policy: String::new(),
        serial: 0,
        expires: None,
        files: sources.iter().map(|source| source.name.clone()).collect(),
        signers: Vec::new(),
        plan_digest: String::new(),
        content: String::new(),
        arming: String::new(),
        generation: None,
        detail: detail.chars().take(DETAIL).collect(),
    }
}

impl Origin {
    /// The daemon was started.
    pub(crate) const START: Self = Self { deed: Deed::Start, by: None };
    /// The configuration was read again.
    pub(crate) const RELOAD: Self = Self { deed: Deed::Reload, by: None };
}

pub(crate) fn unix_seconds() -> u64 {
    unix_ns() / 1_000_000_000
}
