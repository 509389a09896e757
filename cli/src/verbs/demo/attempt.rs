//! One attempt: made, and later explained by the record of it.

use super::rows::{Denial, Expected, Row};
use super::scratch::Scratch;
use aegis_control_api::BlockRecord;
use anyhow::{Context, Result, bail};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::time::{ClockId, clock_gettime};
use serde::{Serialize, Serializer};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::ops::RangeInclusive;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How an attempt goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Opens the file and reads it.
    Read,
    /// Opens the file and writes to it.
    Write,
    /// Makes the file, and opens it for writing with that.
    Create,
    /// Opens the file as a mere place, which nobody denies, and that place again for reading.
    ReadByDescriptor,
    /// Gives the name to another file, and reads that.
    ReadReplaced,
    /// Gives the name to another file.
    MoveIn,
    /// Starts it as a program.
    Exec,
    /// Starts the dynamic loader, which maps the program.
    ExecByLoader,
}

impl Way {
    /// The operation that the kernel is asked for, in the policy's word.
    fn operation(self) -> &'static str {
        match self {
            Self::Read | Self::ReadByDescriptor | Self::ReadReplaced => "read",
            Self::Write => "write",
            Self::Create => "create",
            Self::MoveIn => "rename",
            Self::Exec => "exec",
            Self::ExecByLoader => "map-exec",
        }
    }
}

/// What the kernel answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Observed {
    Allowed,
    Refused(i32),
}

const EPERM: i32 = 1;

/// Names of the errors that an attempt can well end with. Numbers are those of Linux on all machines it runs on.
const ERRNO_NAMES: [(i32, &str); 16] = [
    (EPERM, "EPERM"),
    (2, "ENOENT"),
    (5, "EIO"),
    (8, "ENOEXEC"),
    (11, "EAGAIN"),
    (12, "ENOMEM"),
    (13, "EACCES"),
    (17, "EEXIST"),
    (20, "ENOTDIR"),
    (21, "EISDIR"),
    (22, "EINVAL"),
    (24, "EMFILE"),
    (26, "ETXTBSY"),
    (28, "ENOSPC"),
    (30, "EROFS"),
    (40, "ELOOP"),
];

impl Observed {
    /// `allowed`, or the name of the error.
    fn word(self) -> String {
        let Self::Refused(errno) = self else { return "allowed".to_owned() };
        let name = ERRNO_NAMES.iter().find(|(number, _)| *number == errno);
        name.map_or_else(|| format!("errno {errno}"), |(_, name)| (*name).to_owned())
    }

    /// An error that is not the kernel's answer to the attempt is the demo's own.
    fn of(result: io::Result<()>, path: &Path) -> Result<Self> {
        let Err(error) = result else { return Ok(Self::Allowed) };
        let errno = error.raw_os_error();
        errno.map(Self::Refused).ok_or(error).with_context(|| format!("cannot try {}", path.display()))
    }
}

impl Serialize for Observed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.word())
    }
}

/// What was tried, what should come of it, and what did.
#[derive(Debug, Serialize)]
pub(super) struct Attempt {
    op: &'static str,
    path: String,
    expected: Observed,
    observed: Observed,
    rule: Option<String>,
    reason: Option<String>,
    /// What the record must say; none if there must be no record.
    #[serde(skip)]
    denial: Option<Denial>,
    #[serde(skip)]
    trace: Trace,
}

/// By what the record of an attempt is known.
#[derive(Debug)]
struct Trace {
    operation: &'static str,
    /// The name that the kernel came to in the end, below the scratch directory.
    object: &'static str,
    /// When it was made, in nanoseconds since boot.
    made: RangeInclusive<u64>,
}

