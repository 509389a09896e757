//! Every decision that is to be reported is accounted for: under floods and storms, with a small ring, a slow standard
//! output, and daemons that are killed.

use aegis_tests::account::check_account;
use aegis_tests::agent::{Agent, records, wait_until};
use aegis_tests::check::{Test, expect, expect_text, trials as trials_of};
use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use std::fs::{self, File};
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

const TESTS: &[Test] = &[
    ("all_is_delivered", all),
    ("small_ring_leaves_gaps", small_ring),
    ("storm_is_folded", storm),
    ("displaced_storms_are_counted", displaced),
    ("killed_in_a_flood", killed),
    ("slow_output_leaves_gaps", slow_output),
    ("orderly_end_leaves_no_gap", orderly_end),
    ("account_without_daemon", without_daemon),
    ("hits_are_those_of_the_generation", hits),
    ("file_has_all_although_daemons_are_killed", file_of_killed),
    ("file_that_comes_late_or_lost_its_account_has_all", file_that_comes_late),
    ("full_disk_is_waited_for", full_disk),
    ("file_that_cannot_be_one_arms_nothing", file_refused),
];

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    trials_of("accounts", TESTS)
}

const FILES: [&str; 4] =
    ["/scratch/account-a", "/scratch/account-b", "/scratch/account-c", "/scratch/account-d"];

/// One rule for each of two files.
fn policy() -> String {
    FILES.iter().for_each(|file| fs::write(file, "content\n").expect("a file"));
    let rule =
        |id: &str, files: &[&str]| format!("[[rule]]\nid = \"{id}\"\non = [\"read\"]\npath = {files:?}\n");
    let head = "version = 3\nname = \"accounts\"\n".to_owned();
    head + &rule("first", &FILES[..2]) + &rule("second", &FILES[2..])
}

fn started(options: &[&str]) -> Agent {
    let mut agent = Agent::new("aegis-accounts");
    agent.start(&policy(), &[&["--enforce"], options].concat());
    agent
}

/// Denied opens, by as many threads as there are files. Now and then the others get the emulated processors.
struct Flood {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<u64>>,
}

impl Flood {
    fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let attempt = |file: &'static str| {
            let stopped = Arc::clone(&stop);
            spawn(move || {
                let mut tried = 0;
                while !stopped.load(Ordering::Relaxed) {
                    (0..50).for_each(|_| assert!(File::open(file).is_err()));
                    tried += 50;
                    sleep(Duration::from_millis(5));
                }
                tried
            })
        };
        let threads = FILES.into_iter().map(attempt).collect();
        Self { stop, threads }
    }

    /// How many opens there were.
    fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().map(|thread| thread.join().expect("a thread of the flood")).sum()
    }

    fn during(time: Duration) -> u64 {
        let flood = Self::start();
        sleep(time);
        flood.stop()
    }
}

fn count(account: &Value, field: &str) -> u64 {
    account["total"][field].as_u64().expect("a number")
}

fn gaps(account: &Value, reason: &str) -> u64 {
    let gaps = account["total"]["gaps"].as_array().expect("gaps");
    gaps.iter()
        .find(|gap| gap["reason"] == reason)
        .and_then(|gap| gap["count"].as_u64())
        .expect("a known reason")
}

fn check(agent: &Agent, tried: u64) -> Result<Value, Failed> {
    let account = agent.account();
    println!("{tried} opens; {}", check_account(&agent.output(), &account)?);
    expect("reported", count(&account, "reported"), tried)?;
    Ok(account)
}

fn all() -> Result<(), Failed> {
    let agent = started(&["--events-per-second", "0"]);
    for _ in 0..50 {
        FILES.iter().for_each(|file| drop(File::open(file)));
    }
    let account = check(&agent, 200)?;
    expect("delivered", count(&account, "delivered"), 200)?;
    expect("suppressed", count(&account, "suppressed"), 0)?;
    let status = agent.json(&["status"]);
    expect("received", status["counts"]["received"].as_u64(), Some(200))?;
    expect("suppressed in status", status["counts"]["suppressed"].as_u64(), Some(0))
}

/// The daemon is stopped for a while, so that the ring overflows for certain.
fn small_ring() -> Result<(), Failed> {
    let agent = started(&["--ringbuf-bytes", "65536", "--events-per-second", "0"]);
    let flood = Flood::start();
    sleep(Duration::from_secs(1));
    agent.stop();
    sleep(Duration::from_secs(1));
    agent.go_on();
    sleep(Duration::from_secs(1));
    let account = check(&agent, flood.stop())?;
    if count(&account, "dropped") == 0 {
        return Err("nothing was dropped".into());
    }
    if gaps(&account, "dropped") < count(&account, "dropped") {
        return Err(format!("more were dropped than are in gaps: {account}").into());
    }
    Ok(())
}

