//! The self-check: an operation of our own that the kernel must deny, on each hook.
//!
//! A helper process is entered in the `self_check` table with the generation that it is to be judged by, which
//! may be the one in the spare bank. It then tries the hook's operation: on its own executable, or on a file system
//! in memory that only it can reach. Only if the call failed with EPERM *and* the probe wrote down that our rule in
//! that generation said so, and about the very object that was used, the hook is proven: EPERM alone proves nothing,
//! as another security module may have said it, and a probe that reads the wrong fields would deny as well.
//!
//! The probes of the audit fallback deny nothing. There the operation must succeed, and the proof says that the probe
//! saw it and would have denied it.

use crate::error::{Error, call};
use crate::scratch::Scratch;
use aegis_kernel_abi::{Hook, ObjectKey, Proof, RULE_SELF_CHECK, Reason, Verdict};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// First argument of the command when it is started as the helper.
pub const HELPER_ARGUMENT: &str = "--self-check-helper";
/// First argument of the command when the helper's own exec was not denied.
pub const RAN_ARGUMENT: &str = "--self-check-ran";

/// What is executed, opened and mapped.
pub(crate) const OWN_EXECUTABLE: &str = "/proc/self/exe";

/// How an attempt of the helper ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// The errno it got, 0 if the operation succeeded.
    pub errno: i32,
    /// What it was about; `None` if that is the executable, whose identity only the kernel can tell.
    pub object: Option<(u64, u32)>,
}

/// Ways to try a hook that looks at more than one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Way {
    /// The only one, or the first.
    Plain,
    /// Mapping as executable memory.
    Map,
}

/// All ways of a hook; each must be proven.
pub(crate) fn ways(hook: Hook) -> &'static [Way] {
    match hook {
        Hook::SysExit => &[Way::Plain, Way::Map],
        // They deny nothing, and are proven by what they record.
        Hook::CommittedCreds | Hook::TaskAlloc | Hook::SchedFork | Hook::SchedExit => &[],
        _ => &[Way::Plain],
    }
}

/// The helper process, ready to try.
#[derive(Debug)]
pub struct Helper {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Helper {
    /// Starts our own executable as the helper.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start() -> Result<Self, Error> {
        let mut child = Command::new(OWN_EXECUTABLE)
            .arg(HELPER_ARGUMENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(call("start", "the self-check helper"))?;
        let (Some(orders), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(call("talk to", "the self-check helper")(io::ErrorKind::BrokenPipe.into()));
        };
        let mut helper = Self { child, orders, answers: BufReader::new(answers) };
        // It says 0 once it has opened all that it needs: before it is entered in the table.
        helper.answer()?;
        Ok(helper)
    }

    /// Its process id in our pid namespace.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lets it try a hook's operation.
    ///
    /// # Errors
    /// If it does not answer.
    pub(crate) fn attempt(&mut self, hook: Hook, way: Way) -> Result<Attempt, Error> {
        writeln!(self.orders, "{} {}", hook as u8, way as u8)
            .map_err(call("talk to", "the self-check helper"))?;
        self.answer()
    }

