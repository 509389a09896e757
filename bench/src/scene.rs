//! The files that are measured, and the policies that speak of them or of their neighbours.

use crate::case::{Case, Policy};
use crate::error::{Error, call};
use crate::measure::{self, Place};
use rustix::fs::{CWD, Mode, OFlags, openat};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// In memory: what a disk's file system adds to opening is not ours.
const BASE: &str = "/tmp/aegis-bench";
/// Directories above what stands in it, the root not counted.
const BASE_DEPTH: usize = 2;
/// Files that are measured for each case; with 13 bytes the hash of a name needs two words.
const MEASURED: u32 = 16;

/// Directories in which rules name files, and files in each.
const DIRECTORIES: u32 = 100;
const FILES: u32 = 1_000;
/// The most rules that a policy can have here.
pub(crate) const RULES: u32 = DIRECTORIES * FILES;

/// Whom conditions are about: a user that nobody is, and a program that is there anyway.
const USER: u32 = 4_242;
const PROGRAM: &str = "/usr/bin/cat";

/// What is measured.
pub(crate) struct Scene {
    places: BTreeMap<Case, Vec<Place>>,
}

/// Something that stands below the base.
fn below(path: impl AsRef<Path>) -> PathBuf {
    Path::new(BASE).join(path)
}

/// The file that rule number `rule` names.
fn ruled(rule: u32) -> PathBuf {
    // A policy of one rule names a file of the first directory: that is where the measured file with slots is.
    below(format!("ruled/{:03}/{:03}", rule / FILES, rule % FILES))
}

/// The program that is started, and one that may not be.
fn program() -> PathBuf {
    below("programs/measured")
}

fn ruled_program() -> PathBuf {
    below("ruled-programs/ruled")
}

/// The directory of a case's file number `number`.
fn directory(case: Case, number: u32) -> PathBuf {
    let deep = |depth: usize| below(vec!["deeper"; depth - BASE_DEPTH].join("/"));
    match case {
        Case::Plain => below(format!("plain/{number:03}")),
        Case::Beside => below("ruled/000"),
        Case::Depth4 => deep(4),
        Case::Depth12 => deep(12),
        Case::Observed => below("observed"),
        Case::Denied => below("denied"),
        Case::OtherUser => below("other-user"),
        Case::OtherProgram => below("other-program"),
        Case::Start => below("programs"),
        Case::Unlink => below(format!("names/{number:03}")),
    }
}

fn name(number: u32) -> String {
    format!("setting{number:02}.ini")
}

impl Scene {
    /// Makes the files.
    pub(crate) fn make() -> Result<Self, Error> {
        for rule in 0..RULES {
            make(&ruled(rule))?;
        }
        make(&below("elsewhere/file"))?;
        for path in [program(), ruled_program()] {
            make(&path)?;
            fs::write(&path, smallest_program()).map_err(call("write", path.display()))?;
            fs::set_permissions(&path, Permissions::from_mode(0o755))
                .map_err(call("change", path.display()))?;
        }
        let places = |case| (0..MEASURED).map(|number| place(case, number)).collect::<Result<Vec<_>, _>>();
        let places = Case::ALL.map(|case| places(case).map(|places| (case, places)));
        Ok(Self { places: places.into_iter().collect::<Result<_, _>>()? })
    }

    /// Measures one case: nanoseconds, that is instructions. `is_denied` says what must come of it.
    pub(crate) fn measure(&self, case: Case, is_denied: bool) -> Result<f64, Error> {
        let places = self.places.get(&case).map(Vec::as_slice).unwrap_or_default();
        match case {
            Case::Start => measure::start_and_wait(&program()),
            Case::Unlink => measure::create_and_unlink(places),
            _ => measure::open_and_close(places, is_denied),
        }
    }

    /// Writes a policy and returns where.
    pub(crate) fn policy(&self, policy: Policy) -> Result<PathBuf, Error> {
        let path = below("policy.toml");
        fs::write(&path, text(policy)).map_err(call("write", path.display()))?;
        Ok(path)
    }
}

