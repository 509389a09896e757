//! Names of policies and ids of rules.

use super::{Net, Operations, Ports, Protocol};
use sha2::{Digest, Sha256};

/// Name of a policy or id of a rule: 1 to [`Name::LONGEST`] of the characters `A-Z a-z 0-9 . _ -`, so that it
/// fits into the kernel's tables and needs no quoting anywhere.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(String);

/// Why a text is not a [`Name`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It has no characters.
    #[error("it is empty")]
    Empty,
    /// It is longer than [`Name::LONGEST`] bytes.
    #[error("it has {0} bytes, and {max} is the most", max = Name::LONGEST)]
    Long(usize),
    /// It has this character.
    #[error("it contains {0:?}")]
    Character(char),
}

impl Name {
    /// The most bytes a name may have.
    pub const LONGEST: usize = 63;

    /// Takes a text as a name.
    ///
    /// # Errors
    /// If it is empty, too long, or has a character that is not allowed.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let foreign = |character: &char| !character.is_ascii_alphanumeric() && !"._-".contains(*character);
        match text.chars().find(foreign) {
            Some(character) => Err(NameError::Character(character)),
            None if text.is_empty() => Err(NameError::Empty),
            None if text.len() > Self::LONGEST => Err(NameError::Long(text.len())),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// Its beginning as a number: what differs in it is in the same order as the names are.
    pub(crate) fn beginning(&self) -> u128 {
        let mut bytes = [0; size_of::<u128>()];
        bytes.iter_mut().zip(self.0.bytes()).for_each(|(to, from)| *to = from);
        u128::from_be_bytes(bytes)
    }

    /// The name of the empty policy.
    pub(crate) fn of_empty_policy() -> Self {
        Self("empty".to_owned())
    }

    /// The name of a policy whose files are all of format 1, which has no names.
    pub(crate) fn of_format_1() -> Self {
        Self("format-1".to_owned())
    }

    /// The id of the rule that denies a path in format 1: a function of the path alone, and another one for each
    /// path. Where a path has only letters, digits, dots and underscores between its slashes, and is short, the
    /// id shows all of it; otherwise a part of its SHA-256 and its end. Paths are absolute and in normal form.
    pub(crate) fn of_path(path: &str) -> Self {
        const SHOWN: &str = "deny_path-";
        let relative = path.trim_start_matches('/');
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._".contains(&byte);
        let shown = relative.bytes().all(|byte| plain(byte) || byte == b'/');
        if shown && SHOWN.len() + relative.len() <= Self::LONGEST {
            return Self(format!("{SHOWN}{}", relative.replace('/', "-")));
        }
        let digest = Sha256::digest(path);
        let hash = digest.iter().take(8).fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        let head = format!("deny_path.{hash}.");
        let byte = |byte: u8| match byte {
            b'/' | b'-' => '-',
            other if plain(other) => char::from(other),
            _ => '_',
        };
        let end = relative.len().saturating_sub(Self::LONGEST - head.len());
        let tail: String = relative.bytes().skip(end).map(byte).collect();
        Self(head + &tail)
    }

    /// The id of the rule that denies addresses in format 1: another one for each entry that means something else.
    pub(crate) fn of_net(net: &Net, operations: Operations) -> Self {
        let (network, ports) = (net.network.to_string(), net.ports);
        if ports == Ports::ANY {
            // An address has no hyphen, so none of two of them is the same; a prefix is set off by an underscore.
            let kind = if network.contains('/') { "deny_cidr" } else { "deny_ip" };
            return Self(format!("{kind}-{}", network.replace(':', "-").replace('/', "_")));
        }
        let protocol = net.protocol.map_or("any", Protocol::word);
        let words: Vec<&str> = operations.words().collect();
        Self(format!("deny_port-{}-{protocol}-{}", ports.first, words.join("-")))
    }

    /// The id of the rule that denies an inode in format 1.
    pub(crate) fn of_inode(dev: u32, ino: u64) -> Self {
        Self(format!("deny_inode-{dev}-{ino}"))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Name;

    #[test]
    fn ids_of_entries_are_names_and_differ() {
        let long = format!("/{}/x", "d".repeat(200));
        let paths = [
            "/etc/shadow",
            "/etc-shadow",
            "/etc.shadow",
            "/usr/bin/x86_64-linux-gnu-gcc",
            "/usr/bin/x86_64/linux/gnu/gcc",
            "/srv/\u{e9}\u{1f600} \"'",
            "/a\nb",
            "/a/b",
            &long,
            &long.replace("/x", "/y"),
        ];
        let mut ids: Vec<String> = paths.iter().map(|path| Name::of_path(path).to_string()).collect();
        ids.push(Name::of_inode(u32::MAX, u64::MAX).to_string());
        for id in &ids {
            assert!(Name::parse(id).is_ok(), "{id}");
        }
        assert_eq!(ids[0], "deny_path-etc-shadow");
        assert!(ids[1].starts_with("deny_path.") && ids[1].ends_with(".etc-shadow"), "{}", ids[1]);
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all);
    }
}
