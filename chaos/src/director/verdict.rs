//! What must hold, and whether it did.

use super::acts::Seen;
use super::subject::Subject;
use crate::attack::Tally;
use crate::daemon::HUNG;
use crate::plan::Scenario;
use crate::report::{Invariant, Report};
use aegis_control_api::Status;
use aegis_tests::account::check_account;
use anyhow::Result;
use serde_json::Value;
use std::time::{Duration, Instant};

/// How long a sink may take to write what is there.
const WRITES: Duration = Duration::from_secs(30);

/// Judges what was seen.
pub(super) fn judge(
    scenario: Scenario,
    seed: u64,
    subject: &Subject,
    tallies: &[Tally],
    seen: &Seen,
) -> Result<Report> {
    let account = subject.agent.account();
    let status = subject.status()?;
    let unseen = unseen(tallies, &account);
    let denied: Vec<&Tally> = tallies.iter().filter(|tally| tally.attempt.is_denied).collect();
    let attempts = denied.iter().map(|tally| tally.attempts).sum();
    let let_through: u64 = denied.iter().map(|tally| tally.wrong).sum();
    let mut invariants = vec![
        attacks(subject, &denied, let_through),
        invariant(
            "everything that the policy denies was decided by its rule",
            unseen == 0,
            format!("{unseen} unseen"),
        ),
        neighbours(tallies),
        told(
            "every event is told on standard output, or a gap tells of it",
            || subject.agent.output(),
            &account,
        ),
        told("every event is told in the events file, or a gap tells of it", || subject.events(), &account),
        sure(&status),
        same(subject, &status),
        recovered(seen),
        invariant("each fault struck", seen.in_vain.is_empty(), listed(seen.faults, &seen.in_vain)),
        invariant(
            "the process ended only where it had to",
            seen.unexpected.is_empty(),
            listed(seen.gave_up, &seen.unexpected),
        ),
        baseline(seen),
    ];
    invariants.extend(hung(seen));
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned();
    Ok(Report {
        seed,
        scenario: scenario.name(),
        kernel,
        posture: subject.posture.word(),
        attempts,
        breaches: let_through.max(unseen),
        faults: seen.faults,
        invariants,
    })
}

fn invariant(name: &'static str, held: bool, seen: String) -> Invariant {
    Invariant { name, held, seen }
}

/// So many, and those that are not as they should be.
fn listed(count: u64, wrong: &[String]) -> String {
    if wrong.is_empty() { count.to_string() } else { format!("{count}; {}", wrong.join("; ")) }
}

fn attacks(subject: &Subject, denied: &[&Tally], let_through: u64) -> Invariant {
    let each: Vec<String> =
        denied.iter().map(|tally| format!("{} {}", tally.attempts, tally.attempt.name)).collect();
    let is_tried = |tally: &&&Tally| tally.attempts > 0;
    let tried = denied.iter().filter(is_tried).count();
    let enough = if subject.is_enforced() { tried == denied.len() } else { tried > 0 };
    let name = if subject.is_enforced() {
        "what the policy denies was denied at every moment"
    } else {
        "where nothing is enforced nothing was held up"
    };
    invariant(name, enough && let_through == 0, format!("{}; {let_through} ended otherwise", each.join(", ")))
}

/// Attempts that no rule has decided. The kernel counts for each rule how often it did, with or without a daemon.
fn unseen(tallies: &[Tally], account: &Value) -> u64 {
    let hits = |rule: &str| {
        let all = account["hits"].as_array().into_iter().flatten();
        all.filter(|hits| hits["rule"] == rule).filter_map(|hits| hits["hits"].as_u64()).sum::<u64>()
    };
    let denied = tallies.iter().filter(|tally| tally.attempt.is_denied);
    denied.map(|tally| tally.attempts.saturating_sub(hits(tally.attempt.name))).sum()
}

fn neighbours(tallies: &[Tally]) -> Invariant {
    let allowed = || tallies.iter().filter(|tally| !tally.attempt.is_denied);
    let (attempts, wrong): (u64, u64) =
        allowed().fold((0, 0), |(sum, wrong), tally| (sum + tally.attempts, wrong + tally.wrong));
    let seen = format!("{attempts} tried, {wrong} ended otherwise");
    invariant("what nobody denies was allowed at every moment", attempts > 0 && wrong == 0, seen)
}

/// Over what all daemons have written. A sink may still be writing: nobody waits for it.
fn told(name: &'static str, records: impl Fn() -> Vec<Value>, account: &Value) -> Invariant {
    let deadline = Instant::now() + WRITES;
    let mut checked = check_account(&records(), account);
    while checked.is_err() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_secs(1));
        checked = check_account(&records(), account);
    }
    match checked {
        Ok(seen) => invariant(name, true, seen),
        Err(failed) => invariant(name, false, failed.message().unwrap_or_default().to_owned()),
    }
}

fn sure(status: &Status) -> Invariant {
    let undecidable = status.counts.undecidable;
    invariant("nothing was undecidable", undecidable == 0, undecidable.to_string())
}

fn same(subject: &Subject, status: &Status) -> Invariant {
    let generation = status.generation.as_ref().map_or(0, |generation| generation.generation);
    let (links, posture) = (subject.agent.links(), status.posture());
    let held = generation == subject.generation && links == subject.links && posture == subject.posture;
    let seen = format!("generation {generation}, {} links, {}", links.len(), posture.word());
    invariant("the same generation is in force through the same links, and proven", held, seen)
}

fn recovered(seen: &Seen) -> Invariant {
    let longest = seen.recoveries.iter().max_by_key(|(took, _)| *took);
    let longest = longest.map(|(took, fault)| format!("at most {took:.2?} ({fault})")).unwrap_or_default();
    let count = seen.recoveries.len();
    let text = format!("{count} single faults, {longest} {}", seen.late.join("; "));
    invariant("well again in time after each single fault", seen.late.is_empty(), text)
}

fn baseline(seen: &Seen) -> Invariant {
    let last = seen.last.map(|(before, now)| {
        format!(
            "the last: {} → {} threads, {} → {} descriptors, {} → {} kB",
            before.threads, now.threads, before.descriptors, now.descriptors, before.memory, now.memory
        )
    });
    let text = format!("{} processes, {} {}", seen.compared, last.unwrap_or_default(), seen.leaks.join("; "));
    let name = "threads, descriptors and memory are back where they were";
    invariant(name, seen.compared > 0 && seen.leaks.is_empty(), text)
}

/// Where something hung.
fn hung(seen: &Seen) -> Option<Invariant> {
    let held = seen.hung.iter().all(|(_, code)| *code == Some(i32::from(HUNG)));
    let name = "a part that hangs ends the process with its exit code, and the next one adopts";
    (!seen.hung.is_empty()).then(|| invariant(name, held, format!("{:?}", seen.hung)))
}
