//! What holds a path where it is.

/// What becomes of a rule when a directory or link on the way to one of its paths moves, or is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum Anchors {
    /// Renaming or removing it is denied by an enforcing rule, and reported by an observing one:
    /// the rule would lose its file. Where a directory is missing, the first missing name on the way is
    /// protected instead.
    #[default]
    Hold = 1,
    /// It is allowed. The rule is pending until its path has been resolved again.
    Follow = 2,
}

impl Anchors {
    /// Both, the default first.
    pub const ALL: [Self; 2] = [Self::Hold, Self::Follow];

    /// Its name in policies.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Follow => "follow",
        }
    }

    /// The value with that name.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|anchors| anchors.word() == word)
    }
}
