//! Public keys.

use crate::{Flaw, MOST_BYTES, base64, minisign, ssh};
use std::hash::{Hash, Hasher};

/// A public key that can have signed a policy. Two are equal if the same secret key belongs to them, in whichever form
/// they were written: nobody counts twice.
#[derive(Debug, Clone)]
pub struct Key {
    raw: [u8; 32],
    form: Form,
    comment: String,
}

#[derive(Debug, Clone, Copy)]
enum Form {
    /// With the number that minisign knows it by.
    Minisign([u8; 8]),
    Ssh,
}

/// Whose signatures a key verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Those of `minisign`, and of `aegisbpf policy sign`.
    Minisign,
    /// Those of `ssh-keygen -Y sign`.
    Ssh,
}

impl Kind {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Minisign => "minisign",
            Self::Ssh => "ssh",
        }
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.raw.hash(state);
    }
}

impl Key {
    /// Reads a public key: the file that minisign makes, its second line alone, or the line that OpenSSH makes.
    ///
    /// # Errors
    /// Why it is none, and what to do.
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        if text.len() > MOST_BYTES {
            return Err(Flaw::TooLarge(text.len()));
        }
        if text.contains("PRIVATE KEY-----") || text.starts_with("PuTTY-User-Key-File-") {
            return Err(Flaw::SecretKey);
        }
        let lines = base64::lines(text);
        let first = lines.first().copied().ok_or(Flaw::Empty)?;
        match (first.strip_prefix(minisign::UNTRUSTED), lines.as_slice()) {
            (Some(comment), [_, line]) => Self::of_minisign(line, comment),
            (Some(_), [_]) => Err(Flaw::DamagedKey("minisign")),
            (Some(_), _) => Err(Flaw::MoreThanOneKey),
            (None, [line]) => Self::of_line(line),
            (None, _) if ssh::looks_like_key(first) => Err(Flaw::MoreThanOneKey),
            (None, _) => Err(Flaw::NoKey),
        }
    }

    fn of_line(line: &str) -> Result<Self, Flaw> {
        // Those of the C++ AegisBPF.
        if line.bytes().all(|byte| byte.is_ascii_hexdigit()) && [64, 128].contains(&line.len()) {
            return Err(if line.len() == 64 { Flaw::HexKey } else { Flaw::SecretKey });
        }
        if ssh::looks_like_key(line) {
            let (raw, comment) = ssh::public(line)?;
            return Self::of_parts(raw, Form::Ssh, comment);
        }
        if base64::decode(line).is_none() {
            return Err(Flaw::NoKey);
        }
        Self::of_minisign(line, "")
    }

    fn of_minisign(line: &str, comment: &str) -> Result<Self, Flaw> {
        let (number, raw) = minisign::public(line)?;
        Self::of_parts(raw, Form::Minisign(number), comment)
    }

    fn of_parts(raw: [u8; 32], form: Form, comment: &str) -> Result<Self, Flaw> {
        let point = ed25519_dalek::VerifyingKey::from_bytes(&raw).map_err(|_| Flaw::Weak)?;
        // A point has one encoding; a second one would count as a second key.
        if point.is_weak() || point.to_edwards().compress().to_bytes() != raw {
            return Err(Flaw::Weak);
        }
        // It stands on one line.
        let comment = comment.replace(char::is_control, " ");
        Ok(Self { raw, form, comment })
    }

    /// A key of OpenSSH, of its bytes.
    ///
    /// # Errors
    /// If these bytes are no key.
    pub fn from_ed25519(raw: &[u8; 32], comment: &str) -> Result<Self, Flaw> {
        Self::of_parts(*raw, Form::Ssh, comment)
    }

    /// What it is called: the number that `minisign` prints, or the fingerprint that `ssh-keygen -l` prints.
    #[must_use]
    pub fn id(&self) -> String {
        match self.form {
            Form::Minisign(number) => minisign::id(number),
            Form::Ssh => ssh::id(self.raw),
        }
    }

    /// What it is called, as the name of a file: without slashes and colons.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}.pub", self.id().replace('/', "_").replace(':', "-"))
    }

    /// Whose signatures it verifies.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.form {
            Form::Minisign(_) => Kind::Minisign,
            Form::Ssh => Kind::Ssh,
        }
    }

    /// What whoever wrote the file has said about it. Nobody has signed that.
    #[must_use]
    pub fn comment(&self) -> &str {
        &self.comment
    }

    /// Its file.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self.form {
            Form::Minisign(number) => {
                let line = minisign::line(&(number, self.raw));
                format!("{}{}\n{line}\n", minisign::UNTRUSTED, self.comment)
            }
            Form::Ssh => format!("{}\n", format!("{} {}", ssh::line(&self.raw), self.comment).trim_end()),
        }
    }

    /// Its number, if minisign made it.
    pub(crate) fn minisign(&self) -> Option<minisign::Parts> {
        match self.form {
            Form::Minisign(number) => Some((number, self.raw)),
            Form::Ssh => None,
        }
    }

    /// Its bytes, if OpenSSH made it.
    pub(crate) fn ssh(&self) -> Option<[u8; 32]> {
        match self.form {
            Form::Minisign(_) => None,
            Form::Ssh => Some(self.raw),
        }
    }
}
