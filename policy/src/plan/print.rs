//! A plan as the text of a policy.

use super::{Action, Anchors, Escalation, Namespace, Object, Plan, Rule, Subject};
use std::fmt::{self, Write};

/// A string in TOML's double quotes.
struct Quoted<'a>(&'a str);

/// A list with one value on each line: such a list is easy to compare, line by line.
struct Lines<I>(I);

impl Plan {
    /// One canonical text in format 3 with this meaning. Compiling it gives an equal plan.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.print(&mut out);
        out
    }

    fn print(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "version = 3\nname = \"{}\"", self.name)?;
        if let Some(serial) = self.serial {
            writeln!(out, "serial = {serial}")?;
        }
        if let Some(expires) = self.expires {
            writeln!(out, "expires = {}", Moment(expires))?;
        }
        writeln!(out, "mode = \"{}\"", self.mode.word())?;
        for (name, tenant) in &self.tenants {
            // A dot in a name would begin another key.
            writeln!(out, "\n[tenant.\"{name}\"]")?;
            print_subject(&tenant.scope, out)?;
            for (key, most) in [("max_rules", tenant.max_rules), ("max_objects", tenant.max_objects)] {
                most.map_or(Ok(()), |most| writeln!(out, "{key} = {most}"))?;
            }
        }
        for rule in &self.rules {
            self.print_rule(rule, out)?;
        }
        if !self.exempt.is_empty() {
            write!(out, "\n[exempt]\ncgroup = {}", Lines(self.exempt.iter().map(ToString::to_string)))?;
        }
        Ok(())
    }

    fn print_rule(&self, rule: &Rule, out: &mut String) -> fmt::Result {
        writeln!(out, "\n[[rule]]\nid = \"{}\"", rule.id)?;
        if let Some(tenant) = &rule.tenant {
            writeln!(out, "tenant = \"{tenant}\"")?;
        }
        if rule.action != Action::default() {
            writeln!(out, "action = \"{}\"", rule.action.word())?;
        }
        let operations: Vec<String> = rule.declared.words().map(|word| format!("\"{word}\"")).collect();
        writeln!(out, "on = [{}]", operations.join(", "))?;
        // Objects of one key follow each other in their order.
        for objects in rule.objects.chunk_by(|one, other| one.key() == other.key()) {
            match objects {
                [Object::Any, ..] => writeln!(out, "any = true")?,
                [first, ..] => {
                    write!(out, "{} = {}", first.key(), Lines(objects.iter().map(ToString::to_string)))?;
                }
                [] => {}
            }
        }
        if rule.mode != self.mode {
            writeln!(out, "mode = \"{}\"", rule.mode.word())?;
        }
        print_answer(rule, out)?;
        // Tables come last: keys below their headers would be theirs.
        for (key, subjects) in [("when", &rule.when), ("unless", &rule.unless)] {
            for subject in subjects {
                writeln!(out, "\n[[rule.{key}]]")?;
                print_subject(subject, out)?;
            }
        }
        Ok(())
    }
}

fn print_answer(rule: &Rule, out: &mut String) -> fmt::Result {
    if let Some(signal) = rule.signal {
        writeln!(out, "signal = \"{}\"", signal.word())?;
    }
    if let Some(Escalation { after, within_seconds }) = rule.escalation {
        writeln!(out, "escalate = {{ after = {after}, within_seconds = {within_seconds} }}")?;
    }
    if rule.anchors != Anchors::default() {
        writeln!(out, "anchors = \"{}\"", rule.anchors.word())?;
    }
    if rule.lockdown {
        writeln!(out, "lockdown = true")?;
    }
    writeln!(out, "severity = \"{}\"", rule.severity.word())?;
    if !rule.mitre.is_empty() {
        let tags: Vec<String> = rule.mitre.iter().map(|tag| Quoted(tag).to_string()).collect();
        writeln!(out, "mitre = [{}]", tags.join(", "))?;
    }
    match &rule.reason {
        Some(reason) => writeln!(out, "reason = {}", Quoted(reason)),
        None => Ok(()),
    }
}

pub(super) fn print_subject(subject: &Subject, out: &mut String) -> fmt::Result {
    for (key, paths) in [("exe", &subject.exe), ("ancestor", &subject.ancestor)] {
        if !paths.is_empty() {
            write!(out, "{key} = {}", Lines(paths.iter().cloned()))?;
        }
    }
    if !subject.cgroup.is_empty() {
        write!(out, "cgroup = {}", Lines(subject.cgroup.iter().map(ToString::to_string)))?;
    }
    for (key, ids) in [("uid", &subject.uid), ("gid", &subject.gid)] {
        let ids: Vec<String> = ids.ranges().iter().map(|range| id_range(*range)).collect();
        if !ids.is_empty() {
            writeln!(out, "{key} = [{}]", ids.join(", "))?;
        }
    }
    for (key, namespaces) in ["user_ns", "pid_ns", "mnt_ns"].into_iter().zip(subject.namespaces()) {
        let list: Vec<String> = namespaces.iter().map(|namespace| namespace_value(*namespace)).collect();
        if !list.is_empty() {
            writeln!(out, "{key} = [{}]", list.join(", "))?;
        }
    }
    Ok(())
}

fn id_range((first, last): (u32, u32)) -> String {
    if first == last { first.to_string() } else { format!("\"{first}-{last}\"") }
}

fn namespace_value(namespace: Namespace) -> String {
    match namespace {
        Namespace::Host => "\"host\"".to_owned(),
        Namespace::Number(number) => number.to_string(),
    }
}

/// Seconds since 1970 as TOML writes a moment, in UTC.
pub(crate) struct Moment(pub(crate) u64);

impl fmt::Display for Moment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, seconds) = (self.0 / 86_400, self.0 % 86_400);
        let (year, month, day) = crate::moment::date(days);
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_char('"')?;
        for character in self.0.chars() {
            match character {
                '"' | '\\' => write!(out, "\\{character}")?,
                _ if character.is_control() => write!(out, "\\u{:04X}", u32::from(character))?,
                _ => out.write_char(character)?,
            }
        }
        out.write_char('"')
    }
}

impl<I: Iterator<Item = String> + Clone> fmt::Display for Lines<I> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("[\n")?;
        for item in self.0.clone() {
            writeln!(out, "    {},", Quoted(&item))?;
        }
        out.write_str("]\n")
    }
}
