//! Base64 as both kinds of signatures have it: with padding, and one text for the same bytes only.

use base64ct::{Base64, Encoding};

/// The bytes of a text without blanks.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    Base64::decode_vec(text).ok()
}

/// The text of bytes.
pub(crate) fn encode(bytes: &[u8]) -> String {
    Base64::encode_string(bytes)
}

/// The lines of a text that is one block. Line ends behind it mean nothing, and `\r` before `\n` neither.
pub(crate) fn lines(text: &str) -> Vec<&str> {
    text.trim_end_matches(['\n', '\r']).lines().collect()
}
