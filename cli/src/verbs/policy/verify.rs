//! `policy verify`: who has signed a policy.

use crate::CommonArgs;
use crate::exit::{Exit, Failure};
use crate::output::{self, Format};
use crate::verbs::holders::harmless;
use crate::verbs::keys;
use aegis_actors::trust::signatures_beside;
use aegis_trust::{Given, Key, Refusal, Rejected, Signer, Trust};
use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;
use std::num::NonZeroU8;
use std::path::PathBuf;

/// Options of `policy verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The policy. Its signatures are the files FILE.minisig and FILE.sig, and FILE.WORD.minisig and FILE.WORD.sig.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Trusts this public key, in place of those in the directory of keys. Can be given more than once.
    #[arg(long = "key", value_name = "PUB")]
    keys: Vec<PathBuf>,
    /// How many different keys must have signed. Without it the setting trust.threshold, or 1 with --key.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    threshold: Option<u8>,
}

/// What was found.
#[derive(Debug, Serialize)]
struct Verified {
    version: u32,
    good: bool,
    threshold: u8,
    signers: Vec<ShownSigner>,
    /// Only told if too few have signed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rejected: Vec<ShownRejected>,
}

#[derive(Debug, Serialize)]
struct ShownSigner {
    id: String,
    kind: &'static str,
    comment: String,
    signature: String,
}

#[derive(Debug, Serialize)]
struct ShownRejected {
    signature: String,
    why: String,
}

/// Runs the verb.
pub(crate) fn run(common: &CommonArgs, args: &VerifyArgs) -> Result<()> {
    let message = std::fs::read(&args.file)
        .with_context(|| format!("cannot read the policy {}", args.file.display()))
        .map_err(|error| Failure::new(Exit::Refused, format!("{error:#}")))?;
    let trust = trust(common, args)?;
    let beside = signatures_beside(&args.file)
        .with_context(|| format!("cannot read the signatures of {}", args.file.display()))?;
    let given: Vec<Given<'_>> = beside.iter().map(|(name, text)| Given { name, text }).collect();
    let verified = aegis_trust::verify(&trust, &message, &given);
    if common.output == Format::Json {
        output::json(&shown(&trust, &verified))?;
    } else if let Ok(signers) = &verified {
        let rows =
            signers.iter().map(signer).map(|row| [row.id, row.kind.to_owned(), row.comment, row.signature]);
        output::table(["signed by", "kind", "comment", "signature"], rows);
    }
    verified.map(drop).map_err(|refusal| Failure::new(Exit::Refused, refusal.to_string()).into())
}

/// Those that are named, or else those of this host.
fn trust(common: &CommonArgs, args: &VerifyArgs) -> Result<Trust> {
    let threshold = args.threshold.and_then(NonZeroU8::new);
    let (keys, threshold) = if args.keys.is_empty() {
        let settings = keys::trust(common)?;
        let keys: Vec<Key> = keys::trusted(&settings)?.into_iter().map(|(_, key)| key).collect();
        (keys, threshold.unwrap_or(settings.threshold))
    } else {
        let keys: Result<Vec<Key>> = args.keys.iter().map(|file| keys::read(file)).collect();
        (keys?, threshold.unwrap_or(NonZeroU8::MIN))
    };
    Trust::new(keys, threshold).map_err(|flaw| Failure::new(Exit::Refused, flaw.to_string()).into())
}

fn shown(trust: &Trust, verified: &Result<Vec<Signer>, Refusal>) -> Verified {
    let (signers, rejected): (&[Signer], &[Rejected]) = match verified {
        Ok(signers) => (signers, &[]),
        Err(refusal) => (&refusal.signers, &refusal.rejected),
    };
    let why = |rejected: &Rejected| ShownRejected {
        signature: harmless(&rejected.name),
        why: rejected.flaw.to_string(),
    };
    Verified {
        version: 1,
        good: verified.is_ok(),
        threshold: trust.threshold().get(),
        signers: signers.iter().map(signer).collect(),
        rejected: rejected.iter().map(why).collect(),
    }
}

fn signer(Signer { key, signature }: &Signer) -> ShownSigner {
    ShownSigner {
        id: key.id(),
        kind: key.kind().word(),
        comment: harmless(key.comment()),
        signature: harmless(signature),
    }
}
