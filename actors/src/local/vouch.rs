//! Whether a policy may come into force: who has signed it, and whether a newer one was already there.
//!
//! A policy that is in force, or was last, goes on when its signatures no longer count: that it must be signed is a demand on
//! what is new, and a host must not be open because a key was removed. It is told then.

use super::content::signed_digest;
use super::{Origin, PolicyError};
use crate::trust::trusted_keys;
use aegis_control_api::{Deed, PolicySource};
use aegis_kernel_abi::Accepted;
use aegis_policy::Plan;
use aegis_trust::{Given, Trust, verify};
use std::collections::BTreeSet;
use std::num::NonZeroU8;
use std::path::PathBuf;

/// Who is trusted to sign policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustSettings {
    /// Where the keys are.
    pub directory: PathBuf,
    /// How many of them must have signed.
    pub threshold: NonZeroU8,
    /// Whether a policy that is not signed so is refused.
    pub require_signature: bool,
}

impl Default for TrustSettings {
    /// No key is trusted, and no signature needed.
    fn default() -> Self {
        Self { directory: PathBuf::from("/nonexistent"), threshold: NonZeroU8::MIN, require_signature: false }
    }
}

/// What is known of the signatures of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Vouched {
    /// Enough have signed each of its texts: the keys, in order.
    Signed(Vec<String>),
    /// Not enough, and why.
    Not(String),
    /// There is no text that could be signed.
    Empty,
}

/// What is asked of a policy beside that it is right.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Demands {
    /// By what it is to come into force.
    pub(crate) deed: Deed,
    /// Whether it must be signed.
    pub(crate) signed: bool,
    /// Whether it is in force already, or was last on this host.
    pub(crate) is_known: bool,
}

impl Demands {
    /// Whether nobody asks for this now: it only goes on.
    fn goes_on(self) -> bool {
        self.is_known && matches!(self.deed, Deed::Start | Deed::Reload)
    }
}

/// Looks who has signed. The bytes that are looked at are those that are compiled afterwards.
pub(crate) fn vouch(settings: &TrustSettings, sources: &[PolicySource]) -> Vouched {
    if sources.is_empty() {
        return Vouched::Empty;
    }
    signers(settings, sources)
        .map_or_else(Vouched::Not, |signers| Vouched::Signed(signers.into_iter().collect()))
}

fn signers(settings: &TrustSettings, sources: &[PolicySource]) -> Result<BTreeSet<String>, String> {
    let keys = trusted_keys(&settings.directory).map_err(|error| whole(&error))?;
    let keys = keys.into_iter().map(|(_, key)| key).collect();
    let trust = Trust::new(keys, settings.threshold)
        .map_err(|flaw| format!("{}: {flaw}", settings.directory.display()))?;
    let mut signers = BTreeSet::new();
    for source in sources {
        let given: Vec<Given<'_>> = source
            .signatures
            .iter()
            .map(|signature| Given { name: &signature.name, text: &signature.text })
            .collect();
        let signed = verify(&trust, source.text.as_bytes(), &given)
            .map_err(|refusal| format!("{}: {refusal}", source.name))?;
        signers.extend(signed.into_iter().map(|signer| signer.key.id()));
    }
    Ok(signers)
}

fn whole(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

/// The keys that count, and what is to be known.
///
/// # Errors
/// If it must be signed and is not.
pub(crate) fn heed_signatures(
    vouched: Vouched,
    has_some: bool,
    demands: Demands,
) -> Result<(Vec<String>, Option<String>), PolicyError> {
    match vouched {
        Vouched::Signed(signers) => Ok((signers, None)),
        Vouched::Empty => Ok((Vec::new(), None)),
        Vouched::Not(why) if demands.signed && demands.goes_on() => {
            let note =
                format!("the policy stays in force, although it would not be put in force anew: {why}");
            Ok((Vec::new(), Some(note)))
        }
        Vouched::Not(why) if demands.signed => Err(PolicyError::Untrusted(format!(
            "a policy must be signed here, and this one is not as it must be: {why}"
        ))),
        Vouched::Not(why) => {
            let note = || format!("the policy is taken as one that is not signed: {why}");
            Ok((Vec::new(), has_some.then(note)))
        }
    }
}

/// What is to be remembered as the newest, of a policy that enough have signed.
///
/// # Errors
/// If a newer one was in force on this host, or another one with the same serial; or if it has no serial, and an older one
/// could be put in its place one day.
pub(crate) fn heed_serial(
    plan: &Plan,
    sources: &[PolicySource],
    highest: &Accepted,
    demands: Demands,
) -> Result<Option<Accepted>, PolicyError> {
    let numbered = || sources.iter().all(|source| aegis_policy::serial_of(&source.text) == plan.serial());
    let Some(serial) = plan.serial().filter(|_| sources.len() == 1 || numbered()) else {
        if demands.signed && !demands.goes_on() {
            return Err(PolicyError::Untrusted(
                "a signed policy needs a `serial`, in each of its files: without it an older one could be put in its place"
                    .to_owned(),
            ));
        }
        return Ok(None);
    };
    let accepted = Accepted { serial, digest: signed_digest(sources) };
    // Whoever goes back knows that it is older, and what is in force is in force.
    if demands.is_known || demands.deed == Deed::Rollback {
        return Ok((serial >= highest.serial).then_some(accepted));
    }
    if serial < highest.serial {
        return Err(PolicyError::Untrusted(format!(
            "the serial of this policy is {serial}, and one with {} was in force here already: an old policy is not put in \
             force anew. `aegisbpf policy rollback` goes back; a new policy needs a serial from {} on",
            highest.serial,
            highest.serial.saturating_add(1)
        )));
    }
    if serial == highest.serial && accepted.digest != highest.digest {
        return Err(PolicyError::Untrusted(format!(
            "another policy with the serial {serial} was in force here already: each change needs a greater one"
        )));
    }
    Ok(Some(accepted))
}

/// The newer of what the kernel and the disk remember.
pub(crate) fn newest(kernel: Accepted, disk: Accepted) -> Accepted {
    if disk.serial > kernel.serial { disk } else { kernel }
}

impl Origin {
    /// What is asked of a policy that comes this way.
    pub(crate) fn demands(self, settings: &TrustSettings, is_known: bool) -> Demands {
        Demands { deed: self.deed, signed: settings.require_signature || self.must_be_signed, is_known }
    }
}

#[cfg(test)]
mod tests;
