//! How a rule answers.

/// What a rule does with what it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum Action {
    /// It is denied.
    #[default]
    Deny = 1,
    /// Rules of the same tenant do not deny it. Rules of the host still do.
    Allow = 2,
}

/// What a process gets whom an enforcing rule denies something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Signal {
    /// Nothing but the error.
    None = 0,
    /// SIGINT.
    Int = 2,
    /// SIGKILL.
    Kill = 9,
    /// SIGTERM.
    Term = 15,
}

/// When a signal becomes SIGKILL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Escalation {
    /// With which denial of one process, counted from 1.
    pub after: u32,
    /// Within how many seconds.
    pub within_seconds: u32,
}

macro_rules! words {
    ($name:ident: $($variant:ident $word:literal),+) => {
        impl $name {
            /// All values.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name in policies.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The value with that name.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.word() == word)
            }
        }
    };
}

words!(Action: Deny "deny", Allow "allow");
words!(Signal: None "none", Int "int", Kill "kill", Term "term");
