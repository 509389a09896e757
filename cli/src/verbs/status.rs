//! `status`: what the kernel is really doing.

use crate::Common;
use crate::client::Client;
use crate::exit::{Exit, Failure, is_unreachable};
use crate::output::{self, Format};
use aegis_control_api::{Posture, Status, paths};
use anyhow::Result;
use clap::Args;

/// Options of `status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Show the parts of the daemon instead, and how often and why each was started again.
    #[arg(long)]
    tree: bool,
}

/// Prints the status; exit code 5 if anything that is attached cannot be proven, or a part of the daemon is not running.
pub(crate) fn run(common: &Common, args: &StatusArgs) -> Result<()> {
    if args.tree {
        return super::tree::run(common);
    }
    let status = read(common)?;
    match common.output {
        Format::Json => output::json(&status)?,
        Format::Table => print(&status),
    }
    if status.posture() == Posture::Degraded {
        return Err(Failure::new(Exit::Degraded, "what is attached could not be proven to enforce").into());
    }
    Ok(())
}

/// From the daemon, or without one from the pins.
pub(crate) fn read(common: &Common) -> Result<Status> {
    match Client::new(&common.socket, &common.bpffs_root).get(paths::STATUS) {
        Err(error) if is_unreachable(&error) => {
            Ok(aegis_actors::loader::status_from_pins(&common.bpffs_root)?)
        }
        other => other,
    }
}

fn print(status: &Status) {
    let daemon = match &status.daemon {
        Some(daemon) => format!("pid {}, version {}", daemon.pid, daemon.version),
        None => "none; read from the pins".to_owned(),
    };
    let generation = match &status.generation {
        Some(generation) => {
            format!("{} ({}, mode {})", generation.generation, generation.policy, generation.mode)
        }
        None => "none".to_owned(),
    };
    let counts = &status.counts;
    let rows = [
        ("posture", status.posture().word().to_owned()),
        ("daemon", daemon),
        ("probes", status.probes.clone()),
        ("pins", status.bpffs_root.clone()),
        ("generation", generation),
        ("denied", counts.denied.to_string()),
        ("audited", counts.audited.to_string()),
        ("undecidable", counts.undecidable.to_string()),
        ("unseen", counts.unseen.to_string()),
        ("let through", format!("{} by survival list, {} by exemption", counts.survived, counts.exempted)),
        (
            "events",
            format!(
                "{} reported: {} sent, {} folded, {} dropped; {}",
                counts.reported,
                counts.submitted,
                counts.suppressed,
                counts.dropped,
                match counts.received {
                    Some(received) => format!("{received} received by this daemon"),
                    None => "no daemon to receive them".to_owned(),
                }
            ),
        ),
    ];
    let pending: Vec<&str> = status.pending.iter().map(|pending| pending.rule.as_str()).collect();
    let rows = rows.into_iter().chain((!pending.is_empty()).then(|| ("pending", pending.join(", "))));
    if let Some(notice) = &status.notice {
        output::line(notice);
        output::line("");
    }
    output::table(["status", ""], rows.map(|(name, value)| [name.to_owned(), value]));
    let classes = status.classes.iter().map(|class| {
        [class.class.clone(), class.posture.word().to_owned(), class.why.clone().unwrap_or_default()]
    });
    output::line("");
    output::table(["class", "posture", "why"], classes);
    if !status.unseen.is_empty() {
        let unseen = status.unseen.iter().map(|unseen| [unseen.rule.clone(), unseen.operations.join(", ")]);
        output::line("");
        output::table(["rule", "without effect on"], unseen);
    }
    let links = status
        .links
        .iter()
        .map(|link| [link.hook.clone(), link.link_id.to_string(), link.program_id.to_string()]);
    output::line("");
    output::table(["hook", "link", "program"], links);
}
