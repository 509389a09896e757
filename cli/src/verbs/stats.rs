//! `stats`: counts and sizes. Names are those of the C++ AegisBPF where they mean the same.

use crate::Common;
use crate::output::{self, Format};
use aegis_control_api::{API_VERSION, LinkStatus, RuleHits, Status};
use anyhow::Result;
use clap::Args;
use serde::Serialize;

/// Options of `stats`.
#[derive(Debug, Args)]
pub(crate) struct StatsArgs {
    /// Also what belongs to single rules and hooks.
    #[arg(long)]
    detailed: bool,
}

/// Counts since arming, and sizes of the tables in force.
#[derive(Debug, Serialize)]
struct Stats {
    version: u32,
    /// Decisions that denied. Observed ones are not among them, as they are there.
    blocks: u64,
    /// Decisions of observing rules that would have denied.
    audits: u64,
    undecidable: u64,
    survived: u64,
    exempted: u64,
    /// Decisions that were to be reported.
    events: u64,
    /// Events that went into the ring.
    ringbuf_submitted: u64,
    /// Equal decisions that were folded into summaries.
    ringbuf_suppressed: u64,
    /// Events for which the ring had no room.
    ringbuf_drops: u64,
    /// Events that the daemon has read; none without a daemon.
    ringbuf_received: Option<u64>,
    rules: u32,
    object_entries: u32,
    name_entries: u32,
    rows: u32,
    allow_cgroup_entries: u32,
    /// How often each rule of the generation in force caused a decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_hits: Option<Vec<RuleHits>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hooks: Option<Vec<LinkStatus>>,
}

/// Prints them, from the daemon or, without one, from the pins.
pub(crate) fn run(common: &Common, args: &StatsArgs) -> Result<()> {
    let status = super::status::read(common)?;
    let mut stats = stats(&status);
    if args.detailed {
        stats.rule_hits = Some(super::events::account::read(common)?.hits);
        stats.hooks = Some(status.links);
    }
    match common.output {
        Format::Json => output::json(&stats),
        Format::Table => {
            print(&stats);
            Ok(())
        }
    }
}

fn stats(status: &Status) -> Stats {
    let counts = &status.counts;
    let generation = status.generation.as_ref();
    let size = |size: fn(&aegis_control_api::GenerationStatus) -> u32| generation.map_or(0, size);
    Stats {
        version: API_VERSION,
        blocks: counts.denied,
        audits: counts.audited,
        undecidable: counts.undecidable,
        survived: counts.survived,
        exempted: counts.exempted,
        events: counts.reported,
        ringbuf_submitted: counts.submitted,
        ringbuf_suppressed: counts.suppressed,
        ringbuf_drops: counts.dropped,
        ringbuf_received: counts.received,
        rules: size(|generation| generation.rules),
        object_entries: size(|generation| generation.objects),
        name_entries: size(|generation| generation.slots),
        rows: size(|generation| generation.rows),
        allow_cgroup_entries: size(|generation| generation.exempt),
        rule_hits: None,
        hooks: None,
    }
}

fn print(stats: &Stats) {
    let received =
        stats.ringbuf_received.map_or_else(|| "unknown: no daemon".to_owned(), |count| count.to_string());
    let rows = [
        ("blocks", stats.blocks.to_string()),
        ("audits", stats.audits.to_string()),
        ("undecidable", stats.undecidable.to_string()),
        ("survived", stats.survived.to_string()),
        ("exempted", stats.exempted.to_string()),
        ("events", stats.events.to_string()),
        ("ringbuf_submitted", stats.ringbuf_submitted.to_string()),
        ("ringbuf_suppressed", stats.ringbuf_suppressed.to_string()),
        ("ringbuf_drops", stats.ringbuf_drops.to_string()),
        ("ringbuf_received", received),
        ("rules", stats.rules.to_string()),
        ("object_entries", stats.object_entries.to_string()),
        ("name_entries", stats.name_entries.to_string()),
        ("rows", stats.rows.to_string()),
        ("allow_cgroup_entries", stats.allow_cgroup_entries.to_string()),
    ];
    output::table(["count", ""], rows.map(|(name, value)| [name.to_owned(), value]));
    if let Some(rules) = &stats.rule_hits {
        output::line("");
        output::table(["rule", "hits"], rules.iter().map(|rule| [rule.rule.clone(), rule.hits.to_string()]));
    }
    if let Some(hooks) = &stats.hooks {
        output::line("");
        let row = |link: &LinkStatus| [link.hook.clone(), link.recursion_misses.to_string()];
        output::table(["hook", "missed runs"], hooks.iter().map(row));
    }
}