impl Attempt {
    /// Makes an attempt. None if this host has nothing to make it with.
    pub(super) fn make(row: &Row, scratch: &Scratch) -> Result<Option<Self>> {
        let begun = since_boot();
        let Some((path, observed)) = perform(row.way, &scratch.path(row.name), scratch)? else {
            return Ok(None);
        };
        let made = begun..=since_boot();
        let (expected, denial) = match row.expected {
            Expected::Allowed => (Observed::Allowed, None),
            Expected::Denied(denial) => (Observed::Refused(EPERM), Some(denial)),
        };
        let object = denial.map_or(row.name, |denial| denial.object);
        let trace = Trace { operation: row.way.operation(), object, made };
        Ok(Some(Self { op: row.op, path, expected, observed, rule: None, reason: None, denial, trace }))
    }

    /// Whether a record is still to come that tells of it.
    pub(super) fn is_unexplained(&self) -> bool {
        self.observed != Observed::Allowed && self.rule.is_none()
    }

    /// Whether a record tells of this attempt. Nobody else uses the scratch directory, by whose name its path is
    /// known wherever in the tree of mounts it is seen from.
    pub(super) fn is_told_by(&self, record: &BlockRecord, scratch_name: &str) -> bool {
        record.verdict == "deny"
            && self.trace.made.contains(&record.boottime_ns)
            && record.path.ends_with(&format!("/{scratch_name}/{}", self.trace.object))
            && record.operations.iter().any(|operation| operation == self.trace.operation)
    }

    /// Takes over what the kernel gave as rule and reason.
    pub(super) fn explain(&mut self, record: BlockRecord) {
        self.rule = record.rule.or_else(|| record.rule_number.map(|number| format!("number {number}")));
        self.reason = Some(record.reason);
    }

    /// What is wrong with it, if anything is.
    pub(super) fn complaint(&self) -> Option<String> {
        let (rule, reason) = (self.denial.map(|denial| denial.rule), self.denial.map(|denial| denial.reason));
        if self.observed == self.expected && self.rule.as_deref() == rule && self.reason.as_deref() == reason
        {
            return None;
        }
        let tell = |observed: Observed, rule: Option<&str>, reason: Option<&str>| {
            format!(
                "{}, rule {}, reason {}",
                observed.word(),
                rule.unwrap_or("none"),
                reason.unwrap_or("none")
            )
        };
        Some(format!(
            "{} {}: expected {}; observed {}",
            self.op,
            self.path,
            tell(self.expected, rule, reason),
            tell(self.observed, self.rule.as_deref(), self.reason.as_deref())
        ))
    }

    /// As a row of the table.
    pub(super) fn cells(&self) -> [String; 6] {
        let or_nothing = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        [
            self.op.to_owned(),
            self.path.clone(),
            self.expected.word(),
            self.observed.word(),
            or_nothing(&self.rule),
            or_nothing(&self.reason),
        ]
    }
}

/// Nanoseconds since boot, by the clock of the records.
fn since_boot() -> u64 {
    let time = clock_gettime(ClockId::Boottime);
    let part = |part: i64| u64::try_from(part).unwrap_or(0);
    part(time.tv_sec).saturating_mul(1_000_000_000).saturating_add(part(time.tv_nsec))
}

/// Tries it. Returns the path that was used and the kernel's answer.
fn perform(way: Way, path: &Path, scratch: &Scratch) -> Result<Option<(String, Observed)>> {
    let used = path.display().to_string();
    let result = match way {
        Way::Read => fs::read(path).map(drop),
        Way::Write => OpenOptions::new().append(true).open(path).and_then(scribble),
        Way::Create => OpenOptions::new().write(true).create_new(true).open(path).and_then(scribble),
        Way::ReadByDescriptor => return by_descriptor(path).map(Some),
        Way::ReadReplaced => {
            // In one step: whoever finds the name empty for a moment may protect it as one where nothing is.
            fs::rename(scratch.passing()?, path)
                .with_context(|| format!("cannot replace {}", path.display()))?;
            fs::read(path).map(drop)
        }
        Way::MoveIn => fs::rename(scratch.passing()?, path),
        // Whether it was started is the kernel's answer; how the program ends is not.
        Way::Exec => quiet(path).spawn().and_then(|mut child| child.wait()).map(drop),
        Way::ExecByLoader => {
            return scratch.dynamic_loader().map(|loader| by_loader(loader, path)).transpose();
        }
    };
    Observed::of(result, path).map(|observed| Some((used, observed)))
}

