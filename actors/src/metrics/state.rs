//! What was read, as text. Pure.

use super::labels::{Label, Part, PlanDigest, Queue, Version, find};
use crate::context::Sums;
use crate::reload::Outcome;
use aegis_control_api::{AccountsReply, GenerationStatus, LinkStatus, Posture, Status};
use aegis_kernel_abi::{Class, Counters, GapReason, Hook, Kind, Mode, Reason, Verdict};
use aegis_probes::Fill;
use aegis_supervisor::{State, Status as PartStatus};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder, prometheus_text,
    text as open_metrics,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use std::fmt::{Error, Result};
use std::time::Duration;

/// A format of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Prometheus' own, version 0.0.4: what everybody reads.
    Classic,
    /// For those who ask for it.
    OpenMetrics,
}

const OPEN_METRICS: &str = "application/openmetrics-text";

impl Format {
    /// What is asked for by a header `Accept`: OpenMetrics if it is not wanted less than plain text.
    pub(super) fn of(accept: &str) -> Self {
        let wanted = |kind: &str| accept.split(',').filter_map(|one| weight(one, kind)).reduce(f32::max);
        match wanted(OPEN_METRICS) {
            Some(weight) if weight > 0.0 && weight >= wanted("text/plain").unwrap_or(0.0) => {
                Self::OpenMetrics
            }
            _ => Self::Classic,
        }
    }

    /// Its name in a header.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Classic => prometheus_text::CONTENT_TYPE,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// How much one of the accepted kinds is wanted; `None` if it is another kind.
fn weight(one: &str, kind: &str) -> Option<f32> {
    let mut parts = one.split(';').map(str::trim);
    parts.next().filter(|name| name.eq_ignore_ascii_case(kind))?;
    let weight = parts.find_map(|part| part.strip_prefix("q="));
    // Who writes no number there means something; that it is not wanted is not likely.
    Some(weight.and_then(|weight| weight.parse().ok()).unwrap_or(1.0))
}

/// What was read of the daemon.
#[derive(Debug)]
pub(super) struct Reading {
    /// When the daemon was started, in nanoseconds since 1970.
    pub(super) started_ns: u64,
    /// How long ago what is in force was proven; `None` if it never was.
    pub(super) proof_age: Option<Duration>,
    /// Reloads since then, by what became of them.
    pub(super) reloads: [(Outcome, u64); Outcome::ALL.len()],
    /// The parts of the daemon; `None` while it ends.
    pub(super) parts: Option<PartStatus>,
    /// How much is known of processes.
    pub(super) context: Sums,
    /// `None` if the loader does not answer.
    pub(super) loader: Option<Loaded>,
}

/// What only the loader can tell.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) status: Status,
    pub(super) kind: Kind,
    pub(super) counters: Counters,
    /// How full the tables are.
    pub(super) fills: Vec<Fill>,
    /// Room in the ring of events.
    pub(super) ring_bytes: u64,
    /// Whether the kernel counts runs of programs now; `None` if that is not known.
    pub(super) counts_runs: Option<bool>,
    /// The account of standard output.
    pub(super) account: AccountsReply,
}

/// The text of a reading.
///
/// # Errors
/// There is none to be expected: a text takes whatever is written to it.
pub(super) fn text(reading: Reading, format: Format) -> std::result::Result<String, Error> {
    let mut registry = Registry::with_prefix("aegis");
    registry.register_collector(Box::new(reading));
    let mut text = String::new();
    match format {
        Format::Classic => prometheus_text::encode(&mut text, &registry)?,
        Format::OpenMetrics => open_metrics::encode(&mut text, &registry)?,
    }
    Ok(text)
}

impl Collector for Reading {
    fn encode(&self, encoder: DescriptorEncoder) -> Result {
        let mut out = Out(encoder);
        let Self { started_ns, proof_age, reloads, parts, context, loader } = self;
        out.info("build", "The daemon", &[Version.into()])?;
        let started = [([], seconds(*started_ns))];
        out.gauges("start_time", "When the daemon was started, since 1970", Some(&Unit::Seconds), started)?;
        let age = proof_age.iter().map(|age| ([], age.as_secs_f64()));
        let help = "How long ago what is in force was proven by the daemon, as it does once a minute";
        out.gauges("last_proof_age", help, Some(&Unit::Seconds), age)?;
        let help = "1 if the loader answered; if not, all that it knows is missing here";
        out.gauges("loader_answered", help, None, [([], u64::from(loader.is_some()))])?;
        let reloads = reloads.iter().map(|(outcome, count)| ([(*outcome).into()], *count));
        out.counters("reloads", "Reloads of the configuration by this daemon", None, reloads)?;
        if let Some(parts) = parts {
            encode_parts(&mut out, parts)?;
        }
        encode_context(&mut out, context)?;
        let Some(loaded) = loader else { return Ok(()) };
        let Loaded { status, kind, counters, account, .. } = loaded;
        encode_posture(&mut out, status, *kind)?;
        encode_generation(&mut out, status)?;
        encode_tables(&mut out, loaded)?;
        encode_memory(&mut out, status)?;
        encode_decisions(&mut out, status, *kind, counters)?;
        encode_programs(&mut out, loaded)?;
        encode_events(&mut out, status, account)
    }
}

