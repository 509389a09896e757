//! The table of all keys: what a value may be, and when a change of it is taken. Everything that goes over all keys
//! goes over this table, in this order.

use crate::settings::{EnforceSignal, Holders, Mode, WhenFull};
use std::ffi::OsStr;

/// A key: a section, a dot, a name.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) taken: Taken,
}

/// What a value may be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// An absolute path of at most so many bytes.
    Path(usize),
    /// A list of absolute paths.
    Paths,
    /// A list of cgroups.
    Cgroups,
    /// A list of words, none of them empty.
    Texts,
    /// One of these words.
    Word(&'static [&'static str]),
    /// `true` or `false`.
    Boolean,
    /// An integer, and the least and the most that it can be.
    Count(u32, u32),
    /// A size of the ring of events.
    RingBytes,
    /// What is logged.
    Log,
    /// An address of this host alone.
    Listen,
}

/// When a change is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// When the daemon reads its configuration again.
    Reload,
    /// When a daemon starts.
    Start,
}

impl Taken {
    /// As documents say it.
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::Reload => "A change is taken at a reload.",
            Self::Start => "A change needs a new start of the daemon.",
        }
    }
}

/// As the kernel has it for paths, without the NUL at the end.
const PATH_MAX: usize = 4095;
/// As the kernel has it for addresses of sockets, without the NUL at the end.
const SOCKET_MAX: usize = 107;

const fn key(name: &'static str, kind: Kind, taken: Taken) -> Key {
    Key { name, kind, taken }
}

/// All keys, in the order of the default file.
pub(crate) const KEYS: &[Key] = &[
    key("daemon.bpffs_root", Kind::Path(PATH_MAX), Taken::Start),
    key("daemon.socket", Kind::Path(SOCKET_MAX), Taken::Start),
    key("daemon.state_dir", Kind::Path(PATH_MAX), Taken::Start),
    key("daemon.log", Kind::Log, Taken::Reload),
    key("policy.files", Kind::Paths, Taken::Reload),
    key("policy.mode", Kind::Word(Mode::WORDS), Taken::Reload),
    key("policy.allow_audit_fallback", Kind::Boolean, Taken::Start),
    key("policy.holders", Kind::Word(Holders::WORDS), Taken::Reload),
    key("policy.enforce_signal", Kind::Word(EnforceSignal::WORDS), Taken::Reload),
    key("policy.watch", Kind::Boolean, Taken::Reload),
    key("trust.directory", Kind::Path(PATH_MAX), Taken::Reload),
    key("trust.threshold", Kind::Count(1, 16), Taken::Reload),
    key("trust.require_signature", Kind::Boolean, Taken::Reload),
    key("events.ring_bytes", Kind::RingBytes, Taken::Start),
    key("events.per_second", Kind::Count(0, u32::MAX), Taken::Reload),
    key("context.argv", Kind::Boolean, Taken::Reload),
    key("context.hidden_words", Kind::Texts, Taken::Reload),
    key("survival.cgroups", Kind::Cgroups, Taken::Start),
    key("sinks.stdout.when_full", Kind::Word(WhenFull::WORDS), Taken::Reload),
    key("sinks.file.path", Kind::Path(PATH_MAX), Taken::Reload),
    key("sinks.file.when_full", Kind::Word(WhenFull::WORDS), Taken::Reload),
    key("metrics.listen", Kind::Listen, Taken::Reload),
];

impl Key {
    /// The key of a name.
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// Its section and its name in it.
    pub(crate) fn parts(&self) -> (&'static str, &'static str) {
        self.name.rsplit_once('.').unwrap_or(("", self.name))
    }

    /// The variable that sets it.
    pub(crate) fn variable(&self) -> String {
        format!("{VARIABLES}{}", self.name.replace('.', "__").to_uppercase())
    }
}

/// What the names of our variables begin with.
pub(crate) const VARIABLES: &str = "AEGISBPF__";

/// Variables of the C++ AegisBPF that mean what a key does. Ours go before them; an empty one is none.
const THEIR_VARIABLES: [(&str, &str); 3] = [
    ("AEGIS_KEYS_DIR", "trust.directory"),
    ("AEGIS_POLICY", "policy.files"),
    ("AEGIS_REQUIRE_SIGNATURE", "trust.require_signature"),
];

/// Whether a variable of the environment is a setting, or should be one.
#[must_use]
pub fn is_variable(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(VARIABLES.as_bytes())
        || THEIR_VARIABLES.iter().any(|(theirs, _)| name == *theirs)
}

/// The key of a variable of the C++ AegisBPF.
pub(crate) fn of_theirs(name: &str) -> Option<&'static Key> {
    THEIR_VARIABLES.iter().find(|(theirs, _)| *theirs == name).and_then(|(_, key)| Key::find(key))
}

/// Whether keys are below this section.
pub(crate) fn is_section(name: &str) -> bool {
    KEYS.iter().any(|key| key.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
}

/// What can stand in a section: names of keys and of sections. The whole file is the section without a name.
pub(crate) fn names_in(section: &str) -> Vec<&'static str> {
    let mut names = Vec::new();
    for key in KEYS {
        let rest = match section {
            "" => Some(key.name),
            section => key.name.strip_prefix(section).and_then(|rest| rest.strip_prefix('.')),
        };
        let name = rest.and_then(|rest| rest.split('.').next());
        if let Some(name) = name.filter(|name| !names.contains(name)) {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_and_what_is_in_them() {
        assert_eq!(
            names_in(""),
            ["daemon", "policy", "trust", "events", "context", "survival", "sinks", "metrics"]
        );
        assert_eq!(names_in("sinks"), ["stdout", "file"]);
        assert_eq!(names_in("sinks.file"), ["path", "when_full"]);
        assert!(is_section("sinks") && is_section("sinks.file"));
        assert!(!is_section("sink") && !is_section("sinks.file.path") && !is_section(""));
    }

    #[test]
    fn variables() {
        let variables = KEYS.iter().map(Key::variable).collect::<Vec<_>>();
        assert_eq!(variables.first().map(String::as_str), Some("AEGISBPF__DAEMON__BPFFS_ROOT"));
        assert!(variables.contains(&"AEGISBPF__SINKS__FILE__WHEN_FULL".to_owned()));
    }
}