fn scribble(mut file: File) -> io::Result<()> {
    file.write_all(b"the attacker was here\n")
}

fn by_descriptor(path: &Path) -> Result<(String, Observed)> {
    let opened = openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
    let place = opened.with_context(|| format!("cannot open {} as a place", path.display()))?;
    let used = PathBuf::from(format!("/proc/self/fd/{}", place.as_raw_fd()));
    let observed = Observed::of(File::open(&used).map(drop), &used)?;
    Ok((used.display().to_string(), observed))
}

/// What dynamic loaders print when a program may not be mapped: glibc's does not tell the error, but no other
/// error than EPERM would come with a record that says deny, and without the record the attempt counts as failed.
const NOT_MAPPED: [&str; 2] = ["Operation not permitted", "failed to map segment"];

fn by_loader(loader: &Path, path: &Path) -> Result<(String, Observed)> {
    let used = format!("{} {}", loader.display(), path.display());
    let ended = quiet(loader).stderr(Stdio::piped()).env("LC_ALL", "C").arg(path).output();
    let output = match ended {
        Ok(output) => output,
        Err(error) => return Ok((used, Observed::of(Err(error), loader)?)),
    };
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        Ok((used, Observed::Allowed))
    } else if NOT_MAPPED.iter().any(|text| said.contains(text)) {
        Ok((used, Observed::Refused(EPERM)))
    } else {
        bail!("{used} ended with {}: {}", output.status, said.trim())
    }
}

fn quiet(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[cfg(test)]
mod tests {
    use super::super::rows::{ROWS, RULES};
    use super::*;

    #[test]
    fn errors_have_their_names() {
        for (observed, word) in [
            (Observed::Allowed, "allowed"),
            (Observed::Refused(1), "EPERM"),
            (Observed::Refused(13), "EACCES"),
            (Observed::Refused(99), "errno 99"),
        ] {
            assert_eq!(observed.word(), word);
        }
    }

    #[test]
    fn an_attempt_passes_only_with_the_expected_answer_rule_and_reason() {
        let denial = Some(Denial { rule: "a", reason: "object", object: "x" });
        let (yes, no) = (Observed::Allowed, Observed::Refused(EPERM));
        for (denial, expected, observed, rule, reason, passes) in [
            (None, yes, yes, None, None, true),
            (None, yes, no, Some("a"), Some("object"), false),
            (denial, no, no, Some("a"), Some("object"), true),
            (denial, no, yes, None, None, false),
            (denial, no, Observed::Refused(13), Some("a"), Some("object"), false),
            // Refused by somebody else: there is no record.
            (denial, no, no, None, None, false),
            (denial, no, no, Some("b"), Some("object"), false),
            (denial, no, no, Some("a"), Some("slot"), false),
        ] {
            let trace = Trace { operation: "read", object: "x", made: 0..=1 };
            let [rule, reason] = [rule, reason].map(|text: Option<&str>| text.map(str::to_owned));
            let path = "/x".to_owned();
            let attempt = Attempt { op: "read", path, expected, observed, rule, reason, denial, trace };
            assert_eq!(attempt.complaint().is_none(), passes, "{attempt:?}");
        }
    }

    #[test]
    fn every_rule_is_tried_and_every_expected_rule_exists() {
        let expected: Vec<&str> = ROWS
            .iter()
            .filter_map(|row| match row.expected {
                Expected::Denied(denial) => Some(denial.rule),
                Expected::Allowed => None,
            })
            .collect();
        assert!(RULES.iter().all(|rule| expected.contains(&rule.id)));
        assert!(expected.iter().all(|id| RULES.iter().any(|rule| rule.id == *id)));
    }
}