fn encode_parts(out: &mut Out<'_>, root: &PartStatus) -> Result {
    let mut parts = Vec::new();
    below(root, &mut parts);
    let states = parts.iter().flat_map(|(part, status)| {
        let label = |state: State| ([(*part).into(), state.into()], u64::from(status.state == state));
        State::ALL.into_iter().map(label)
    });
    out.gauges("part_state", "1 for the state in which a part of the daemon is", None, states)?;
    let restarts = parts.iter().map(|(part, status)| ([(*part).into()], u64::from(status.incarnation)));
    out.counters("part_restarts", "How often a part of the daemon was started again", None, restarts)?;
    let recent = parts.iter().map(|(part, status)| ([(*part).into()], u64::from(status.restarts)));
    let help = "Restarts that count now towards those that are too many, of a supervisor among its children";
    out.gauges("part_recent_restarts", help, None, recent)?;
    let ages = parts
        .iter()
        .filter_map(|(part, status)| status.silence.map(|silence| ([(*part).into()], silence.as_secs_f64())));
    let help = "How old the last heartbeat of a part is";
    out.gauges("part_heartbeat_age", help, Some(&Unit::Seconds), ages)?;
    let queues = parts.iter().flat_map(|(_, status)| &status.gauges).filter_map(|(name, value)| {
        find(Queue::ALL, Queue::word, name).map(|queue| ([queue.into()], *value))
    });
    out.gauges("queue_entries", "Events or lines that wait in the daemon", None, queues)
}

fn below<'a>(status: &'a PartStatus, parts: &mut Vec<(Part, &'a PartStatus)>) {
    for child in &status.children {
        parts.extend(find(Part::ALL, Part::word, &child.path).map(|part| (part, child)));
        below(child, parts);
    }
}

fn encode_posture(out: &mut Out<'_>, status: &Status, kind: Kind) -> Result {
    let kinds = Kind::ALL.iter().map(|one| ([(*one).into()], u64::from(*one == kind)));
    out.gauges("probes", "1 for the kind of probes that is loaded; `fallback` denies nothing", None, kinds)?;
    let host = status.posture();
    let host = Posture::ALL.into_iter().map(|one| ([one.into()], u64::from(one == host)));
    let help =
        "1 for the posture of the host, the weakest of those classes that are not OFF, as of the last proof";
    out.gauges("host_posture", help, None, host)?;
    let classes =
        status.classes.iter().filter_map(|class| Some((find(Class::ALL, Class::word, &class.class)?, class)));
    let classes: Vec<(Class, _)> = classes.collect();
    let postures = classes.iter().flat_map(|(class, status)| {
        let label = |one: Posture| ([(*class).into(), one.into()], u64::from(one == status.posture));
        Posture::ALL.into_iter().map(label)
    });
    out.gauges("posture", "1 for the posture of a class of hooks, as of the last proof", None, postures)?;
    let proven = classes
        .iter()
        .filter_map(|(class, status)| status.proven_at_ns.map(|at| ([(*class).into()], seconds(at))));
    let help = "When a class was proven last, since 1970";
    out.gauges("class_proven_timestamp", help, Some(&Unit::Seconds), proven)
}

fn encode_generation(out: &mut Out<'_>, status: &Status) -> Result {
    let in_force = status.generation.as_ref();
    let number = in_force.map_or(0, |generation| generation.generation);
    out.gauges("generation", "The generation in force; 0 before the first", None, [([], u64::from(number))])?;
    if let Some(generation) = in_force {
        encode_in_force(out, generation)?;
    }
    let pending = [([], status.pending.len() as u64)];
    let help = "Rules that are without effect on some path until it can be resolved";
    out.gauges("pending_rules", help, None, pending)?;
    let unseen = [([], status.unseen.len() as u64)];
    out.gauges("unseen_rules", "Rules that ask for operations which the probes do not see", None, unseen)
}

