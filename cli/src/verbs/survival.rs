//! `survival`: who and what is never denied, and whether all are there that should be.

use super::holders::harmless;
use crate::client::Client;
use crate::exit::{Exit, Failure, is_unreachable};
use crate::output::{self, Format};
use crate::settings::{self, Flags};
use crate::{Common, CommonArgs};
use aegis_actors::loader::survival_from_pins;
use aegis_control_api::{MissingSurvivor, SurvivalReply, Survivor, SurvivorKind, paths};
use anyhow::Result;
use clap::Subcommand;
use serde::Serialize;

/// What can be asked of the survival list.
#[derive(Debug, Subcommand)]
pub(crate) enum SurvivalVerb {
    /// Prints the list, from the daemon or, without one, from the pins.
    List,
    /// Says what belongs on the list and is not there, and what to do about it. Exit code 5 if there is anything.
    Verify,
}

/// What was found.
#[derive(Debug, Serialize)]
struct Verified {
    version: u32,
    ok: bool,
    entries: usize,
    missing: Vec<MissingSurvivor>,
    notes: Vec<String>,
}

/// Runs the verb.
pub(crate) fn run(args: &CommonArgs, common: &Common, verb: &SurvivalVerb) -> Result<()> {
    let reply = read(args, common)?;
    match verb {
        SurvivalVerb::List => list(common, &reply),
        SurvivalVerb::Verify => verify(common, reply),
    }
}

/// From the daemon, or without one from the pins. The daemon knows which cgroups it was told; otherwise the configuration
/// says it.
fn read(args: &CommonArgs, common: &Common) -> Result<SurvivalReply> {
    let reply = Client::new(&common.socket, &common.bpffs_root).get(paths::SURVIVAL);
    let Err(error) = &reply else { return reply };
    if !is_unreachable(error) {
        return reply;
    }
    let loaded = settings::try_load(args, &Flags::of(args)).ok();
    let cgroups = loaded.as_ref().map(|loaded| loaded.settings.survival.cgroups.clone());
    let mut reply = survival_from_pins(&common.bpffs_root, &cgroups.clone().unwrap_or_default())?;
    if cgroups.is_none() {
        reply.notes.push(
            "the configuration is wrong, so it is not known which cgroups belong on the list".to_owned(),
        );
    }
    Ok(reply)
}

fn list(common: &Common, reply: &SurvivalReply) -> Result<()> {
    if common.output == Format::Json {
        return output::json(reply);
    }
    let row = |survivor: &Survivor| {
        let kind = match survivor.kind {
            SurvivorKind::Process => "process",
            SurvivorKind::Cgroup => "cgroup",
            SurvivorKind::Object => "object",
        };
        let what = survivor.what.as_deref().unwrap_or("unknown");
        let paths = survivor.paths.iter().map(|path| harmless(path)).collect::<Vec<_>>().join("\n");
        [kind.to_owned(), survivor.key.clone(), survivor.operations.join(" "), what.to_owned(), paths]
    };
    output::table(["kind", "key", "never denied", "what", "path"], reply.survivors.iter().map(row));
    if !reply.missing.is_empty() {
        let count = reply.missing.len();
        output::note(&format!(
            "{count} that belong on it are missing: `aegisbpf survival verify` names them"
        ));
    }
    Ok(())
}

fn verify(common: &Common, reply: SurvivalReply) -> Result<()> {
    let SurvivalReply { version, survivors, missing, notes, .. } = reply;
    let count = missing.len();
    let verified = Verified { version, ok: count == 0, entries: survivors.len(), missing, notes };
    match common.output {
        Format::Json => output::json(&verified)?,
        Format::Table => print(&verified),
    }
    if verified.ok {
        return Ok(());
    }
    Err(Failure::new(Exit::Degraded, format!("{count} missing from the survival list")).into())
}

fn print(verified: &Verified) {
    for MissingSurvivor { what, path, why, remedy } in &verified.missing {
        let path = path.as_ref().map(|path| format!(" {}", harmless(path))).unwrap_or_default();
        output::line(&format!("MISSING  {what}{path}: {}", harmless(why)));
        output::line(&format!("         → {remedy}"));
    }
    verified.notes.iter().for_each(|note| output::line(&format!("note     {}", harmless(note))));
    if verified.ok {
        output::line(&format!(
            "fine     all that belong on the list are there; it has {} entries",
            verified.entries
        ));
    }
}
