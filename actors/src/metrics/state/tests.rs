//! Readings as text, in both formats.

use super::*;
use aegis_control_api::{
    ClassStatus, CpuAccount, DaemonStatus, GapCount, LinkStatus, Memory, PendingRule, RuleHits, UnseenRule,
};
use aegis_probes::Table;
use std::collections::BTreeSet;

/// What no metric may tell: made such that it would also break the format.
const STRANGE: &str = "/etc/\"shadow\"\\{}\n# TYPE x counter\nx 1\nö";

fn part(path: &str, children: Vec<PartStatus>) -> PartStatus {
    PartStatus {
        path: path.to_owned(),
        state: State::Running,
        incarnation: 3,
        restarts: 2,
        last_exit: Some(aegis_supervisor::Exit::Failed(STRANGE.to_owned())),
        silence: Some(Duration::from_millis(1500)),
        gauges: if path == "loader" { vec![("to_route", 7), ("strange", 8)] } else { Vec::new() },
        children,
    }
}

fn status(word: &str) -> Status {
    let text = || word.to_owned();
    let class = |class: &str, posture| ClassStatus {
        class: class.to_owned(),
        posture,
        proven_at_ns: Some(1_500_000_000),
        why: Some(text()),
    };
    Status {
        version: 1,
        daemon: Some(DaemonStatus { pid: 4_294_967, version: text(), adopted: true }),
        bpffs_root: text(),
        generation: Some(GenerationStatus {
            generation: 9,
            policy: text(),
            serial: 77,
            mode: "observe".to_owned(),
            plan_digest: "ab".repeat(32),
            table_digest: text(),
            built_at_ns: 2_000_000_000,
            rules: 1,
            objects: 2,
            slots: 3,
            rows: 4,
            exempt: 5,
        }),
        classes: vec![
            class("file", Posture::Observe),
            class("exec", Posture::Degraded),
            class(word, Posture::Enforce),
        ],
        links: ["file_open", word]
            .map(|hook| LinkStatus {
                hook: hook.to_owned(),
                link_id: 1,
                program_id: 2,
                recursion_misses: 6,
                run_count: 17,
                run_time_ns: 18_500_000_000,
            })
            .to_vec(),
        counts: aegis_control_api::Counts { survived: 11, received: Some(12), ..Default::default() },
        pending: vec![PendingRule { rule: text(), paths: vec![text()] }],
        memory: Memory { tables_bytes: 4096, resident_bytes: Some(8192), peak_bytes: None },
        probes: text(),
        notice: Some(text()),
        unseen: vec![UnseenRule { rule: text(), operations: vec![text()] }],
    }
}

fn account(word: &str) -> AccountsReply {
    let gap = |reason: &str| GapCount { reason: reason.to_owned(), count: 13 };
    AccountsReply {
        version: 1,
        cpus: Vec::new(),
        total: CpuAccount { reported: 21, gaps: vec![gap("crash"), gap(word)], ..CpuAccount::default() },
        summarised: 14,
        unsummarised: 0,
        events_per_second: 0,
        malformed: None,
        generation: 9,
        hits: vec![RuleHits { number: 0, rule: word.to_owned(), hits: 15 }],
        wrong: vec![word.to_owned()],
    }
}

fn reading(word: &str) -> Reading {
    let mut counters = Counters::default();
    counters.denied[0] = 16;
    let parts = vec![part("loader", Vec::new()), part("sinks", vec![part("sinks/stdout", Vec::new())])];
    let parts = [parts, vec![part(word, Vec::new())]].concat();
    Reading {
        started_ns: 1_250_000_000,
        proof_age: Some(Duration::from_millis(2500)),
        parts: Some(part("", parts)),
        reloads: Outcome::ALL.map(|outcome| (outcome, 19)),
        context: Sums { kept: 20, evicted: 21, malformed: 22 },
        loader: Some(Loaded {
            status: status(word),
            kind: Kind::Lsm,
            counters,
            account: account(word),
            fills: Table::ALL.map(|table| Fill { table, entries: 3, capacity: 30 }).to_vec(),
            ring_bytes: 1024,
            counts_runs: Some(true),
        }),
    }
}

fn classic(reading: Reading) -> String {
    text(reading, Format::Classic).unwrap()
}

