//! The entries of one file of format 1, as sets that can be edited.

use crate::diagnostic::{Fault, Place, Report};
use crate::plan::{CgroupRef, Object};
use crate::{Source, check};
use std::collections::BTreeSet;
use std::fmt::{self, Write};

/// Something that format 1 denies. Its text is what stands on its line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DenyEntry(Object);

/// A cgroup that format 1 exempts. Its text is what stands on its line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AllowEntry(CgroupRef);

/// A policy of format 1, whatever order, comments and layout its text had.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entries {
    /// Paths and inodes.
    pub deny: BTreeSet<DenyEntry>,
    /// Cgroups.
    pub allow: BTreeSet<AllowEntry>,
}

impl DenyEntry {
    /// Takes a path, `device:inode`, or `major:minor:inode`.
    ///
    /// # Errors
    /// A report that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Report> {
        check::deny_entry(text).map(Self).map_err(|fault| report(fault, text))
    }
}

impl AllowEntry {
    /// Takes the path of a cgroup, with the mount point or without, or `cgid:N`.
    ///
    /// # Errors
    /// A report that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Report> {
        check::allow_entry(text).map(Self).map_err(|fault| report(fault, text))
    }
}

fn report(fault: Fault, text: &str) -> Report {
    Report::new(&[Source { name: "(entry)", text }], vec![fault.at(Place::new(0, 0..text.len()))])
}

impl Entries {
    /// Reads a file of format 1.
    ///
    /// # Errors
    /// A report, also if the file is a good one of another format.
    pub fn read(source: Source<'_>) -> Result<Self, Report> {
        if !check::is_format_1(source.text) {
            let fault = check::not_format_1();
            return Err(Report::new(&[source], vec![fault.at(Place::new(0, 0..0))]));
        }
        let plan = crate::compile(&[source])?.plan;
        let deny = plan.rules().iter().flat_map(crate::Rule::objects).cloned().map(DenyEntry).collect();
        Ok(Self { deny, allow: plan.exempt().iter().cloned().map(AllowEntry).collect() })
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.deny.is_empty() && self.allow.is_empty()
    }

    /// One canonical text in format 1 with these entries. Reading it gives equal ones.
    #[must_use]
    pub fn to_text(&self) -> String {
        let (paths, inodes): (Vec<_>, Vec<_>) =
            self.deny.iter().partition(|entry| matches!(entry.0, Object::Path(_)));
        let lines = |entries: Vec<&DenyEntry>| entries.iter().map(ToString::to_string).collect();
        let sections: [(&str, Vec<String>); 3] = [
            ("deny_path", lines(paths)),
            ("deny_inode", lines(inodes)),
            ("allow_cgroup", self.allow.iter().map(ToString::to_string).collect()),
        ];
        let mut text = "version=1\n".to_owned();
        for (name, lines) in sections.into_iter().filter(|(_, lines)| !lines.is_empty()) {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n[{name}]\n{}\n", lines.join("\n"));
        }
        text
    }
}

impl fmt::Display for DenyEntry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Object::Path(path) => out.write_str(path),
            Object::Inode { major, minor, ino, .. } => {
                write!(out, "{}:{ino}", check::device(*major, *minor))
            }
        }
    }
}

impl fmt::Display for AllowEntry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}
