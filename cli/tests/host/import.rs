//! `policy import`: what the C++ AegisBPF leaves on a host, in all states that it may be in, below a root of the test's own.

use crate::place::{Place, Ran, trial};
use libtest_mimic::Trial;
use std::fs;
use std::process::Command;

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("import::everything_is_found_and_written", everything_is_found_and_written),
        trial("import::what_is_wrong_is_not_written", what_is_wrong_is_not_written),
        trial("import::bundles_are_unsigned_afterwards", bundles_are_unsigned_afterwards),
        trial("import::nothing_is_replaced", nothing_is_replaced),
        trial("import::doctor_and_run_say_so", doctor_and_run_say_so),
    ]
}

const APPLIED: &str = "var/lib/aegisbpf/policy.applied";
const DIGEST: &str = "var/lib/aegisbpf/policy.applied.sha256";
const CONFIGURED: &str = "etc/aegisbpf/policy.conf";
const KEY: &str = "etc/aegisbpf/keys/ops.pub";
const LINES: &str = "version=1\n[deny_path]\n/usr/bin/nc\n";
/// Of the test vectors of RFC 8032.
const DIGITS: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
const LINE: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea imported-ops\n";

/// The root of a host with these files.
fn host(files: &[(&str, &str)]) -> Place {
    let place = Place::make();
    for (name, text) in files {
        let path = place.path("old").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    place
}

fn import(place: &Place, more: &[&str]) -> Ran {
    place.run(&[&["policy", "import", "--from", "old"], more].concat())
}

/// As `sha256sum` tells it.
fn digest(text: &str) -> String {
    let place = Place::make();
    fs::write(place.path("text"), text).unwrap();
    let output = Command::new("sha256sum").arg(place.path("text")).output().expect("sha256sum");
    String::from_utf8(output.stdout).unwrap()
}

fn bundle(policy: &str, said: &str) -> String {
    let said = digest(said);
    let said = said.split(' ').next().unwrap();
    format!(
        "AEGIS-POLICY-BUNDLE-V1\nformat_version: 1\npolicy_version: 7\ntimestamp: 1\nexpires: 9\nsigner_key: {DIGITS}\n\
         signature: {}\npolicy_sha256: {said}\n---\n{policy}",
        "0".repeat(128)
    )
}

fn everything_is_found_and_written() {
    let files = [
        (APPLIED, LINES),
        ("var/lib/aegisbpf/policy.applied.prev", "version=1\n"),
        (DIGEST, &digest(LINES)),
        ("var/lib/aegisbpf/version_counter", "41\n"),
        (CONFIGURED, LINES),
        (KEY, DIGITS),
        // In the form that it has here already.
        ("etc/aegisbpf/keys/new.pub", LINE),
    ];
    let place = host(&files);
    let shown = import(&place, &["-o", "json"]);
    assert_eq!(shown.status, Some(0), "{}", shown.stderr);
    let shown = shown.json();
    assert_eq!((&shown["version"], &shown["written"]), (&1.into(), &false.into()), "{shown}");
    assert_eq!(shown["found"].as_array().unwrap().len(), 6, "{shown}");
    assert_eq!((&shown["policy"]["rules"], shown["keys"].as_array().unwrap().len()), (&1.into(), 1));
    assert_eq!(place.left_behind(), ["old"]);
    let written = import(&place, &["--name", "web", "--out", "new"]);
    assert_eq!(written.status, Some(0), "{}", written.stderr);
    for part in ["digest of that policy: fits", "written:\n", "aegisbpf policy apply new/policy.toml\n"] {
        assert!(written.stdout.contains(part), "no {part:?} in {}", written.stdout);
    }
    assert_eq!(fs::read_to_string(place.path("new/keys/ops.pub")).unwrap(), LINE);
    let diff = place.run(&["policy", "diff", "old/etc/aegisbpf/policy.conf", "new/policy.toml"]);
    assert_eq!(diff.stdout, "policy\n  - name format-1\n  + name web\n", "nothing but the name differs");
    // What was found is as it was.
    for (name, text) in files {
        assert_eq!(fs::read_to_string(place.path("old").join(name)).unwrap(), text, "{name}");
    }
}

fn what_is_wrong_is_not_written() {
    for (files, told, forced) in [
        (&[(APPLIED, LINES), (DIGEST, &digest("other"))][..], "has another SHA-256", 0),
        (&[(APPLIED, LINES), (DIGEST, "none")], "`none` is no SHA-256", 0),
        (&[(APPLIED, "version=1\n[deny_path]\nnc\n")], "error[E0401]", 6),
        (&[(APPLIED, "version = 3\nname = \"new\"\n")], "not of format 1 or 2", 6),
        (&[(APPLIED, "AEGIS-POLICY-BUNDLE-V1\nexpires: 0\n")], "no line `---`", 6),
        (&[(APPLIED, &bundle(LINES, "other"))], "the bundle says that its policy has", 0),
        (&[(APPLIED, &bundle(LINES, LINES).replace("timestamp: 1\n", ""))], "no field `timestamp`", 0),
        (&[(APPLIED, LINES), (KEY, "d75a98")], "64 hexadecimal digits on one line", 0),
        (&[(APPLIED, LINES), (KEY, &DIGITS.repeat(2))], "as a secret key has", 0),
        // Of no secret key: whoever says so could sign for anybody.
        (&[(APPLIED, LINES), (KEY, &"0".repeat(64))], "no secret key can belong to it", 0),
    ] {
        let place = host(files);
        let ran = import(&place, &["--out", "new"]);
        let all = format!("{}{}", ran.stdout, ran.stderr);
        assert_eq!(ran.status, Some(6), "{all}");
        assert!(all.contains(told), "no {told:?} in {all}");
        assert_eq!(place.left_behind(), ["old"], "{all}");
        let ran = import(&place, &["--out", "new", "--force"]);
        assert_eq!(ran.status, Some(forced), "{told}: {}", ran.stderr);
        assert_eq!(place.path("new/policy.toml").exists(), forced == 0, "{told}");
        assert!(!place.path("new/keys").exists(), "{told}");
    }
}

fn bundles_are_unsigned_afterwards() {
    let place = host(&[(APPLIED, &bundle(LINES, LINES))]);
    let ran = import(&place, &["--out", "new"]);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    for part in [
        "applied: signed bundle of format 1, 1 rule(s)",
        "the signature of the bundle is not taken over: it joins fields without separators",
        "it is said to be by SHA256:bbXpuKG6zhzdmnxq256TlqzFBzRl2f6OOg722cYNbU8",
        "→ sign policy.toml anew",
        "has number 7",
        "valid until 9 seconds after 1970",
    ] {
        assert!(ran.stdout.contains(part), "no {part:?} in {}", ran.stdout);
    }
    assert!(fs::read_to_string(place.path("new/policy.toml")).unwrap().starts_with("version = 3\n"));
}

fn nothing_is_replaced() {
    let place = host(&[(APPLIED, LINES), (KEY, DIGITS)]);
    for there in ["new/policy.toml", "new/keys/ops.pub"] {
        let _ = fs::remove_dir_all(place.path("new"));
        fs::create_dir_all(place.path(there).parent().unwrap()).unwrap();
        fs::write(place.path(there), "mine").unwrap();
        let ran = import(&place, &["--out", "new", "--force"]);
        assert_ne!(ran.status, Some(0), "{}", ran.stdout);
        assert!(ran.stderr.contains("is there already"), "{}", ran.stderr);
        assert_eq!(fs::read_to_string(place.path(there)).unwrap(), "mine");
        let both = ["new/policy.toml", "new/keys/ops.pub"].map(|file| place.path(file).exists());
        assert_eq!(both.iter().filter(|exists| **exists).count(), 1, "nothing is written beside {there}");
    }
    let ran = place.run(&["policy", "import", "--from", "nowhere"]);
    assert!(ran.stderr.contains("nothing of the C++ AegisBPF is below nowhere"), "{}", ran.stderr);
}

fn doctor_and_run_say_so() {
    let place = host(&[(CONFIGURED, LINES)]);
    let told = |words: &[&str], more: &[&str]| {
        let ran = place.run(&[words, &["--config-root", "old"], more].concat());
        format!("{}{}", ran.stdout, ran.stderr)
    };
    let doctor = told(&["doctor"], &[]);
    assert!(doctor.contains("notice   C++ AegisBPF: it has left a policy on this host"), "{doctor}");
    let words = ["run", "--observe", "--state-dir", "state"];
    let run = told(&words, &[]);
    assert!(run.contains("`aegisbpf policy import` shows what it becomes"), "{run}");
    let configured = told(&words, &["--policy", "good.toml"]);
    assert!(!configured.contains("policy import"), "{configured}");
}
