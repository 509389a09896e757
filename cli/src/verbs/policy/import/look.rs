//! What is found, and what is to be said of it.

use super::ImportArgs;
use super::keys::{self, FoundKey};
use crate::exit::{Exit, Failure};
use crate::verbs::holders::harmless;
use aegis_policy::import::{Bundle, ImportFlaw, bundle};
use aegis_policy::{ContentDigest, Migrated, Name, Source};
use anyhow::{Context, Result};
use serde::Serialize;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

const APPLIED: &str = "var/lib/aegisbpf/policy.applied";
const BEFORE: &str = "var/lib/aegisbpf/policy.applied.prev";
const CONFIGURED: &str = "etc/aegisbpf/policy.conf";
const COUNTER: &str = "var/lib/aegisbpf/version_counter";
/// The most that a policy sent to the daemon may have.
const MOST_BYTES: u64 = 512 * 1024 * 1024;

/// A policy may have a hundred thousand entries of a kind.
const MOST_NOTES: usize = 20;

const UNSIGNED: &str = "the signature of the bundle is not taken over: it joins fields without separators, so that digits can \
                        be moved from one to the next under the same signature";

/// All that was found.
#[derive(Debug, Default, Serialize)]
pub(super) struct Found {
    pub(super) found: Vec<FoundFile>,
    pub(super) policy: Option<FoundPolicy>,
    pub(super) keys: Vec<FoundKey>,
    pub(super) findings: Vec<Finding>,
}

/// A file of that tool.
#[derive(Debug, Serialize)]
pub(super) struct FoundFile {
    pub(super) path: String,
    pub(super) bytes: usize,
    pub(super) what: String,
}

/// The policy that counts.
#[derive(Debug, Serialize)]
pub(super) struct FoundPolicy {
    from: String,
    rules: usize,
    exempt_cgroups: usize,
    #[serde(skip)]
    text: String,
}

/// Whether something can be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Grade {
    Note,
    /// Not as it was when that tool wrote it: only with `--force`.
    Wrong,
    /// Nothing can be made of it.
    Refused,
}

impl Grade {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Wrong => "WRONG",
            Self::Refused => "REFUSED",
        }
    }
}

/// Something to be known.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub(super) grade: Grade,
    pub(super) finding: String,
    pub(super) remedy: String,
}

impl Found {
    pub(super) fn say(&mut self, grade: Grade, finding: impl Into<String>, remedy: &str) {
        self.findings.push(Finding { grade, finding: finding.into(), remedy: remedy.to_owned() });
    }

    /// The first of many that need the same.
    fn say_each(&mut self, notes: Vec<String>, remedy: &str) {
        let more = notes.len().saturating_sub(MOST_NOTES);
        notes.into_iter().take(MOST_NOTES).for_each(|note| self.say(Grade::Note, note, remedy));
        if more > 0 {
            self.say(Grade::Note, format!("and {more} more like these"), remedy);
        }
    }

    pub(super) fn file(&mut self, path: &Path, bytes: &[u8], what: String) {
        self.found.push(FoundFile { path: path.display().to_string(), bytes: bytes.len(), what });
    }

    /// How many findings keep it from being written.
    pub(super) fn wrong(&self, force: bool) -> usize {
        let counts = |finding: &&Finding| match finding.grade {
            Grade::Note => false,
            Grade::Wrong => !force,
            Grade::Refused => true,
        };
        self.findings.iter().filter(counts).count()
    }

    /// The files that it becomes, by their names below a directory.
    pub(super) fn files(&self) -> Vec<(String, String)> {
        let policy = self.policy.iter().map(|policy| ("policy.toml".to_owned(), policy.text.clone()));
        policy.chain(self.keys.iter().map(FoundKey::file)).collect()
    }
}

/// The policy of that tool below a root, if there is one.
pub(crate) fn left_behind(root: &Path) -> Option<PathBuf> {
    [APPLIED, CONFIGURED].map(|file| root.join(file)).into_iter().find(|file| file.is_file())
}

