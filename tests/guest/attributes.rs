//! Operations on attributes, as far as the rows of the matrix do not show it: what is only observed, and what passes one of
//! two hooks alone.

use aegis_tests::agent::Agent;
use aegis_tests::check::{Test, expect, expect_text, trials as trials_of};
use aegis_tests::outcome::{Outcome, of_command};
use aegis_tests::place::{Kind, Place};
use libtest_mimic::{Failed, Trial};
use std::fs;
use std::path::Path;
use std::process::Command;

const TESTS: &[Test] = &[
    ("what_is_observed_is_told_once", once),
    ("truncating_below_an_overlay_passes_no_hook_on_truncating", below),
];

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    trials_of("attributes", TESTS)
}

/// What is done with files in a shell, each thing with a file of its own.
const OBSERVED: [(&str, &str, &str); 8] = [
    ("chmod", "chmod", "chmod 640"),
    ("chown", "chown", "chown 1:1"),
    ("utime", "utime", "touch"),
    ("truncate", "truncate", "perl -e 'truncate($ARGV[0],1) or die $!'"),
    (
        "truncate-opened",
        "truncate",
        "perl -e 'open(my $f, \"+<\", $ARGV[0]) or die $!; truncate($f,1) or die $!'",
    ),
    ("xattr", "xattr", "python3 -c 'import os,sys; os.setxattr(sys.argv[1],\"trusted.aegis\",b\"1\")'"),
    ("chown-that-changes-neither", "chown", "python3 -c 'import os,sys; os.chown(sys.argv[1],-1,-1)'"),
    ("append", "append", "sh -c 'echo >>\"$0\"'"),
];

/// Two hooks are asked about most of these, and one of them tells.
fn once() -> Result<(), Failed> {
    let place = Place::make(Kind::Ext4);
    let rule = |(name, on, _): &(&str, &str, &str)| {
        fs::write(place.path(name), "content\n").expect("a file");
        format!("[[rule]]\nid = \"{name}\"\non = [\"{on}\"]\npath = \"{}\"\n", place.path(name).display())
    };
    let rules: String = OBSERVED.iter().map(rule).collect();
    let mut agent = Agent::new("aegis-observed");
    agent.start(&format!("version = 3\nname = \"observed\"\n{rules}"), &["--observe"]);
    for (name, _, command) in OBSERVED {
        let path = place.path(name).display().to_string();
        let outcome = of_command(Command::new("sh").args(["-c", &format!("{command} '{path}'")]));
        expect(name, outcome, Outcome::Allowed)?;
    }
    agent.settle();
    let told = agent.blocks();
    for (name, on, _) in OBSERVED {
        let events: Vec<_> = told.iter().filter(|event| event["rule"] == name).collect();
        expect(name, events.len(), 1)?;
        expect("verdict", events[0]["verdict"].as_str(), Some("audit"))?;
        expect_text("operations", &events[0]["operations"].to_string(), on)?;
    }
    Ok(())
}

/// A file that is reached through an overlay is truncated below it by the overlay itself.
fn below() -> Result<(), Failed> {
    let place = Place::make(Kind::Overlay);
    let (merged, upper) = (place.path("data"), place.directory.with_file_name("upper").join("data"));
    // Copied up by the first change.
    fs::write(&merged, "changed\n").expect("a file");
    let truncate = |path: &Path| {
        let program = "exit(truncate($ARGV[0], 3) ? 0 : die $!)";
        of_command(Command::new("perl").args(["-e", program]).arg(path))
    };
    expect("before arming", truncate(&merged), Outcome::Allowed)?;
    let mut agent = Agent::new("aegis-below");
    let rule = format!("[[rule]]\nid = \"below\"\non = [\"truncate\"]\npath = \"{}\"\n", upper.display());
    agent.start(&format!("version = 3\nname = \"below\"\n{rule}"), &["--enforce"]);
    expect("armed", truncate(&merged), Outcome::Denied)?;
    expect("neighbour", truncate(&place.path("control")), Outcome::Allowed)?;
    agent.settle();
    let told = agent.blocks();
    expect("events", told.len(), 1)?;
    expect("hook", told[0]["hook"].as_str(), Some("inode_setattr"))?;
    agent.detach();
    expect("after detach", truncate(&merged), Outcome::Allowed)
}
