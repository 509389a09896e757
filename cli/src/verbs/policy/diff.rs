//! `policy diff`: what is different in meaning.

use super::{convert, harmless};
use crate::Common;
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::output::{self, Format};
use aegis_policy::Fact;
use anyhow::Result;
use clap::Args;
use clap::error::ErrorKind;
use std::path::PathBuf;

/// Options of `policy diff`.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The old policy and the new one, each a file or a directory of files; with `--live` the new one alone.
    #[arg(required = true, num_args = 1..=2, value_name = "POLICY")]
    policies: Vec<PathBuf>,
    /// Compares with the policy in force.
    #[arg(long)]
    live: bool,
    /// Ends with 1 if there is a difference.
    #[arg(long)]
    exit_code: bool,
}

pub(super) fn run(common: &Common, client: &Client, args: &DiffArgs) -> Result<()> {
    let (old, new) = match (&args.policies[..], args.live) {
        ([old, new], false) => (read(old)?, read(new)?),
        ([new], true) => (convert::live(client)?, read(new)?),
        (_, live) => {
            let count = if live { "one policy is named with --live" } else { "two policies are named" };
            let message = format!("{count}; see `aegisbpf policy diff --help`\n");
            clap::Error::raw(ErrorKind::WrongNumberOfValues, message).exit()
        }
    };
    let diff = old.diff(&new);
    if common.output == Format::Json {
        output::json(&diff)?;
    } else if diff.is_empty() {
        output::line("both mean the same");
    } else {
        show(&diff.removed, &diff.added);
    }
    if args.exit_code && !diff.is_empty() {
        return Err(Failure::new(Exit::Failed, "the policies differ").into());
    }
    Ok(())
}

fn read(path: &PathBuf) -> Result<aegis_policy::Plan> {
    let files = aegis_config::policy_files(std::slice::from_ref(path))
        .map_err(|error| Failure::new(Exit::Refused, format!("{:#}", anyhow::Error::new(error))))?;
    convert::plan(&files)
}

/// What belongs to one thing stands together, the old before the new.
fn show(removed: &[Fact], added: &[Fact]) {
    let removed = removed.iter().map(|fact| (fact, '-'));
    let added = added.iter().map(|fact| (fact, '+'));
    let mut all: Vec<(&Fact, char)> = removed.chain(added).collect();
    all.sort_by_key(|(fact, sign)| (&fact.of, fact.key, *sign == '+', &fact.value));
    let mut of = None;
    for (fact, sign) in all {
        if of.replace(&fact.of) != Some(&fact.of) {
            output::line(&harmless(&fact.of));
        }
        output::line(&format!("  {sign} {} {}", fact.key, harmless(&fact.value)));
    }
}
