//! What `block`, `allow` and `network deny` have in common: lists of the local policy.

use super::holders::{Holders, harmless, judge};
use super::policy::caveats;
use crate::Common;
use crate::client::Client;
use crate::output::{self, Format};
use aegis_control_api::{Change, ChangeReply, EntriesReply, EntriesRequest};
use anyhow::Result;

/// Changes the list behind a path of the API, and says what came of it.
pub(crate) fn change(common: &Common, path: &str, change: Change, entries: &[String]) -> Result<()> {
    let request = EntriesRequest { change, entries: entries.to_vec() };
    let reply: ChangeReply = Client::new(&common.socket, &common.bpffs_root).post(path, &request)?;
    if common.output == Format::Json {
        output::json(&reply)?;
        return judge(&reply.applied.holders, Holders::Report);
    }
    let applied = &reply.applied;
    applied.warnings.iter().for_each(|warning| output::note(&format!("warning: {warning}")));
    applied.notes.iter().for_each(|note| output::note(note));
    let what = match change {
        Change::Add => "added",
        Change::Delete | Change::Clear => "removed",
    };
    reply.changed.iter().for_each(|entry| output::line(&format!("{what} {}", harmless(entry))));
    let generation = &applied.generation;
    output::line(&format!(
        "{} {what}, {} on the list; generation {} is in force: policy {} ({})",
        reply.changed.len(),
        reply.entries.len(),
        generation.generation,
        generation.policy,
        generation.mode
    ));
    caveats(applied);
    super::holders::show(&applied.holders);
    judge(&applied.holders, Holders::Report)
}

/// Prints the list behind a path of the API, one entry on each line.
pub(crate) fn list(common: &Common, path: &str) -> Result<()> {
    let reply: EntriesReply = Client::new(&common.socket, &common.bpffs_root).get(path)?;
    if common.output == Format::Json {
        return output::json(&reply);
    }
    reply.entries.iter().for_each(|entry| output::line(&harmless(entry)));
    Ok(())
}
