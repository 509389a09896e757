//! A plan as the text of a policy.

use super::{Anchors, Object, Plan, Rule};
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
        writeln!(out, "mode = \"{}\"", self.mode.word())?;
        for rule in &self.rules {
            self.print_rule(rule, out)?;
        }
        if !self.exempt.is_empty() {
            write!(out, "\n[exempt]\ncgroup = {}", Lines(self.exempt.iter().map(ToString::to_string)))?;
        }
        Ok(())
    }

    fn print_rule(&self, rule: &Rule, out: &mut String) -> fmt::Result {
        let operations: Vec<String> = rule.declared.words().map(|word| format!("\"{word}\"")).collect();
        writeln!(out, "\n[[rule]]\nid = \"{}\"\non = [{}]", rule.id, operations.join(", "))?;
        // Paths come before inodes in the order of objects.
        let inodes = rule.objects.partition_point(|object| matches!(object, Object::Path(_)));
        let (paths, inodes) = rule.objects.split_at(inodes);
        for (key, objects) in [("path", paths), ("inode", inodes)] {
            if !objects.is_empty() {
                write!(out, "{key} = {}", Lines(objects.iter().map(ToString::to_string)))?;
            }
        }
        if rule.mode != self.mode {
            writeln!(out, "mode = \"{}\"", rule.mode.word())?;
        }
        if rule.anchors != Anchors::default() {
            writeln!(out, "anchors = \"{}\"", rule.anchors.word())?;
        }
        writeln!(out, "severity = \"{}\"", rule.severity.word())?;
        match &rule.reason {
            Some(reason) => writeln!(out, "reason = {}", Quoted(reason)),
            None => Ok(()),
        }
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
