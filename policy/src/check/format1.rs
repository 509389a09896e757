//! A file of format 1 or 2: a header with the version, then sections with one entry on each line. Both have the same
//! sections.
//!
//! Each entry becomes a rule of its own, so that a record tells by which entry it was caused.

use super::addresses::{NetEntry, deny_cidr, deny_ip, deny_port};
use super::file::{Contents, File, unsupported};
use super::rule::Draft;
use super::{cgroup, inode, path, words};
use crate::diagnostic::{Code, Fault, Place, Sink, enumerate, quote};
use crate::plan::{CgroupRef, Name, Object, Operations};
use crate::syntax::{Line, Placed, closest, lines};
use std::collections::HashSet;

/// Where in a file we are.
#[derive(Clone, Copy)]
enum Part {
    /// Before the first section.
    Header,
    DenyPath,
    DenyInode,
    AllowCgroup,
    DenyIp,
    DenyCidr,
    DenyPort,
    /// A section that was reported; nothing in it can be of use.
    Reported,
}

/// The sections, by name.
const SECTIONS: [(&str, Part); 6] = [
    ("deny_path", Part::DenyPath),
    ("deny_inode", Part::DenyInode),
    ("allow_cgroup", Part::AllowCgroup),
    ("deny_ip", Part::DenyIp),
    ("deny_cidr", Part::DenyCidr),
    ("deny_port", Part::DenyPort),
];

/// Versions of this format.
const VERSIONS: [&str; 2] = ["1", "2"];

/// The most a device number can be: 12 bits for its major part, 20 for its minor.
const DEVICE_MAX: u64 = u32::MAX as u64;
const MINOR_BITS: u32 = 20;

/// Whether a text is of this format: its first line that says something is `version=1` or `version=2`, or one of
/// the sections, where the version was forgotten.
pub(crate) fn is_meant(text: &str) -> bool {
    match lines(0, text).next().map(|line| line.value) {
        Some(Line::Text(line)) => {
            setting(line).is_some_and(|(key, value)| key == "version" && VERSIONS.contains(&value))
        }
        Some(Line::Section(name)) => section(name).is_some(),
        None => false,
    }
}

fn section(name: &str) -> Option<Part> {
    SECTIONS.iter().find(|(known, _)| *known == name).map(|(_, part)| *part)
}

fn setting(line: &str) -> Option<(&str, &str)> {
    line.split_once('=').map(|(key, value)| (key.trim(), value.trim()))
}

/// Reads a file.
pub(super) fn read(source: usize, text: &str, sink: &mut Sink) -> File {
    let place = Place::new(source, 0..0);
    let mut file = File { place, can_have_name: false, has_name: false, contents: Contents::default() };
    let mut part = Part::Header;
    let (mut version, mut rules) = (None, Vec::new());
    let mut exempt = HashSet::new();
    for Placed { value, place } in lines(source, text) {
        let line = match value {
            Line::Section(name) => {
                part = section(name).unwrap_or_else(|| {
                    sink.push(foreign_section(name).at(place));
                    Part::Reported
                });
                continue;
            }
            Line::Text(line) => Placed { value: line, place },
        };
        match part {
            Part::Header => header(line, &mut version, sink),
            Part::DenyPath => {
                sink.extend(path::wildcard(line.value).map(|fault| fault.at(place)));
                rules.extend(line.parsed(path::object, sink).map(file_draft));
            }
            Part::DenyInode => rules.extend(line.parsed(device_inode, sink).map(file_draft)),
            Part::AllowCgroup => allow(line, &mut exempt, &mut file, sink),
            Part::DenyIp => rules.extend(line.parsed(deny_ip, sink).map(net_draft)),
            Part::DenyCidr => rules.extend(line.parsed(deny_cidr, sink).map(net_draft)),
            Part::DenyPort => rules.extend(line.parsed(deny_port, sink).map(net_draft)),
            Part::Reported => {}
        }
    }
    if version.is_none() {
        sink.push(no_version().at(place));
    }
    file.contents.rules = rules;
    file
}

fn header(line: Placed<&str>, version: &mut Option<Place>, sink: &mut Sink) {
    let fault = match setting(line.value) {
        Some(("version", value)) if !VERSIONS.contains(&value) => Some(unsupported(value)),
        Some(("version", _)) => version.replace(line.place).map(|_| {
            bad_line(line.value)
                .label("the version is given a second time")
                .help("remove one of the two lines")
        }),
        Some((key, _)) => Some(unknown_key(key)),
        None => Some(
            bad_line(line.value)
                .label("before the first section there are only settings")
                .help(format!("write {} on a line above it", all_sections(" or "))),
        ),
    };
    sink.extend(fault.map(|fault| fault.at(line.place)));
}

fn allow(line: Placed<&str>, seen: &mut HashSet<CgroupRef>, file: &mut File, sink: &mut Sink) {
    sink.extend(path::wildcard(line.value).map(|fault| fault.at(line.place)));
    let Some(cgroup) = line.parsed(cgroup::cgroup, sink) else { return };
    if seen.insert(cgroup.value.clone()) {
        file.contents.exempt.push(cgroup);
    } else {
        sink.push(words::repeated(line.value).at(line.place));
    }
}

