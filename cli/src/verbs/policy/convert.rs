//! `policy compile`, `export`, `migrate`, `schema`: a policy as something else.

use super::{compile, compiled, refuse, render, sources_of};
use crate::Common;
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::file;
use crate::output::{self, Format};
use aegis_control_api::{PolicyTextReply, paths};
use aegis_policy::{Entries, Migrated, Name, Plan, Sizes, Source};
use anyhow::Result;
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::path::PathBuf;

/// Options of `policy compile`.
#[derive(Debug, Args)]
pub(crate) struct CompileArgs {
    /// The files; they are merged.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Options of `policy export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The format. What format 2 cannot say is an error.
    #[arg(long, value_enum, default_value = "3")]
    format: ExportFormat,
    /// Writes it to this file, which is replaced as a whole.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The same, as the C++ AegisBPF has it.
    #[arg(value_name = "FILE", conflicts_with = "out", hide = true)]
    file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ExportFormat {
    /// The C++ AegisBPF reads it, too.
    #[value(name = "2")]
    Two,
    /// TOML.
    #[value(name = "3")]
    Three,
}

/// Options of `policy migrate`.
#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {
    /// Files of formats 1 and 2; they are merged.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The name that the policy gets; `format-1` without it, as records have it now.
    #[arg(long)]
    name: Option<String>,
    /// Writes it to this file, which is replaced as a whole.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// A policy as it is compiled.
#[derive(Debug, Serialize)]
struct CompiledPolicy {
    version: u32,
    policy: String,
    serial: Option<u64>,
    expires: Option<u64>,
    mode: &'static str,
    plan_digest: String,
    sizes: Sizes,
    /// Rules that no probe of this version decides upon.
    undecided: Vec<String>,
    /// Its one text in format 3.
    text: String,
}

pub(super) fn compile_files(common: &Common, args: &CompileArgs) -> Result<()> {
    let plan = compile(&super::read_sources(&args.files)?)?.plan;
    let shown = CompiledPolicy {
        version: 1,
        policy: plan.name().to_string(),
        serial: plan.serial(),
        expires: plan.expires(),
        mode: plan.mode().word(),
        plan_digest: plan.digest().iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}")),
        sizes: plan.sizes(),
        undecided: plan.undecided(),
        text: plan.to_toml(),
    };
    if common.output == Format::Json {
        return output::json(&shown);
    }
    shown.undecided.iter().for_each(|rule| output::note(rule));
    output::table(["compiled policy", ""], rows(&shown).map(|(name, value)| [name.to_owned(), value]));
    Ok(())
}

fn rows(shown: &CompiledPolicy) -> impl Iterator<Item = (&'static str, String)> {
    let Sizes { rules, paths, subtrees, inodes, digests, unix, prefixes_v4, prefixes_v6, .. } = shown.sizes;
    let Sizes { net_rows, subjects, exempt, tenants, .. } = shown.sizes;
    let counts = [
        ("rules", rules),
        ("paths", paths),
        ("subtrees", subtrees),
        ("inodes", inodes),
        ("digests", digests),
        ("unix sockets", unix),
        ("IPv4 prefixes", prefixes_v4),
        ("IPv6 prefixes", prefixes_v6),
        ("rows of prefixes", net_rows),
        ("conditions", subjects),
        ("exempt cgroups", exempt),
        ("tenants", tenants),
    ];
    let head = [
        ("policy", shown.policy.clone()),
        ("serial", shown.serial.map(|serial| serial.to_string()).unwrap_or_default()),
        ("mode", shown.mode.to_owned()),
        ("plan digest", shown.plan_digest.clone()),
    ];
    let counts = counts.into_iter().filter(|(_, count)| *count > 0);
    head.into_iter()
        .filter(|(_, value)| !value.is_empty())
        .chain(counts.map(|(name, count)| (name, count.to_string())))
}

/// The policy in force, from the daemon.
pub(super) fn live(client: &Client) -> Result<Plan> {
    let reply: PolicyTextReply = client.get(paths::POLICY_TEXT)?;
    let source = Source { name: "(in force)", text: &reply.text };
    Ok(aegis_policy::compile(&[source]).map_err(|report| refuse(&report))?.plan)
}

pub(super) fn export(client: &Client, args: &ExportArgs) -> Result<()> {
    let plan = live(client)?;
    let text = match args.format {
        ExportFormat::Three => plan.to_toml(),
        ExportFormat::Two => match Entries::of(&plan) {
            Ok(entries) => entries.to_text(),
            Err(wrong) => {
                wrong.iter().for_each(|why| output::note(why));
                let message = "format 2 cannot say what is in force; use `--format 3`";
                return Err(Failure::new(Exit::Refused, message).into());
            }
        },
    };
    file::put(args.out.as_deref().or(args.file.as_deref()), &text)
}

pub(super) fn migrate(args: &MigrateArgs) -> Result<()> {
    let name = args.name.as_deref().map(Name::parse).transpose();
    let name = name.map_err(|error| Failure::new(Exit::Refused, format!("this is no name: {error}")))?;
    let sources = super::read_sources(&args.files)?;
    let migrated = aegis_policy::migrate(&sources_of(&sources), name).map_err(|report| refuse(&report))?;
    let Migrated { text, warnings, .. } = migrated;
    let warnings = warnings.without_notes();
    if !warnings.is_empty() {
        output::note(render(&warnings).trim_end());
    }
    file::put(args.out.as_deref(), &text)
}

/// What is compiled here for another verb.
pub(super) fn plan(files: &[PathBuf]) -> Result<Plan> {
    Ok(compiled(&super::read_sources(files)?)?.plan)
}
