//! What holds of every compilation, whatever was compiled.

use crate::Finding;
use aegis_policy::{Compiled, Entries, Plan, Report, Source, compile};
use std::collections::BTreeSet;

/// Compiles, and checks whatever comes of it. The set of codes goes with both outcomes: it does not depend on the order
/// of files, as the list of diagnostics does.
pub(crate) fn compiled(sources: &[Source<'_>]) -> Result<(Option<Plan>, BTreeSet<&'static str>), Finding> {
    match compile(sources) {
        Ok(Compiled { plan, warnings }) => {
            reported(sources, &warnings)?;
            must(warnings.errors() == 0, || "a policy with errors was compiled".to_owned())?;
            meant(&plan)?;
            Ok((Some(plan), codes(&warnings)))
        }
        Err(report) => {
            reported(sources, &report)?;
            must(report.errors() > 0, || "a policy was refused without an error".to_owned())?;
            Ok((None, codes(&report)))
        }
    }
}

fn codes(report: &Report) -> BTreeSet<&'static str> {
    report.diagnostics().iter().map(|found| found.code.id()).collect()
}

/// A report says all that it must, and nothing in it acts upon a terminal.
pub(crate) fn reported(sources: &[Source<'_>], report: &Report) -> Result<(), Finding> {
    for found in report.diagnostics() {
        let helps = found.help.as_ref().is_some_and(|help| !help.is_empty());
        let complete = !found.message.is_empty() && !found.label.is_empty() && helps;
        must(complete, || format!("a diagnostic lacks message, label or help: {found:?}"))?;
        let text = sources.get(found.place.source).map(|source| source.text);
        let inside = text.is_some_and(|text| text.get(found.place.span()).is_some());
        must(inside, || format!("a diagnostic is outside of its text: {found:?}"))?;
    }
    let (plain, coloured) = (report.render(false), report.render(true));
    let acts = |character: &char| character.is_control() && *character != '\n';
    let acting = plain.chars().find(acts);
    must(acting.is_none(), || format!("{acting:?} is in the report {plain:?}"))?;
    must(plain.is_empty() == coloured.is_empty(), || "only one of two reports is empty".to_owned())?;
    let as_json = serde_json::to_string(report).map_err(|error| format!("no JSON of a report: {error}"))?;
    must(!as_json.is_empty(), || "the JSON of a report is empty".to_owned())
}

/// A plan has a text, and everything that can be asked of it has an answer.
fn meant(plan: &Plan) -> Result<(), Finding> {
    let text = plan.to_toml();
    let again = compile(&[Source { name: "again", text: &text }])
        .map_err(|report| format!("the text of a plan is refused:\n{report}\n{text}"))?
        .plan;
    must(again == *plan, || format!("the text of a plan has another meaning:\n{text}\n{again:?}\n{plan:?}"))?;
    must(again.digest() == plan.digest(), || format!("equal plans have two digests:\n{text}"))?;
    must(plan.diff(&again).is_empty(), || format!("equal plans differ:\n{text}"))?;
    must(again.to_toml() == text, || format!("equal plans have two texts:\n{text}"))?;
    let sizes = plan.sizes();
    must(sizes.rules == plan.rules().len(), || format!("rules were not counted: {sizes:?}"))?;
    must(plan.undecided().len() <= sizes.rules, || "more rules are undecided than there are".to_owned())?;
    must(!plan.facts().is_empty(), || "a plan says nothing".to_owned())?;
    must(plan.prefixes().rows() == sizes.net_rows, || format!("rows were not counted: {sizes:?}"))?;
    match Entries::of(plan) {
        Ok(entries) => written(&entries),
        Err(why) => must(!why.is_empty(), || "no reason why a plan has no entries".to_owned()),
    }
}

/// Entries are read back from their text.
pub(crate) fn written(entries: &Entries) -> Result<(), Finding> {
    let text = entries.to_text();
    let again = Entries::read(Source { name: "again", text: &text })
        .map_err(|report| format!("the text of entries is refused:\n{report}\n{text:?}"))?;
    must(again == *entries, || format!("the text of entries has another meaning:\n{text:?}"))?;
    must(again.to_text() == text, || format!("equal entries have two texts:\n{text:?}"))
}

/// Something that must be so.
pub(crate) fn must(holds: bool, otherwise: impl FnOnce() -> Finding) -> Result<(), Finding> {
    if holds { Ok(()) } else { Err(otherwise()) }
}