fn file_draft(object: Placed<Object>) -> Draft {
    let id = match &object.value {
        Object::Inode { major, minor, ino, .. } => Name::of_inode(device(*major, *minor), *ino),
        other => Name::of_path(&other.to_string()),
    };
    Draft::entry(id, Operations::READ | Operations::WRITE | Operations::EXEC, object)
}

/// What an entry denies, as these formats write it.
pub(super) fn shown(object: &Object, operations: Operations) -> String {
    match object {
        Object::Inode { major, minor, ino, .. } => format!("{}:{ino}", device(*major, *minor)),
        Object::Net(net) => NetEntry { net: *net, operations }.line().1,
        other => other.to_string(),
    }
}

fn net_draft(entry: Placed<NetEntry>) -> Draft {
    let NetEntry { net, operations } = entry.value;
    let id = Name::of_net(&net, operations);
    Draft::entry(id, operations, Placed { value: Object::Net(net), place: entry.place })
}

/// The device number as this format writes it.
pub(crate) fn device(major: u32, minor: u32) -> u32 {
    major << MINOR_BITS | minor & Object::MINOR_MAX
}

/// `device:inode`.
fn device_inode(text: &str) -> Result<Object, Fault> {
    let fields: Vec<&str> = text.split(':').collect();
    let digits = |field: &&str| !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_digit());
    let numeric = fields.iter().all(digits);
    match fields.as_slice() {
        [dev, ino] if numeric => {
            let dev = inode::number("device number", dev, DEVICE_MAX)?;
            let ino = inode::number("inode number", ino, u64::MAX)?;
            let dev = u32::try_from(dev).unwrap_or(u32::MAX);
            let (major, minor) = (dev >> MINOR_BITS, dev & Object::MINOR_MAX);
            Ok(Object::Inode { major, minor, ino, inode_generation: None })
        }
        _ => {
            let fault = Fault::new(Code::BadDeviceInode, format!("{} is not an inode", quote(text)))
                .label("not two decimal numbers with a colon between them");
            let help = match inode::object(text) {
                Ok(Object::Inode { major, minor, ino, inode_generation: None }) => {
                    format!("write `{}:{ino}`: the device is one number here", device(major, minor))
                }
                _ => "write `device:inode`; the device is major << 20 | minor in decimal, and `ls -i` shows the inode"
                    .to_owned(),
            };
            Err(fault.help(help))
        }
    }
}

/// A path, `device:inode`, or `major:minor:inode`.
pub(super) fn deny_entry(text: &str) -> Result<Object, Fault> {
    on_one_line(text)?;
    let fields: Vec<&str> = text.split(':').collect();
    let numeric =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
    match fields.len() {
        _ if !numeric(text) => path::object(text),
        3 => inode::object(text),
        _ => device_inode(text),
    }
}

/// Refuses what would be another entry, or several, when it is read from a file again.
pub(super) fn on_one_line(text: &str) -> Result<(), Fault> {
    let whole = match lines(0, text).next().map(|line| line.value) {
        Some(Line::Text(line)) => line == text,
        Some(Line::Section(_)) | None => true,
    };
    if whole && !text.contains('\n') {
        return Ok(());
    }
    Err(Fault::new(Code::NotALine, format!("{} does not fit on a line of format 1", quote(text)))
        .label("line breaks, and blanks at its ends, would be lost")
        .help("write a rule of format 3 for it, and put that in force with `policy apply`"))
}

fn foreign_section(name: &str) -> Fault {
    let shown = quote(&format!("[{name}]"));
    let known = SECTIONS.map(|(known, _)| known);
    let all = all_sections(" and ");
    let help = match (closest(name, &known), name) {
        (Some(meant), _) => format!("did you mean `[{meant}]`? The sections are {all}"),
        (None, "[rule]" | "exempt") => "format 3 has it: write `version = 3` in the first line".to_owned(),
        (None, _) => format!("the sections are {all}"),
    };
    Fault::new(Code::UnknownSection, format!("unknown section {shown}"))
        .label("format 1 has no such section")
        .help(help)
}

fn all_sections(last: &str) -> String {
    let all = enumerate(SECTIONS.map(|(known, _)| format!("[{known}]")).iter().map(String::as_str));
    all.replace(" and ", last)
}

fn unknown_key(key: &str) -> Fault {
    Fault::new(Code::UnknownKey, format!("unknown key {}", quote(key)))
        .label("the header of format 1 has no such key")
        .help("the only key here is `version`; format 3 has `name`, `serial` and `mode`")
}

fn bad_line(line: &str) -> Fault {
    Fault::new(Code::BadLine, format!("{} has no place here", quote(line)))
}

fn no_version() -> Fault {
    Fault::new(Code::MissingKey, "the policy has no `version`")
        .label("`version` is missing")
        .help("add `version=1` as the first line")
}
