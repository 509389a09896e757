//! `events account`: what became of every decision that was to be reported, and whether it adds up.

use crate::Common;
use crate::client::Client;
use crate::exit::{Exit, Failure, is_unreachable};
use crate::output::{self, Format};
use aegis_control_api::{AccountsReply, CpuAccount, paths};
use anyhow::Result;
use std::thread::sleep;
use std::time::Duration;

/// Readings until something counts as wrong. The counters move while they are read.
const READINGS: usize = 20;
/// The time between two of them.
const PAUSE: Duration = Duration::from_millis(100);

/// Prints the accounts; exit code 5 if they do not add up.
pub(crate) fn run(common: &Common) -> Result<()> {
    let reply = steady(|| read(common))?;
    match common.output {
        Format::Json => output::json(&reply)?,
        Format::Table => print(&reply),
    }
    if reply.wrong.is_empty() {
        return Ok(());
    }
    let message = format!("the accounts do not add up: {}", reply.wrong.join("; "));
    Err(Failure::new(Exit::Degraded, message).into())
}

/// From the daemon, or without one from the pins.
pub(in crate::verbs) fn read(common: &Common) -> Result<AccountsReply> {
    match Client::new(&common.socket, &common.bpffs_root).get(paths::ACCOUNTS) {
        Err(error) if is_unreachable(&error) => {
            Ok(aegis_actors::loader::accounts_from_pins(&common.bpffs_root)?)
        }
        other => other,
    }
}

/// Reads until everything adds up. Decisions without a fate are on their way while their number changes, and
/// otherwise missing.
fn steady(mut read: impl FnMut() -> Result<AccountsReply>) -> Result<AccountsReply> {
    let mut reply = read()?;
    let (mut reported, mut same) = (reply.total.reported, 0);
    for _ in 0..READINGS {
        if reply.wrong.is_empty() && reply.total.deciding == 0 {
            return Ok(reply);
        }
        sleep(PAUSE);
        reply = read()?;
        same = if reply.total.reported == reported { same + 1 } else { 0 };
        reported = reply.total.reported;
    }
    if reply.total.deciding > 0 && same >= READINGS / 2 {
        reply.wrong.push(format!("{} decisions were reported and have no fate", reply.total.deciding));
    }
    Ok(reply)
}

fn print(reply: &AccountsReply) {
    let rows = reply.cpus.iter().filter(|cpu| cpu.reported > 0).chain([&reply.total]).map(|cpu| {
        let name = cpu.cpu.map_or_else(|| "all".to_owned(), |cpu| cpu.to_string());
        let kernel = [cpu.reported, cpu.submitted, cpu.suppressed, cpu.dropped, cpu.deciding];
        let [reported, submitted, suppressed, dropped, deciding] = kernel.map(|count| count.to_string());
        [name, reported, submitted, suppressed, dropped, deciding, cpu.balance[0].to_string()]
    });
    output::table(
        ["cpu", "reported =", "submitted +", "suppressed +", "dropped +", "deciding", "balance"],
        rows,
    );
    output::line("");
    let rows = reply.cpus.iter().filter(|cpu| cpu.reported > 0).chain([&reply.total]).map(|cpu| {
        let name = cpu.cpu.map_or_else(|| "all".to_owned(), |cpu| cpu.to_string());
        let numbers = [cpu.sequence, cpu.delivered, gaps(cpu), cpu.in_daemon, cpu.in_ring];
        let [sequence, delivered, gaps, in_daemon, in_ring] = numbers.map(|count| count.to_string());
        [name, sequence, delivered, gaps, in_daemon, in_ring, cpu.balance[1].to_string()]
    });
    output::table(
        ["cpu", "sequence =", "delivered +", "in gaps +", "in daemon +", "in ring", "balance"],
        rows,
    );
    output::line("");
    let mut facts: Vec<[String; 2]> =
        reply.total.gaps.iter().map(|gap| [format!("gaps: {}", gap.reason), gap.count.to_string()]).collect();
    facts.push(["delivered late".to_owned(), reply.total.late.to_string()]);
    facts.push(["summarised".to_owned(), reply.summarised.to_string()]);
    facts.push(["not yet summarised".to_owned(), reply.unsummarised.to_string()]);
    if let Some(malformed) = reply.malformed.filter(|count| *count > 0) {
        facts.push(["malformed, without a number".to_owned(), malformed.to_string()]);
    }
    output::table(["", "count"], facts);
    output::line("");
    let hits = reply.hits.iter().map(|rule| [rule.rule.clone(), rule.hits.to_string()]);
    output::table(["rule", "hits"], hits);
}

fn gaps(cpu: &CpuAccount) -> u64 {
    cpu.gaps.iter().map(|gap| gap.count).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(reported: u64, deciding: u64, wrong: &[&str]) -> AccountsReply {
        let text = serde_json::json!({
            "version": 1, "cpus": [], "summarised": 0, "unsummarised": 0, "events_per_second": 0, "malformed": null,
            "generation": 1, "hits": [], "wrong": wrong,
            "total": {
                "cpu": null, "reported": reported, "submitted": 0, "suppressed": 0, "dropped": 0, "deciding": deciding,
                "sequence": 0, "taken": 0, "upto": 0, "delivered": 0, "late": 0, "gaps": [], "in_daemon": 0,
                "in_ring": 0, "balance": [0, 0],
            },
        });
        serde_json::from_value(text).unwrap()
    }

    fn check(readings: impl Fn(u64) -> AccountsReply, count: u64, wrong: &[&str]) {
        let mut made = 0;
        let reply = steady(|| {
            made += 1;
            Ok(readings(made))
        });
        assert_eq!(
            (reply.unwrap().wrong, made),
            (wrong.iter().map(|word| (*word).to_owned()).collect(), count)
        );
    }

    #[test]
    fn what_adds_up_is_read_once() {
        check(|_| reply(7, 0, &[]), 1, &[]);
    }

    #[test]
    fn what_moves_is_read_again() {
        check(|count| reply(7, if count < 3 { 1 } else { 0 }, &[]), 3, &[]);
        check(|count| reply(7, 0, if count < 3 { &["torn"] } else { &[] }), 3, &[]);
        check(|count| reply(count, 1, &[]), 21, &[]);
    }

    #[test]
    fn what_stays_is_wrong() {
        check(|_| reply(7, 2, &[]), 21, &["2 decisions were reported and have no fate"]);
        check(|_| reply(7, 0, &["torn"]), 21, &["torn"]);
    }
}
