//! `policy`: what can be done with policies. Here: apply and reset.

mod convert;
mod diff;
mod import;
mod lint;
mod past;
mod sign;
mod verify;

use super::digest::DigestArgs;
use super::holders::{self, Holders, harmless};
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::output::{self, Format};
use crate::{Common, CommonArgs};
use aegis_actors::trust::signatures_beside;
use aegis_config::Settings;
use aegis_control_api::{
    ApplyReply, ApplyRequest, GenerationStatus, PendingRule, PolicySource, SignatureSource, paths,
};
use aegis_policy::{Compiled, Report, Source};
use anyhow::Result;
use clap::Subcommand;
use clap::error::ErrorKind;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

pub(crate) use sign::understood;
pub(crate) use verify::run as verify;

/// What can be done with policies.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyVerb {
    /// Checks policy files and says where they are wrong, why, and what to write instead. Needs no daemon.
    #[command(alias = "validate")]
    Lint(lint::LintArgs),
    /// Compiles policy files: the digest that the policy has on every machine, and how much it is. Needs no daemon.
    Compile(convert::CompileArgs),
    /// Says what is different in meaning between two policies, or between the one in force and another.
    Diff(diff::DiffArgs),
    /// Puts a policy in force, in one step and without a moment between old and new. On any error the old stays.
    Apply {
        /// The files; they are merged.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// What is done about processes that opened or mapped before what the policy forbids: they can go on.
        #[arg(long, value_enum, default_value_t, value_name = "ACTION")]
        holders: Holders,
        /// Only tries it, up to the tables that would be loaded, and shows what it would be. Nothing changes.
        #[arg(long)]
        dry_run: bool,
        /// Refuses a policy that is not signed by enough trusted keys, whatever the setting trust.require_signature says.
        #[arg(long)]
        require_signature: bool,
        #[command(flatten)]
        digest: DigestArgs,
    },
    /// Puts the empty policy in force, in one step like any other. The local policy is set aside.
    Reset,
    /// Puts a policy in force again that was in force before on this host, in one step like any other.
    Rollback(past::RollbackArgs),
    /// Shows the policy in force, from the daemon or, without one, from the pins and the state directory.
    Show,
    /// Shows what was put in force on this host, and what was tried: when, by whom, and what became of it.
    History(past::HistoryArgs),
    /// Prints the policy in force as a policy file.
    Export(convert::ExportArgs),
    /// Rewrites files of formats 1 and 2 in format 3, and proves that both mean the same. Needs no daemon.
    Migrate(convert::MigrateArgs),
    /// Signs a policy, after compiling it. Needs no daemon.
    Sign(sign::SignArgs),
    /// Says who has signed a policy, and whether that is enough. Needs no daemon.
    Verify(verify::VerifyArgs),
    /// Shows what the C++ AegisBPF has left on a host, its policy and keys, and writes what these become here. Needs no
    /// daemon, and puts nothing in force.
    Import(import::ImportArgs),
    /// Prints the JSON schema of format 3, for editors. Needs no daemon.
    Schema,
}

/// Runs the verb.
pub(crate) fn run(common_args: &CommonArgs, common: &Common, verb: &PolicyVerb) -> Result<()> {
    let client = Client::new(&common.socket, &common.bpffs_root);
    match verb {
        PolicyVerb::Lint(args) => lint::run(common, args),
        PolicyVerb::Compile(args) => convert::compile_files(common, args),
        PolicyVerb::Diff(args) => diff::run(common, &client, args),
        PolicyVerb::Export(args) => convert::export(&client, args),
        PolicyVerb::Migrate(args) => convert::migrate(args),
        PolicyVerb::Sign(args) => sign::run(common, args),
        // It is about the configuration as well, and was asked for before.
        PolicyVerb::Verify(_) => Ok(()),
        PolicyVerb::Import(args) => import::run(common, args),
        PolicyVerb::Schema => output::json(&aegis_policy::schema()),
        PolicyVerb::Apply { files, holders, dry_run, require_signature, digest } => {
            let wanted = digest.wanted()?;
            if wanted.is_some() && files.len() != 1 {
                let message = "one policy file is named where its SHA-256 is given; see `aegisbpf policy apply --help`\n";
                clap::Error::raw(ErrorKind::WrongNumberOfValues, message).exit()
            }
            let sources = read_sources(files)?;
            wanted.map_or(Ok(()), |wanted| wanted.check(&sources))?;
            // Told here, where the terminal is; the daemon checks again what it gets.
            compile(&sources)?;
            let (action, dry_run) = ((*holders).into(), *dry_run);
            let require_signature = *require_signature || must_be_signed();
            let request = ApplyRequest { sources, holders: action, require_signature, dry_run };
            let reply = client.post(paths::APPLY, &request)?;
            if dry_run { rehearsed(common, &reply) } else { applied(common, &reply, *holders) }
        }
        PolicyVerb::Reset => {
            applied(common, &client.post(paths::RESET, &serde_json::json!({}))?, Holders::default())
        }
        PolicyVerb::Rollback(args) => past::rollback(common, &client, args),
        PolicyVerb::Show => past::show(common_args, common, &client),
        PolicyVerb::History(args) => past::history(common, &client, args),
    }
}

