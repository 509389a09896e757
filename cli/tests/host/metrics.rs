//! Metrics of a daemon that works: whether they are well-formed, grow, and say what the other answers say.

use crate::armed::Armed;
use crate::attempts::ATTEMPTS;
use crate::fallback::{why_not, with_a_daemon};
use crate::place::trial;
use crate::refused::ignored_unless;
use libtest_mimic::Trial;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    let tests: [(&str, fn()); 7] = [
        ("agree_with_the_accounts", agree_with_the_accounts),
        ("of_parts", of_parts),
        ("over_the_socket", over_the_socket),
        ("on_loopback", on_loopback),
        ("into_a_file", into_a_file),
        ("of_tables", of_tables),
        ("of_reloads", of_reloads),
    ];
    let missing = (!has_promtool()).then_some("promtool is not on the path; `cargo xtask test` brings it");
    let why = why_not().or(missing);
    let promtool = trial("metrics::promtool", promtool);
    let promtool = ignored_unless(why.is_none(), why.unwrap_or_default(), promtool);
    with_a_daemon("metrics", &tests).into_iter().chain([promtool]).collect()
}

/// Names the checker; `cargo xtask test` sets it.
const PROMTOOL: &str = "AEGIS_PROMTOOL";

fn checker() -> Command {
    Command::new(std::env::var_os(PROMTOOL).unwrap_or_else(|| "promtool".into()))
}

/// One that was named and does not run is a failure, and no reason to skip.
fn has_promtool() -> bool {
    std::env::var_os(PROMTOOL).is_some()
        || checker().arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Samples by name and labels.
#[derive(Debug, Default)]
struct Metrics {
    samples: BTreeMap<String, f64>,
    types: BTreeMap<String, String>,
}

impl Metrics {
    fn of(armed: &Armed) -> Self {
        let ran = armed.run(&["metrics"]);
        assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""));
        Self::parse(&ran.stdout)
    }

    /// Each line is help, then type, then samples of that family.
    fn parse(text: &str) -> Self {
        let mut metrics = Self::default();
        let (mut helped, mut family) = (String::new(), String::new());
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, words) = help.split_once(' ').unwrap();
                assert!(!words.is_empty() && !metrics.types.contains_key(name), "{line}");
                name.clone_into(&mut helped);
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                assert!(name == helped && ["counter", "gauge"].contains(&kind), "{line}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                metrics.types.insert(name.to_owned(), kind.to_owned());
                name.clone_into(&mut family);
            } else {
                let (series, value) = line.rsplit_once(' ').unwrap();
                let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
                assert!(name == family && name.starts_with("aegis_") && labels.ends_with('}'), "{line}");
                let value: f64 = value.parse().unwrap();
                assert!(metrics.samples.insert(series.to_owned(), value).is_none(), "twice: {line}");
            }
        }
        metrics
    }

    fn get(&self, series: &str) -> f64 {
        *self.samples.get(series).unwrap_or_else(|| panic!("no {series} in {:#?}", self.samples))
    }

    /// The sum of a family, of those series whose labels have this in them.
    fn sum(&self, name: &str, part: &str) -> f64 {
        let is_of = |series: &str| series.split('{').next() == Some(name) && series.contains(part);
        self.samples.iter().filter(|(series, _)| is_of(series)).map(|(_, value)| value).sum()
    }

    /// The values of a label.
    fn values(&self, label: &str) -> BTreeSet<&str> {
        let start = format!("{label}=\"");
        self.samples.keys().filter_map(|series| series.split(&start).nth(1)?.split('"').next()).collect()
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no number: {value}"))
}

