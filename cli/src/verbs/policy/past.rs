//! `policy show`, `history` and `rollback`: what is in force, and how it came to be.

use super::super::holders::{Holders, harmless};
use crate::client::Client;
use crate::output::{self, Format};
use crate::settings::{self, Flags};
use crate::{Common, CommonArgs};
use aegis_actors::local::policy_as_left;
use aegis_control_api::{
    ApplyReply, Asker, HistoryEntry, HistoryReply, Outcome, PolicyReply, RollbackRequest, paths,
};
use anyhow::Result;
use clap::Args;

/// What can be said to `rollback`.
#[derive(Debug, Args)]
pub(crate) struct RollbackArgs {
    /// The generation whose policy is to be in force again, as `policy history` shows it. Without it, the policy that was in
    /// force before this one.
    #[arg(long, value_name = "GENERATION")]
    to: Option<u32>,
}

/// What can be said to `history`.
#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    /// How many entries are shown at most, the newest.
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    last: usize,
}

pub(super) fn rollback(common: &Common, client: &Client, args: &RollbackArgs) -> Result<()> {
    let reply: ApplyReply = client.post(paths::ROLLBACK, &RollbackRequest { to: args.to })?;
    super::applied(common, &reply, Holders::default())
}

pub(super) fn history(common: &Common, client: &Client, args: &HistoryArgs) -> Result<()> {
    let mut reply: HistoryReply = client.get(paths::HISTORY)?;
    let older = reply.entries.len().saturating_sub(args.last);
    reply.entries.drain(..older);
    if common.output == Format::Json {
        return output::json(&reply);
    }
    if reply.damaged > 0 {
        output::note(&format!("{} line(s) of the history cannot be read", reply.damaged));
    }
    if reply.entries.is_empty() {
        output::line("nothing was put in force yet");
        return Ok(());
    }
    let head = ["when", "by", "what", "outcome", "generation", "policy", "serial", "signed by", "plan"];
    output::table(head, reply.entries.iter().map(|entry| row(entry, &reply.arming)));
    for entry in reply.entries.iter().filter(|entry| !entry.detail.is_empty()) {
        let first = entry.detail.lines().next().unwrap_or_default();
        output::note(&format!("{}, {}: {}", when(entry), entry.outcome.word(), harmless(first)));
    }
    Ok(())
}

fn row(entry: &HistoryEntry, arming: &str) -> [String; 9] {
    let generation = entry.generation.map(|generation| match entry.arming == arming {
        true => generation.to_string(),
        // Its number may be that of another one by now.
        false => format!("({generation})"),
    });
    let has_plan = entry.outcome != Outcome::Refused || !entry.plan_digest.is_empty();
    [
        when(entry),
        by(entry.by),
        entry.deed.word().to_owned(),
        entry.outcome.word().to_owned(),
        generation.unwrap_or_default(),
        entry.policy.clone(),
        if entry.serial > 0 { entry.serial.to_string() } else { String::new() },
        entry.signers.join(" "),
        if has_plan { entry.plan_digest.chars().take(SHORT).collect() } else { String::new() },
    ]
}

/// Digits of a digest that tell plans of one host apart.
const SHORT: usize = 12;

fn when(entry: &HistoryEntry) -> String {
    aegis_policy::moment(entry.at_ns / 1_000_000_000)
}

/// Who it was: whoever had logged in, also if that is not who asked.
fn by(asker: Option<Asker>) -> String {
    match asker {
        None => "daemon".to_owned(),
        Some(Asker { uid, login: None }) => format!("uid {uid}"),
        Some(Asker { uid, login: Some(login) }) if uid == login => format!("uid {uid}"),
        Some(Asker { uid, login: Some(login) }) => format!("uid {uid} (login {login})"),
    }
}

pub(super) fn show(args: &CommonArgs, common: &Common, client: &Client) -> Result<()> {
    let reply: PolicyReply = match client.get(paths::POLICY) {
        Err(error) if crate::exit::is_unreachable(&error) => {
            // Wrong settings must not keep anybody from seeing what is in force.
            let settings = settings::try_load(args, &Flags::of(args)).map(|loaded| loaded.settings);
            let state_directory = settings.unwrap_or_default().daemon.state_dir;
            let (reply, unread) = policy_as_left(&common.bpffs_root, &state_directory)?;
            if let Some(error) = unread {
                output::note(&format!(
                    "how it came into force is not fully known: {}",
                    harmless(&error.whole())
                ));
            }
            reply
        }
        other => other?,
    };
    if common.output == Format::Json {
        return output::json(&reply);
    }
    if let Some(since) = &reply.expired {
        output::note(&format!(
            "the policy has expired at {since}, and stays in force: put a newer one in force"
        ));
    }
    super::pending(&reply.pending);
    let Some(generation) = &reply.generation else {
        output::line("no policy is in force");
        return Ok(());
    };
    let serial = if generation.serial > 0 { generation.serial.to_string() } else { "none".to_owned() };
    let mut rows = vec![
        ("generation", generation.generation.to_string()),
        ("policy", generation.policy.clone()),
        ("serial", serial),
        ("mode", generation.mode.clone()),
        ("plan digest", generation.plan_digest.clone()),
        ("table digest", generation.table_digest.clone()),
        ("objects", generation.objects.to_string()),
        ("names", generation.slots.to_string()),
        ("exempt cgroups", generation.exempt.to_string()),
    ];
    if let Some(entry) = &reply.entry {
        rows.extend(origin(entry));
    }
    if reply.highest_serial > 0 {
        rows.push(("highest signed serial", reply.highest_serial.to_string()));
    }
    rows.push(("rules", reply.rules.join("\n")));
    output::table(["policy in force", ""], rows.into_iter().map(|(name, value)| [name.to_owned(), value]));
    Ok(())
}

fn origin(entry: &HistoryEntry) -> [(&'static str, String); 4] {
    let signers = if entry.signers.is_empty() { "nobody".to_owned() } else { entry.signers.join("\n") };
    [
        ("in force since", when(entry)),
        ("by", format!("{} ({})", by(entry.by), entry.deed.word())),
        ("signed by", signers),
        ("files", entry.files.join("\n")),
    ]
}
