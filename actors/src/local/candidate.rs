//! A policy that is to come into force, looked at as far as that can be without the kernel.

use super::content::Content;
use super::state::heed_expiry;
use super::vouch::{Demands, TrustSettings, Vouched, heed_serial, heed_signatures, vouch};
use super::{Origin, PolicyError};
use crate::clock::unix_ns;
use crate::loader::{self, Stopwatch, Witness};
use aegis_control_api::{Asker, Deed, HistoryEntry, Outcome, PolicySource, Step};
use aegis_kernel_abi::Accepted;
use aegis_policy::Plan;
use std::time::Instant;

/// Long enough for a report on a policy; the rest of it is for whoever applies it.
const DETAIL: usize = 2_000;

/// What is to come into force.
pub(crate) struct Candidate {
    pub(crate) content: Content,
    pub(crate) plan: Plan,
    /// The keys whose signatures count.
    pub(crate) signers: Vec<String>,
    /// Set if its signatures count and it has a serial: no older one is accepted once it is in force.
    pub(crate) accepted: Option<Accepted>,
    /// Whether its serial is a higher one than any before, of a policy that was not in force before.
    pub(crate) is_newest: bool,
    /// What whoever asked is to know.
    pub(crate) found: Found,
}

/// What whoever asked is to know about it.
pub(crate) struct Found {
    /// What was done so far.
    pub(crate) steps: Vec<Step>,
    /// What is to be known.
    pub(crate) notes: Vec<String>,
    /// What the compiler warned of.
    pub(crate) warnings: Vec<String>,
}

impl Candidate {
    /// What already is in force, under another local policy or after the policy that is in force.
    ///
    /// # Errors
    /// If it is wrong.
    pub(crate) fn trusted(
        content: Content,
        signers: Vec<String>,
        witness: Witness,
    ) -> Result<Self, PolicyError> {
        let mut watch = Stopwatch::start(Instant::now(), witness);
        let joined = content.join()?;
        watch.ended("compile", Instant::now());
        let found = Found { steps: logged(watch), notes: Vec::new(), warnings: joined.warnings };
        Ok(Self { content, plan: joined.plan, signers, accepted: None, is_newest: false, found })
    }

    /// Looks at a content whether it may come into force. `highest` is the newest signed policy so far; it is asked for
    /// only if this one is signed.
    ///
    /// # Errors
    /// If it is wrong, expired, or not signed as it must be, or older than one that was in force.
    pub(crate) fn checked(
        content: Content,
        (trust, demands): (&TrustSettings, Demands),
        highest: impl FnOnce() -> Result<Accepted, PolicyError>,
        witness: Witness,
    ) -> Result<Self, PolicyError> {
        let mut watch = Stopwatch::start(Instant::now(), witness);
        let sources = &content.sources;
        let vouched = vouch(trust, sources);
        watch.ended("verify", Instant::now());
        let is_signed = matches!(vouched, Vouched::Signed(_));
        let has_some = sources.iter().any(|source| !source.signatures.is_empty());
        let (signers, unsigned) = heed_signatures(vouched, has_some, demands)?;
        let joined = content.join()?;
        watch.ended("compile", Instant::now());
        let expired = heed_expiry(&joined.plan, unix_seconds(), || demands.is_known)?;
        let (accepted, is_newest) = match is_signed {
            true => {
                let highest = highest()?;
                let accepted = heed_serial(&joined.plan, sources, &highest, demands)?;
                (accepted, accepted.is_some_and(|accepted| accepted.serial > highest.serial))
            }
            false => (None, false),
        };
        let is_newest = is_newest && !demands.is_known;
        let notes = expired.into_iter().chain(unsigned).collect();
        let found = Found { steps: logged(watch), notes, warnings: joined.warnings };
        Ok(Self { content, plan: joined.plan, signers, accepted, is_newest, found })
    }

    /// What the history says of it before anything is done.
    pub(crate) fn entry(&self, origin: Origin, arming: String, content: String) -> HistoryEntry {
        let plan = &self.plan;
        HistoryEntry {
            policy: plan.name().to_string(),
            serial: plan.serial().unwrap_or(0),
            expires: plan.expires(),
            signers: self.signers.clone(),
            plan_digest: loader::hex(&plan.digest()),
            content,
            arming,
            files: names(&self.content.sources),
            ..entry(origin, Outcome::Begun, "")
        }
    }
}

/// What the files are called.
pub(crate) fn names(sources: &[PolicySource]) -> Vec<String> {
    sources.iter().map(|source| source.name.clone()).collect()
}

/// As much of a report as the history keeps.
pub(crate) fn shortened(detail: &str) -> String {
    detail.chars().take(DETAIL).collect()
}

/// An entry of which nothing more is known.
pub(crate) fn entry(origin: Origin, outcome: Outcome, detail: &str) -> HistoryEntry {
    HistoryEntry {
        number: 0,
        at_ns: unix_ns(),
        deed: origin.deed,
        by: origin.by,
        outcome,
        policy: String::new(),
        serial: 0,
        expires: None,
        files: Vec::new(),
        signers: Vec::new(),
        plan_digest: String::new(),
        content: String::new(),
        arming: String::new(),
        generation: None,
        detail: shortened(detail),
    }
}

impl Origin {
    /// The daemon was started.
    pub(crate) const START: Self = Self { deed: Deed::Start, by: None, must_be_signed: false };
    /// The configuration was read again.
    pub(crate) const RELOAD: Self = Self { deed: Deed::Reload, by: None, must_be_signed: false };

    /// Somebody asked.
    pub(crate) fn asked(deed: Deed, by: Asker) -> Self {
        Self { deed, by: Some(by), must_be_signed: false }
    }
}

fn logged(watch: Stopwatch) -> Vec<Step> {
    let steps = watch.into_steps();
    loader::log(&steps);
    steps
}

pub(crate) fn unix_seconds() -> u64 {
    unix_ns() / 1_000_000_000
}
