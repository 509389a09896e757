//! Whether what was delivered is everything that was reported.

use libtest_mimic::Failed;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

fn number(value: &Value, field: &str) -> u64 {
    value[field].as_u64().unwrap_or_else(|| panic!("no number {field} in {value}"))
}

/// What records tell of.
#[derive(Debug, Default)]
struct Told {
    /// By CPU: ranges of sequence numbers.
    numbers: BTreeMap<u64, Vec<(u64, u64)>>,
    /// Ranges of the numbers of folded decisions.
    folded: Vec<(u64, u64)>,
    /// Boots and armings: each counts from 1.
    armings: BTreeSet<(String, String)>,
    events: u64,
    late: u64,
    /// By reason: records, and numbers in them.
    gaps: BTreeMap<String, (u64, u64)>,
}

impl Told {
    fn of(records: &[Value]) -> Self {
        let mut told = Self::default();
        for record in records {
            let kind = record["type"].as_str().unwrap_or_default();
            if matches!(kind, "block" | "gap" | "summary") {
                let word = |field: &str| record[field].as_str().unwrap_or_default().to_owned();
                told.armings.insert((word("boot_id"), word("arming_id")));
            }
            let range = || (number(record, "first"), number(record, "last"));
            match kind {
                "block" => {
                    let sequence = number(record, "sequence");
                    told.events += 1;
                    told.late += u64::from(record["late"] == true);
                    told.numbers.entry(number(record, "cpu")).or_default().push((sequence, sequence));
                }
                "gap" => {
                    let reason = record["reason"].as_str().unwrap_or_default().to_owned();
                    let gaps = told.gaps.entry(reason).or_default();
                    *gaps = (gaps.0 + 1, gaps.1 + number(record, "count"));
                    told.numbers.entry(number(record, "cpu")).or_default().push(range());
                }
                "summary" => told.folded.push(range()),
                _ => {}
            }
        }
        told
    }
}

/// How far ranges cover the numbers from 1 on, and how many numbers are in more than one. Fails on a hole.
fn cover(what: &str, ranges: &mut [(u64, u64)]) -> Result<(u64, u64), Failed> {
    ranges.sort_unstable();
    let (mut upto, mut sum) = (0, 0);
    for (first, last) in ranges {
        if *first > upto + 1 {
            return Err(format!("{what}: nothing tells of {} to {}", upto + 1, *first - 1).into());
        }
        sum += *last - *first + 1;
        upto = upto.max(*last);
    }
    Ok((upto, sum - upto))
}

/// Checks that records tell of every number of every CPU and of every folded decision, and that the account adds up.
/// Returns what there was, for people.
///
/// # Errors
/// Tells what is missing.
pub fn check_account(records: &[Value], account: &Value) -> Result<String, Failed> {
    let mut told = Told::of(records);
    if told.armings.len() > 1 {
        return Err(format!("records of several armings: {:?}", told.armings).into());
    }
    let mut text = String::new();
    for cpu in account["cpus"].as_array().expect("CPUs") {
        let (name, sequence) = (number(cpu, "cpu"), number(cpu, "sequence"));
        let fates = number(cpu, "submitted") + number(cpu, "suppressed") + number(cpu, "dropped");
        if number(cpu, "reported") != fates {
            return Err(
                format!("cpu {name}: {} reported, {fates} have a fate", number(cpu, "reported")).into()
            );
        }
        let mut ranges = told.numbers.remove(&name).unwrap_or_default();
        let (upto, doubles) = cover(&format!("cpu {name}"), &mut ranges)?;
        if upto != sequence {
            return Err(format!("cpu {name}: told of up to {upto}, the last number is {sequence}").into());
        }
        if sequence > 0 {
            text += &format!("cpu {name}: 1…{sequence} in {} records, {doubles} told twice; ", ranges.len());
        }
    }
    let total = &account["total"];
    let (folded, doubles) = cover("folded", &mut told.folded)?;
    if folded != number(total, "suppressed") {
        return Err(format!("{folded} are summarised, {} suppressed", number(total, "suppressed")).into());
    }
    text += &format!(
        "{} reported = {} submitted + {} suppressed + {} dropped; {} events, {} of them late; gaps {:?}; {} \
         summaries, {doubles} told twice",
        number(total, "reported"),
        number(total, "submitted"),
        number(total, "suppressed"),
        number(total, "dropped"),
        told.events,
        told.late,
        told.gaps,
        told.folded.len(),
    );
    Ok(text)
}
