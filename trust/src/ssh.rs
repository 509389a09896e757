//! Keys and signatures as OpenSSH writes them: one line, and an armored block.
//!
//! Only Ed25519: each kind more is more code that must be right about signatures.

use crate::{Flaw, NAMESPACE, base64};
use ssh_key::public::{Ed25519PublicKey, KeyData};
use ssh_key::{HashAlg, LineEnding, PublicKey, SshSig};

pub(crate) const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";
const WORD: &str = "OpenSSH";
const ED25519: &str = "ssh-ed25519";
/// How the types of other keys begin.
const OTHERS: [&str; 5] = ["ssh-rsa", "ssh-dss", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"];
/// How OpenSSH cuts its blocks.
const COLUMNS: usize = 70;
/// So much of a foreign word is shown.
const SHOWN: usize = 64;

/// Whether a line is to be a key of OpenSSH, of whatever type.
pub(crate) fn looks_like_key(line: &str) -> bool {
    line.starts_with(ED25519) || OTHERS.iter().any(|other| line.starts_with(other))
}

/// Reads the line of a public key: its bytes and its comment.
pub(crate) fn public(line: &str) -> Result<([u8; 32], &str), Flaw> {
    let mut words = line.splitn(3, ' ');
    let (algorithm, data) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if algorithm != ED25519 && OTHERS.iter().any(|other| algorithm.starts_with(other)) {
        return Err(Flaw::Algorithm(shown(algorithm)));
    }
    // The comment stays out of it: how it is read means nothing here.
    let key = PublicKey::from_openssh(&format!("{algorithm} {data}")).ok();
    let raw = key.as_ref().and_then(|key| key.key_data().ed25519()).map(|key| key.0);
    let raw = raw.ok_or(Flaw::DamagedKey(WORD))?;
    if self::line(&raw) != format!("{algorithm} {data}") {
        return Err(Flaw::DamagedKey(WORD));
    }
    Ok((raw, words.next().unwrap_or_default()))
}

fn key_of(raw: [u8; 32]) -> PublicKey {
    PublicKey::from(KeyData::Ed25519(Ed25519PublicKey(raw)))
}

/// The line of a public key, without a comment.
pub(crate) fn line(raw: &[u8; 32]) -> String {
    let head = |bytes: &[u8]| [&length(bytes), bytes].concat();
    format!("{ED25519} {}", base64::encode(&[head(ED25519.as_bytes()), head(raw)].concat()))
}

/// Both are shorter than a byte can count.
fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes()
}

/// The fingerprint, as `ssh-keygen -l` prints it.
pub(crate) fn id(raw: [u8; 32]) -> String {
    key_of(raw).fingerprint(HashAlg::Sha256).to_string()
}

/// A signature whose form and purpose are right.
pub(crate) struct Signed {
    pub(crate) raw: [u8; 32],
    decoded: SshSig,
}

/// Reads a signature.
pub(crate) fn signature(text: &str) -> Result<Signed, Flaw> {
    const DAMAGED: Flaw = Flaw::DamagedSignature(WORD);
    let armored = armored(&body(text)?);
    let decoded = SshSig::from_pem(&armored).map_err(|_| DAMAGED)?;
    // Whatever was passed over in reading would be missing now, and could be anything.
    let again = decoded.to_pem(LineEnding::LF).map_err(|_| DAMAGED)?;
    if again.trim_end() != armored || !decoded.reserved().is_empty() {
        return Err(DAMAGED);
    }
    if decoded.version() != SshSig::VERSION {
        return Err(DAMAGED);
    }
    let Some(key) = decoded.public_key().ed25519() else {
        return Err(Flaw::Algorithm(shown(decoded.public_key().algorithm().as_str())));
    };
    if decoded.namespace() != NAMESPACE {
        return Err(Flaw::Namespace(shown(decoded.namespace())));
    }
    Ok(Signed { raw: key.0, decoded })
}

/// What is between begin and end. How it is cut into lines means nothing.
fn body(text: &str) -> Result<String, Flaw> {
    let lines = base64::lines(text);
    let (first, rest) = lines.split_first().ok_or(Flaw::Empty)?;
    let end = rest.iter().position(|line| *line == END);
    let end = end.filter(|_| *first == BEGIN).ok_or(Flaw::DamagedSignature(WORD))?;
    if rest.len() > end + 1 {
        return Err(Flaw::MoreThanOneSignature);
    }
    let body = rest.get(..end).unwrap_or_default().concat();
    if base64::decode(&body).is_some() { Ok(body) } else { Err(Flaw::DamagedSignature(WORD)) }
}

/// The block as OpenSSH cuts it into lines.
fn armored(body: &str) -> String {
    let mut text = BEGIN.to_owned();
    for (index, character) in body.chars().enumerate() {
        if index % COLUMNS == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    format!("{text}\n{END}")
}

/// Whether a signature is by this key and over exactly these bytes.
pub(crate) fn fits(signed: &Signed, raw: [u8; 32], message: &[u8]) -> bool {
    key_of(raw).verify(NAMESPACE, message, &signed.decoded).is_ok()
}

/// A foreign word, for people: none of it acts upon a terminal.
fn shown(word: &str) -> String {
    let start: String = word.chars().take(SHOWN).collect();
    format!("`{}`", start.escape_debug())
}
