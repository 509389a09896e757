//! Exempt cgroups.

use super::{file, inode, path, words};
use crate::diagnostic::{Code, Fault, Sink, quote};
use crate::plan::CgroupRef;
use crate::syntax::{Fields, Placed, Section, Takes, key};
use std::collections::HashSet;
use toml::de::DeTable;

pub(super) const EXEMPT: Section = Section {
    what: "`[exempt]`",
    goes: "below `[exempt]`",
    keys: &[key(
        "cgroup",
        Takes::Texts("^(/|cgid:[0-9]+$)"),
        "Cgroups that no rule concerns, each with all below it: paths below the root of cgroup 2, or `cgid:NUMBER`.",
    )],
    required: &["cgroup"],
};

/// Where the hierarchy is usually mounted; the longer one first, as it also begins with the other. A cgroup that
/// is really called `unified` can be written without the mount point.
const MOUNT_POINTS: [&str; 2] = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];

/// The id that the kernel gives to the root.
const ROOT_ID: u64 = 1;

pub(super) fn read(table: Placed<&DeTable<'_>>, sink: &mut Sink) -> Vec<Placed<CgroupRef>> {
    let fields = Fields::open(&EXEMPT, file::SECTIONS, table.value, table.place, sink);
    fields.require("cgroup", "cgroup = [\"/system.slice/backup.service\"]", sink);
    let mut seen = HashSet::new();
    let mut cgroups = Vec::new();
    for text in fields.texts("cgroup", sink) {
        sink.extend(path::wildcard(text.value).map(|fault| fault.at(text.place)));
        let Some(cgroup) = text.parsed(cgroup, sink) else { continue };
        if seen.insert(cgroup.value.clone()) {
            cgroups.push(cgroup);
        } else {
            sink.push(words::repeated(text.value).at(text.place));
        }
    }
    cgroups
}

/// The cgroup of a condition: as an exempt one, with another word about the root.
pub(super) fn of_subject(text: &str) -> Result<CgroupRef, Fault> {
    cgroup(text).map_err(|fault| {
        fault.instead_of(Code::RootCgroup, |fault| {
            fault
                .label("every process is in it, so it is no condition")
                .help("name the cgroup of the service, or remove the condition")
        })
    })
}

/// An exempt cgroup.
pub(super) fn cgroup(text: &str) -> Result<CgroupRef, Fault> {
    if let Some(digits) = text.strip_prefix("cgid:") {
        return by_id(text, digits);
    }
    if !text.starts_with('/') {
        return Err(malformed(text, "neither a path from the root nor an id"));
    }
    let inside = MOUNT_POINTS.iter().find_map(|point| below(text, point)).unwrap_or(text);
    if inside.trim_matches('/').is_empty() {
        return Err(root(text));
    }
    // What is written anew has no mount point, so what looks like one there would be taken off when it is read again.
    if MOUNT_POINTS.iter().any(|point| below(inside, point).is_some()) {
        return Err(malformed(text, "it has a mount point twice"));
    }
    path::normal(inside).map(|()| CgroupRef::Path(inside.to_owned()))
}

fn by_id(text: &str, digits: &str) -> Result<CgroupRef, Fault> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(malformed(text, "the id is not a decimal number"));
    }
    match inode::number("cgroup id", digits, u64::MAX)? {
        0 => Err(malformed(text, "no cgroup has the id 0")),
        ROOT_ID => Err(root(text)),
        id => Ok(CgroupRef::Id(id)),
    }
}

/// The part of a path below a directory; empty if it is that directory.
fn below<'a>(path: &'a str, directory: &str) -> Option<&'a str> {
    path.strip_prefix(directory).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn malformed(text: &str, cause: &str) -> Fault {
    Fault::new(Code::BadCgroup, format!("{} is not a cgroup", quote(text)))
        .label(cause)
        .help("write a path such as `/system.slice/backup.service`, or an id such as `cgid:4711`")
}

fn root(text: &str) -> Fault {
    Fault::new(Code::RootCgroup, format!("{} is the root cgroup", quote(text)))
        .label("every process is in it, so no rule would apply to anything")
        .help("name the cgroup of the service, or set `mode = \"observe\"` if nothing is to be refused")
}
