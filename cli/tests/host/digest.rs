//! The SHA-256 that a policy must have: what has another one is neither sent nor taken, at a start or by a reload.

use crate::armed::Armed;
use crate::fallback::with_a_daemon;
use crate::place::{Place, Ran, trial};
use libtest_mimic::Trial;
use std::fs;
use std::process::Command;

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    let with = [
        ("what_fits_is_applied", what_fits_is_applied as fn()),
        ("other_content_is_not_taken_by_a_reload", other_content_is_not_taken_by_a_reload),
    ];
    let mut all = vec![trial("digest::what_does_not_fit_is_not_sent", what_does_not_fit_is_not_sent)];
    all.extend(with_a_daemon("digest", &with));
    all
}

/// As `sha256sum` tells it, with the name of the file.
fn line(place: &Place, file: &str) -> String {
    let output = Command::new("sha256sum").arg(place.path(file)).output().expect("sha256sum");
    String::from_utf8(output.stdout).unwrap()
}

fn digits(line: &str) -> &str {
    line.split(' ').next().unwrap()
}

fn with(mut command: Command, variables: &[(&str, &str)]) -> Ran {
    command.envs(variables.iter().copied()).output().expect("aegisbpf starts").into()
}

/// Without a daemon what is sent ends with 4, and what is not with 6 or 2.
fn what_does_not_fit_is_not_sent() {
    let place = Place::make();
    let (good, more) = (line(&place, "good.toml"), line(&place, "more.toml"));
    let (good_digits, more_digits) = (digits(&good), digits(&more));
    fs::write(place.path("good.sha256"), &good).unwrap();
    fs::write(place.path("more.sha256"), &more).unwrap();
    let apply = ["policy", "apply", "good.toml"];
    let run = ["run", "--observe", "--state-dir", "state", "--policy", "good.toml"];
    for (words, variables, status, told) in [
        (&["--sha256", good_digits][..], &[][..], 4, "no daemon answers"),
        (&["--sha256-file", "good.sha256"], &[], 4, "no daemon answers"),
        (&[], &[("AEGIS_POLICY_SHA256", good_digits)], 4, "no daemon answers"),
        (&[], &[("AEGIS_POLICY_SHA256_FILE", "good.sha256")], 4, "no daemon answers"),
        (&[], &[("AEGIS_POLICY_SHA256", "")], 4, "no daemon answers"),
        (&["--sha256", more_digits], &[], 6, "good.toml has the SHA-256"),
        (&["--sha256-file", "more.sha256"], &[], 6, "more.sha256 says"),
        (&["--sha256-file", "none.sha256"], &[], 6, "cannot read the SHA-256 of the policy"),
        (&["--sha256-file", "good.toml"], &[], 6, "is no SHA-256"),
        (&[], &[("AEGIS_POLICY_SHA256", more_digits)], 6, "AEGIS_POLICY_SHA256 says"),
        (&[], &[("AEGIS_POLICY_SHA256", "12")], 6, "AEGIS_POLICY_SHA256: `12` is no SHA-256"),
        // An option goes before a variable.
        (&["--sha256", good_digits], &[("AEGIS_POLICY_SHA256", more_digits)], 4, "no daemon answers"),
        (&["--sha256", "12"], &[], 2, "is no SHA-256"),
        (&["more.toml", "--sha256", good_digits], &[], 2, "one policy file is named"),
    ] {
        let words = [&apply[..], words].concat();
        let ran = with(place.command(&[], &words, "pins"), variables);
        assert_eq!(ran.status, Some(status), "{words:?} {variables:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(told), "{words:?} {variables:?}: no {told:?} in {}", ran.stderr);
    }
    for (words, told) in [
        (&["--sha256", more_digits][..], "good.toml has the SHA-256"),
        (&["--policy", "more.toml", "--sha256", good_digits], "one policy file, and there are 2"),
    ] {
        let ran = place.run(&[&run[..], words].concat());
        assert_eq!(ran.status, Some(6), "{words:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(told), "{words:?}: {}", ran.stderr);
    }
    // A digest of a policy that is not there is none of nothing.
    let ran = with(
        place.command(&[], &["run", "--observe", "--config-root", "root"], "pins"),
        &[("AEGIS_POLICY_SHA256", good_digits)],
    );
    assert_eq!(ran.status, Some(6), "{}", ran.stderr);
}

fn what_fits_is_applied() {
    let armed = Armed::start(&["run", "--observe"]);
    let good = line(&armed.place, "good.toml");
    let words = ["policy", "apply", "good.toml", "--sha256", digits(&good)];
    let applied = armed.run(&words);
    assert_eq!(applied.status, Some(0), "{}", applied.stderr);
    let before = armed.status()["generation"].take();
    let refused = armed.run(&["policy", "apply", "exec.toml", "--sha256", digits(&good)]);
    assert_eq!(refused.status, Some(6), "{}", refused.stderr);
    assert_eq!(armed.status()["generation"].take(), before);
}

fn other_content_is_not_taken_by_a_reload() {
    let mut armed = Armed::start(&["run", "--observe"]);
    let scratch = line(&armed.place, "scratch.toml");
    let before = armed.status()["generation"]["plan_digest"].take();
    armed.kill();
    armed.add_words(&["--sha256", digits(&scratch)]);
    armed.start_again();
    let mut text = fs::read_to_string(armed.place.path("scratch.toml")).unwrap();
    text.push_str("# somebody was here\n");
    fs::write(armed.place.path("scratch.toml"), text).unwrap();
    let reload = armed.run(&["config", "reload"]);
    assert_eq!(reload.status, Some(6), "{}", reload.stdout);
    assert!(reload.stderr.contains("and --sha256 says"), "{}", reload.stderr);
    assert_eq!(armed.status()["generation"]["plan_digest"].take(), before);
}
