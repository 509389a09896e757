//! What holds a path where it is.

use super::words::words;

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

words!(Anchors: Hold "hold", Follow "follow");