fn storm() -> Result<(), Failed> {
    let agent = started(&["--events-per-second", "10"]);
    let account = check(&agent, Flood::during(Duration::from_secs(3)))?;
    let suppressed = count(&account, "suppressed");
    if suppressed < count(&account, "sequence") {
        return Err(format!("{suppressed} of {} were folded", count(&account, "reported")).into());
    }
    let of: Vec<Value> = agent
        .output()
        .into_iter()
        .filter(|record| record["type"] == "summary")
        .map(|mut it| it["of"].take())
        .collect();
    expect(
        "summaries name their rule",
        of.iter().all(|of| of["rule"] == "first" || of["rule"] == "second"),
        true,
    )?;
    expect("and action", of.iter().all(|of| of["action"] == "BLOCK" && of["hook"] == "file_open"), true)?;
    expect("status", agent.json(&["status"])["counts"]["suppressed"].as_u64(), Some(suppressed))
}

/// More storms at a time than the kernel keeps: the sum stays right.
fn displaced() -> Result<(), Failed> {
    const MANY: usize = 6_000;
    let directory = "/scratch/account-many";
    fs::create_dir_all(directory).expect("a directory");
    let paths: Vec<String> = (0..MANY).map(|index| format!("{directory}/{index}")).collect();
    paths.iter().for_each(|path| fs::write(path, "").expect("a file"));
    let text =
        format!("version = 3\nname = \"many\"\n[[rule]]\nid = \"many\"\non = [\"read\"]\npath = {paths:?}\n");
    let mut agent = Agent::new("aegis-accounts");
    agent.start(&text, &["--enforce", "--events-per-second", "1"]);
    for _ in 0..3 {
        for path in &paths {
            (0..2).for_each(|_| drop(File::open(path)));
        }
    }
    let account = check(&agent, 6 * MANY as u64)?;
    expect("some were folded", count(&account, "suppressed") > 0, true)
}

fn killed() -> Result<(), Failed> {
    let mut agent = started(&["--ringbuf-bytes", "262144", "--events-per-second", "2000"]);
    let flood = Flood::start();
    for pause in [300, 1_100, 50, 700, 500, 20] {
        sleep(Duration::from_millis(pause));
        agent.kill();
        agent.start_again();
    }
    let account = check(&agent, flood.stop())?;
    let crash = gaps(&account, "crash");
    println!("{crash} numbers in gaps of reason crash");
    expect("what a killed daemon had in its hands is told of", crash > 0, true)
}

/// Nobody reads what the daemon prints, until it has lost lines; then somebody does.
fn slow_output() -> Result<(), Failed> {
    let mut agent = started(&["--events-per-second", "0"]);
    agent.terminate();
    let before = agent.output();
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    agent.start_into(Stdio::from(writer));
    let mut tried = 0;
    wait_until("the queue is full", || {
        (0..500).for_each(|_| drop(File::open(FILES[0])));
        tried += 500;
        agent.json(&["status"])["counts"]["received"].as_u64() > Some(9_000)
    });
    let read = spawn(move || {
        let mut text = String::new();
        let _ = reader.read_to_string(&mut text);
        text
    });
    let account = agent.account();
    expect("exit code", agent.terminate().code(), Some(0))?;
    let text = read.join().expect("a reader");
    let all = [before, records(&text)].concat();
    println!("{tried} opens; {}", check_account(&all, &account)?);
    expect("reported", count(&account, "reported"), tried)?;
    if gaps(&account, "sink_full") == 0 {
        return Err("no line was lost".into());
    }
    Ok(())
}

/// A file for records, and where it is moved to.
const EVENTS: [&str; 2] = ["/scratch/account-events", "/scratch/account-events.1"];

fn started_with_file(options: &[&str]) -> Agent {
    EVENTS.iter().for_each(|path| drop(fs::remove_file(path)));
    started(&[&["--events-file", EVENTS[0]], options].concat())
}

/// The records in files. What a killed daemon did not finish is none.
fn in_files(paths: &[&str]) -> Vec<Value> {
    let text = |path: &&str| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
    paths.iter().flat_map(|path| records(&text(path))).collect()
}

/// Checks the account of the files, which may come later than that of standard output.
fn check_files(paths: &[&str], account: &Value) -> Result<Vec<Value>, Failed> {
    let (mut found, mut checked) = (Vec::new(), Err("nothing was looked at".into()));
    for _ in 0..200 {
        found = in_files(paths);
        checked = check_account(&found, account);
        if checked.is_ok() {
            break;
        }
        sleep(Duration::from_millis(100));
    }
    println!("in {paths:?}: {}", checked?);
    Ok(found)
}

fn file_of_killed() -> Result<(), Failed> {
    let mut agent = started_with_file(&["--events-per-second", "200"]);
    let flood = Flood::start();
    for pause in [1_300, 300, 1_100, 50, 700, 20] {
        sleep(Duration::from_millis(pause));
        agent.kill();
        if pause == 300 {
            fs::rename(EVENTS[0], EVENTS[1])?;
        }
        agent.start_again();
    }
    let account = check(&agent, flood.stop())?;
    let found = check_files(&EVENTS, &account)?;
    expect("some were folded", count(&account, "suppressed") > 0, true)?;
    let crash = |record: &&Value| record["type"] == "gap" && record["reason"] == "crash";
    expect("what a killed daemon had in its hands is told of", found.iter().any(|it| crash(&it)), true)?;
    // Moved away under a running daemon, it goes on in a new one.
    fs::rename(EVENTS[0], EVENTS[1])?;
    (0..20).for_each(|_| drop(File::open(FILES[0])));
    wait_until("there is a new file", || !in_files(&EVENTS[..1]).is_empty());
    expect("exit code", agent.terminate().code(), Some(0))
}