/// Help and type come before samples, counters have their suffix in all three, and there is nothing of OpenMetrics.
#[test]
fn the_classic_format_is_what_everybody_reads() {
    let text = classic(reading("w"));
    let (mut seen, mut all, mut helped, mut typed) = (BTreeSet::new(), BTreeSet::new(), "", "");
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["#", "HELP", name, ..] if words.len() > 3 => helped = name,
            ["#", "TYPE", name, kind] => {
                assert!(seen.insert(name) && name == helped, "{line}");
                assert!(kind == if name.ends_with("_total") { "counter" } else { "gauge" }, "{line}");
                typed = name;
            }
            [series, value] => {
                assert!(series.split('{').next() == Some(typed) && all.insert(series), "{line}");
                assert!(value.parse::<f64>().is_ok() && typed.starts_with("aegis_"), "{line}");
            }
            _ => panic!("{line}"),
        }
    }
    assert!(text.ends_with('\n') && seen.len() > 30, "{seen:?}");
}

#[test]
fn open_metrics_has_units_and_an_end() {
    let text = text(reading("w"), Format::OpenMetrics).unwrap();
    for line in [
        "# TYPE aegis_build info",
        "# TYPE aegis_decisions counter",
        "# UNIT aegis_last_proof_age_seconds seconds",
        "aegis_decisions_total{class=\"file\",hook=\"file_open\",verdict=\"deny\"} 16",
    ] {
        assert!(text.lines().any(|one| one == line), "no {line:?} in {text}");
    }
    assert!(text.ends_with("\n# EOF\n"), "{text}");
}

#[test]
fn numbers_stand_under_their_names() {
    let text = classic(reading("w"));
    for line in [
        &format!("aegis_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")),
        "aegis_start_time_seconds 1.25",
        "aegis_last_proof_age_seconds 2.5",
        "aegis_loader_answered 1",
        "aegis_part_state{part=\"sinks/stdout\",state=\"running\"} 1",
        "aegis_part_state{part=\"sinks/stdout\",state=\"degraded\"} 0",
        "aegis_part_restarts_total{part=\"loader\"} 3",
        "aegis_queue_entries{queue=\"to_route\"} 7",
        "aegis_part_recent_restarts{part=\"sinks\"} 2",
        "aegis_part_heartbeat_age_seconds{part=\"loader\"} 1.5",
        "aegis_probes{kind=\"lsm\"} 1",
        "aegis_probes{kind=\"fallback\"} 0",
        "aegis_host_posture{posture=\"DEGRADED\"} 1",
        "aegis_posture{class=\"file\",posture=\"OBSERVE\"} 1",
        "aegis_posture{class=\"file\",posture=\"ENFORCE\"} 0",
        "aegis_class_proven_timestamp_seconds{class=\"file\"} 1.5",
        "aegis_generation 9",
        &format!("aegis_policy_info{{plan_digest=\"{}\",mode=\"observe\"}} 1", "ab".repeat(32)),
        "aegis_generation_built_timestamp_seconds 2.0",
        "aegis_table_entries{table=\"slots\"} 3",
        "aegis_table_entries{table=\"survival\"} 3",
        "aegis_table_capacity_entries{table=\"storms\"} 30",
        "aegis_events_ring_bytes 1024",
        "aegis_reloads_total{result=\"refused\"} 19",
        "aegis_program_statistics_enabled 1",
        "aegis_program_runs_total{class=\"file\",hook=\"file_open\"} 17",
        "aegis_program_run_seconds_total{class=\"file\",hook=\"file_open\"} 18.5",
        "aegis_pending_rules 1",
        "aegis_unseen_rules 1",
        "aegis_adopted 1",
        "aegis_tables_bytes 4096",
        "aegis_resident_memory_bytes 8192",
        "aegis_let_through_total{reason=\"survival\"} 11",
        "aegis_hook_attached{class=\"file\",hook=\"file_open\"} 1",
        "aegis_hook_attached{class=\"file\",hook=\"mmap_file\"} 0",
        "aegis_recursion_misses_total{class=\"file\",hook=\"file_open\"} 6",
        "aegis_events_reported_total 21",
        "aegis_events_summarised_total 14",
        "aegis_events_received_total 12",
        "aegis_gap_events_total{reason=\"crash\"} 13",
    ] {
        assert!(text.lines().any(|one| one == line), "no {line:?} in {text}");
    }
    // The kernel told no peak, and the tracepoints of the other kind decide nothing here.
    assert!(!text.contains("aegis_peak_resident_memory") && !text.contains("sys_exit"), "{text}");
}