/// Looks at everything, and changes nothing.
pub(super) fn look(args: &ImportArgs) -> Result<Found> {
    let name = args.name.as_deref().map(Name::parse).transpose();
    let name = name.map_err(|error| Failure::new(Exit::Refused, format!("this is no name: {error}")))?;
    let mut found = Found::default();
    match &args.policy {
        Some(file) => {
            let bytes = read(file)?.ok_or_else(|| io::Error::from(ErrorKind::NotFound));
            let bytes = bytes.with_context(|| format!("cannot read {}", file.display()));
            let bytes = bytes.map_err(|error| Failure::new(Exit::Refused, format!("{error:#}")))?;
            policy(&mut found, "named", (file, &bytes), name)?;
        }
        None => below(&mut found, &args.from, name)?,
    }
    if found.found.is_empty() {
        let message = format!(
            "nothing of the C++ AegisBPF is below {}: there is neither {APPLIED} nor {CONFIGURED}, nor a key; name a policy \
             with --policy",
            args.from.display()
        );
        return Err(Failure::new(Exit::Failed, message).into());
    }
    Ok(found)
}

fn below(found: &mut Found, root: &Path, name: Option<Name>) -> Result<()> {
    let [applied, before, configured, counter] =
        [APPLIED, BEFORE, CONFIGURED, COUNTER].map(|file| root.join(file));
    let policies = (read(&applied)?, read(&configured)?);
    match &policies {
        (Some(bytes), other) => {
            policy(found, "applied", (&applied, bytes), name)?;
            if let Some(other) = other {
                found.file(&configured, other, described("configured", other));
            }
            if other.as_ref().is_some_and(|other| other != bytes) {
                let finding = format!("{} is another policy than the applied one", shown(&configured));
                let remedy = "the applied one is taken; `--policy FILE` takes the other";
                found.say(Grade::Note, finding, remedy);
            }
        }
        (None, Some(bytes)) => policy(found, "configured", (&configured, bytes), name)?,
        (None, None) => {}
    }
    if let Some(bytes) = read(&before)? {
        found.file(&before, &bytes, described("applied before", &bytes));
    }
    if let Some(bytes) = read(&counter)? {
        let text = String::from_utf8_lossy(&bytes).trim().to_owned();
        found.file(&counter, &bytes, format!("number of the newest signed policy: {}", harmless(&text)));
        if let Ok(number) = text.parse::<u64>() {
            serial(found, number);
        }
    }
    keys::look(found, root)
}

fn serial(found: &mut Found, number: u64) {
    let finding = format!("the newest signed policy there has number {number}");
    let remedy = "it counts for nothing here; give policy.toml a `serial` above it before it is signed, to go on counting";
    found.say(Grade::Note, finding, remedy);
}

/// A path as it may be shown.
pub(super) fn shown(path: &Path) -> String {
    harmless(&path.display().to_string())
}

/// The content of a file; `None` if it is not there.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    let read = || {
        let metadata = fs::metadata(path)?;
        if !metadata.is_file() || metadata.len() > MOST_BYTES {
            return Err(io::Error::other("it is no plain file, or larger than any policy"));
        }
        fs::read(path)
    };
    match read() {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", shown(path))),
    }
}

/// The policy that counts, with the digest beside it.
fn policy(found: &mut Found, role: &str, (path, bytes): (&Path, &[u8]), name: Option<Name>) -> Result<()> {
    found.file(path, bytes, described(role, bytes));
    let mut beside = path.as_os_str().to_owned();
    beside.push(".sha256");
    let beside = PathBuf::from(beside);
    let digest = read(&beside)?;
    let taken = match bundle(bytes) {
        Err(flaw) => {
            let remedy = "copy it again, or name another policy with --policy";
            found.say(Grade::Refused, format!("{}: {flaw}", shown(path)), remedy);
            return Ok(());
        }
        Ok(Some(bundle)) => {
            of_bundle(found, path, &bundle);
            bundle.policy.to_owned()
        }
        Ok(None) => match String::from_utf8(bytes.to_vec()) {
            Ok(text) => text,
            Err(_) => {
                let finding = format!("{} is no text", shown(path));
                found.say(Grade::Refused, finding, "name the policy with --policy");
                return Ok(());
            }
        },
    };
    if let Some(digest) = digest {
        of_digest(found, (&beside, &digest), &[bytes, taken.as_bytes()]);
    }
    found.policy = migrated(found, path, &taken, name);
    Ok(())
}