fn encode_in_force(out: &mut Out<'_>, generation: &GenerationStatus) -> Result {
    let mode = find(Mode::ALL, Mode::word, &generation.mode);
    if let (Some(mode), Some(digest)) = (mode, PlanDigest::parse(&generation.plan_digest)) {
        out.info("policy", "The policy in force", &[digest.into(), mode.into()])?;
    }
    let built = [([], seconds(generation.built_at_ns))];
    let help = "When the tables in force were built, since 1970";
    out.gauges("generation_built_timestamp", help, Some(&Unit::Seconds), built)
}

fn encode_tables(out: &mut Out<'_>, loaded: &Loaded) -> Result {
    let entries = loaded.fills.iter().map(|fill| ([fill.table.into()], fill.entries));
    out.gauges("table_entries", "Entries of the tables that decide", None, entries)?;
    let room = loaded.fills.iter().map(|fill| ([fill.table.into()], fill.capacity));
    out.gauges("table_capacity_entries", "Entries that these tables have room for", None, room)?;
    let ring = [([], loaded.ring_bytes)];
    out.gauges("events_ring", "Room in the ring of events", Some(&Unit::Bytes), ring)
}

fn encode_memory(out: &mut Out<'_>, status: &Status) -> Result {
    let memory = &status.memory;
    let daemon = status.daemon.as_ref().map(|daemon| ([], u64::from(daemon.adopted)));
    out.gauges("adopted", "1 if the daemon found the probes armed", None, daemon)?;
    let bytes = Some(&Unit::Bytes);
    out.gauges("tables", "Kernel memory in the tables of both banks", bytes, [([], memory.tables_bytes)])?;
    let resident = memory.resident_bytes.map(|bytes| ([], bytes));
    out.gauges("resident_memory", "Memory of the daemon", bytes, resident)?;
    let peak = memory.peak_bytes.map(|bytes| ([], bytes));
    out.gauges("peak_resident_memory", "The most memory that the daemon ever had", bytes, peak)
}

fn encode_decisions(out: &mut Out<'_>, status: &Status, kind: Kind, counters: &Counters) -> Result {
    let verdicts = [(Verdict::Deny, &counters.denied), (Verdict::Audit, &counters.audited)];
    let decisions = verdicts.into_iter().flat_map(|(verdict, counts)| {
        let of_kind = Hook::ALL.iter().zip(counts).filter(move |(hook, _)| hook.is_of(kind));
        of_kind.map(move |(hook, count)| ([hook.class().into(), (*hook).into(), verdict.into()], *count))
    });
    let help = "Decisions with this verdict, by the kernel's counts since arming";
    out.counters("decisions", help, None, decisions)?;
    let counts = &status.counts;
    out.counter("undecidable", "Requests that the rules could not decide", counts.undecidable)?;
    let help = "What happened to processes and found no room in their ring";
    out.counter("processes_untold", help, counters.untold)?;
    out.counter("unseen", "What the audit fallback noticed and could not look at", counts.unseen)?;
    let through = [(Reason::Survival, counts.survived), (Reason::Exempt, counts.exempted)];
    let through = through.map(|(reason, count)| ([reason.into()], count));
    let help =
        "Requests that a rule would have denied, and the survival list or an exempt cgroup let through";
    out.counters("let_through", help, None, through)
}

fn encode_programs(out: &mut Out<'_>, Loaded { status, kind, counts_runs, .. }: &Loaded) -> Result {
    let known = status.links.iter().filter_map(|link| Some((find(Hook::ALL, Hook::word, &link.hook)?, link)));
    let links: Vec<(Hook, &LinkStatus)> = known.collect();
    let attached = Hook::ALL.iter().copied().filter(|hook| hook.is_of(*kind)).map(|hook| {
        let is_attached = links.iter().any(|(linked, _)| *linked == hook);
        ([hook.class().into(), hook.into()], u64::from(is_attached))
    });
    out.gauges("hook_attached", "1 if a probe is attached to the hook", None, attached)?;
    let labels = |hook: Hook| [hook.class().into(), hook.into()];
    let missed = links.iter().map(|(hook, link)| (labels(*hook), link.recursion_misses));
    out.counters("recursion_misses", "Runs of a probe that the kernel left out; must be 0", None, missed)?;
    let help = "1 while kernel.bpf_stats_enabled is 1, so that runs of probes are counted";
    out.gauges("program_statistics_enabled", help, None, counts_runs.iter().map(|on| ([], u64::from(*on))))?;
    // A 0 would say that a probe never ran, where nobody has counted. Once there are counts they stay.
    let is_counted = *counts_runs == Some(true) || links.iter().any(|(_, link)| link.run_count > 0);
    let counted: Vec<(Hook, &LinkStatus)> = links.into_iter().filter(|_| is_counted).collect();
    let runs = counted.iter().map(|(hook, link)| (labels(*hook), link.run_count));
    out.counters("program_runs", "Runs of a probe that the kernel has counted", None, runs)?;
    let times = counted.iter().map(|(hook, link)| (labels(*hook), seconds(link.run_time_ns)));
    out.counters("program_run", "How long the counted runs of a probe took", Some(&Unit::Seconds), times)
}

