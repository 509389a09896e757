//! `policy lint`: what is wrong, in three forms, and the normal form of what is right.

use super::{refuse, render, sources_of};
use crate::Common;
use crate::exit::{Exit, Failure};
use crate::file;
use crate::output::{self, Format};
use aegis_control_api::PolicySource;
use aegis_policy::{Compiled, Entries, Plan, Report};
use anyhow::Result;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Options of `policy lint`.
#[derive(Debug, Args)]
pub(crate) struct LintArgs {
    /// The files; they are merged.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How diagnostics are written; `-o json` is the same as `json`.
    #[arg(long, value_enum, conflicts_with = "output")]
    format: Option<ReportFormat>,
    /// Prints the policy in its normal form if it has no errors: sorted, each thing once. Comments are not kept.
    #[arg(long)]
    fix: bool,
    /// Writes the normal form to this file, which may be the one that was read.
    #[arg(long, requires = "fix", value_name = "FILE")]
    out: Option<PathBuf>,
}

/// How diagnostics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ReportFormat {
    /// For people, on standard error.
    Text,
    /// A list, on standard output.
    Json,
    /// SARIF 2.1.0, on standard output, for code hosts.
    Sarif,
}

pub(super) fn run(common: &Common, args: &LintArgs) -> Result<()> {
    let sources = super::read_sources(&args.files)?;
    let by_output = if common.output == Format::Json { ReportFormat::Json } else { ReportFormat::Text };
    let format = args.format.unwrap_or(by_output);
    let found = aegis_policy::compile(&sources_of(&sources));
    let (report, plan) = match found {
        Ok(Compiled { plan, warnings }) => (warnings, Some(plan)),
        Err(report) => (report, None),
    };
    // With `--fix` standard output has the policy, if it has no file of its own.
    let prints_policy = args.fix && args.out.is_none() && plan.is_some();
    match format {
        ReportFormat::Text if plan.is_none() => return Err(refuse(&report)),
        ReportFormat::Text if !report.is_empty() => output::note(render(&report).trim_end()),
        ReportFormat::Text => {}
        _ if prints_policy => output::note(&machine(format, &report)?),
        _ => output::line(&machine(format, &report)?),
    }
    let Some(plan) = plan else {
        return Err(Failure::new(Exit::Refused, format!("{} error(s)", report.errors())).into());
    };
    if format == ReportFormat::Text {
        plan.undecided().iter().for_each(|rule| output::note(&format!("note: {rule}")));
    }
    if args.fix {
        return file::put(args.out.as_deref(), &normal(&sources, &plan)?);
    }
    if format == ReportFormat::Text {
        output::line(&format!("{}: no errors, {} rule(s)", plan.name(), plan.rules().len()));
    }
    Ok(())
}

fn machine(format: ReportFormat, report: &Report) -> Result<String> {
    Ok(match format {
        ReportFormat::Sarif => serde_json::to_string_pretty(&report.to_sarif(env!("CARGO_PKG_VERSION")))?,
        ReportFormat::Json | ReportFormat::Text => serde_json::to_string_pretty(report)?,
    })
}

/// A file of format 1 or 2 stays one; files that are merged become one of format 3.
fn normal(sources: &[PolicySource], plan: &Plan) -> Result<String> {
    if let [only] = &sources_of(sources)[..]
        && aegis_policy::is_old_format(only.text)
    {
        return Ok(Entries::read(*only).map_err(|report| refuse(&report))?.to_text());
    }
    Ok(plan.to_toml())
}
