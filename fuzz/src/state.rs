//! Files that a daemon keeps, and may find damaged: what can be read of them is used, and nothing else.

use crate::Finding;
use crate::hold::must;
use aegis_actors::local::kept::{
    Content, History, InForce, accepted_from_bytes, accepted_to_bytes, content_name, line,
};
use aegis_control_api::{Asker, Deed, HistoryEntry, Outcome, PolicySource};
use aegis_kernel_abi::Accepted;

/// The first byte tells which file the rest is.
pub(crate) fn check(input: &[u8]) -> Result<(), Finding> {
    let Some((kind, rest)) = input.split_first() else { return Ok(()) };
    match kind % 3 {
        0 => history(rest),
        1 => content(rest),
        _ => accepted(rest),
    }
}

fn history(bytes: &[u8]) -> Result<(), Finding> {
    let history = History::parse(bytes);
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
    must(usize::try_from(history.damaged).is_ok_and(|damaged| damaged <= lines), || {
        "more lines are damaged than there are".to_owned()
    })?;
    let next = history.next();
    let names = history.contents().iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    must(names.iter().all(|name| !name.is_empty()), || "a text without a name is kept".to_owned())?;
    let entries = History::parse(bytes).into_entries();
    must(entries.iter().all(|entry| entry.number <= next), || "an entry comes after the next".to_owned())?;
    for entry in entries.iter().take(3) {
        let in_force = InForce {
            arming: entry.arming.clone(),
            generation: entry.generation.unwrap_or(1),
            plan_digest: entry.plan_digest.clone(),
        };
        decided(&history, &in_force)?;
    }
    // What was read is written as what is read again.
    let mut written = Vec::new();
    for entry in &entries {
        written.extend(line(entry).map_err(|error| format!("an entry cannot be written: {error}"))?);
    }
    let again = History::parse(&written);
    must(again.damaged == 0 && again.into_entries() == entries, || "it is read as something else".to_owned())
}

/// What a daemon decides by it.
fn decided(history: &History, in_force: &InForce) -> Result<(), Finding> {
    let settled = history.settled(in_force);
    let is_settled = |entry: &HistoryEntry| matches!(entry.outcome, Outcome::InForce | Outcome::Interrupted);
    must(settled.iter().all(is_settled), || "something is still begun".to_owned())?;
    let came = settled.iter().filter(|entry| entry.outcome == Outcome::InForce);
    must(came.count() <= 1, || "two came into force at once".to_owned())?;
    for to in [None, in_force.generation.checked_sub(1), Some(in_force.generation)] {
        if let Ok(target) = history.target(to, in_force) {
            must(target.outcome == Outcome::InForce, || "back to what never was in force".to_owned())?;
            must(!target.content.is_empty(), || "back to what has no text".to_owned())?;
        }
    }
    Ok(())
}

fn content(bytes: &[u8]) -> Result<(), Finding> {
    let name = content_name(bytes);
    must(Content::from_bytes(bytes, &name[1..]).is_none(), || "it has another name as well".to_owned())?;
    let Some(content) = Content::from_bytes(bytes, &name) else { return Ok(()) };
    let written = content.to_bytes().map_err(|error| format!("it cannot be written: {error}"))?;
    let again = Content::from_bytes(&written, &content_name(&written));
    must(again == Some(content), || "it is read as something else".to_owned())
}

fn accepted(bytes: &[u8]) -> Result<(), Finding> {
    let Ok(accepted) = accepted_from_bytes(bytes) else { return Ok(()) };
    let written = accepted_to_bytes(&accepted).map_err(|error| format!("it cannot be written: {error}"))?;
    let again = accepted_from_bytes(&written).map_err(|error| format!("it cannot be read again: {error}"))?;
    must(again == accepted, || "it is read as something else".to_owned())
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let entry = |number: u64, outcome| HistoryEntry {
        number,
        at_ns: 1_700_000_000_000_000_000,
        deed: Deed::Apply,
        by: Some(Asker { uid: 0, login: Some(1_000) }),
        outcome,
        policy: "base".to_owned(),
        serial: number,
        expires: None,
        files: vec!["base.toml".to_owned()],
        signers: vec!["B04ECA292ED6D06D".to_owned()],
        plan_digest: format!("plan-{number}"),
        content: format!("text-{number}"),
        arming: "0123456789abcdef".to_owned(),
        generation: u32::try_from(number).ok(),
        detail: String::new(),
    };
    let lines =
        |entries: &[HistoryEntry]| entries.iter().filter_map(|entry| line(entry).ok()).flatten().collect();
    let histories: [Vec<u8>; 2] = [
        lines(&[entry(1, Outcome::InForce), entry(2, Outcome::InForce), entry(3, Outcome::Begun)]),
        lines(&[entry(1, Outcome::InForce), entry(2, Outcome::Refused), entry(2, Outcome::Interrupted)]),
    ];
    let source = PolicySource::unsigned("base.toml", "version = 3\nname = \"base\"\n");
    let contents = [
        Content::default(),
        Content { sources: vec![source.clone()], local: None },
        Content { sources: vec![source.clone()], local: Some(source) },
    ];
    let accepted = [
        Accepted { serial: 7, digest: [1; 32] },
        Accepted { serial: u64::MAX, digest: [255; 32] },
        Accepted::default(),
    ];
    let mut seeds: Vec<Vec<u8>> = histories.iter().map(|bytes| [&[0], bytes.as_slice()].concat()).collect();
    // Each line alone, too, and cut.
    for history in &histories {
        for bytes in history.split_inclusive(|byte| *byte == b'\n') {
            seeds.push([&[0], bytes].concat());
            seeds.push([&[0], &bytes[..bytes.len() / 2]].concat());
            seeds.push([&[0], bytes, b"\n\xff\n", bytes].concat());
        }
    }
    for content in &contents {
        seeds.extend(content.to_bytes().map(|bytes| [&[1], bytes.as_slice()].concat()));
    }
    for accepted in &accepted {
        seeds.extend(accepted_to_bytes(accepted).map(|bytes| [&[2], bytes.as_slice()].concat()));
    }
    seeds
}