/// Where nobody counts, a 0 would say that probes never run. What was counted earlier is told all the same.
#[test]
fn runs_that_nobody_counts_are_left_out() {
    for (counts_runs, count, told, state) in [
        (Some(true), 0, true, Some("1")),
        (Some(false), 0, false, Some("0")),
        (Some(false), 5, true, Some("0")),
        (None, 0, false, None),
        (None, 5, true, None),
    ] {
        let mut reading = reading("w");
        let loaded = reading.loader.as_mut().unwrap();
        loaded.counts_runs = counts_runs;
        loaded.status.links.iter_mut().for_each(|link| link.run_count = count);
        let text = classic(reading);
        for name in ["aegis_program_runs_total{", "aegis_program_run_seconds_total{"] {
            assert_eq!(text.contains(name), told, "{counts_runs:?} {count} {text}");
        }
        let found = text.lines().find_map(|line| line.strip_prefix("aegis_program_statistics_enabled "));
        assert_eq!(found, state, "{counts_runs:?}");
    }
}

/// The table of `docs/operations.md` has each metric, and no other.
#[test]
fn all_metrics_are_documented() {
    let mut reading = reading("w");
    let status = &mut reading.loader.as_mut().unwrap().status;
    status.memory.peak_bytes = Some(1);
    status.counts.malformed = Some(1);
    let text = classic(reading);
    let names = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let document = include_str!("../../../../docs/operations.md");
    let first = document.lines().filter_map(|line| line.strip_prefix("| `aegis_")?.split(" |").next());
    let documented = first
        .flat_map(|cell| cell.split('`').filter(|name| !name.contains([',', ' '])))
        .map(|name| format!("aegis_{}", name.trim_start_matches("aegis_")));
    let documented: BTreeSet<String> = documented.filter(|name| name != "aegis_").collect();
    assert_eq!(names.map(str::to_owned).collect::<BTreeSet<_>>(), documented);
}

/// Names of rules, paths, classes and the like: none of them is told, and they make no series.
#[test]
fn what_is_strange_is_not_told() {
    for format in [Format::Classic, Format::OpenMetrics] {
        let plain = text(reading("w"), format).unwrap();
        let strange = text(reading(STRANGE), format).unwrap();
        assert_eq!(plain, strange);
        for part in ["shadow", "# TYPE x", "ö", "strange", "4294967", "77"] {
            assert!(!strange.contains(part), "{part:?} in {strange}");
        }
    }
}

#[test]
fn a_digest_that_is_none_is_left_out() {
    let mut reading = reading("w");
    let generation = reading.loader.as_mut().and_then(|loaded| loaded.status.generation.as_mut()).unwrap();
    generation.plan_digest = STRANGE.to_owned();
    assert!(!classic(reading).contains("aegis_policy_info"));
}

/// The parts are told all the same, and that the loader did not answer.
#[test]
fn without_the_loader_its_numbers_are_missing() {
    let text = classic(Reading { loader: None, proof_age: None, ..reading("w") });
    assert!(text.contains("aegis_loader_answered 0\n") && text.contains("aegis_part_state{"), "{text}");
    assert!(!text.contains("_events_") && !text.contains("last_proof"), "{text}");
}

#[test]
fn the_format_is_the_one_that_is_asked_for() {
    let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                      text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    for (accept, format) in [
        ("", Format::Classic),
        ("*/*", Format::Classic),
        ("text/plain", Format::Classic),
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", Format::OpenMetrics),
        ("Application/OpenMetrics-Text", Format::OpenMetrics),
        (prometheus, Format::OpenMetrics),
        ("text/plain;q=0.9, application/openmetrics-text;q=0.5", Format::Classic),
        ("application/openmetrics-text;q=0", Format::Classic),
        ("application/openmetrics-text-not", Format::Classic),
    ] {
        assert_eq!(Format::of(accept), format, "{accept:?}");
    }
}
