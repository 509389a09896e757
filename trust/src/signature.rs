//! Signatures, before it is known whether they fit anything.

use crate::{Flaw, Key, MOST_BYTES, minisign, ssh};
use std::fmt;

/// A signature whose form is right.
pub struct Signature(Form);

enum Form {
    Minisign(minisign::Signed),
    Ssh(ssh::Signed),
}

impl fmt::Debug for Signature {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Signature").field(&self.key_id()).finish()
    }
}

impl Signature {
    /// Reads a signature: the file that minisign makes, or the armored block that OpenSSH makes.
    ///
    /// # Errors
    /// Why it is none, and what to do.
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        if text.len() > MOST_BYTES {
            return Err(Flaw::TooLarge(text.len()));
        }
        if text.trim().is_empty() {
            return Err(Flaw::Empty);
        }
        if text.starts_with(minisign::UNTRUSTED) {
            return minisign::signature(text).map(|signed| Self(Form::Minisign(signed)));
        }
        if text.starts_with(ssh::BEGIN) {
            return ssh::signature(text).map(|signed| Self(Form::Ssh(signed)));
        }
        Err(Flaw::NoSignature)
    }

    /// The key that it says it is by. Only [`crate::verify()`] knows whether it is.
    #[must_use]
    pub fn key_id(&self) -> String {
        match &self.0 {
            Form::Minisign(signed) => minisign::id(signed.number),
            Form::Ssh(signed) => ssh::id(signed.raw),
        }
    }

    /// Whether it says that it is by this key.
    pub(crate) fn names(&self, key: &Key) -> bool {
        match &self.0 {
            Form::Minisign(signed) => key.minisign().is_some_and(|(number, _)| number == signed.number),
            Form::Ssh(signed) => key.ssh() == Some(signed.raw),
        }
    }

    /// Whether it is by this key, over exactly these bytes.
    pub(crate) fn fits(&self, key: &Key, message: &[u8]) -> bool {
        match &self.0 {
            Form::Minisign(signed) => key.minisign().is_some_and(|key| minisign::fits(signed, &key, message)),
            Form::Ssh(signed) => key.ssh().is_some_and(|raw| ssh::fits(signed, raw, message)),
        }
    }
}
