//! What the C++ AegisBPF keeps beside policies: signed bundles, and keys in hexadecimal digits. Bytes in, values out.
//!
//! A bundle is a head of `name: value` lines, a line `---`, and a policy. Its signature is over fields that are joined
//! without anything between them, so digits can be moved from one to the next under the same signature. It is never
//! verified here: what is taken out of a bundle is as if nobody had signed it.

use crate::ContentDigest;
use crate::content::hex;
use crate::diagnostic::quote;

const HEAD: &str = "AEGIS-POLICY-BUNDLE-V1";
const SEPARATOR: &str = "---";
const FIELDS: [&str; 7] =
    ["format_version", "policy_version", "timestamp", "expires", "signer_key", "signature", "policy_sha256"];

/// So much of a line is kept: no field has more characters.
const SHOWN: usize = 160;

/// What is wrong with a bundle or a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportFlaw {
    /// There is no policy in it.
    #[error("the bundle has no line `{SEPARATOR}`, so its end is missing, and the policy with it")]
    NoSeparator,
    /// Its policy cannot be one.
    #[error("the policy in the bundle is no text: byte {0} of it is not UTF-8")]
    NotText(usize),
    /// A line of its head.
    #[error("line {line} of the bundle is not `name: value`: {}", quote(.text))]
    Line {
        /// Its number, from 1 on.
        line: usize,
        /// What stands there.
        text: String,
    },
    /// A field that no bundle has.
    #[error("the bundle has an unknown field {}", quote(.0))]
    Unknown(String),
    /// A field that is there more than once.
    #[error("the bundle has its field `{0}` twice")]
    Twice(&'static str),
    /// A field that is not there.
    #[error("the bundle has no field `{0}`")]
    Missing(&'static str),
    /// A field whose value is none.
    #[error("the field `{field}` of the bundle is {} and not {wanted}", quote(.value))]
    Value {
        /// Which.
        field: &'static str,
        /// What it is.
        value: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// Its policy is not the one that it was made of.
    #[error("the bundle says that its policy has the SHA-256 {said}, and it has {found}")]
    Digest {
        /// As its head says.
        said: ContentDigest,
        /// That of the policy in it.
        found: ContentDigest,
    },
    /// As long as a secret key.
    #[error("it has 128 hexadecimal digits, as a secret key has; a public one has 64")]
    SecretKey,
    /// No key at all.
    #[error("it is no key of the C++ AegisBPF, which has 64 hexadecimal digits on one line")]
    NoKey,
}

/// A bundle, as far as it could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle<'a> {
    /// The policy in it.
    pub policy: &'a str,
    /// The number of the policy, if it has one.
    pub policy_version: Option<u64>,
    /// When it ends to be valid, in seconds since 1970; none if it does not.
    pub expires: Option<u64>,
    /// The key that is said to have signed it.
    pub signer: Option<[u8; 32]>,
    /// What is wrong with it.
    pub flaws: Vec<ImportFlaw>,
}

/// Takes a bundle apart; `None` if these bytes are not meant to be one.
///
/// # Errors
/// If no policy can be taken out of it.
pub fn bundle(bytes: &[u8]) -> Result<Option<Bundle<'_>>, ImportFlaw> {
    if !bytes
        .strip_prefix(HEAD.as_bytes())
        .is_some_and(|rest| [None, Some(&b'\n'), Some(&b'\r')].contains(&rest.first()))
    {
        return Ok(None);
    }
    let (head, policy) = split(bytes).ok_or(ImportFlaw::NoSeparator)?;
    let text = std::str::from_utf8(policy).map_err(|error| ImportFlaw::NotText(error.valid_up_to()))?;
    let mut fields = Fields::default();
    for (number, line) in String::from_utf8_lossy(head).lines().enumerate().skip(1) {
        fields.take(number + 1, line);
    }
    Ok(Some(fields.bundle(text)))
}

/// What is before the line `---`, and what is behind it.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut begin = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let end = begin + line.len();
        if line.trim_ascii_end() == SEPARATOR.as_bytes() {
            return Some((bytes.get(..begin)?, bytes.get(end..)?));
        }
        begin = end;
    }
    None
}

/// A public key: its digits on one line.
///
/// # Errors
/// If it is none.
pub fn hex_key(bytes: &[u8]) -> Result<[u8; 32], ImportFlaw> {
    let line = bytes.trim_ascii();
    if let Some(key) = hex(line) {
        return Ok(key);
    }
    Err(if hex::<64>(line).is_some() { ImportFlaw::SecretKey } else { ImportFlaw::NoKey })
}

/// The fields of a head, in the order of [`FIELDS`], and what is wrong with it.
#[derive(Default)]
struct Fields {
    values: [Option<String>; FIELDS.len()],
    flaws: Vec<ImportFlaw>,
}

impl Fields {
    fn take(&mut self, line: usize, text: &str) {
        let shown = |text: &str| text.chars().take(SHOWN).collect::<String>();
        let Some((name, value)) = text.split_once(':') else {
            return self.flaws.push(ImportFlaw::Line { line, text: shown(text) });
        };
        let Some(at) = FIELDS.iter().position(|field| *field == name.trim()) else {
            return self.flaws.push(ImportFlaw::Unknown(shown(name.trim())));
        };
        if let (Some(slot), Some(field)) = (self.values.get_mut(at), FIELDS.get(at))
            && slot.replace(shown(value.trim())).is_some()
        {
            self.flaws.push(ImportFlaw::Twice(field));
        }
    }

    fn bundle(mut self, policy: &str) -> Bundle<'_> {
        const NUMBER: &str = "a number";
        const SHORT: &str = "64 hexadecimal digits";
        let number = |text: &str| text.parse::<u64>().ok();
        let one = |text: &str| (text == "1").then_some(());
        let policy_version = self.value("policy_version", NUMBER, number);
        let expires = self.value("expires", NUMBER, number).filter(|end| *end > 0);
        let signer = self.value("signer_key", SHORT, |text| hex(text.as_bytes()));
        self.value("format_version", "1", one);
        self.value("timestamp", NUMBER, number);
        // Its length alone is looked at: see above.
        self.value("signature", "128 hexadecimal digits", signature);
        let said = self.value("policy_sha256", SHORT, |text| ContentDigest::parse(text).ok());
        let found = ContentDigest::of(policy.as_bytes());
        let differs = said.filter(|said| *said != found);
        self.flaws.extend(differs.map(|said| ImportFlaw::Digest { said, found }));
        Bundle { policy, policy_version, expires, signer, flaws: self.flaws }
    }

    /// The value of a field, if it is there and is one.
    fn value<T>(
        &mut self,
        field: &'static str,
        wanted: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let at = FIELDS.iter().position(|known| *known == field)?;
        let Some(value) = self.values.get(at).cloned().flatten() else {
            self.flaws.push(ImportFlaw::Missing(field));
            return None;
        };
        let parsed = parse(&value);
        if parsed.is_none() {
            self.flaws.push(ImportFlaw::Value { field, value, wanted });
        }
        parsed
    }
}

fn signature(text: &str) -> Option<()> {
    (text.len() == 128 && text.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(())
}

#[cfg(test)]
mod tests;
