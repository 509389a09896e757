//! `keys`: whose policies are put in force. Here: what is trusted now.

mod change;
mod generate;

use super::holders::harmless;
use crate::CommonArgs;
use crate::exit::{Exit, Failure};
use crate::output::{self, Format};
use crate::settings::{self, Flags};
use aegis_actors::trust::{TrustError, trusted_keys};
use aegis_config::Trust;
use aegis_trust::Key;
use anyhow::Result;
use clap::Subcommand;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeysVerb {
    /// Makes a pair of keys: a secret one to sign with, and a public one to be trusted. Needs no daemon.
    Generate(generate::GenerateArgs),
    /// Shows the trusted keys, and how many must have signed a policy. Needs no daemon.
    List,
    /// Trusts a public key, of minisign or of OpenSSH, from now on.
    Add {
        /// Its file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Trusts a key no longer. Policies that it has signed stay in force until another one is.
    Remove {
        /// What the key is called, or its file.
        #[arg(value_name = "ID|FILE")]
        key: String,
        /// Also if fewer are left than must have signed a policy.
        #[arg(long)]
        force: bool,
    },
}

/// Runs the verb.
pub(crate) fn run(args: &CommonArgs, verb: &KeysVerb) -> Result<()> {
    match verb {
        KeysVerb::Generate(generate) => generate::run(args.output, generate),
        KeysVerb::List => list(args.output, &trust(args)?),
        KeysVerb::Add { file } => change::add(args.output, &trust(args)?, file),
        KeysVerb::Remove { key, force } => change::remove(args.output, &trust(args)?, key, *force),
    }
}

/// What the settings say about trust.
pub(crate) fn trust(args: &CommonArgs) -> Result<Trust> {
    Ok(settings::load(args, &Flags::of(args))?.settings.trust)
}

/// The keys that are trusted. If one of them is wrong, none is.
pub(crate) fn trusted(trust: &Trust) -> Result<Vec<(PathBuf, Key)>> {
    trusted_keys(&trust.directory).map_err(|error| match error {
        TrustError::Read { .. } => error.into(),
        wrong => Failure::new(Exit::Refused, harmless(&wrong.to_string())).into(),
    })
}

/// A key as it is shown.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    id: String,
    kind: &'static str,
    comment: String,
    file: String,
}

impl Shown {
    pub(crate) fn of(key: &Key, file: &Path) -> Self {
        Self {
            id: key.id(),
            kind: key.kind().word(),
            comment: harmless(key.comment()),
            file: harmless(&file.display().to_string()),
        }
    }

    pub(crate) fn row(self) -> [String; 4] {
        [self.id, self.kind.to_owned(), self.comment, self.file]
    }
}

/// All that is trusted.
#[derive(Debug, Serialize)]
struct Listed {
    version: u32,
    directory: PathBuf,
    threshold: u8,
    require_signature: bool,
    keys: Vec<Shown>,
}

fn list(format: Format, trust: &Trust) -> Result<()> {
    let keys = trusted(trust)?;
    let distinct = distinct(keys.iter().map(|(_, key)| key));
    let listed = Listed {
        version: 1,
        directory: trust.directory.clone(),
        threshold: trust.threshold.get(),
        require_signature: trust.require_signature,
        keys: keys.iter().map(|(path, key)| Shown::of(key, path)).collect(),
    };
    if format == Format::Json {
        return output::json(&listed);
    }
    output::table(["key", "kind", "comment", "file"], listed.keys.into_iter().map(Shown::row));
    let (threshold, directory) = (trust.threshold, trust.directory.display());
    output::line(&if trust.require_signature {
        format!("a policy must be signed by {threshold} of the {distinct} key(s) in {directory}")
    } else {
        format!(
            "a policy need not be signed (trust.require_signature); {threshold} of the {distinct} key(s) in {directory} would have to"
        )
    });
    if distinct < usize::from(threshold.get()) {
        output::note(
            "warning: these are fewer than must have signed, so no policy can be; add keys with `aegisbpf keys add`",
        );
    }
    Ok(())
}

/// How many different keys these are.
fn distinct<'a>(keys: impl Iterator<Item = &'a Key>) -> usize {
    keys.collect::<std::collections::HashSet<_>>().len()
}

/// Reads a public key that somebody names.
pub(crate) fn read(file: &Path) -> Result<Key> {
    use anyhow::Context;
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(file)
        .and_then(|file| file.take(aegis_trust::MOST_BYTES as u64 + 1).read_to_end(&mut bytes))
        .with_context(|| format!("cannot read the key {}", file.display()))?;
    Key::parse(&String::from_utf8_lossy(&bytes)).map_err(|flaw| {
        let name = harmless(&file.display().to_string());
        Failure::new(Exit::Refused, format!("{name} is not a key that can be trusted: {flaw}")).into()
    })
}