/// The account once nothing is on its way any more.
fn settled(armed: &Armed) -> Value {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let account: Value = armed.run(&["events", "account", "-o", "json"]).json();
        let on_their_way = ["deciding", "in_ring", "in_daemon"].map(|part| number(&account["total"][part]));
        if on_their_way == [0.0; 3] || Instant::now() > deadline {
            return account;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Counters never fall, grow with decisions, and are those of `events account` and `status`.
fn agree_with_the_accounts() {
    let armed = Armed::start(&["run", "--observe"]);
    let before = Metrics::of(&armed);
    let expected = ATTEMPTS.iter().filter(|attempt| attempt.rule.is_some()).count();
    for attempt in ATTEMPTS {
        (attempt.make)(&armed.place).unwrap();
    }
    assert_eq!(armed.blocks_after(0, expected).len(), expected);
    let account = settled(&armed);
    let status = armed.status();
    let after = Metrics::of(&armed);
    for (series, value) in &before.samples {
        let is_counter = before.types[series.split('{').next().unwrap()] == "counter";
        assert!(!is_counter || after.get(series) >= *value, "{series} fell from {value}");
    }
    let total = &account["total"];
    for part in ["reported", "submitted", "suppressed", "dropped", "delivered", "late"] {
        assert_eq!(after.get(&format!("aegis_events_{part}_total")), number(&total[part]), "{part}");
    }
    for gap in total["gaps"].as_array().unwrap() {
        let series = format!("aegis_gap_events_total{{reason={}}}", gap["reason"]);
        assert_eq!(after.get(&series), number(&gap["count"]), "{series}");
    }
    let counts = &status["counts"];
    for (verdict, count) in [("deny", "denied"), ("audit", "audited")] {
        let sum = after.sum("aegis_decisions_total", &format!("verdict=\"{verdict}\""));
        assert_eq!(sum, number(&counts[count]), "{verdict}");
    }
    let grown = |name: &str| after.sum(name, "") - before.sum(name, "");
    assert!(grown("aegis_decisions_total") >= expected as f64);
    assert_eq!(grown("aegis_decisions_total"), grown("aegis_events_reported_total"));
    // This one counts what others on the host do as well, who go on meanwhile.
    let unseen = |metrics: &Metrics| metrics.get("aegis_unseen_total");
    let between = number(&counts["unseen"]);
    assert!(unseen(&before) < between && between <= unseen(&after), "{between} unseen");
    assert_eq!(after.get("aegis_generation"), number(&status["generation"]["generation"]));
    assert_eq!(after.get("aegis_pending_rules"), status["pending"].as_array().unwrap().len() as f64);
    assert_eq!(after.get("aegis_host_posture{posture=\"AUDIT_FALLBACK\"}"), 1.0);
    assert_eq!(after.sum("aegis_host_posture", ""), 1.0);
    assert_eq!(after.sum("aegis_hook_attached", ""), status["links"].as_array().unwrap().len() as f64);
    let digest = status["generation"]["plan_digest"].as_str().unwrap();
    assert_eq!(after.values("plan_digest").into_iter().collect::<Vec<_>>(), [digest]);
    assert_eq!(after.values("version").into_iter().collect::<Vec<_>>(), [env!("CARGO_PKG_VERSION")]);
}

/// Each part of the tree is there, and each queue; and a scrape makes no proof.
fn of_parts() {
    let armed = Armed::start(&["run", "--observe", "--events-file", "events.jsonl"]);
    let tree: Value = armed.run(&["status", "--tree", "-o", "json"]).json();
    let mut paths = BTreeSet::new();
    fn below<'a>(child: &'a Value, paths: &mut BTreeSet<&'a str>) {
        for child in child["children"].as_array().unwrap() {
            paths.insert(child["path"].as_str().unwrap());
            below(child, paths);
        }
    }
    below(&tree["root"], &mut paths);
    let first = Metrics::of(&armed);
    assert_eq!(first.values("part"), paths);
    assert_eq!(first.values("queue"), BTreeSet::from(["to_route", "to_stdout", "to_events_file"]));
    for part in paths {
        assert_eq!(first.get(&format!("aegis_part_state{{part=\"{part}\",state=\"running\"}}")), 1.0);
        assert_eq!(first.sum("aegis_part_state", &format!("part=\"{part}\"")), 1.0);
    }
    assert_eq!(first.get("aegis_loader_answered"), 1.0);
    let proven = "aegis_class_proven_timestamp_seconds{class=\"file\"}";
    let second = Metrics::of(&armed);
    assert_eq!(first.get(proven), second.get(proven));
    let age = "aegis_last_proof_age_seconds";
    assert!(second.get(age) > first.get(age));
}

/// What was loaded is in the tables, and they have room for it.
fn of_tables() {
    let armed = Armed::start(&["run", "--observe"]);
    let generation = &armed.status()["generation"];
    let metrics = Metrics::of(&armed);
    let of = |name: &str, table: &str| metrics.get(&format!("aegis_table_{name}{{table=\"{table}\"}}"));
    for table in ["rules", "objects", "slots", "rows", "exempt"] {
        assert_eq!(of("entries", table), number(&generation[table]), "{table}");
    }
    let tables = metrics.values("table");
    assert_eq!(tables.len(), 11, "{tables:?}");
    for table in tables {
        let (entries, room) = (of("entries", table), of("capacity_entries", table));
        assert!(entries <= room && room >= 1.0, "{table}: {entries} of {room}");
    }
    assert!(of("entries", "survival") > 0.0);
    assert!(metrics.get("aegis_events_ring_bytes") >= 4096.0);
}

/// Each reload is counted once, by what became of it.
fn of_reloads() {
    let armed = Armed::start(&["run", "--observe"]);
    let count =
        |result: &str| Metrics::of(&armed).get(&format!("aegis_reloads_total{{result=\"{result}\"}}"));
    let reload = || armed.run(&["config", "reload"]).status;
    assert_eq!(["taken", "unchanged", "refused"].map(count), [0.0; 3]);
    assert_eq!(reload(), Some(0));
    assert_eq!(["taken", "unchanged", "refused"].map(count), [0.0, 1.0, 0.0]);
    let policy = armed.place.path("scratch.toml");
    let text = fs::read_to_string(&policy).unwrap();
    // The daemon may see by itself that the file has changed, so that there are more.
    fs::write(&policy, "nonsense").unwrap();
    assert_eq!(reload(), Some(6));
    assert!(count("refused") >= 1.0 && count("taken") == 0.0);
    fs::write(&policy, text.replacen("version = 3", "version = 3\nserial = 7", 1)).unwrap();
    assert_eq!(reload(), Some(0));
    assert_eq!(count("taken"), 1.0);
}

/// As a scraper asks: the format that it accepts, without a word on whose daemon is meant.
fn over_the_socket() {
    let armed = Armed::start(&["run", "--observe"]);
    let ask = |accept: &str| {
        let mut stream = UnixStream::connect(armed.place.path("none.sock")).unwrap();
        let request = format!("GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{accept}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        (head.to_owned(), body.to_owned())
    };
    for accept in ["", "accept: text/plain\r\n", "accept: */*\r\n"] {
        let (head, body) = ask(accept);
        assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
        Metrics::parse(&body);
    }
    let prometheus = "accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5\r\n";
    let (head, body) = ask(prometheus);
    let kind = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(head.contains(kind), "{head}");
    assert!(body.ends_with("# EOF\n") && body.contains("# TYPE aegis_build info\n"), "{body}");
    assert!(body.contains("# UNIT aegis_tables_bytes bytes\n"), "{body}");
}

/// Metrics alone, on an address of this host, also for whoever is slow or asks for something else.
fn on_loopback() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("config.toml");
    fs::write(&config, format!("[metrics]\nlisten = \"{free}\"\n")).unwrap();
    fs::set_permissions(&config, fs::Permissions::from_mode(0o644)).unwrap();
    let _armed = Armed::start(&["run", "--observe", "--config", config.to_str().unwrap()]);
    // These say nothing, and hold up nobody.
    let _silent: Vec<_> = (0..4).map(|_| TcpStream::connect(free).unwrap()).collect();
    let ask = |path: &str| {
        let mut stream = TcpStream::connect(free).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        (head.split_whitespace().nth(1).unwrap().to_owned(), body.to_owned())
    };
    let (status, text) = ask("/metrics");
    assert_eq!(status, "200");
    assert!(Metrics::parse(&text).get("aegis_generation") > 0.0, "{text}");
    for path in ["/v1/status", "/v1/detach", "/"] {
        assert_eq!(ask(path).0, "404", "{path}");
    }
}

/// The file is replaced as a whole, can be read by all, and nothing else is left beside it.
fn into_a_file() {
    let armed = Armed::start(&["run", "--observe"]);
    let directory = armed.place.path("textfile");
    let file = directory.join("aegis.prom");
    let write = || armed.run(&["metrics", "--out", "textfile/aegis.prom"]);
    assert_eq!(write().status, Some(1), "there is no directory");
    fs::create_dir(&directory).unwrap();
    fs::write(&file, "old").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let ran = write();
    assert_eq!((ran.status, ran.stdout.as_str(), ran.stderr.as_str()), (Some(0), "", ""));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o644);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.ends_with('\n') && Metrics::parse(&text).get("aegis_generation") > 0.0, "{text}");
    let names: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["aegis.prom"]);
}

/// Prometheus' own checker has nothing to say.
fn promtool() {
    let armed = Armed::start(&["run", "--observe"]);
    (ATTEMPTS[0].make)(&armed.place).unwrap();
    let text = armed.run(&["metrics"]).stdout;
    let mut checker = checker();
    checker.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut checker = checker.spawn().expect("promtool starts");
    checker.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let said = checker.wait_with_output().unwrap();
    let words = [said.stdout, said.stderr].map(|words| String::from_utf8_lossy(&words).into_owned());
    assert!(said.status.success() && words.concat().is_empty(), "{words:?} of {text}");
}
