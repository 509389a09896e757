//! What the kernel of this machine makes of the probes, as one JSON document: `cargo xtask compat` runs it in a machine
//! that is there for it, as it attaches every probe. It does not judge what it finds.
#![forbid(unsafe_code)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "whoever runs it looks at how it ends"
)]

use aegis_kernel_abi::{Class, Hook, Kind, Mode};
use aegis_probes::{
    Builder, Found, HELPER_ARGUMENT, Header, Helper, PinDir, Probes, RAN_ARGUMENT, Resolver, Settings,
    TestSettings, helper_main, survey, survey_iterators, take_down,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::Path;

/// Set where anything may be armed.
const ALLOWED: &str = "AEGIS_VM";
/// Where the probes are pinned as long as they are looked at.
const PINS: &str = "/sys/fs/bpf/aegis-compat";
/// The smallest ring that a kernel takes: nothing is reported here.
const ENFORCING: Settings =
    Settings { ring_bytes: 4096, test: TestSettings { force: 0, pause: 0 }, fallback: false };
/// The same, where the audit fallback will do.
const ANY: Settings = Settings { fallback: true, ..ENFORCING };

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some(HELPER_ARGUMENT) => return helper_main().expect("the helper of the self-check"),
        Some(RAN_ARGUMENT) => return println!("0"),
        _ => {}
    }
    assert!(
        std::env::var_os(ALLOWED).is_some(),
        "this attaches every probe: run `cargo xtask compat`, which has a machine for it"
    );
    let modules = text("/sys/kernel/security/lsm");
    let mut found = json!({
        "release": text("/proc/sys/kernel/osrelease"),
        "modules": modules.split(',').collect::<Vec<_>>(),
        "iterators": iterators().unwrap(),
    });
    let pins = PinDir::new(Path::new(PINS));
    let opened = Probes::open(&pins, ENFORCING).or_else(|error| {
        found["why"] = json!(short(&whole(&error)));
        Probes::open(&pins, ANY)
    });
    match opened {
        Ok(probes) => {
            found["armed"] = json!(probes.kind().word());
            found["hooks"] = armed(&probes).unwrap();
            take_down(probes.pins(), probes.lock()).unwrap();
        }
        Err(error) => {
            found["armed"] = Value::Null;
            found["why"] = json!(short(&whole(&error)));
            found["hooks"] = not_armed().unwrap();
        }
    }
    println!("{found}");
}

fn text(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

/// An error with all of its causes.
fn whole(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |error| (*error).source());
    std::iter::once(error.to_string()).chain(causes.map(ToString::to_string)).collect::<Vec<_>>().join(": ")
}

/// What stands before the verifier's log.
const LOG: &str = "Verifier output: ";
/// How the lines begin that end the log of every program, and what follows it: the error again.
const ENDING: [&str; 5] = ["verification time", "stack depth", "processed", "max_states", ": "];

/// A log can have as many lines as the verifier has looked at instructions: the last one says what it did not like, and is
/// kept. A person gets a few more.
fn short(why: &str) -> String {
    let Some((what, log)) = why.split_once(LOG) else { return why.to_owned() };
    let is_said = |line: &&str| !line.is_empty() && !ENDING.iter().any(|begin| line.starts_with(begin));
    let lines: Vec<&str> = log.lines().map(str::trim).filter(is_said).collect();
    let shown = lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n    ");
    eprintln!("{what}\n    {shown}");
    format!("{what}{}", lines.last().unwrap_or(&"no word from the verifier"))
}

/// What is known of a hook without loading anything.
fn hook_row(kind: Kind, hook: Hook) -> Value {
    json!({
        "kind": kind.word(),
        "class": hook.class().word(),
        "hook": hook.word(),
        "stand_in": hook.stand_in().map(Hook::word),
    })
}

/// Each hook of the probes that are loaded: attached, and proven under a generation that is never in force.
fn armed(probes: &Probes) -> Result<Value, Box<dyn Error>> {
    Class::ALL.iter().try_for_each(|class| probes.attach(*class))?;
    let header = Header {
        policy: "compat".to_owned(),
        serial: 0,
        mode: Mode::Enforce,
        plan_digest: [0; 32],
        rules: Vec::new(),
        pending: BTreeSet::new(),
        asked: Vec::new(),
        escalate: Vec::new(),
        built_at_ns: 0,
    };
    let staged = probes.generations().stage(Builder::default().build(&header)?)?;
    let generation = staged.info().generation;
    let (mut helper, resolver) = (Helper::start()?, Resolver::load()?);
    let instructions: BTreeMap<Hook, u32> =
        probes.links()?.iter().map(|link| (link.hook, link.verified_instructions)).collect();
    let rows = probes.kind().hooks().map(|hook| {
        let mut row = hook_row(probes.kind(), hook);
        row["is_there"] = json!(probes.is_loaded(hook));
        let Some(instructions) = instructions.get(&hook) else { return row };
        row["instructions"] = json!(instructions);
        let proof = probes.prove(generation, &[hook], &mut helper, &resolver);
        row["proof"] = match proof {
            Ok(_) => json!("proven"),
            Err(error) => json!(short(&whole(&error))),
        };
        // A program that was not denied has taken the helper's place.
        if row["proof"] != "proven" || probes.kind() == Kind::Fallback {
            helper = Helper::start().expect("the helper of the self-check");
        }
        row
    });
    Ok(rows.collect())
}

/// Each hook, where not all probes of a kind can be loaded: which of them can.
fn not_armed() -> Result<Value, Box<dyn Error>> {
    let mut rows = Vec::new();
    for kind in Kind::ALL {
        for (hook, found) in survey(*kind)? {
            let mut row = hook_row(*kind, hook);
            put(&mut row, &found);
            rows.push(row);
        }
    }
    Ok(json!(rows))
}

fn iterators() -> Result<Value, Box<dyn Error>> {
    let rows = survey_iterators()?.into_iter().map(|(program, over, found)| {
        let mut row = json!({ "program": program, "over": over });
        put(&mut row, &found);
        row
    });
    Ok(rows.collect())
}

fn put(row: &mut Value, found: &Found) {
    row["is_there"] = json!(*found != Found::NotThere);
    match found {
        Found::NotThere => {}
        Found::Refused(why) => row["refused"] = json!(short(why)),
        Found::Taken { verified_instructions } => row["instructions"] = json!(verified_instructions),
    }
}
