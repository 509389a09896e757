//! Inodes by number.

use crate::diagnostic::{Code, Fault, quote};
use crate::plan::Object;

/// How to find the numbers. `stat` is not named: on some file systems it shows other device numbers than the
/// kernel uses.
const DEVICE_HELP: &str = "write `major:minor:inode`; `major:minor` is the third field of the file system's line in \
                           /proc/self/mountinfo, and `ls -i` shows the inode";

/// An inode of a rule.
pub(super) fn object(text: &str) -> Result<Object, Fault> {
    let fields: Vec<&str> = text.split(':').collect();
    let digits = |field: &&str| !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_digit());
    let numeric = fields.iter().all(digits);
    match fields.as_slice() {
        [major, minor, ino] if numeric => inode(major, minor, ino, None),
        [major, minor, ino, generation] if numeric => inode(major, minor, ino, Some(generation)),
        [_, _] if numeric => {
            Err(Fault::new(Code::InodeWithoutMinor, format!("{} has one device number", quote(text)))
                .label("a device is written as two numbers here, major and minor")
                .help(DEVICE_HELP))
        }
        _ => Err(Fault::new(Code::BadInode, format!("{} is not an inode", quote(text)))
            .label("not three or four decimal numbers with colons between them")
            .help(DEVICE_HELP)),
    }
}

fn inode(major: &str, minor: &str, ino: &str, generation: Option<&&str>) -> Result<Object, Fault> {
    Ok(Object::Inode {
        major: short("major number", major, Object::MAJOR_MAX)?,
        minor: short("minor number", minor, Object::MINOR_MAX)?,
        ino: number("inode number", ino, u64::MAX)?,
        inode_generation: generation.map(|text| short("generation", text, u32::MAX)).transpose()?,
    })
}

fn short(what: &str, digits: &str, most: u32) -> Result<u32, Fault> {
    digits.parse().ok().filter(|number| *number <= most).ok_or_else(|| too_big(what, digits, most.into()))
}

/// A number of digits only. Also used for ids of cgroups.
pub(super) fn number(what: &str, digits: &str, most: u64) -> Result<u64, Fault> {
    digits.parse().ok().filter(|number| *number <= most).ok_or_else(|| too_big(what, digits, most))
}

fn too_big(what: &str, digits: &str, most: u64) -> Fault {
    Fault::new(Code::NumberTooBig, format!("{} is too big", quote(digits)))
        .label(format!("the greatest {what} is {most}"))
        .help("check the number")
}
