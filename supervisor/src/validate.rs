//! What is wrong with a tree, found before it starts.

use crate::spec::{AutoShutdown, Backoff, ChildSpec, Excess, Kind, Restart, Strategy, SupervisorSpec};
use std::collections::HashSet;
use std::fmt;

/// What is wrong with a tree, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// The supervisor or child, by the names from the root, with `/` between them.
    pub path: String,
    /// What is wrong with it.
    pub what: Flaw,
}

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// A child has no name.
    NoName,
    /// A name has a `/` in it.
    Slash,
    /// Another child of the same supervisor has that name.
    Twice,
    /// The period of the intensity is 0.
    NoPeriod,
    /// A permanent child is significant.
    SignificantPermanent,
    /// A child is significant, and its supervisor never ends by itself.
    SignificantForNothing,
    /// A supervisor that stops other children with the one that failed cannot leave it degraded.
    DegradedGroup,
    /// A degraded child would be tried again without pause.
    NoRetry,
    /// The first wait is longer than the longest.
    BackoffOrder,
    /// More than 100 percent cannot be taken off a wait.
    BackoffJitter,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoName => "it has no name; give it one",
            Self::Slash => "its name has a `/` in it, which stands between names; take another",
            Self::Twice => "another child of this supervisor has the same name; take another",
            Self::NoPeriod => "restarts are counted within a period of 0; give it a length",
            Self::SignificantPermanent => {
                "a permanent child does not end by itself for good, so it cannot be significant; make it transient or \
                 temporary"
            }
            Self::SignificantForNothing => {
                "it is significant, and its supervisor never ends by itself; set `auto_shutdown` there"
            }
            Self::DegradedGroup => {
                "it stops other children with the one that fails, so it cannot leave that one degraded; let it escalate"
            }
            Self::NoRetry => "a degraded child would be tried again without pause; give `retry` a length",
            Self::BackoffOrder => "the first wait of its restarts is longer than the longest; raise `limit`",
            Self::BackoffJitter => "more than 100 percent cannot be taken off a wait; lower `jitter`",
        })
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", if self.path.is_empty() { "the root" } else { &self.path }, self.what)
    }
}

impl std::error::Error for Invalid {}

/// Everything that is wrong with a tree.
///
/// # Errors
/// All findings, in the order of the tree.
pub fn validate<W>(root: &SupervisorSpec<W>) -> Result<(), Vec<Invalid>> {
    let mut found = Vec::new();
    supervisor(root, "", &mut found);
    if found.is_empty() { Ok(()) } else { Err(found) }
}

/// The same for a child that comes to a running supervisor.
pub(crate) fn validate_child<W>(
    of: &SupervisorSpec<W>,
    path: &str,
    spec: &ChildSpec<W>,
) -> Result<(), Invalid> {
    let mut found = Vec::new();
    child(of, path, spec, &mut found);
    found.into_iter().next().map_or(Ok(()), Err)
}

/// The path of a child.
pub(crate) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") }
}

fn supervisor<W>(spec: &SupervisorSpec<W>, path: &str, found: &mut Vec<Invalid>) {
    let mut wrong = |what| found.push(Invalid { path: path.to_owned(), what });
    if spec.intensity.period.is_zero() {
        wrong(Flaw::NoPeriod);
    }
    if let Excess::Degrade { retry } = spec.excess {
        if !matches!(spec.strategy, Strategy::OneForOne | Strategy::Dynamic) {
            wrong(Flaw::DegradedGroup);
        }
        if retry.is_zero() {
            wrong(Flaw::NoRetry);
        }
    }
    let mut names = HashSet::new();
    for spec_of_child in &spec.children {
        if !names.insert(&spec_of_child.name) {
            found.push(Invalid { path: join(path, &spec_of_child.name), what: Flaw::Twice });
        }
        child(spec, path, spec_of_child, found);
    }
}

fn child<W>(of: &SupervisorSpec<W>, path: &str, spec: &ChildSpec<W>, found: &mut Vec<Invalid>) {
    let path = join(path, &spec.name);
    let mut wrong = |what| found.push(Invalid { path: path.clone(), what });
    if spec.name.is_empty() {
        wrong(Flaw::NoName);
    }
    if spec.name.contains('/') {
        wrong(Flaw::Slash);
    }
    if spec.significant && spec.restart == Restart::Permanent {
        wrong(Flaw::SignificantPermanent);
    }
    if spec.significant && of.auto_shutdown == AutoShutdown::Never {
        wrong(Flaw::SignificantForNothing);
    }
    let Backoff { first, limit, jitter } = spec.backoff;
    if first > limit {
        wrong(Flaw::BackoffOrder);
    }
    if jitter > 100 {
        wrong(Flaw::BackoffJitter);
    }
    if let Kind::Supervisor(spec) = &spec.kind {
        supervisor(spec, &path, found);
    }
}