/// What a policy says.
fn text(policy: Policy) -> String {
    let mut rules = Vec::new();
    let mut rule = |on: &str, object: &str, path: &Path, more: &str| {
        rules.push(format!("on = [{on}]\n{object} = \"{}\"\n{more}\n", path.display()));
    };
    let everything = "\"create\", \"exec\", \"read\", \"unlink\", \"write\"";
    match policy {
        Policy::Files(count) => (0..count).for_each(|number| rule("\"read\"", "path", &ruled(number), "")),
        Policy::Subtree => rule("\"read\"", "subtree", &below("elsewhere"), ""),
        Policy::Everything => rule(everything, "path", &ruled_program(), ""),
        Policy::Matching => {
            for number in 0..MEASURED {
                let mut on = |case, more: &str| {
                    rule("\"read\"", "path", &directory(case, number).join(name(number)), more);
                };
                on(Case::Observed, "mode = \"observe\"");
                on(Case::Denied, "");
                on(Case::OtherUser, &format!("when = {{ uid = {USER} }}"));
                on(Case::OtherProgram, &format!("when = {{ exe = \"{PROGRAM}\" }}"));
            }
        }
    }
    let mut text = "version = 3\nname = \"bench\"\n".to_owned();
    for (number, rule) in rules.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = write!(text, "[[rule]]\nid = \"{number}\"\n{rule}");
    }
    text
}

/// Makes sure that the policy in force does what it is measured for.
pub(crate) fn expect_denials(policy: Policy) -> Result<(), Error> {
    let denied = |path: &Path, failed: bool| {
        failed.then_some(()).ok_or_else(|| Error::NotDenied(path.display().to_string()))
    };
    let read_by = |case, user| {
        let path = directory(case, 0).join(name(0));
        let mut command = Command::new(PROGRAM);
        command.arg(&path).uid(user).stdout(Stdio::null()).stderr(Stdio::null());
        let status = command.status().map_err(call("start", PROGRAM))?;
        denied(&path, !status.success())
    };
    match policy {
        Policy::Files(_) => denied(&ruled(0), File::open(ruled(0)).is_err()),
        Policy::Subtree => denied(&below("elsewhere"), File::open(below("elsewhere/file")).is_err()),
        Policy::Everything => {
            denied(&ruled_program(), Command::new(ruled_program()).status().is_err())?;
            denied(&ruled_program(), fs::remove_file(ruled_program()).is_err())
        }
        Policy::Matching => {
            read_by(Case::OtherUser, USER)?;
            read_by(Case::OtherProgram, 0)
        }
    }
}

fn make(file: &Path) -> Result<(), Error> {
    let directory = file.parent().unwrap_or(Path::new(BASE));
    fs::create_dir_all(directory).map_err(call("make", directory.display()))?;
    File::create(file).map(drop).map_err(call("make", file.display()))
}

/// Makes one of the measured files.
fn place(case: Case, number: u32) -> Result<Place, Error> {
    let directory = directory(case, number);
    make(&directory.join(name(number)))?;
    // There the file is what is made.
    if case == Case::Unlink {
        fs::remove_file(directory.join(name(number))).map_err(call("remove", directory.display()))?;
    }
    let directory =
        openat(CWD, &directory, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(call("open", directory.display()))?;
    Ok(Place { directory, name: name(number) })
}

/// The smallest static program that there is: it ends. What libraries do at the start of others is not ours.
fn smallest_program() -> Vec<u8> {
    const HEADERS: u8 = 64 + 56;
    // mov $60, %eax; xor %edi, %edi; syscall
    const CODE: [u8; 9] = [0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05];
    const AT: u64 = 0x40_0000;
    let size = u64::from(HEADERS) + CODE.len() as u64;
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0".to_vec();
    // Where it begins; where the program header is; no sections, no flags.
    for field in [AT + u64::from(HEADERS), 64, 0] {
        file.extend(field.to_le_bytes());
    }
    // The sizes of both headers, and how many there are of the second.
    file.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    // To be loaded, readable and executable: all of the file.
    file.extend([1, 0, 0, 0, 5, 0, 0, 0]);
    for field in [0, AT, AT, size, size, 0x1000] {
        file.extend(field.to_le_bytes());
    }
    file.extend(CODE);
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_program_runs() {
        let path = std::env::temp_dir().join(format!("aegis-bench-program-{}", std::process::id()));
        fs::write(&path, smallest_program()).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        // Another test's fork can hold the file open for writing for a moment.
        let status = (0..100).find_map(|_| Command::new(&path).status().ok());
        fs::remove_file(&path).unwrap();
        assert!(status.unwrap().success());
    }

    #[test]
    fn depths_are_what_they_say() {
        for (case, depth) in [(Case::Depth4, 4), (Case::Depth12, 12)] {
            // The root is a component as well.
            assert_eq!(directory(case, 0).components().count(), depth + 1, "{case:?}");
        }
    }
}
