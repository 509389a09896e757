//! Digests of contents.

use crate::diagnostic::{Code, Fault, quote};
use crate::plan::{Object, Verity};

/// The SHA-256 of a content.
pub(super) fn sha256(text: &str) -> Result<Object, Fault> {
    bytes(text).map(Object::Sha256).ok_or_else(|| {
        Fault::new(Code::BadDigest, format!("{} is not a SHA-256", quote(text)))
            .label(counted(text, 64))
            .help("write the 64 digits that `sha256sum FILE` prints first")
    })
}

/// The digest by which fs-verity seals a file.
pub(super) fn fsverity(text: &str) -> Result<Object, Fault> {
    let (algorithm, digits) = text.split_once(':').unwrap_or(("sha256", text));
    let (found, expected) = match algorithm {
        "sha256" => (bytes(digits).map(Verity::Sha256), 64),
        "sha512" => (bytes(digits).map(Verity::Sha512), 128),
        _ => {
            return Err(malformed(text, format!("{} is no algorithm of fs-verity", quote(algorithm))));
        }
    };
    found.map(Object::Verity).ok_or_else(|| malformed(text, counted(digits, expected)))
}

fn malformed(text: &str, cause: String) -> Fault {
    Fault::new(Code::BadDigest, format!("{} is not a digest of fs-verity", quote(text)))
        .label(cause)
        .help("write what `fsverity measure FILE` prints first, such as `sha256:…`")
}

fn counted(text: &str, expected: usize) -> String {
    match text.chars().find(|character| !character.is_ascii_hexdigit()) {
        Some(character) => format!("{} is not a hexadecimal digit", quote(&character.to_string())),
        None => format!("{} digits where {expected} are needed", text.len()),
    }
}

fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut out = [0; N];
    if text.len() != 2 * N || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, at) in out.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(out)
}