fn encode_events(out: &mut Out<'_>, status: &Status, account: &AccountsReply) -> Result {
    let total = &account.total;
    out.counter("events_reported", "Decisions that were to be reported", total.reported)?;
    out.counter("events_submitted", "Events that went into the ring", total.submitted)?;
    out.counter(
        "events_suppressed",
        "Decisions that were folded: counted instead of sent",
        total.suppressed,
    )?;
    out.counter("events_dropped", "Events for which the ring had no room", total.dropped)?;
    let help = "Events that were written to standard output in their turn";
    out.counter("events_delivered", help, total.delivered)?;
    let help = "Events that were written to standard output after they had been told of in a gap";
    out.counter("events_late", help, total.late)?;
    out.counter("events_summarised", "Folded decisions that summaries have told of", account.summarised)?;
    let gaps = total.gaps.iter().filter_map(|gap| {
        let reason = find(GapReason::ALL, GapReason::word, &gap.reason)?;
        Some(([reason.into()], gap.count))
    });
    let help = "Events that are missing on standard output, as gaps tell there";
    out.counters("gap_events", help, None, gaps)?;
    out.gauges("events_in_ring", "Events that nobody has taken", None, [([], total.in_ring)])?;
    let help = "Events that the daemon has taken and not yet written to standard output";
    out.gauges("events_in_daemon", help, None, [([], total.in_daemon)])?;
    let since = status.counts.received.map(|count| ([], count));
    out.counters("events_received", "Events that this daemon has read", None, since)?;
    let since = status.counts.malformed.map(|count| ([], count));
    out.counters("events_malformed", "What this daemon found in the ring that was no event", None, since)
}

fn encode_context(out: &mut Out<'_>, context: &Sums) -> Result {
    out.gauges(
        "processes_known",
        "Processes of which records can tell what they are",
        None,
        [([], context.kept)],
    )?;
    let help = "Processes that had to be forgotten, as there were too many";
    out.counter("processes_evicted", help, context.evicted)?;
    let help = "What this daemon found in the ring of processes that was no event";
    out.counter("processes_malformed", help, context.malformed)
}

/// Nanoseconds as seconds. A double has them to a fraction of a microsecond.
fn seconds(nanoseconds: u64) -> f64 {
    Duration::from_nanos(nanoseconds).as_secs_f64()
}

/// Writes families. One without samples is left out.
struct Out<'a>(DescriptorEncoder<'a>);

impl Out<'_> {
    fn counter(&mut self, name: &str, help: &str, value: u64) -> Result {
        self.counters(name, help, None, [([], value)])
    }

    fn counters<const N: usize, V: EncodeCounterValue>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        samples: impl IntoIterator<Item = ([Label; N], V)>,
    ) -> Result {
        self.family((name, help, unit, MetricType::Counter), samples, |metric, value| {
            metric.encode_counter::<[Label; N], _, f64>(value, None)
        })
    }

    fn gauges<const N: usize, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        samples: impl IntoIterator<Item = ([Label; N], V)>,
    ) -> Result {
        self.family((name, help, unit, MetricType::Gauge), samples, |metric, value| {
            metric.encode_gauge(value)
        })
    }

    fn info<const N: usize>(&mut self, name: &str, help: &str, labels: &[Label; N]) -> Result {
        self.0.encode_descriptor(name, help, None, MetricType::Info)?.encode_info(labels)
    }

    fn family<const N: usize, V>(
        &mut self,
        (name, help, unit, kind): (&str, &str, Option<&Unit>, MetricType),
        samples: impl IntoIterator<Item = ([Label; N], V)>,
        encode: impl Fn(&mut MetricEncoder<'_>, &V) -> Result,
    ) -> Result {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return Ok(());
        }
        let mut family = self.0.encode_descriptor(name, help, unit, kind)?;
        samples.try_for_each(|(labels, value)| encode(&mut family.encode_family(&labels)?, &value))
    }
}

#[cfg(test)]
mod tests;
