//! The SHA-256 that a policy must have, as an option or a variable says it.

use crate::exit::{Exit, Failure};
use aegis_control_api::PolicySource;
use aegis_policy::ContentDigest;
use anyhow::{Context, Result};
use clap::Args;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// What the C++ AegisBPF calls them.
const DIGEST: &str = "AEGIS_POLICY_SHA256";
const DIGEST_FILE: &str = "AEGIS_POLICY_SHA256_FILE";

/// Whether a variable of the environment says which policy is wanted.
pub(crate) fn is_digest(name: &OsStr) -> bool {
    [DIGEST, DIGEST_FILE].iter().any(|known| name == *known)
}

/// Options of verbs that read a policy. One of them goes before the variables.
#[derive(Debug, Args)]
pub(crate) struct DigestArgs {
    /// The SHA-256 that the policy file must have; there must be exactly one. If it has another it is refused. Variable
    /// AEGIS_POLICY_SHA256.
    #[arg(long, value_name = "HEX", conflicts_with = "sha256_file", value_parser = ContentDigest::parse)]
    sha256: Option<ContentDigest>,
    /// A file with that, alone or as `sha256sum` writes it. Variable AEGIS_POLICY_SHA256_FILE.
    #[arg(long, value_name = "FILE")]
    sha256_file: Option<PathBuf>,
}

/// What a policy must have, and what says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    digest: ContentDigest,
    by: String,
}

impl DigestArgs {
    /// What is wanted, if anything is.
    pub(crate) fn wanted(&self) -> Result<Option<Wanted>> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        if let Some(digest) = self.sha256 {
            return Ok(Some(Wanted { digest, by: "--sha256".to_owned() }));
        }
        if let Some(file) = &self.sha256_file {
            return of_file(file).map(Some);
        }
        match (set(DIGEST), set(DIGEST_FILE)) {
            (Some(text), _) => of_variable(&text).map(Some),
            (None, Some(file)) => of_file(Path::new(&file)).map(Some),
            (None, None) => Ok(None),
        }
    }
}

fn of_variable(text: &OsStr) -> Result<Wanted> {
    let digest = ContentDigest::parse(&text.to_string_lossy())
        .map_err(|error| refused(format!("{DIGEST}: {error}")))?;
    Ok(Wanted { digest, by: DIGEST.to_owned() })
}

fn of_file(path: &Path) -> Result<Wanted> {
    let by = path.display().to_string();
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read the SHA-256 of the policy, {by}"));
    let text = text.map_err(|error| refused(format!("{error:#}")))?;
    let digest = ContentDigest::parse(&text).map_err(|error| refused(format!("{by}: {error}")))?;
    Ok(Wanted { digest, by })
}

fn refused(message: String) -> Failure {
    Failure::new(Exit::Refused, message)
}

impl Wanted {
    /// Refuses what is not exactly one file with these bytes. They are the bytes that go on, read once.
    pub(crate) fn check(&self, sources: &[PolicySource]) -> Result<(), Failure> {
        let Self { digest, by } = self;
        let [source] = sources else {
            let count = sources.len();
            return Err(refused(format!(
                "{by} is the SHA-256 of one policy file, and there are {count}; nothing has changed"
            )));
        };
        let found = ContentDigest::of(source.text.as_bytes());
        if found == *digest {
            return Ok(());
        }
        let name = &source.name;
        Err(refused(format!(
            "{name} has the SHA-256 {found}, and {by} says {digest}: it is another file, or somebody has changed it; nothing \
             has changed"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_file_with_these_bytes_is_taken() {
        let source = |text: &str| PolicySource::unsigned("p".to_owned(), text.to_owned());
        let wanted = Wanted { digest: ContentDigest::of(b"a\n"), by: "--sha256".to_owned() };
        for (sources, taken) in [
            (vec![source("a\n")], true),
            (vec![source("a\r\n")], false),
            (vec![], false),
            (vec![source("a\n"), source("a\n")], false),
        ] {
            assert_eq!(wanted.check(&sources).is_ok(), taken, "{sources:?}");
        }
    }
}
