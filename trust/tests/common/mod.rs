//! The vectors; `vectors/README.md` says how they were made.
#![allow(dead_code, reason = "each test uses some of it")]

use aegis_trust::{Given, Key, Refusal, Signer, Trust, verify};
use std::num::NonZeroU8;

macro_rules! vector {
    ($name:literal) => {
        include_str!(concat!("../vectors/", $name))
    };
}

pub(crate) const POLICY: &str = vector!("policy.toml");
pub(crate) const LEGACY: &str = vector!("legacy.minisig");
pub(crate) const OTHER_NAMESPACE: &str = vector!("namespace.sig");
pub(crate) const SHA256: &str = vector!("ssh-one-sha256.sig");
pub(crate) const RSA: (&str, &str) = (vector!("ssh-rsa.pub"), vector!("ssh-rsa.sig"));
pub(crate) const ECDSA: &str = vector!("ssh-ecdsa.pub");
pub(crate) const SECRETS: [&str; 2] = [vector!("minisign-one.key"), vector!("ssh-one")];

/// A key, what it is called, and its signature of the policy.
pub(crate) struct Vector {
    pub(crate) name: &'static str,
    pub(crate) key: &'static str,
    pub(crate) id: &'static str,
    pub(crate) signature: &'static str,
}

pub(crate) const MINISIGN: Vector = Vector {
    name: "minisign-one",
    key: vector!("minisign-one.pub"),
    id: "B04ECA292ED6D06D",
    signature: vector!("minisign-one.minisig"),
};
pub(crate) const MINISIGN_TWO: Vector = Vector {
    name: "minisign-two",
    key: vector!("minisign-two.pub"),
    id: "4D8B08EE2622E3DB",
    signature: vector!("minisign-two.minisig"),
};
pub(crate) const SSH: Vector = Vector {
    name: "ssh-one",
    key: vector!("ssh-one.pub"),
    id: "SHA256:O9e5bC1SieMpypu/ptGi+ik3A9A5PqqtpLeCaw83iBI",
    signature: vector!("ssh-one.sig"),
};
pub(crate) const SSH_TWO: Vector = Vector {
    name: "ssh-two",
    key: vector!("ssh-two.pub"),
    id: "SHA256:bUdLEDRiFb9lrW7NOR6AhM5HnULQyd7VuDr3SVx/clA",
    signature: vector!("ssh-two.sig"),
};
pub(crate) const OURS: Vector = Vector {
    name: "ours",
    key: vector!("ours.pub"),
    id: "1F1CB90B7DE26689",
    signature: vector!("ours.minisig"),
};
pub(crate) const ALL: [&Vector; 4] = [&MINISIGN, &MINISIGN_TWO, &SSH, &SSH_TWO];

pub(crate) fn keys(vectors: &[&Vector]) -> Vec<Key> {
    vectors.iter().map(|vector| Key::parse(vector.key).unwrap()).collect()
}

pub(crate) fn trust(keys: Vec<Key>, threshold: u8) -> Trust {
    Trust::new(keys, NonZeroU8::new(threshold).unwrap()).unwrap()
}

/// Signatures without names of their own.
pub(crate) fn signed(trust: &Trust, message: &[u8], texts: &[&str]) -> Result<Vec<Signer>, Refusal> {
    let given: Vec<Given<'_>> = texts.iter().map(|text| Given { name: "a.minisig", text }).collect();
    verify(trust, message, &given)
}

/// Whether one signature by one key counts.
pub(crate) fn counts(key: &str, message: &[u8], signature: &str) -> bool {
    let Ok(key) = Key::parse(key) else { return false };
    signed(&trust(vec![key], 1), message, &[signature]).is_ok()
}

/// The bytes of the curve in a key of minisign.
pub(crate) fn raw(key: &str) -> [u8; 32] {
    let line = key.lines().nth(1).unwrap();
    decoded(line).get(10..).unwrap().try_into().unwrap()
}

pub(crate) fn decoded(text: &str) -> Vec<u8> {
    use base64ct::{Base64, Encoding};
    Base64::decode_vec(text).unwrap()
}

pub(crate) fn encoded(bytes: &[u8]) -> String {
    use base64ct::{Base64, Encoding};
    Base64::encode_string(bytes)
}