/// Without an account everything that is not known to be in the file is told of there.
fn file_that_comes_late() -> Result<(), Failed> {
    let mut agent = started_with_file(&["--events-per-second", "5"]);
    (0..100).for_each(|_| drop(File::open(FILES[0])));
    check_files(&EVENTS[..1], &check(&agent, 100)?)?;
    agent.terminate();
    fs::remove_file(EVENTS[0])?;
    fs::write(agent.state().join("sink-events-file"), "no account")?;
    agent.start_again();
    (0..50).for_each(|_| drop(File::open(FILES[1])));
    let account = check(&agent, 150)?;
    let found = check_files(&EVENTS[..1], &account)?;
    expect("gaps", found.iter().any(|record| record["reason"] == "crash"), true)?;
    agent.terminate();
    agent.start_again();
    expect("told once", check_files(&EVENTS[..1], &account)?.len(), found.len())
}

/// A small file system that is full for a while: nothing is left out, and standard output does not wait.
fn full_disk() -> Result<(), Failed> {
    let mount =
        |words: &[&str]| expect("mount", Command::new(words[0]).args(&words[1..]).status()?.success(), true);
    let (directory, file) = ("/scratch/account-small", "/scratch/account-small/events");
    fs::create_dir_all(directory)?;
    mount(&["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", directory])?;
    let mut agent = started(&["--events-file", file, "--events-per-second", "50"]);
    let tried = Flood::during(Duration::from_secs(3));
    (0..200).for_each(|_| drop(File::open(FILES[0])));
    let account = check(&agent, tried + 200)?;
    sleep(Duration::from_secs(2));
    expect("the file is full", check_account(&in_files(&[file]), &account).is_err(), true)?;
    let gauges = agent.json(&["status", "--tree"]).to_string();
    expect_text("gauges", &gauges, "to_events_file")?;
    mount(&["mount", "-o", "remount,size=64m", directory])?;
    let found = check_files(&[file], &account)?;
    expect("gaps", found.iter().filter(|record| record["type"] == "gap").count(), 0)?;
    expect("exit code", agent.terminate().code(), Some(0))?;
    drop(agent);
    mount(&["umount", directory])
}

fn file_refused() -> Result<(), Failed> {
    let agent = Agent::new("aegis-accounts");
    for (file, why) in [
        ("/dev/null", "cannot write records to /dev/null: it is a device: name a regular file"),
        ("/scratch/none/events", "make its directory first"),
    ] {
        let output = agent.run(&["run", "--observe", "--events-file", file]);
        expect("exit code", output.status.code(), Some(1))?;
        expect_text("said", &String::from_utf8_lossy(&output.stderr), why)?;
        expect("pins", fs::exists(agent.root())?, false)?;
    }
    Ok(())
}

fn orderly_end() -> Result<(), Failed> {
    let mut agent = started(&["--events-per-second", "500"]);
    let flood = Flood::start();
    for _ in 0..3 {
        sleep(Duration::from_millis(400));
        expect("exit code", agent.terminate().code(), Some(0))?;
        agent.start_again();
    }
    let account = check(&agent, flood.stop())?;
    expect("crash", gaps(&account, "crash"), 0)
}

fn without_daemon() -> Result<(), Failed> {
    let mut agent = started(&["--events-per-second", "5"]);
    (0..100).for_each(|_| drop(File::open(FILES[0])));
    let with = agent.account();
    agent.kill();
    (0..7).for_each(|_| drop(File::open(FILES[3])));
    let without = agent.json(&["events", "account"]);
    expect("reported", count(&without, "reported"), count(&with, "reported") + 7)?;
    expect("waiting", count(&without, "in_ring") > 0, true)?;
    expect("wrong", without["wrong"].as_array().map(Vec::len), Some(0))?;
    let table = agent.run(&["events", "account"]);
    expect_text("table", &String::from_utf8_lossy(&table.stdout), "submitted +")?;
    agent.start_again();
    check(&agent, 107).map(drop)
}

fn hits() -> Result<(), Failed> {
    let agent = started(&["--events-per-second", "3"]);
    let read = |file: &str, times: usize| (0..times).for_each(|_| drop(File::open(file)));
    let hits = || {
        let account = agent.json(&["events", "account"]);
        let rules = account["hits"].as_array().expect("hits").clone();
        rules.iter().map(|rule| rule["hits"].as_u64().expect("a number")).collect::<Vec<_>>()
    };
    read(FILES[0], 20);
    read(FILES[3], 4);
    expect("hits", hits(), vec![20, 4])?;
    let other = policy().replace("\"second\"", "\"other\"");
    drop(agent.json(&["policy", "apply", &agent.policy(&other)]));
    expect("another generation counts from 0", hits(), vec![0, 0])?;
    read(FILES[2], 5);
    expect("and on", hits(), vec![0, 5])
}