    fn answer(&mut self) -> Result<Attempt, Error> {
        let mut line = String::new();
        self.answers.read_line(&mut line).map_err(call("hear from", "the self-check helper"))?;
        understood(&line)
            .ok_or_else(|| call("understand", "the self-check helper")(io::ErrorKind::InvalidData.into()))
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // It may be gone already; there is nothing else to do about either.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads `errno`, or `errno inode device`.
fn understood(line: &str) -> Option<Attempt> {
    let mut words = line.split_whitespace();
    let errno = words.next()?.parse().ok()?;
    let object = match (words.next(), words.next()) {
        (Some(ino), Some(dev)) => Some((ino.parse().ok()?, dev.parse().ok()?)),
        _ => None,
    };
    Some(Attempt { errno, object })
}

/// What the helper process does: reads hook numbers, tries each operation, writes the errno.
///
/// # Errors
/// If it cannot prepare or its pipes break, which ends it.
pub fn helper_main() -> io::Result<()> {
    let executable = File::open(OWN_EXECUTABLE)?;
    let readable = Mapping::new(&executable, libc::PROT_READ)?;
    let scratch = Scratch::make()?;
    let mut answers = io::stdout().lock();
    writeln!(answers, "0")?;
    answers.flush()?;
    for line in io::stdin().lock().lines() {
        let (hook, way) = order(&line?).ok_or(io::ErrorKind::InvalidInput)?;
        let outcome = attempt(hook, way, &executable, &readable, &scratch);
        let errno = outcome.err().map_or(0, |error| error.raw_os_error().unwrap_or(libc::EIO));
        match scratch.object(hook) {
            Some((ino, dev)) => writeln!(answers, "{errno} {ino} {dev}")?,
            None => writeln!(answers, "{errno}")?,
        }
        answers.flush()?;
    }
    Ok(())
}

fn order(line: &str) -> Option<(Hook, Way)> {
    let (hook, way) = line.trim().split_once(' ')?;
    let hook = Hook::from_byte(hook.parse().ok()?)?;
    let way: u8 = way.parse().ok()?;
    ways(hook).iter().copied().find(|known| *known as u8 == way).map(|way| (hook, way))
}

fn attempt(hook: Hook, way: Way, executable: &File, readable: &Mapping, scratch: &Scratch) -> io::Result<()> {
    match hook {
        Hook::SysExit => match way {
            Way::Plain => File::open(OWN_EXECUTABLE).map(drop),
            Way::Map => Mapping::new(executable, libc::PROT_READ | libc::PROT_EXEC).map(drop),
        },
        Hook::FileOpen => File::open(OWN_EXECUTABLE).map(drop),
        Hook::MmapFile => Mapping::new(executable, libc::PROT_READ | libc::PROT_EXEC).map(drop),
        Hook::FileMprotect => readable.protect(libc::PROT_READ | libc::PROT_EXEC),
        // If it is not denied, the new program answers 0 in our place.
        Hook::BprmCheck | Hook::SchedExec => Err(Command::new(OWN_EXECUTABLE).arg(RAN_ARGUMENT).exec()),
        _ => scratch.attempt(hook),
    }
}

/// One page of a file in memory.
struct Mapping {
    page: *mut libc::c_void,
}

const PAGE: usize = 4096;

impl Mapping {
    fn new(file: &File, access: i32) -> io::Result<Self> {
        // SAFETY: a fresh private mapping; nothing is ever read through it.
        let page =
            unsafe { libc::mmap(std::ptr::null_mut(), PAGE, access, libc::MAP_PRIVATE, file.as_raw_fd(), 0) };
        if page == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(Self { page }) }
    }

    fn protect(&self, access: i32) -> io::Result<()> {
        // SAFETY: the page is ours and holds nothing that anybody uses.
        if unsafe { libc::mprotect(self.page, PAGE, access) } == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by us with this length, and nobody holds a reference into it.
        unsafe { libc::munmap(self.page, PAGE) };
    }
}

/// Judges an attempt. Pure, so that each way to fail is tested.
///
/// # Errors
/// Says what is missing for a proof.
pub(crate) fn judge(
    hook: Hook,
    errno: i32,
    object: (u64, u32),
    proof: &Proof,
    (token, generation): (u32, u32),
) -> Result<(), Error> {
    let asked = proof.token == token;
    // The audit fallback looks at what has succeeded, and says what would have been denied.
    let (verdict, expected) =
        if hook.is_tracepoint() { (Verdict::Audit, 0) } else { (Verdict::Deny, libc::EPERM) };
    if errno == 0 && !asked && expected != 0 {
        return Err(Error::LsmNotCalled { hook });
    }
    let failure = || io::Error::from_raw_os_error(errno);
    let why = if !asked && errno == 0 {
        "it succeeded, and our probe did not see it".to_owned()
    } else if !asked {
        format!("{}, but our probe was not asked", failure())
    } else if proof.generation != generation {
        format!("generation {} answered", proof.generation)
    } else if proof.reason == Reason::None as u8 {
        "it has no row of the self-check: apply the policy again".to_owned()
    } else if proof.verdict != verdict as u8
        || proof.rule != RULE_SELF_CHECK
        || proof.reason != Reason::SelfCheck as u8
    {
        let reason = Reason::from_byte(proof.reason).map_or("unknown", Reason::word);
        format!("another rule answered ({:#x}, verdict {}, reason {reason})", proof.rule, proof.verdict)
    } else if errno == 0 && expected != 0 {
        "our probe denied it and it succeeded".to_owned()
    } else if (proof.object.ino, proof.object.dev) != object {
        let ObjectKey { ino, dev, .. } = proof.object;
        format!(
            "our probe saw inode {ino} of device {dev} where inode {} of device {} was used: it reads the kernel's \
             structs wrongly",
            object.0, object.1
        )
    } else if errno != expected && expected != 0 {
        format!("it failed with {} instead of EPERM", failure())
    } else if errno != expected {
        format!("it failed with {}", failure())
    } else {
        return Ok(());
    };
    Err(Error::NotProven { hook, generation, why })
}

#[cfg(test)]
mod tests {
    use super::*;
    use aegis_kernel_abi::Kind;

    const TOKEN: u32 = 7;
    const GENERATION: u32 = 3;
    const OBJECT: ObjectKey = ObjectKey { ino: 12, dev: 8, inode_generation: 5 };

