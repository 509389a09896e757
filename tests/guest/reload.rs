//! Reloading again and again while events flow: nothing is lost, and nothing grows.

use aegis_tests::account::check_account;
use aegis_tests::agent::{Agent, wait_until};
use aegis_tests::check::{Test, expect, trials as trials_of};
use aegis_tests::long;
use aegis_tests::outcome::Outcome;
use libtest_mimic::{Failed, Trial};
use std::fs::{self, File};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const TESTS: &[Test] = &[("many_lose_nothing_and_leave_nothing", many), ("burst_is_few", burst)];

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    trials_of("reload", TESTS)
}

const DENIED: &str = "/scratch/reload-denied";
const SOMETIMES: &str = "/scratch/reload-sometimes";

/// A policy that denies reading the one file, and if it is asked for the other one.
fn policy(with_other: bool) -> String {
    let rule =
        |id: &str, path: &str| format!("[[rule]]\nid = \"{id}\"\non = [\"read\"]\npath = \"{path}\"\n");
    let other = if with_other { rule("sometimes", SOMETIMES) } else { String::new() };
    format!("version = 3\nname = \"reload\"\n{}{other}", rule("denied", DENIED))
}

fn read(path: &str) -> Outcome {
    File::open(path).map(drop).into()
}

fn started(name: &str, options: &[&str]) -> (Agent, String) {
    [DENIED, SOMETIMES].iter().for_each(|path| fs::write(path, "content\n").expect("a file"));
    let mut agent = Agent::new(name);
    let file = agent.policy(&policy(true));
    agent.start_with(&[&["--policy", &file], options].concat());
    (agent, file)
}

/// Threads, descriptors, and memory of its own in kB.
fn vitals(agent: &Agent) -> (u64, usize, u64) {
    let pid = agent.pid().expect("a daemon").as_raw_nonzero();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a status");
    let number = |field: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("a field");
        line.split_whitespace().next().and_then(|word| word.parse().ok()).expect("a number")
    };
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).expect("descriptors").count();
    (number("Threads:"), descriptors, number("RssAnon:"))
}

/// In kB: the journal keeps its newest records in memory.
const GROWTH: u64 = 24_000;

fn many() -> Result<(), Failed> {
    let reloads = if long() { 1_000 } else { 20 };
    let (agent, file) = started("aegis-reload", &["--enforce", "--events-per-second", "20"]);
    let is_over = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&is_over);
    let hammer = std::thread::spawn(move || {
        let (mut tried, mut wrong) = (0_u64, 0_u64);
        while !stop.load(Ordering::Relaxed) {
            wrong += u64::from(read(DENIED) != Outcome::Denied);
            tried += 1;
        }
        (tried, wrong)
    });
    let mut before = None;
    for turn in 1..=reloads {
        // Every other one changes nothing, and every fifth is refused.
        let text = policy(turn % 4 < 2);
        let is_wrong = turn % 5 == 0;
        fs::write(&file, if is_wrong { text.replace("on =", "in =") } else { text })?;
        let reloaded = agent.run(&["config", "reload"]);
        let expected = if is_wrong { Some(6) } else { Some(0) };
        expect(&format!("reload {turn}: {reloaded:?}"), reloaded.status.code(), expected)?;
        if turn == reloads / 10 {
            before = Some(vitals(&agent));
        }
    }
    is_over.store(true, Ordering::Relaxed);
    let (tried, wrong) = hammer.join().expect("the hammer");
    let (before, account) = (before.expect("a tenth of them"), agent.account());
    let after = vitals(&agent);
    println!(
        "{reloads} reloads, {tried} opens meanwhile, {wrong} not denied: (threads, descriptors, kB) {before:?} became \
         {after:?}"
    );
    println!("{}", check_account(&agent.output(), &account)?);
    expect("opens that were not denied", wrong, 0)?;
    expect("threads", after.0, before.0)?;
    expect("descriptors", after.1 <= before.1, true)?;
    expect("memory", after.2 <= before.2 + GROWTH, true)
}

/// Many changes in a row of a file that is looked at are taken when they have come to rest, as few.
fn burst() -> Result<(), Failed> {
    let (agent, file) = started("aegis-burst", &["--enforce"]);
    for turn in 0..1_000 {
        fs::write(&file, policy(turn % 2 == 0) + &format!("# {turn}\n"))?;
    }
    fs::write(&file, policy(false))?;
    wait_until("the last change is taken", || read(SOMETIMES) == Outcome::Allowed);
    // Whatever else might come has come.
    std::thread::sleep(Duration::from_secs(3));
    let reloads = agent.events().into_iter().filter(|event| event["what"] == "reloaded").count();
    println!("1,000 changes were {reloads} reloads");
    expect("few reloads", (1..=20).contains(&reloads), true)?;
    expect("in the end", (read(DENIED), read(SOMETIMES)), (Outcome::Denied, Outcome::Allowed))
}
