//! Policies of formats 1 and 2 in format 3, with the proof that they mean the same.

use crate::diagnostic::{Code, Fault, Place, Report};
use crate::plan::{Name, Plan};
use crate::{Compiled, Source, check, compile};

/// What stands above a policy that had exemptions.
const OF_EXEMPTIONS: &str = "# Exempt is each of these cgroups with all below it. The tool that formats 1 and 2 come from \
                             exempted these alone.\n";

/// A policy of format 1 or 2 in format 3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// The text.
    pub text: String,
    /// What both mean.
    pub plan: Plan,
    /// What was found in the old one. Often empty.
    pub warnings: Report,
}

/// Rewrites files of formats 1 and 2 as one of format 3. Each entry becomes a rule with the id that it has as an entry, so
/// records stay what they were. `name` is the name that the policy gets; without one it keeps the one that all policies of
/// format 1 have.
///
/// # Errors
/// A report, also if a file is of format 3 already.
pub fn migrate(sources: &[Source<'_>], name: Option<Name>) -> Result<Migrated, Report> {
    let new = sources.iter().position(|source| !check::is_format_1(source.text));
    if let Some(source) = new {
        let fault = Fault::new(Code::UnsupportedVersion, "this file is not of format 1 or 2")
            .label("it does not begin with `version=1` or `version=2`")
            .help("leave it as it is: files of all formats can be merged");
        return Err(Report::new(sources, vec![fault.at(Place::new(source, 0..0))]));
    }
    let Compiled { mut plan, warnings } = compile(sources)?;
    if let Some(name) = name {
        plan = plan.renamed(name);
    }
    let mut text = plan.to_toml();
    if !plan.exempt.is_empty() {
        text.insert_str(0, OF_EXEMPTIONS);
    }
    let again = compile(&[Source { name: "(format 3)", text: &text }])?;
    if again.plan != plan {
        let fault = Fault::new(Code::Syntax, "the rewritten policy would mean something else")
            .label("this is a mistake of the program that rewrote it")
            .help("keep the old file: it goes on being read");
        return Err(Report::new(sources, vec![fault.at(Place::new(0, 0..0))]));
    }
    Ok(Migrated { text, plan, warnings })
}
