//! Keys, signatures, and the bytes that are to be signed: whatever they are, nothing counts that nobody signed.

use crate::Finding;
use crate::hold::must;
use aegis_trust::{Flaw, Given, Key, Signature, Trust, verify};
use std::num::NonZeroU8;

macro_rules! vector {
    ($name:literal) => {
        include_str!(concat!("../../trust/tests/vectors/", $name))
    };
}

/// What the vectors are signatures of.
const POLICY: &str = vector!("policy.toml");
const KEYS: [&str; 5] = [
    vector!("minisign-one.pub"),
    vector!("minisign-two.pub"),
    vector!("ssh-one.pub"),
    vector!("ssh-two.pub"),
    vector!("ours.pub"),
];
/// Those that count.
const GOOD: [&str; 6] = [
    vector!("minisign-one.minisig"),
    vector!("minisign-two.minisig"),
    vector!("ssh-one.sig"),
    vector!("ssh-one-sha256.sig"),
    vector!("ssh-two.sig"),
    vector!("ours.minisig"),
];
const OTHERS: [&str; 3] = [vector!("legacy.minisig"), vector!("namespace.sig"), vector!("ssh-rsa.sig")];
const OTHER_KEYS: [&str; 4] =
    [vector!("ssh-rsa.pub"), vector!("ssh-ecdsa.pub"), vector!("minisign-one.key"), vector!("ssh-one")];

/// A key, a signature and a message, with a NUL between them.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let keys = KEYS.iter().chain(&OTHER_KEYS);
    let join = |key: &str, signature: &str| [key, signature, POLICY].join("\0").into_bytes();
    keys.flat_map(|key| GOOD.iter().chain(&OTHERS).map(move |signature| join(key, signature))).collect()
}

pub(crate) fn check(input: &[u8]) -> Result<(), Finding> {
    let mut parts = input.splitn(3, |byte| *byte == 0);
    let mut part = || parts.next().unwrap_or_default();
    let (key, signature, message) = (part(), part(), part());
    let (key, signature) = (String::from_utf8_lossy(key), String::from_utf8_lossy(signature));
    let key = match Key::parse(&key) {
        Ok(key) => Some(read(key)?),
        Err(flaw) => told(&flaw).map(|()| None)?,
    };
    if let Err(flaw) = Signature::parse(&signature) {
        told(&flaw)?;
    }
    let vectors = KEYS.iter().map(|text| Key::parse(text)).collect::<Result<Vec<_>, _>>();
    let vectors = vectors.map_err(|flaw| format!("a vector is no key: {flaw}"))?;
    counted(vectors.to_vec(), &vectors, message, &signature)?;
    counted(key.into_iter().collect(), &vectors, message, &signature)
}

/// A key is the same one in its own file.
fn read(key: Key) -> Result<Key, Finding> {
    let text = key.to_text();
    let again = Key::parse(&text).map_err(|flaw| format!("the file of a key is none: {flaw}\n{text:?}"))?;
    must(again == key && again.id() == key.id(), || format!("{text:?} is another key than {key:?}"))?;
    must(again.to_text() == text, || format!("a key has two files: {text:?}"))?;
    must(!key.comment().contains(char::is_control), || format!("a comment acts upon a terminal: {key:?}"))?;
    let name = key.file_name();
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_+.".contains(letter);
    must(name.chars().all(plain) && !name.starts_with('.'), || format!("{name:?} is no name of a file"))?;
    Ok(key)
}

/// What is said has a remedy, and nothing in it acts upon a terminal.
fn told(flaw: &Flaw) -> Result<(), Finding> {
    let text = flaw.to_string();
    must(text.contains("; ") && !text.contains(char::is_control), || format!("this is said: {text:?}"))
}

/// Nothing counts but what the vectors' own keys have signed.
fn counted(keys: Vec<Key>, vectors: &[Key], message: &[u8], signature: &str) -> Result<(), Finding> {
    let Ok(trust) = Trust::new(keys, NonZeroU8::MIN) else { return Ok(()) };
    let given = [Given { name: "signature", text: signature }; 2];
    match verify(&trust, message, &given) {
        Err(refusal) => {
            let rows = refusal.to_string().lines().count();
            must(refusal.signers.is_empty() && refusal.rejected.len() == 2 && rows == 3, || {
                format!("{refusal:?}")
            })?;
            refusal.rejected.iter().try_for_each(|rejected| told(&rejected.flaw))
        }
        Ok(signers) => {
            must(signers.len() == 1, || format!("one key signed more than once: {signers:?}"))?;
            let known = signers.iter().all(|signer| vectors.contains(&signer.key));
            must(known && message == POLICY.as_bytes(), || "what nobody signed counts".to_owned())?;
            let own = GOOD.iter().any(|good| bare(good) == bare(signature));
            must(own, || format!("a signature that nobody made counts: {signature:?}"))
        }
    }
}

/// A signature without what means nothing: the untrusted comment, and how it is cut into lines.
fn bare(signature: &str) -> String {
    let lines = signature.lines().filter(|line| !line.starts_with("untrusted comment: "));
    lines.collect::<String>().trim_end_matches('\r').to_owned()
}
