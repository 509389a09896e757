//! Whether enough of those who are trusted have signed.

use crate::{Flaw, Key, Signature};
use std::fmt;
use std::num::NonZeroU8;

/// Who is trusted, and how many of them must have signed.
#[derive(Debug, Clone)]
pub struct Trust {
    keys: Vec<Key>,
    threshold: NonZeroU8,
}

impl Trust {
    /// Trusts these keys. One that is there twice, or in two forms, counts once.
    ///
    /// # Errors
    /// If they are fewer than must have signed: no policy would ever be good.
    pub fn new(keys: Vec<Key>, threshold: NonZeroU8) -> Result<Self, Flaw> {
        let mut different: Vec<&Key> = Vec::new();
        for key in &keys {
            if !different.contains(&key) {
                different.push(key);
            }
        }
        if different.len() < usize::from(threshold.get()) {
            return Err(Flaw::TooFewKeys { keys: different.len(), threshold: threshold.get() });
        }
        Ok(Self { keys, threshold })
    }

    /// The keys, as they were given.
    #[must_use]
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// How many different keys must have signed.
    #[must_use]
    pub fn threshold(&self) -> NonZeroU8 {
        self.threshold
    }
}

/// What is to be a signature.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// What it is called in messages, such as the name of its file.
    pub name: &'a str,
    /// What is in it.
    pub text: &'a str,
}

/// Who has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The key that fits.
    pub key: Key,
    /// What the signature is called.
    pub signature: String,
}

/// A signature that does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// What it is called.
    pub name: String,
    /// Why it does not count.
    pub flaw: Flaw,
}

/// Too few have signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// How many must have signed.
    pub threshold: NonZeroU8,
    /// Those who have.
    pub signers: Vec<Signer>,
    /// What does not count.
    pub rejected: Vec<Rejected>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (signers, threshold) = (self.signers.len(), self.threshold);
        write!(out, "{signers} trusted key(s) have signed the policy, {threshold} must have")?;
        for Signer { key, signature } in &self.signers {
            write!(out, "\n  {}: good, by the key {}", signature.escape_debug(), key.id())?;
        }
        for Rejected { name, flaw } in &self.rejected {
            write!(out, "\n  {}: {flaw}", name.escape_debug())?;
        }
        if self.signers.is_empty() && self.rejected.is_empty() {
            write!(
                out,
                "; there is no signature: sign it with `aegisbpf policy sign`, and keep what that writes beside it"
            )?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}

/// Who has signed exactly these bytes, in the order of what their keys are called. A signature that does not count is no
/// reason to refuse if enough others do.
///
/// # Errors
/// If too few have: what was found of each signature.
pub fn verify(trust: &Trust, message: &[u8], signatures: &[Given<'_>]) -> Result<Vec<Signer>, Refusal> {
    let (mut signers, mut rejected) = (Vec::<Signer>::new(), Vec::new());
    for given in signatures {
        let counted = signer(trust, message, given.text).and_then(|key| {
            let known = signers.iter().any(|signer| signer.key == *key);
            if known { Err(Flaw::Repeated(key.id())) } else { Ok(key.clone()) }
        });
        match counted {
            Ok(key) => signers.push(Signer { key, signature: given.name.to_owned() }),
            Err(flaw) => rejected.push(Rejected { name: given.name.to_owned(), flaw }),
        }
    }
    signers.sort_by_cached_key(|signer| signer.key.id());
    if signers.len() < usize::from(trust.threshold.get()) {
        return Err(Refusal { threshold: trust.threshold, signers, rejected });
    }
    Ok(signers)
}

/// The trusted key that a signature is by.
fn signer<'a>(trust: &'a Trust, message: &[u8], text: &str) -> Result<&'a Key, Flaw> {
    let signature = Signature::parse(text)?;
    // Numbers of minisign are drawn, so that two keys can have the same.
    let mut named = trust.keys.iter().filter(|key| signature.names(key)).peekable();
    if named.peek().is_none() {
        return Err(Flaw::Unknown(signature.key_id()));
    }
    named.find(|key| signature.fits(key, message)).ok_or_else(|| Flaw::Unfit(signature.key_id()))
}
