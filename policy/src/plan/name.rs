//! Names of policies and ids of rules.

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

    /// The name of the empty policy.
    pub(crate) fn of_empty_policy() -> Self {
        Self("empty".to_owned())
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
