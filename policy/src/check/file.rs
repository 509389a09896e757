//! One file: its head, its rules, its exemptions.

use super::{cgroup, parts, rule, subject, tenant, words};
use crate::diagnostic::{Code, Fault, Place, Sink, quote};
use crate::plan::{CgroupRef, Name, Tenant};
use crate::syntax::{self, Fields, Placed, Section, Takes, key};
use aegis_kernel_abi::Mode;
use toml::de::{DeInteger, DeTable};

/// The format that is read.
const VERSION: u64 = 3;

pub(crate) const TOP: Section = Section {
    what: "the policy",
    goes: "at the top, before the first `[[rule]]`",
    keys: &[
        key("version", Takes::Version, "The version of the format."),
        key("name", Takes::Name, "The policy's name. If there are several files, one of them gives it."),
        key("serial", Takes::Integer(1, u64::MAX), "A number that grows with every change of the policy."),
        key(
            "expires",
            Takes::Moment,
            "From when on the policy is not to be put in force anew; what is in force stays.",
        ),
        key(
            "mode",
            Takes::Word(super::answer::modes),
            "The mode of the policy as a whole; `enforce` if it is not given.",
        ),
        key("rule", Takes::Tables(&rule::RULE), "What is not to be done."),
        key("exempt", Takes::Table(&cgroup::EXEMPT), "Whom no rule concerns."),
        key(
            "tenant",
            Takes::Named(&tenant::TENANT),
            "Those who add rules of their own to a part of the host.",
        ),
    ],
    required: &["version"],
};

/// All sections there are.
pub(super) const SECTIONS: &[&Section] = &[
    &TOP,
    &rule::RULE,
    &cgroup::EXEMPT,
    &tenant::TENANT,
    &subject::WHEN,
    &subject::UNLESS,
    &super::answer::ESCALATE,
];

/// What a file says, as far as it is valid.
#[derive(Default)]
pub(super) struct Contents {
    pub(super) name: Option<Placed<Name>>,
    pub(super) serial: Option<Placed<u64>>,
    pub(super) expires: Option<Placed<u64>>,
    pub(super) mode: Option<Placed<Mode>>,
    pub(super) rules: Vec<rule::Draft>,
    pub(super) exempt: Vec<Placed<CgroupRef>>,
    pub(super) tenants: Vec<(Placed<Name>, Tenant)>,
}

impl Contents {
    /// Adds what a part behind this one says, which has no head.
    pub(super) fn append(&mut self, part: Self) {
        self.rules.extend(part.rules);
        self.exempt.extend(part.exempt);
        self.tenants.extend(part.tenants);
    }

    /// All places of what stands below headers.
    pub(super) fn places(&mut self) -> impl Iterator<Item = &mut Place> {
        let exempt = self.exempt.iter_mut().map(|cgroup| &mut cgroup.place);
        let tenants = self.tenants.iter_mut().map(|(name, _)| &mut name.place);
        self.rules.iter_mut().flat_map(rule::Draft::places).chain(exempt).chain(tenants)
    }
}

/// A file.
pub(super) struct File {
    /// Where the file begins.
    pub(super) place: Place,
    /// Whether its format has a place for the policy's name.
    pub(super) can_have_name: bool,
    /// Whether it gives a name, rightly or wrongly.
    pub(super) has_name: bool,
    pub(super) contents: Contents,
}

/// Reads a file; a long one in parts, if they say the same.
pub(super) fn read(source: usize, text: &str, sink: &mut Sink) -> Option<File> {
    parts::read(source, text, parts::PART, sink).or_else(|| whole(source, text, sink))
}

/// Reads a file as a whole. Nothing, if its text is not TOML or it is of another version: then nothing else that could be
/// said about it would be of use.
pub(super) fn whole(source: usize, text: &str, sink: &mut Sink) -> Option<File> {
    let mut errors = Sink::new();
    let table = syntax::parse(source, text, &mut errors);
    // Asked before the errors of syntax: a text of another format is not wrong TOML, it is another format.
    if let Some(other) = other_version(source, &table) {
        sink.push(unsupported(other.value).at(other.place));
        return None;
    }
    if !errors.is_empty() {
        sink.append(&mut errors);
        return None;
    }
    let fields = Fields::open(&TOP, SECTIONS, &table, Place::new(source, 0..0), sink);
    Some(file(&fields, sink))
}

/// What the fields of its top say.
pub(super) fn file(fields: &Fields<'_>, sink: &mut Sink) -> File {
    fields.require("version", "version = 3", sink);
    // Other numbers do not come here; this finds values that are no integers.
    fields.integer("version", sink);
    let contents = Contents {
        name: fields.parsed("name", words::name, sink),
        serial: fields.integer("serial", sink).and_then(|number| number.parsed(serial, sink)),
        expires: moment(fields, sink),
        mode: fields.parsed("mode", words::mode, sink),
        ..below(fields, sink)
    };
    File { place: fields.place, can_have_name: true, has_name: fields.has("name"), contents }
}

/// What stands below headers.
pub(super) fn below(fields: &Fields<'_>, sink: &mut Sink) -> Contents {
    Contents {
        rules: fields.tables("rule", sink).into_iter().filter_map(|table| rule::read(table, sink)).collect(),
        exempt: fields.table("exempt", sink).map(|table| cgroup::read(table, sink)).unwrap_or_default(),
        tenants: fields
            .named("tenant", sink)
            .into_iter()
            .filter_map(|(name, table)| tenant::read(name, table, sink))
            .collect(),
        ..Contents::default()
    }
}

fn moment(fields: &Fields<'_>, sink: &mut Sink) -> Option<Placed<u64>> {
    let text = fields.moment("expires", sink)?;
    Placed { value: text.value.as_str(), place: text.place }.parsed(words::moment, sink)
}

/// The serial that a file gives; none if it gives none, or is wrong.
pub(crate) fn serial_of(text: &str) -> Option<u64> {
    let table = syntax::parse(0, text, &mut Sink::new());
    to_u64(table.get("serial")?.get_ref().as_integer()?)
}

/// The version of the file if it is an integer, but not ours.
pub(super) fn other_version<'a>(source: usize, table: &'a DeTable<'_>) -> Option<Placed<&'a DeInteger<'a>>> {
    let value = table.get("version")?;
    let integer = value.get_ref().as_integer()?;
    let ours = to_u64(integer) == Some(VERSION);
    (!ours).then(|| Placed { value: integer, place: Place::new(source, value.span()) })
}

fn serial(number: &DeInteger<'_>) -> Result<u64, Fault> {
    to_u64(number).filter(|serial| *serial >= 1).ok_or_else(|| {
        Fault::new(Code::BadSerial, "the serial number is out of range")
            .label(format!("below 1 or above {}", u64::MAX))
            .help("write an integer from 1, and a greater one with every change of the policy")
    })
}

fn to_u64(integer: &DeInteger<'_>) -> Option<u64> {
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

pub(super) fn unsupported(version: impl std::fmt::Display) -> Fault {
    let version = quote(&version.to_string());
    Fault::new(Code::UnsupportedVersion, format!("format version {version} is not supported"))
        .label("this program reads version 3, and versions 1 and 2 where the first line says so")
        .help("rewrite the policy in format 3 and write `version = 3`")
}