    fn good() -> Proof {
        Proof {
            token: TOKEN,
            generation: GENERATION,
            rule: RULE_SELF_CHECK,
            verdict: Verdict::Deny as u8,
            reason: Reason::SelfCheck as u8,
            object: OBJECT,
            ..Proof::default()
        }
    }

    /// Judges an attempt; `None` expects a proof, `Some` what the refusal must say.
    fn check(what: &str, errno: i32, proof: &Proof, expected: Option<&str>) {
        for hook in Kind::Lsm.hooks().filter(|hook| !hook.is_tracepoint()) {
            let judged = judge(hook, errno, (OBJECT.ino, OBJECT.dev), proof, (TOKEN, GENERATION))
                .map_err(|error| error.to_string());
            match expected {
                None => assert_eq!(judged, Ok(()), "{what}"),
                Some(text) => {
                    let error = judged.expect_err(what);
                    assert!(error.contains(text) && error.contains(hook.word()), "{what}: {error}");
                }
            }
        }
    }

    #[test]
    fn only_our_own_denial_is_a_proof() {
        let (allowed, denied) = (0, libc::EPERM);
        let unasked = Proof { token: TOKEN - 1, ..good() };
        let with_verdict = |verdict: Verdict| Proof { verdict: verdict as u8, ..good() };
        let with_reason = |reason: u8| Proof { reason, ..good() };
        let other_rule = Some("another rule answered");
        let rows = [
            ("as it must be", denied, good(), None),
            ("other fields do not count", denied, Proof { time_ns: 9, ..good() }, None),
            ("nobody was asked", allowed, Proof::default(), Some("security modules")),
            ("an old proof, and allowed", allowed, unasked, Some("security modules")),
            ("another module's EPERM", denied, Proof::default(), Some("our probe was not asked")),
            ("an old proof", denied, unasked, Some("our probe was not asked")),
            ("another module's EACCES", libc::EACCES, unasked, Some("our probe was not asked")),
            ("denied and yet allowed", allowed, good(), Some("it succeeded")),
            ("another errno", libc::EACCES, good(), Some("instead of EPERM")),
            (
                "another inode",
                denied,
                Proof { object: ObjectKey { ino: 1, ..OBJECT }, ..good() },
                Some("wrongly"),
            ),
            (
                "another device",
                denied,
                Proof { object: ObjectKey { dev: 1, ..OBJECT }, ..good() },
                Some("wrongly"),
            ),
            ("another generation", denied, Proof { generation: 2, ..good() }, Some("generation 2 answered")),
            ("no generation", denied, Proof { generation: 0, ..good() }, Some("generation 0 answered")),
            ("no row", denied, with_reason(Reason::None as u8), Some("no row of the self-check")),
            (
                "no row, and allowed",
                allowed,
                with_reason(Reason::None as u8),
                Some("no row of the self-check"),
            ),
            ("a user's rule", denied, Proof { rule: 0, ..good() }, other_rule),
            ("no rule", denied, Proof { rule: u32::MAX, ..good() }, other_rule),
            ("only observed", denied, with_verdict(Verdict::Audit), other_rule),
            ("let through", denied, with_verdict(Verdict::Allow), other_rule),
            ("by the object", denied, with_reason(Reason::Object as u8), Some("reason object")),
            ("undecidable", denied, with_reason(Reason::TableMissing as u8), Some("reason table_missing")),
            ("an impossible reason", denied, with_reason(99), Some("reason unknown")),
        ];
        for (what, errno, proof, expected) in rows {
            check(what, errno, &proof, expected);
        }
    }

    #[test]
    fn the_fallback_must_see_what_succeeds() {
        let seen = Proof { verdict: Verdict::Audit as u8, ..good() };
        let rows = [
            ("as it must be", 0, seen, None),
            ("denied after all", 0, good(), Some("another rule answered")),
            ("not seen", 0, Proof { token: TOKEN - 1, ..seen }, Some("our probe did not see it")),
            ("failed", libc::EPERM, Proof::default(), Some("our probe was not asked")),
            ("seen, and failed", libc::EIO, seen, Some("it failed with")),
            ("another generation", 0, Proof { generation: 2, ..seen }, Some("generation 2 answered")),
            ("a user's rule", 0, Proof { rule: 0, ..seen }, Some("another rule answered")),
            ("no row", 0, Proof { reason: Reason::None as u8, ..seen }, Some("no row of the self-check")),
        ];
        for hook in Kind::Fallback.hooks() {
            for (what, errno, proof, expected) in rows {
                let judged = judge(hook, errno, (OBJECT.ino, OBJECT.dev), &proof, (TOKEN, GENERATION))
                    .map_err(|error| error.to_string());
                match expected {
                    None => assert_eq!(judged, Ok(()), "{what}"),
                    Some(text) => assert!(judged.expect_err(what).contains(text), "{what}"),
                }
            }
        }
    }
}
