//! The ways to read bytes as policies.

use crate::hold::{compiled, must, reported, written};
use crate::slots::{self, SLOTS, Slot};
use crate::{Finding, Target, seeds, signatures};
use aegis_policy::{AllowEntry, DenyEntry, Entries, NetEntry, Report, Source, migrate};
use std::collections::BTreeSet;
use std::fmt::{Debug, Display};

/// The whole input is a file.
pub const FORMAT3: Target = Target { name: "format3", check: format3, seeds: seeds::format3 };
/// A file of format 1 or 2: the first byte tells which, the rest follows the line with the version.
pub const FORMAT1: Target = Target { name: "format1", check: format1, seeds: seeds::format1 };
/// One value, of the command line or of a policy that is good otherwise: the first byte tells where it stands.
pub const VALUES: Target = Target { name: "values", check: values, seeds: seeds::values };
/// Several files, with a NUL between them.
pub const MERGED: Target = Target { name: "merged", check: merged, seeds: seeds::merged };

/// A key, a signature and what it is to be of, with a NUL between them.
pub const SIGNATURES: Target =
    Target { name: "signatures", check: signatures::check, seeds: signatures::seeds };

/// All of them.
pub const TARGETS: [&Target; 5] = [&FORMAT3, &FORMAT1, &VALUES, &MERGED, &SIGNATURES];

/// More files of one policy are not tried.
const MOST_FILES: usize = 4;

fn source(text: &str) -> Source<'_> {
    Source { name: "policy", text }
}

fn format3(input: &[u8]) -> Result<(), Finding> {
    let Ok(text) = std::str::from_utf8(input) else { return Ok(()) };
    compiled(&[source(text)]).map(|_| ())
}

fn format1(input: &[u8]) -> Result<(), Finding> {
    let Some((version, Ok(rest))) = split(input) else { return Ok(()) };
    lines(&format!("version={}\n{rest}", 1 + version % 2))
}

/// A first byte, and the text that follows it.
fn split(input: &[u8]) -> Option<(u8, Result<&str, std::str::Utf8Error>)> {
    input.split_first().map(|(first, rest)| (*first, std::str::from_utf8(rest)))
}

/// A file of format 1 or 2.
fn lines(text: &str) -> Result<(), Finding> {
    let sources = [source(text)];
    let (plan, _) = compiled(&sources)?;
    let (migrated, entries) = (migrate(&sources, None), Entries::read(sources[0]));
    let Some(plan) = plan else {
        refused(&sources, migrated.err(), "migrated")?;
        return refused(&sources, entries.err(), "read");
    };
    let migrated = migrated.map_err(|report| format!("a good policy cannot be migrated:\n{report}"))?;
    must(migrated.plan == plan, || format!("it means something else when it is migrated:\n{migrated:?}"))?;
    let entries = entries.map_err(|report| format!("a good policy cannot be read:\n{report}"))?;
    written(&entries)?;
    let of_plan = Entries::of(&plan).map_err(|why| format!("a plan of entries has none: {why:?}"))?;
    must(of_plan == entries, || format!("entries of the plan are others:\n{of_plan:?}\n{entries:?}"))
}

fn refused(sources: &[Source<'_>], report: Option<Report>, what: &str) -> Result<(), Finding> {
    let report = report.ok_or_else(|| format!("a wrong policy was {what}"))?;
    reported(sources, &report)?;
    must(report.errors() > 0, || format!("a policy was not {what}, without an error"))
}

fn values(input: &[u8]) -> Result<(), Finding> {
    let Some((at, Ok(value))) = split(input) else { return Ok(()) };
    match &SLOTS[usize::from(at) % SLOTS.len()] {
        Slot::Key { before, after, .. } => {
            compiled(&[source(&format!("{before}{}{after}", slots::quoted(value)))]).map(|_| ())
        }
        Slot::Bare { before, .. } => compiled(&[source(&format!("{before}{value}\n"))]).map(|_| ()),
        Slot::Line { section, .. } => lines(&format!("version=2\n[{section}]\n{value}\n")),
        Slot::Deny => word(value, DenyEntry::parse, |entry, all| all.deny.extend([entry])),
        Slot::Allow => word(value, AllowEntry::parse, |entry, all| all.allow.extend([entry])),
        Slot::Net => word(value, |text| NetEntry::parse(None, text), |entry, all| all.net.extend([entry])),
    }
}

/// A word of the command line, as an entry that is put into a file.
fn word<T: Display + Debug + PartialEq + Clone>(
    text: &str,
    parse: fn(&str) -> Result<T, Report>,
    put: fn(T, &mut Entries),
) -> Result<(), Finding> {
    let entry = match parse(text) {
        Ok(entry) => entry,
        Err(report) => return refused(&[source(text)], Some(report), "taken"),
    };
    let shown = entry.to_string();
    let again = parse(&shown).map_err(|report| format!("an entry is not one as it is shown:\n{report}"))?;
    must(again == entry, || format!("{entry:?} is another one as it is shown: {shown:?}"))?;
    let mut entries = Entries::default();
    put(entry, &mut entries);
    written(&entries)
}

/// The order of files means nothing.
fn merged(input: &[u8]) -> Result<(), Finding> {
    let Ok(text) = std::str::from_utf8(input) else { return Ok(()) };
    let sources: Vec<Source<'_>> = text.splitn(MOST_FILES, '\0').map(source).collect();
    let straight = compiled(&sources)?;
    let mut other = sources;
    other.reverse();
    same(&straight, &compiled(&other)?, &other)?;
    other.rotate_left(1);
    same(&straight, &compiled(&other)?, &other)
}

type Outcome = (Option<aegis_policy::Plan>, BTreeSet<&'static str>);

fn same(one: &Outcome, other: &Outcome, sources: &[Source<'_>]) -> Result<(), Finding> {
    let codes = || format!("in another order there are other diagnostics: {:?}, {:?}", one.1, other.1);
    must(one.1 == other.1, || format!("{}\n{sources:#?}", codes()))?;
    must(one.0 == other.0, || format!("in another order it means something else:\n{sources:#?}"))
}
