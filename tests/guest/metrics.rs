//! Metrics that only a kernel with probes on its LSM hooks can fill: runs that are counted, and tables.

use aegis_tests::agent::{Agent, wait_until};
use aegis_tests::check::{Test, expect, trials as trials_of};
use aegis_tests::outcome::Outcome;
use libtest_mimic::{Failed, Trial};
use std::fs::{self, File};

const TESTS: &[Test] = &[("runs_are_counted_when_asked_for", runs), ("tables_have_room", tables)];

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    trials_of("metrics", TESTS)
}

const FILE: &str = "/scratch/metrics-data";
const STATISTICS: &str = "/proc/sys/kernel/bpf_stats_enabled";
const RUNS: &str = "aegis_program_runs_total{class=\"file\",hook=\"file_open\"}";
const TIME: &str = "aegis_program_run_seconds_total{class=\"file\",hook=\"file_open\"}";
const ENABLED: &str = "aegis_program_statistics_enabled";
/// More than this many opens are counted as this many at least.
const OPENS: u32 = 1_000;

fn started() -> Agent {
    fs::write(FILE, "content\n").expect("a file");
    let mut agent = Agent::new("aegis-metrics");
    let rule = format!("[[rule]]\nid = \"data\"\non = [\"read\"]\npath = \"{FILE}\"\n");
    agent.start(&format!("version = 3\nname = \"metrics\"\n{rule}"), &["--enforce"]);
    agent
}

/// A sample, if it is there.
fn sample(agent: &Agent, series: &str) -> Option<f64> {
    let output = agent.run(&["metrics"]);
    let text = String::from_utf8(output.stdout).expect("text");
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map(|value| value.parse().expect("a number"))
}

fn switch(word: &str) {
    fs::write(STATISTICS, word).expect("a switch of the kernel");
}

/// Nothing is said of runs until the kernel counts them; then opens are, and what was counted stays.
fn runs() -> Result<(), Failed> {
    switch("0");
    let agent = started();
    expect("off", (sample(&agent, ENABLED), sample(&agent, RUNS)), (Some(0.0), None))?;
    switch("1");
    for _ in 0..OPENS {
        expect("open", Outcome::from(File::open(FILE).map(drop)), Outcome::Denied)?;
    }
    wait_until("runs are told", || sample(&agent, RUNS).is_some_and(|runs| runs >= f64::from(OPENS)));
    expect("on", sample(&agent, ENABLED), Some(1.0))?;
    switch("0");
    wait_until("it is off again", || sample(&agent, ENABLED) == Some(0.0));
    let (runs, time) = (sample(&agent, RUNS).unwrap_or(0.0), sample(&agent, TIME).unwrap_or(0.0));
    println!("{runs} runs of file_open took {time} s, {:.0} ns each", time / runs * 1e9);
    expect("they took time, and less than a second each", time > 0.0 && time < runs, true)?;
    let status = agent.json(&["status"]);
    let links = status["links"].as_array().expect("links");
    let link = links.iter().find(|link| link["hook"] == "file_open").expect("a link");
    expect("status says so too", link["run_count"].as_u64().is_some_and(|count| count as f64 >= runs), true)
}

/// The tables of a generation are made to measure; the others have the room that they were made with.
fn tables() -> Result<(), Failed> {
    let agent = started();
    let of = |name: &str, table: &str| sample(&agent, &format!("aegis_table_{name}{{table=\"{table}\"}}"));
    for table in ["rules", "objects", "slots", "rows", "exempt"] {
        let (entries, room) = (of("entries", table), of("capacity_entries", table));
        expect(table, room, entries.map(|entries| entries.max(1.0)))?;
    }
    expect("rules", of("entries", "rules"), Some(1.0))?;
    expect("survival", of("capacity_entries", "survival"), Some(1_024.0))?;
    expect("somebody survives", of("entries", "survival").is_some_and(|entries| entries > 2.0), true)?;
    expect("storms", of("capacity_entries", "storms"), Some(4_096.0))?;
    expect("a ring", sample(&agent, "aegis_events_ring_bytes").is_some_and(|bytes| bytes >= 4_096.0), true)
}
