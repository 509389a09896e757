//! The entries of one file of format 1, as sets that can be edited.

use crate::check::NetKind;
use crate::diagnostic::{Fault, Place, Report, quote};
use crate::plan::{Action, Anchors, CgroupRef, Object, Operations, Plan, Rule};
use crate::{Source, check};
use aegis_kernel_abi::Mode;
use std::collections::BTreeSet;
use std::fmt::{self, Write};

/// A file that format 1 denies. Its text is what stands on its line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DenyEntry(Object);

/// Addresses that format 1 denies. Its text is what stands on its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NetEntry(check::NetEntry);

/// A cgroup that format 1 exempts. Its text is what stands on its line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AllowEntry(CgroupRef);

/// A policy of format 1, whatever order, comments and layout its text had.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entries {
    /// Paths and inodes.
    pub deny: BTreeSet<DenyEntry>,
    /// Addresses and ports.
    pub net: BTreeSet<NetEntry>,
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

impl NetEntry {
    /// Takes an address, addresses with a prefix, or a port with protocol and direction; of one kind alone, or of the one
    /// that the text looks like.
    ///
    /// # Errors
    /// A report that says what is wrong with it.
    pub fn parse(kind: Option<NetKind>, text: &str) -> Result<Self, Report> {
        check::net_entry(kind, text).map(Self).map_err(|fault| report(fault, text))
    }

    /// Which kind it is.
    #[must_use]
    pub fn kind(&self) -> NetKind {
        self.0.line().0
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

/// The sections in the order in which they are written.
const SECTIONS: [&str; 6] = ["deny_path", "deny_inode", "deny_ip", "deny_cidr", "deny_port", "allow_cgroup"];

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
        let (mut deny, mut net) = (BTreeSet::new(), BTreeSet::new());
        for rule in plan.rules() {
            for object in rule.objects() {
                match object {
                    Object::Net(addresses) => {
                        let entry = check::NetEntry { net: *addresses, operations: rule.declared() };
                        net.insert(NetEntry(entry));
                    }
                    file => {
                        deny.insert(DenyEntry(file.clone()));
                    }
                }
            }
        }
        Ok(Self { deny, net, allow: plan.exempt().iter().cloned().map(AllowEntry).collect() })
    }

    /// The entries that mean what a plan does, if there are such: names, serials and ids are left out.
    ///
    /// # Errors
    /// What no entry can say, each with its rule.
    pub fn of(plan: &Plan) -> Result<Self, Vec<String>> {
        let (mut entries, mut wrong) = (Self::default(), Vec::new());
        if plan.mode() != Mode::Enforce {
            wrong.push("the policy observes".to_owned());
        }
        if plan.expires().is_some() {
            wrong.push("the policy expires".to_owned());
        }
        for rule in plan.rules() {
            if let Err(why) = entries.take(rule) {
                wrong.push(format!("rule `{}`: {why}", rule.id()));
            }
        }
        for cgroup in plan.exempt() {
            if check::allow_entry(&cgroup.to_string()).ok().as_ref() == Some(cgroup) {
                entries.allow.insert(AllowEntry(cgroup.clone()));
            } else {
                wrong.push(format!("exempt: {} does not fit on a line", quote(&cgroup.to_string())));
            }
        }
        if wrong.is_empty() { Ok(entries) } else { Err(wrong) }
    }

    fn take(&mut self, rule: &Rule) -> Result<(), String> {
        let plain = [
            (rule.tenant().is_none() && rule.action() == Action::Deny, "it is a tenant's"),
            (rule.when().is_empty() && rule.unless().is_empty(), "it has conditions"),
            (rule.mode() == Mode::Enforce, "it observes"),
            (rule.signal().is_none(), "it has a signal of its own"),
            (rule.anchors() == Anchors::default(), "it follows its paths"),
            (!rule.lockdown(), "it is for lockdown"),
        ];
        if let Some((_, why)) = plain.into_iter().find(|(holds, _)| !holds) {
            return Err(why.to_owned());
        }
        let on_files = Operations::READ | Operations::WRITE | Operations::EXEC;
        for object in rule.objects() {
            match object {
                Object::Path(_) | Object::Inode { inode_generation: None, .. }
                    if rule.operations() == on_files.widened() =>
                {
                    let entry = DenyEntry(object.clone());
                    if check::deny_entry(&entry.to_string()).ok().as_ref() != Some(object) {
                        return Err(format!("{} does not fit on a line", quote(&object.to_string())));
                    }
                    self.deny.insert(entry);
                }
                Object::Net(net) => {
                    let entry = check::NetEntry { net: *net, operations: rule.declared() };
                    if !entry.can_be_said() {
                        return Err(format!("`{net}` cannot be written with these operations"));
                    }
                    self.net.insert(NetEntry(entry));
                }
                other => return Err(format!("`{}` cannot be written with these operations", other.key())),
            }
        }
        Ok(())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.deny.is_empty() && self.net.is_empty() && self.allow.is_empty()
    }

    /// One canonical text in format 1 with these entries. Reading it gives equal ones.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut sections: Vec<(&str, Vec<String>)> =
            SECTIONS.iter().map(|name| (*name, Vec::new())).collect();
        let mut add = |section: &str, line: String| {
            let found = sections.iter_mut().find(|(name, _)| *name == section);
            found.into_iter().for_each(|(_, lines)| lines.push(line.clone()));
        };
        for entry in &self.deny {
            let section = if matches!(entry.0, Object::Path(_)) { "deny_path" } else { "deny_inode" };
            add(section, entry.to_string());
        }
        for entry in &self.net {
            let (kind, line) = entry.0.line();
            add(kind.section(), line);
        }
        self.allow.iter().for_each(|entry| add("allow_cgroup", entry.to_string()));
        // Both versions have the same sections; whoever reads the first one alone may not know those for the network.
        let version = if self.net.is_empty() { 1 } else { 2 };
        let mut text = format!("version={version}\n");
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
            Object::Inode { major, minor, ino, .. } => {
                write!(out, "{}:{ino}", check::device(*major, *minor))
            }
            path => path.fmt(out),
        }
    }
}

impl fmt::Display for NetEntry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0.line().1)
    }
}

impl fmt::Display for AllowEntry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}
