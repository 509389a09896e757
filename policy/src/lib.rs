//! The policy language: text in, [`Plan`] or [`Report`] out.
//!
//! The way of a policy through this crate is the list of its modules:
//!
//! 1. `syntax`: TOML with a place for every value, and reading of typed fields; lines of format 1.
//! 2. `check`: what the fields mean; nothing leaves it that is not valid. Each file is checked for itself, then
//!    all are merged, so a policy may be split in any way.
//! 3. `plan`: the result, the same on every machine: paths are not resolved, cgroups not looked up.
//! 4. `diagnostic`: what was wrong. All of it is told at once, each with place, cause and remedy.
//!
//! [`Entries`] edits formats 1 and 2, [`migrate`] rewrites them, [`import`] takes them out of signed bundles. This crate opens no file, asks no clock, and knows nothing
//! of the host a plan will be used on: whether a path exists is found out by whoever resolves the plan.
#![forbid(unsafe_code)]

mod check;
mod content;
mod diagnostic;
mod entries;
pub mod import;
mod migrate;
mod moment;
mod plan;
mod schema;
mod syntax;

pub use check::NetKind;
pub use content::{ContentDigest, NoDigest};
pub use diagnostic::{Code, Diagnostic, Level, Located, Place, Point, Related, RelatedPlace, Report};
pub use entries::{AllowEntry, DenyEntry, Entries, NetEntry};
pub use migrate::{Migrated, migrate};
pub use plan::{
    Action, Anchors, CgroupRef, Diff, Escalation, Fact, Ids, Name, NameError, Namespace, Net, NetRow,
    Network, Object, Operations, Plan, Ports, Prefixes, Protocol, Rule, Severity, Signal, Sizes, Subject,
    Tenant, Verity,
};
pub use schema::schema;

/// A policy file, already read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source<'a> {
    /// What diagnostics call it; usually its path.
    pub name: &'a str,
    /// Its content.
    pub text: &'a str,
}

/// A policy without errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiled {
    /// What it means.
    pub plan: Plan,
    /// What is allowed but probably not meant. Often empty.
    pub warnings: Report,
}

/// Whether a text is of format 1 or 2, which are read line by line.
#[must_use]
pub fn is_old_format(text: &str) -> bool {
    check::is_format_1(text)
}

/// A moment, in seconds since 1970, as policies write moments.
#[must_use]
pub fn moment(seconds: u64) -> String {
    plan::Moment(seconds).to_string()
}

/// The serial that one of the files of a policy gives by itself; none if it gives none, or cannot be read. What a whole policy
/// has is [`Plan::serial`].
#[must_use]
pub fn serial_of(text: &str) -> Option<u64> {
    if is_old_format(text) { None } else { check::serial_of(text) }
}

/// Compiles the files of one policy. Their order and the order inside them mean nothing.
///
/// A file is TOML, of format 3; its keys are those of [`schema`], and any other key is an error. When there are several
/// files, `name`, `serial`, `expires` and `mode` may stand in any of them, but must not contradict each other.
///
/// A file whose first line is `version=1` or `version=2` is of the older, line-oriented formats instead: sections with an
/// entry on each line, each a rule of its own. It has no name, and files of all formats may be merged.
///
/// The language is described in `docs/policy.md`.
///
/// # Errors
/// A report of all errors and warnings in all files. Files whose TOML cannot be read, and files of another
/// version, are reported for that alone.
pub fn compile(sources: &[Source<'_>]) -> Result<Compiled, Report> {
    if sources.is_empty() {
        return Err(Report::no_source());
    }
    let mut found = Vec::new();
    let plan = check::policy(sources, &mut found);
    let report = Report::new(sources, found);
    match plan {
        Some(plan) if report.errors() == 0 => Ok(Compiled { plan, warnings: report }),
        _ => Err(report),
    }
}