fn of_bundle(found: &mut Found, path: &Path, bundle: &Bundle<'_>) {
    let by = bundle.signer.and_then(|signer| keys::id(&signer));
    let by = by.map(|id| format!(" (it is said to be by {id})")).unwrap_or_default();
    found.say(Grade::Note, format!("{UNSIGNED}{by}"), "sign policy.toml anew: `aegisbpf policy sign`");
    for flaw in &bundle.flaws {
        let remedy = match flaw {
            ImportFlaw::Digest { .. } => {
                "somebody has changed the policy, or the copy is damaged; look at it, then say --force to take it as it is"
            }
            _ => "the bundle is damaged; look at the policy in it, then say --force to take it as it is",
        };
        found.say(Grade::Wrong, format!("{}: {flaw}", shown(path)), remedy);
    }
    if let Some(number) = bundle.policy_version {
        serial(found, number);
    }
    if let Some(end) = bundle.expires {
        let finding =
            format!("the bundle is valid until {end} seconds after 1970, and the policy here without an end");
        found.say(Grade::Note, finding, "give policy.toml an `expires`, if it is to end");
    }
}

/// That tool may have meant the whole file or the policy in it.
fn of_digest(found: &mut Found, (path, bytes): (&Path, &[u8]), candidates: &[&[u8]]) {
    let parsed = ContentDigest::parse(&String::from_utf8_lossy(bytes));
    let fits = parsed.as_ref().is_ok_and(|said| candidates.iter().any(|one| ContentDigest::of(one) == *said));
    let what = if fits { "digest of that policy: fits" } else { "digest of another policy" };
    found.file(path, bytes, what.to_owned());
    if fits {
        return;
    }
    let why = match parsed {
        Ok(said) => format!("says {said}, and the policy has another SHA-256"),
        Err(error) => error.to_string(),
    };
    let remedy =
        "the policy was changed after it had been applied; look at it, then say --force to take it as it is";
    found.say(Grade::Wrong, format!("{}: {why}", shown(path)), remedy);
}

fn migrated(found: &mut Found, path: &Path, text: &str, name: Option<Name>) -> Option<FoundPolicy> {
    let from = shown(path);
    match aegis_policy::migrate(&[Source { name: &from, text }], name) {
        Ok(Migrated { text, plan, warnings }) => {
            let warnings = warnings.without_notes();
            let warnings = warnings.located().map(|warning| warning.message.to_string()).collect();
            found.say_each(warnings, "`aegisbpf policy lint policy.toml` shows where");
            let remedy = "as long as it is in policy.toml, `policy apply` refuses the policy";
            found.say_each(plan.undecided(), remedy);
            let (rules, exempt_cgroups) = (plan.rules().len(), plan.exempt().len());
            Some(FoundPolicy { from, rules, exempt_cgroups, text })
        }
        Err(report) => {
            let remedy = "correct these lines in a copy of it, and name that with --policy";
            found.say(Grade::Refused, format!("{from} is wrong:\n{}", report.to_string().trim_end()), remedy);
            None
        }
    }
}

/// A policy in a few words.
fn described(role: &str, bytes: &[u8]) -> String {
    let (kind, text) = match bundle(bytes) {
        Ok(Some(bundle)) => ("signed bundle", bundle.policy.to_owned()),
        Ok(None) => ("policy", String::from_utf8_lossy(bytes).into_owned()),
        Err(_) => return format!("{role}: signed bundle without a policy"),
    };
    if !aegis_policy::is_old_format(&text) {
        return format!("{role}: {kind} of neither format 1 nor 2");
    }
    let format = if text.contains("version=2") { 2 } else { 1 };
    match aegis_policy::compile(&[Source { name: role, text: &text }]) {
        Ok(compiled) => format!("{role}: {kind} of format {format}, {} rule(s)", compiled.plan.rules().len()),
        Err(report) => format!("{role}: {kind} of format {format}, {} error(s)", report.errors()),
    }
}
