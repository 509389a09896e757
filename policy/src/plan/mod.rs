//! What a policy means, independent of machine, file layout and order.
//!
//! A plan cannot be built but by [`compile`](crate::compile) and [`Plan::empty`], so one that exists is valid.

mod anchors;
mod digest;
mod name;
mod object;
mod print;

pub use anchors::Anchors;
pub use name::{Name, NameError};
pub use object::{CgroupRef, Object};

use aegis_kernel_abi::{Mode, Operations};
use std::collections::BTreeSet;

/// A compiled policy. Two plans are equal exactly if their digests are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    name: Name,
    serial: Option<u64>,
    mode: Mode,
    rules: Vec<Rule>,
    exempt: BTreeSet<CgroupRef>,
}

/// What is not to be done with some objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    id: Name,
    declared: Operations,
    mode: Mode,
    severity: Severity,
    reason: Option<String>,
    anchors: Anchors,
    objects: Vec<Object>,
}

/// How much a match matters to those who look at it. Changes no decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum Severity {
    /// Worth a note.
    Low = 1,
    /// If the policy does not say.
    #[default]
    Medium = 2,
    /// Worth a look today.
    High = 3,
    /// Worth waking somebody.
    Critical = 4,
}

impl Plan {
    /// The policy without rules and exemptions, named `empty`: applied, it denies nothing.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            name: Name::of_empty_policy(),
            serial: None,
            mode: Mode::Enforce,
            rules: Vec::new(),
            exempt: BTreeSet::new(),
        }
    }

    /// Brings the rules into their order. Their ids must differ.
    pub(crate) fn new(
        name: Name,
        serial: Option<u64>,
        mode: Mode,
        mut rules: Vec<Rule>,
        exempt: BTreeSet<CgroupRef>,
    ) -> Self {
        rules.sort_by(|one, other| one.id.cmp(&other.id));
        Self { name, serial, mode, rules, exempt }
    }

    /// What the policy is called.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Its serial number, from 1.
    #[must_use]
    pub fn serial(&self) -> Option<u64> {
        self.serial
    }

    /// The mode of the policy as a whole. It is contained in the mode of each rule.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The rules, ordered by id. The number of a rule is its index.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Cgroups that are, with all below them, excepted from all rules.
    #[must_use]
    pub fn exempt(&self) -> &BTreeSet<CgroupRef> {
        &self.exempt
    }
}

impl Rule {
    /// Brings the objects into their order and takes each once.
    pub(crate) fn new(
        id: Name,
        declared: Operations,
        mode: Mode,
        severity: Severity,
        reason: Option<String>,
        anchors: Anchors,
        mut objects: Vec<Object>,
    ) -> Self {
        objects.sort_unstable();
        objects.dedup();
        Self { id, declared, mode, severity, reason, anchors, objects }
    }

    /// Its id, unique in the policy.
    #[must_use]
    pub fn id(&self) -> &Name {
        &self.id
    }

    /// The operations that are decided upon: those declared, and what would be a way around them.
    ///
    /// With `exec` also `map-exec`: a dynamic loader, called as a command, starts a program by mapping it, and no
    /// exec of that program ever happens. With `write` also `truncate`, which empties a file without opening it.
    /// With `create` also `mkdir`, `mknod` and `symlink`: it means making anything in that name.
    #[must_use]
    pub fn operations(&self) -> Operations {
        widened(self.declared)
    }

    /// The operations as the policy names them.
    #[must_use]
    pub fn declared(&self) -> Operations {
        self.declared
    }

    /// The weaker of the policy's mode and its own.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// How much a match matters.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// Why the rule exists, in the author's words: at most 256 bytes without control characters.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// What becomes of it when a directory or link on the way to one of its paths moves, or is missing.
    #[must_use]
    pub fn anchors(&self) -> Anchors {
        self.anchors
    }

    /// What it protects: at least one object, in order, each once.
    #[must_use]
    pub fn objects(&self) -> &[Object] {
        &self.objects
    }
}

/// See [`Rule::operations`].
pub(crate) fn widened(declared: Operations) -> Operations {
    const WIDER: [(Operations, Operations); 3] = [
        (Operations::EXEC, Operations::MAP_EXEC),
        (Operations::WRITE, Operations::TRUNCATE),
        (Operations::CREATE, Operations::MKDIR.union(Operations::MKNOD).union(Operations::SYMLINK)),
    ];
    WIDER
        .into_iter()
        .filter(|(operation, _)| declared.contains(*operation))
        .fold(declared, |all, (_, wider)| all | wider)
}

impl Severity {
    /// All severities, the least first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// Its name in policies and records.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// The severity with that name.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.word() == word)
    }
}