/// Whether a variable of the C++ AegisBPF says so. What is no word for "no" does.
fn must_be_signed() -> bool {
    let word = std::env::var_os("AEGIS_REQUIRE_SIGNATURE").unwrap_or_default();
    !["", "0", "no", "off", "false"].iter().any(|no| word == *no)
}

/// The policy of the C++ AegisBPF on this host, if none of ours is configured: it would be in force no more, and nothing
/// would say so.
pub(crate) fn not_imported(args: &CommonArgs, settings: &Settings) -> Option<PathBuf> {
    let root = args.config_root.as_deref().unwrap_or(Path::new("/"));
    if settings.policy.files.is_empty() { import::left_behind(root) } else { None }
}

/// Reads policy files, and the signatures beside them. A name of `-` is standard input.
pub(crate) fn read_sources(files: &[PathBuf]) -> Result<Vec<PolicySource>> {
    let refused = |name: &str, error: std::io::Error| {
        let error = anyhow::Error::new(error).context(format!("cannot read the policy {name}"));
        anyhow::Error::new(Failure::new(Exit::Refused, format!("{error:#}")))
    };
    let read = |file: &PathBuf| {
        let name = file.display().to_string();
        if name == "-" {
            let text = std::io::read_to_string(std::io::stdin()).map_err(|error| refused(&name, error))?;
            return Ok(PolicySource::unsigned(name, text));
        }
        let text = std::fs::read_to_string(file).map_err(|error| refused(&name, error))?;
        let signatures = signatures_beside(file).map_err(|error| refused(&name, error))?;
        let signatures = signatures.into_iter().map(|(name, text)| SignatureSource { name, text }).collect();
        Ok(PolicySource { signatures, ..PolicySource::unsigned(name, text) })
    };
    files.iter().map(read).collect()
}

/// Sources as the compiler takes them.
fn sources_of(sources: &[PolicySource]) -> Vec<Source<'_>> {
    sources.iter().map(|source| Source { name: &source.name, text: &source.text }).collect()
}

/// Compiles, showing warnings on standard error and errors as the failure.
pub(crate) fn compile(sources: &[PolicySource]) -> Result<Compiled> {
    let Compiled { plan, warnings } = compiled(sources)?;
    // Advice is for whoever lints.
    let warnings = warnings.without_notes();
    if !warnings.is_empty() {
        output::note(render(&warnings).trim_end());
    }
    Ok(Compiled { plan, warnings })
}

/// Compiles, showing errors as the failure.
fn compiled(sources: &[PolicySource]) -> Result<Compiled> {
    aegis_policy::compile(&sources_of(sources)).map_err(|report| refuse(&report))
}

/// Shows what is wrong. Nothing has changed then.
fn refuse(report: &Report) -> anyhow::Error {
    output::note(render(report).trim_end());
    Failure::new(Exit::Refused, format!("{} error(s); nothing has changed", report.errors())).into()
}

fn render(report: &Report) -> String {
    report.render(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
}

fn applied(common: &Common, reply: &ApplyReply, holders: Holders) -> Result<()> {
    if common.output == Format::Json {
        output::json(reply)?;
    } else {
        show_applied(reply);
        holders::show(&reply.holders);
    }
    holders::judge(&reply.holders, holders)
}

fn rehearsed(common: &Common, reply: &ApplyReply) -> Result<()> {
    if common.output == Format::Json {
        return output::json(reply);
    }
    reply.notes.iter().for_each(|note| output::note(note));
    let generation = &reply.generation;
    let what = if reply.changed { "would come into force" } else { "is in force already" };
    output::line(&format!("{} {what}; nothing has changed", summary(generation)));
    caveats(reply);
    Ok(())
}

/// A generation in a few words.
fn summary(generation: &GenerationStatus) -> String {
    format!(
        "policy {} ({}), {} rule(s), {} object(s), {} name(s)",
        generation.policy, generation.mode, generation.rules, generation.objects, generation.slots
    )
}

fn show_applied(reply: &ApplyReply) {
    reply.notes.iter().for_each(|note| output::note(note));
    let generation = &reply.generation;
    let what = if reply.changed { "is in force" } else { "was in force already" };
    output::line(&format!("generation {} {what}: {}", generation.generation, summary(generation)));
    caveats(reply);
}

/// Says what of a policy in force has no effect, and if none of it has.
pub(crate) fn caveats(reply: &ApplyReply) {
    pending(&reply.pending);
    for unseen in &reply.unseen {
        output::line(&format!("rule {} has no effect here on {}", unseen.rule, unseen.operations.join(", ")));
    }
    if let Some(notice) = &reply.notice {
        output::line(notice);
    }
}

/// Says which rules wait for something.
fn pending(pending: &[PendingRule]) {
    for PendingRule { rule, paths } in pending {
        let paths: Vec<String> = paths.iter().map(|path| harmless(path)).collect();
        output::note(&format!(
            "{rule} is pending: {} cannot be resolved yet; until then it is without effect there",
            paths.join(", ")
        ));
    }
}
