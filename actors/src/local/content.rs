//! The texts that a policy in force is made of, and the digests they are known by. Pure.

use super::PolicyError;
use super::state::{Joined, join};
use aegis_control_api::PolicySource;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Sources, and the local policy beside them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Content {
    /// The files of the policy; none for the empty one.
    pub(crate) sources: Vec<PolicySource>,
    /// The local policy; none if there is no file.
    pub(crate) local: Option<PolicySource>,
}

impl Content {
    /// What it means.
    pub(crate) fn join(&self) -> Result<Joined, PolicyError> {
        join(&self.sources, self.local.as_ref())
    }

    /// As it is kept.
    pub(crate) fn to_bytes(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }

    /// The same, if these are the bytes that were kept under this name.
    pub(crate) fn from_bytes(bytes: &[u8], name: &str) -> Option<Self> {
        if content_name(bytes) != name {
            return None;
        }
        serde_json::from_slice(bytes).ok()
    }
}

/// The name that bytes are kept under: their SHA-256.
pub(crate) fn content_name(bytes: &[u8]) -> String {
    crate::loader::hex(&Sha256::digest(bytes))
}

/// SHA-256 of what is signed: each text after its length, so that nothing can be moved from one to the other. The names of
/// files are not signed, and not in it.
pub(crate) fn signed_digest(sources: &[PolicySource]) -> [u8; 32] {
    let mut texts: Vec<&str> = sources.iter().map(|source| source.text.as_str()).collect();
    // The order of files means nothing.
    texts.sort_unstable();
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(texts: &[&str]) -> Vec<PolicySource> {
        texts.iter().map(|text| PolicySource::unsigned("p", *text)).collect()
    }

    #[test]
    fn what_is_kept_is_known_by_its_bytes() {
        let content = Content { sources: sources(&["a", "b"]), local: None };
        let bytes = content.to_bytes().unwrap();
        let name = content_name(&bytes);
        assert_eq!(Content::from_bytes(&bytes, &name), Some(content));
        for place in 0..bytes.len() {
            let mut other = bytes.clone();
            other[place] ^= 1;
            assert_eq!(Content::from_bytes(&other, &name), None, "byte {place}");
        }
    }

    #[test]
    fn nothing_moves_between_texts() {
        let digest = |texts: &[&str]| signed_digest(&sources(texts));
        assert_eq!(digest(&["a", "b"]), digest(&["b", "a"]));
        let different =
            [digest(&["ab", ""]), digest(&["a", "b"]), digest(&["ab"]), digest(&[]), digest(&["", "", "ab"])];
        for (index, one) in different.iter().enumerate() {
            assert!(different[..index].iter().all(|other| other != one), "{index}");
        }
    }
}
