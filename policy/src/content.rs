//! The digest of a file's bytes, as `sha256sum` tells it.

use crate::diagnostic::quote;
use sha2::{Digest, Sha256};
use std::fmt;

/// The SHA-256 of some bytes. Its text is 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentDigest([u8; 32]);

/// Why a text is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is no SHA-256: write its 64 hexadecimal digits, or the line that `sha256sum FILE` prints", quote(.0))]
pub struct NoDigest(String);

impl ContentDigest {
    /// That of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Takes the digits alone, or a line of `sha256sum`. What follows on other lines must be blank.
    ///
    /// # Errors
    /// If it is neither.
    pub fn parse(text: &str) -> Result<Self, NoDigest> {
        const SHOWN: usize = 80;
        let line = text.trim();
        // `sha256sum` begins a line with a backslash if the name that follows is escaped.
        let digits = line.strip_prefix('\\').unwrap_or(line);
        let digits = digits.split([' ', '\t']).next().unwrap_or_default();
        let one_line = !line.contains(['\n', '\r']);
        let found = hex(digits.as_bytes()).filter(|_| one_line).map(Self);
        found.ok_or_else(|| NoDigest(line.chars().take(SHOWN).collect()))
    }
}

impl fmt::Display for ContentDigest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

/// So many bytes in hexadecimal digits, of either case.
pub(crate) fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    if digits.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = value(*high)? << 4 | value(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn digests_are_read_as_they_are_written() {
        let digest = ContentDigest::of(b"");
        assert_eq!(digest.to_string(), EMPTY);
        for text in [
            EMPTY.to_owned(),
            EMPTY.to_uppercase(),
            format!("{EMPTY}\n"),
            format!("{EMPTY}  policy.toml\n"),
            format!("{EMPTY} *policy.toml"),
            format!("\\{EMPTY}  a\\nb"),
        ] {
            assert_eq!(ContentDigest::parse(&text), Ok(digest), "{text:?}");
        }
        for text in ["", "e3b0", &EMPTY[1..], &format!("{EMPTY}0"), &format!("{EMPTY}  a\n{EMPTY}  b"), "é"]
        {
            assert!(ContentDigest::parse(text).is_err(), "{text:?}");
        }
    }
}
