//! What `health` says of an agent that enforces, and of one whose pins somebody has removed.

use aegis_tests::agent::Agent;
use aegis_tests::check::{Test, expect, trials as trials_of};
use aegis_tests::outcome::Outcome;
use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use std::fs::{self, File};

const TESTS: &[Test] = &[("missing_pins_are_noticed", missing), ("replaced_pins_are_noticed", replaced)];

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    trials_of("health", TESTS)
}

const FILE: &str = "/scratch/health-data";

fn read() -> Outcome {
    File::open(FILE).map(drop).into()
}

fn started() -> Agent {
    fs::write(FILE, "content\n").expect("a file");
    let mut agent = Agent::new("aegis-health");
    let rule = format!("[[rule]]\nid = \"data\"\non = [\"read\"]\npath = \"{FILE}\"\n");
    agent.start(&format!("version = 3\nname = \"health\"\n{rule}"), &["--enforce"]);
    agent
}

/// The exit code, whether the check of the pins is ok, and what is wrong with them.
fn health(agent: &Agent) -> Result<(Option<i32>, bool, Vec<String>), Failed> {
    let output = agent.run(&["health", "-o", "json"]);
    let health: Value = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
    let checks = health["checks"].as_array().ok_or("no checks")?;
    let check = checks.iter().find(|check| check["name"] == "pinned tables").ok_or("no such check")?;
    println!("{}", check["finding"]);
    let wrong = health["pins"]["wrong"].as_array().cloned().unwrap_or_default();
    let wrong = wrong.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect();
    Ok((output.status.code(), check["ok"] == true, wrong))
}

fn well() -> (Option<i32>, bool, Vec<String>) {
    (Some(0), true, Vec::new())
}

/// A table without its pin goes on deciding, and no daemon could adopt it: nothing but this says so.
fn missing() -> Result<(), Failed> {
    for pins in [&["links/file_open"][..], &["maps/objects", "maps/reader"]] {
        let mut agent = started();
        expect("all is well", health(&agent)?, well())?;
        // A daemon that knows the policy would put a link back within seconds.
        agent.terminate();
        for pin in pins {
            fs::remove_file(format!("{}/{pin}", agent.root()))?;
            let (code, ok, wrong) = health(&agent)?;
            expect(pin, (code, ok), (Some(5), false))?;
            expect(pin, wrong.contains(&format!("{pin} is missing")), true)?;
            if pin.starts_with("maps") {
                expect("it goes on deciding", read(), Outcome::Denied)?;
            }
        }
        // What `doctor` advises.
        agent.detach();
        expect("detached", read(), Outcome::Allowed)?;
    }
    Ok(())
}

fn replaced() -> Result<(), Failed> {
    let agent = started();
    let swap = || {
        let [one, other, aside] =
            ["objects", "slots", "aside"].map(|name| format!("{}/maps/{name}", agent.root()));
        fs::rename(&one, &aside)?;
        fs::rename(&other, &one)?;
        fs::rename(&aside, &other)
    };
    swap()?;
    let (code, ok, wrong) = health(&agent)?;
    swap()?;
    expect("exit code", (code, ok), (Some(5), false))?;
    for name in ["objects", "slots"] {
        expect(name, wrong.contains(&format!("maps/{name} is not the one that the probes use")), true)?;
    }
    expect("all is well again", health(&agent)?, well())?;
    expect("it went on deciding", read(), Outcome::Denied)
}
