//! Keys and signatures as minisign writes them: lines of comments and of base64.
//!
//! The lines are looked at here, as exactly as they can be; whether a signature fits is for the crate `minisign-verify`.

use crate::{Flaw, base64};

pub(crate) const UNTRUSTED: &str = "untrusted comment: ";
const TRUSTED: &str = "trusted comment: ";
const WORD: &str = "minisign";

/// How a public key and a digest-less signature begin.
const LEGACY: &[u8] = b"Ed";
const PREHASHED: &[u8] = b"ED";
const PUBLIC_BYTES: usize = 2 + 8 + 32;
const SIGNATURE_BYTES: usize = 2 + 8 + 64;
const GLOBAL_BYTES: usize = 64;
/// Secret keys of minisign and of signify.
const SECRET_BYTES: [usize; 2] = [158, 104];

/// What a public key consists of: its number and the bytes of the curve.
pub(crate) type Parts = ([u8; 8], [u8; 32]);

/// Reads the line of a public key.
pub(crate) fn public(line: &str) -> Result<Parts, Flaw> {
    let bytes = base64::decode(line).ok_or(Flaw::DamagedKey(WORD))?;
    if SECRET_BYTES.contains(&bytes.len()) {
        return Err(Flaw::SecretKey);
    }
    let number = bytes.get(2..10).and_then(|number| number.try_into().ok());
    let raw = bytes.get(10..).and_then(|raw| raw.try_into().ok());
    match (number, raw) {
        (Some(number), Some(raw)) if bytes.starts_with(LEGACY) && bytes.len() == PUBLIC_BYTES => {
            Ok((number, raw))
        }
        _ => Err(Flaw::DamagedKey(WORD)),
    }
}

/// The line of a public key.
pub(crate) fn line((number, raw): &Parts) -> String {
    base64::encode(&[LEGACY, number.as_slice(), raw.as_slice()].concat())
}

/// The number of a key, as `minisign` prints it.
pub(crate) fn id(number: [u8; 8]) -> String {
    format!("{:016X}", u64::from_le_bytes(number))
}

/// A signature whose form is right.
pub(crate) struct Signed {
    pub(crate) number: [u8; 8],
    decoded: minisign_verify::Signature,
}

/// Reads a signature.
pub(crate) fn signature(text: &str) -> Result<Signed, Flaw> {
    const DAMAGED: Flaw = Flaw::DamagedSignature(WORD);
    let lines = base64::lines(text);
    let [untrusted, signature, trusted, global] = lines.as_slice() else {
        return Err(if lines.len() > 4 { Flaw::MoreThanOneSignature } else { DAMAGED });
    };
    if !untrusted.starts_with(UNTRUSTED) || !trusted.starts_with(TRUSTED) {
        return Err(DAMAGED);
    }
    let (bytes, global_bytes) = (base64::decode(signature), base64::decode(global));
    let bytes = bytes.filter(|bytes| bytes.len() == SIGNATURE_BYTES).ok_or(DAMAGED)?;
    global_bytes.filter(|bytes| bytes.len() == GLOBAL_BYTES).ok_or(DAMAGED)?;
    if bytes.starts_with(LEGACY) {
        return Err(Flaw::Legacy);
    }
    let number = bytes.get(2..10).and_then(|number| number.try_into().ok()).ok_or(DAMAGED)?;
    if !bytes.starts_with(PREHASHED) {
        return Err(DAMAGED);
    }
    // Each line once more, so that nothing is left to how the crate reads what is between them.
    let text = format!("{UNTRUSTED}\n{signature}\n{trusted}\n{global}\n");
    let decoded = minisign_verify::Signature::decode(&text).map_err(|_| DAMAGED)?;
    Ok(Signed { number, decoded })
}

/// Whether a signature is by this key and over exactly these bytes.
pub(crate) fn fits(signed: &Signed, key: &Parts, message: &[u8]) -> bool {
    minisign_verify::PublicKey::from_base64(&line(key))
        .is_ok_and(|key| key.verify(message, &signed.decoded, false).is_ok())
}
