//! Conditions on who acts.

use super::{cgroup, file, path, words};
use crate::diagnostic::{Code, Fault, Sink, quote};
use crate::plan::{CgroupRef, Ids, Namespace, Object, Subject};
use crate::syntax::{Fields, Key, Placed, Scalar, Section, Takes, key};
use std::collections::BTreeSet;
use toml::de::{DeInteger, DeTable};

const PATHS: Takes = Takes::Texts("^/");
pub(super) const CGROUP: Key = key(
    "cgroup",
    Takes::Texts("^(/|cgid:[0-9]+$)"),
    "Cgroups, each with all below it: paths below the root of cgroup 2, or `cgid:NUMBER`.",
);
pub(super) const USER_NS: Key = key("user_ns", Takes::Namespaces, "User namespaces: `host`, or numbers.");
pub(super) const PID_NS: Key = key("pid_ns", Takes::Namespaces, "Process namespaces: `host`, or numbers.");
pub(super) const MNT_NS: Key = key("mnt_ns", Takes::Namespaces, "Mount namespaces: `host`, or numbers.");

const KEYS: &[Key] = &[
    key("exe", PATHS, "What the process was started from, as the kernel recorded it."),
    key("ancestor", PATHS, "What it, or a process that it descends from, was started from."),
    CGROUP,
    key("uid", Takes::Ids, "Numbers of users, and ranges of them."),
    key("gid", Takes::Ids, "Numbers of groups, and ranges of them."),
    USER_NS,
    PID_NS,
    MNT_NS,
];

/// `when`.
pub(super) const WHEN: Section =
    Section { what: "`when`", goes: "below a `[[rule.when]]`", keys: KEYS, required: &[] };

/// `unless`.
pub(super) const UNLESS: Section =
    Section { what: "`unless`", goes: "below a `[[rule.unless]]`", keys: KEYS, required: &[] };

/// Reads a condition. Nothing if it says nothing that is valid.
pub(super) fn read(
    section: &'static Section,
    table: Placed<&DeTable<'_>>,
    sink: &mut Sink,
) -> Option<Placed<Subject>> {
    let fields = Fields::open(section, file::SECTIONS, table.value, table.place, sink);
    let is_silent = table.value.is_empty();
    if is_silent {
        let fault = Fault::new(Code::EmptyCondition, format!("{} says nothing", section.what))
            .label("no condition is given")
            .help("name who is meant, such as `exe = [\"/usr/sbin/nginx\"]`, or remove it");
        sink.push(fault.at(table.place));
    }
    let subject = fields_of(&fields, sink);
    (!subject.is_empty()).then_some(Placed { value: subject, place: table.place })
}

/// What the fields of a condition say, as far as they are there.
pub(super) fn fields_of(fields: &Fields<'_>, sink: &mut Sink) -> Subject {
    Subject {
        exe: paths(fields, "exe", sink),
        ancestor: paths(fields, "ancestor", sink),
        cgroup: cgroups(fields, sink),
        uid: ids(fields, "uid", sink),
        gid: ids(fields, "gid", sink),
        user_ns: namespaces(fields, "user_ns", sink),
        pid_ns: namespaces(fields, "pid_ns", sink),
        mnt_ns: namespaces(fields, "mnt_ns", sink),
    }
}

fn paths(fields: &Fields<'_>, key: &str, sink: &mut Sink) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for text in fields.texts(key, sink) {
        sink.extend(path::wildcard(text.value).map(|fault| fault.at(text.place)));
        if let Some(Placed { value: Object::Path(path), .. }) = text.parsed(path::object, sink)
            && !paths.insert(path)
        {
            sink.push(words::repeated(text.value).at(text.place));
        }
    }
    paths
}

fn cgroups(fields: &Fields<'_>, sink: &mut Sink) -> BTreeSet<CgroupRef> {
    let mut cgroups = BTreeSet::new();
    for text in fields.texts("cgroup", sink) {
        sink.extend(path::wildcard(text.value).map(|fault| fault.at(text.place)));
        let Some(cgroup) = text.parsed(cgroup::of_subject, sink) else { continue };
        if !cgroups.insert(cgroup.value) {
            sink.push(words::repeated(text.value).at(text.place));
        }
    }
    cgroups
}

fn ids(fields: &Fields<'_>, key: &str, sink: &mut Sink) -> Ids {
    let scalars = fields.scalars(key, sink);
    Ids::new(
        scalars.into_iter().filter_map(|scalar| scalar.parsed(id, sink)).map(|range| range.value).collect(),
    )
}

fn namespaces(fields: &Fields<'_>, key: &str, sink: &mut Sink) -> BTreeSet<Namespace> {
    let mut namespaces = BTreeSet::new();
    for scalar in fields.scalars(key, sink) {
        let Some(found) = scalar.parsed(namespace, sink) else { continue };
        if !namespaces.insert(found.value) {
            sink.push(words::repeated(&found.value.to_string()).at(found.place));
        }
    }
    namespaces
}

fn small(integer: &DeInteger<'_>) -> Option<u32> {
    u32::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// A user or group, or a range of them. The last number is none: the kernel says by it that there is no user.
fn id(scalar: Scalar<'_>) -> Result<(u32, u32), Fault> {
    let number = |digits: &str| {
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<u32>().ok().filter(|id| is_number && *id < u32::MAX)
    };
    let (shown, found) = match scalar {
        Scalar::Integer(integer) => {
            let found = small(integer).filter(|id| *id < u32::MAX);
            (integer.as_str().to_owned(), found.map(|id| (id, id)))
        }
        Scalar::Text(text) => {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            (text.to_owned(), number(first).zip(number(last)).filter(|(first, last)| first <= last))
        }
    };
    found.ok_or_else(|| {
        Fault::new(Code::BadId, format!("{} is not a user or group", quote(&shown)))
            .label(format!("neither a number from 0 to {} nor a range of them", u32::MAX - 1))
            .help("write a number or a range such as `\"1000-1999\"`; `id NAME` prints the numbers of a user")
    })
}

fn namespace(scalar: Scalar<'_>) -> Result<Namespace, Fault> {
    let (shown, found) = match scalar {
        Scalar::Integer(integer) => {
            let found = small(integer).filter(|number| *number > 0);
            (integer.as_str().to_owned(), found.map(Namespace::Number))
        }
        Scalar::Text(text) => (text.to_owned(), (text == "host").then_some(Namespace::Host)),
    };
    found.ok_or_else(|| {
        Fault::new(Code::BadNamespace, format!("{} is not a namespace", quote(&shown)))
            .label(format!("neither `host` nor a number from 1 to {}", u32::MAX))
            .help("write `\"host\"`, or the number in brackets that `readlink /proc/PID/ns/user` prints")
    })
}
