//! Who holds what a policy forbids: what is asked for, and how it is shown.

use crate::exit::{Exit, Failure};
use crate::output;
use aegis_control_api::{Holder, HolderAction, HolderReport, Holding};
use anyhow::Result;
use clap::ValueEnum;

/// What is done about holders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Holders {
    /// Tell who they are.
    #[default]
    Report,
    /// Tell who they are, and kill those that an enforcing rule is on. Without `report` first you do not know whom.
    Kill,
}

impl Holders {
    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Report => aegis_config::Holders::Report.word(),
            Self::Kill => aegis_config::Holders::Kill.word(),
        }
    }
}

impl From<Holders> for HolderAction {
    fn from(holders: Holders) -> Self {
        match holders {
            Holders::Report => Self::Report,
            Holders::Kill => Self::Kill,
        }
    }
}

/// Shows them as a table, if there are any.
pub(crate) fn show(report: &HolderReport) {
    let HolderReport { listed, found, spared, killed, left, .. } = report;
    if *found == 0 {
        return;
    }
    output::line(&format!(
        "{found} descriptor(s) or mapping(s) from before go on working, or did until their process was killed; {killed} \
         process(es) killed, {left} left that a rule would deny; {spared} more are let through by the survival list or \
         an exempt cgroup"
    ));
    let head = ["pid", "name", "uid", "holds", "operations", "rule", "mode", "killed", "path"];
    output::table(head, listed.iter().map(row));
    if (listed.len() as u64) < *found {
        output::line(&format!("the first {} of {found} are listed", listed.len()));
    }
}

fn row(holder: &Holder) -> [String; 9] {
    let holds = match holder.holds {
        Holding::Descriptor(number) => format!("descriptor {number}"),
        Holding::Mapping { start, end } => format!("mapping {start:x}-{end:x}"),
    };
    let or_none = |text: &Option<String>| text.as_deref().map_or_else(|| "-".to_owned(), harmless);
    [
        holder.pid.to_string(),
        harmless(&holder.comm),
        holder.uid.to_string(),
        holds,
        holder.operations.join(" "),
        or_none(&holder.rule),
        holder.mode.clone(),
        if holder.killed { "yes" } else { "no" }.to_owned(),
        or_none(&holder.path),
    ]
}

/// Names that processes and files gave themselves must not steer a terminal.
pub(crate) fn harmless(text: &str) -> String {
    let escape = |character: char| character.is_control().then(|| character.escape_default().to_string());
    text.chars().map(|character| escape(character).unwrap_or_else(|| character.to_string())).collect()
}

/// Whether all is as it was asked for. The policy is in force either way.
pub(crate) fn judge(report: &HolderReport, holders: Holders) -> Result<()> {
    let message = match &report.error {
        Some(error) => {
            format!("the policy is in force, but who holds what it forbids is not fully known: {error}")
        }
        None if holders == Holders::Kill && report.left > 0 => format!(
            "the policy is in force, but {} process(es) that hold what it forbids could not be killed in time; apply it \
             again to try again",
            report.left
        ),
        None => return Ok(()),
    };
    Err(Failure::new(Exit::Degraded, message).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_degrades_only_a_kill() {
        let error = Some("no iterators".to_owned());
        for (left, error, holders, good) in [
            (0, None, Holders::Report, true),
            (0, None, Holders::Kill, true),
            (2, None, Holders::Report, true),
            (2, None, Holders::Kill, false),
            (0, error.clone(), Holders::Report, false),
            (0, error, Holders::Kill, false),
        ] {
            let report = HolderReport { left, error, ..HolderReport::default() };
            let judged = judge(&report, holders);
            let exit =
                judged.err().and_then(|error| error.downcast::<Failure>().ok()).map(|failure| failure.exit);
            assert_eq!(exit, (!good).then_some(Exit::Degraded), "{report:?}, {holders:?}");
        }
    }

    #[test]
    fn names_do_not_steer_the_terminal() {
        assert_eq!(harmless("a\u{1b}[2Jb\n é"), "a\\u{1b}[2Jb\\n é");
    }
}
