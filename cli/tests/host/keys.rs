//! Keys and signatures as files: who may read them, what is overwritten, and what is refused.

use crate::fallback::with_a_daemon;
use crate::place::{Place, Ran, trial};
use crate::reload::Configured;
use crate::transcripts;
use libtest_mimic::Trial;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    let with_a_daemon =
        with_a_daemon("keys", &[("signed_policy_comes_into_force", signed_policy_comes_into_force)]);
    let alone = vec![
        trial("keys::pair_is_made_whatever_the_umask_is", pair_is_made_whatever_the_umask_is),
        trial("keys::password_protects_the_secret", password_protects_the_secret),
        trial("keys::changed_policy_is_refused", changed_policy_is_refused),
        trial("keys::as_many_must_have_signed_as_is_set", as_many_must_have_signed_as_is_set),
        trial("keys::nothing_is_trusted_where_others_may_write", nothing_is_trusted_where_others_may_write),
        trial("keys::what_does_not_compile_is_not_signed", what_does_not_compile_is_not_signed),
        trial("keys::damaged_secret_signs_nothing", damaged_secret_signs_nothing),
        trial("keys::directory_is_made", directory_is_made),
    ];
    alone.into_iter().chain(with_a_daemon).collect()
}

/// A place with keys, and nothing of this host.
fn place() -> Place {
    let place = Place::make();
    transcripts::keys(&place);
    place
}

fn command(place: &Place, wrapper: &[&str], words: &[&str]) -> Command {
    let mut command = place.command(wrapper, words, "pins");
    command.env("AEGISBPF__TRUST__DIRECTORY", place.path("keys"));
    command
}

fn run(place: &Place, words: &[&str]) -> Ran {
    command(place, &[], words).output().expect("aegisbpf starts").into()
}

/// Ends so, and says this on standard error.
fn ends(place: &Place, words: &[&str], status: i32, says: &str) {
    let ran = run(place, words);
    assert_eq!(ran.status, Some(status), "{words:?}: {}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains(says), "no {says:?} in {}", ran.stderr);
}

fn mode(place: &Place, name: &str) -> u32 {
    fs::metadata(place.path(name)).expect(name).mode() & 0o777
}

fn pair_is_made_whatever_the_umask_is() {
    for umask in ["000", "077"] {
        let place = place();
        let wrapper = ["sh", "-c", &format!("umask {umask}; exec \"$@\""), "sh"];
        let words = ["keys", "generate", "--no-password", "--out", "pair", "-o", "json"];
        let ran: Ran = command(&place, &wrapper, &words).output().expect("sh starts").into();
        assert_eq!(ran.status, Some(0), "{}", ran.stderr);
        assert_eq!((mode(&place, "pair.key"), mode(&place, "pair.pub")), (0o600, 0o644));
        let secret = fs::read_to_string(place.path("pair.key")).unwrap();
        assert!(!ran.stdout.contains(secret.lines().nth(1).unwrap()), "the secret was told");
        assert_eq!(ran.json()["public"]["kind"], "minisign");
        // Half a pair is never left, and none is overwritten.
        fs::remove_file(place.path("pair.key")).unwrap();
        ends(&place, &words, 1, "pair.pub is there already, and is not overwritten");
        assert!(!place.path("pair.key").exists());
    }
}

fn password_protects_the_secret() {
    let place = place();
    for (name, text) in [("word", "a word\nnot this\n"), ("other", "another\n"), ("none", "\n")] {
        fs::write(place.path(name), text).unwrap();
    }
    ends(&place, &["keys", "generate", "--out", "p", "--password-file", "none"], 1, "the password is empty");
    ends(
        &place,
        &["keys", "generate", "--out", "p", "--password-file", "missing"],
        1,
        "cannot read the password",
    );
    ends(&place, &["keys", "generate", "--out", "p", "--password-file", "word"], 0, "");
    let sign = ["policy", "sign", "good.toml", "--key", "p.key"];
    let with = |option: &[&'static str]| [&sign[..], option].concat();
    ends(&place, &with(&["--password-file", "other"]), 1, "Wrong password");
    ends(&place, &with(&["--no-password"]), 1, "the secret key has a password; leave out --no-password");
    assert!(!place.path("good.toml.minisig").exists());
    ends(&place, &with(&["--password-file", "word"]), 0, "");
    ends(&place, &["policy", "verify", "good.toml", "--key", "p.pub"], 0, "");
}

fn changed_policy_is_refused() {
    let place = place();
    ends(&place, &["policy", "verify", "signed.toml"], 0, "");
    let text = fs::read_to_string(place.path("signed.toml")).unwrap();
    fs::write(place.path("signed.toml"), text.replace("key", "kez")).unwrap();
    ends(&place, &["policy", "verify", "signed.toml"], 6, "B04ECA292ED6D06D, but does not fit this policy");
    let json = run(&place, &["policy", "verify", "signed.toml", "-o", "json"]);
    assert_eq!((json.status, &json.json()["good"]), (Some(6), &false.into()));
    assert_eq!(json.json()["rejected"].as_array().map(Vec::len), Some(2));
    ends(&place, &["policy", "verify", "missing.toml"], 6, "cannot read the policy missing.toml");
}

fn as_many_must_have_signed_as_is_set() {
    let place = place();
    let verify = |threshold: &str| -> Ran {
        let mut command = command(&place, &[], &["policy", "verify", "signed.toml"]);
        command.env("AEGISBPF__TRUST__THRESHOLD", threshold).output().expect("aegisbpf starts").into()
    };
    let ran = verify("2");
    assert_eq!(ran.status, Some(6));
    assert!(ran.stderr.contains("2 trusted key(s) must have signed, and there are only 1"), "{}", ran.stderr);
    ends(&place, &["keys", "add", "bob.pub"], 0, "");
    assert_eq!(verify("2").status, Some(0));
    fs::remove_file(place.path("signed.toml.bob.sig")).unwrap();
    let ran = verify("2");
    assert_eq!(ran.status, Some(6));
    assert!(ran.stderr.contains("1 trusted key(s) have signed the policy, 2 must have"), "{}", ran.stderr);
    assert_eq!(verify("17").status, Some(6), "a wrong setting is not passed over");
}

fn nothing_is_trusted_where_others_may_write() {
    for (name, mode) in [("keys", 0o777), ("keys/B04ECA292ED6D06D.pub", 0o666)] {
        let place = place();
        fs::set_permissions(place.path(name), Permissions::from_mode(mode)).unwrap();
        for words in [
            &["keys", "list"][..],
            &["keys", "add", "bob.pub"],
            &["keys", "remove", "alice.pub", "--force"],
            &["policy", "verify", "signed.toml"],
        ] {
            ends(&place, words, 6, "others than root can change");
        }
        assert_eq!(fs::read_dir(place.path("keys")).unwrap().count(), 1);
    }
}

fn what_does_not_compile_is_not_signed() {
    let place = place();
    ends(&place, &["policy", "sign", "bad.toml", "--key", "alice.key"], 6, "3 error(s)");
    ends(&place, &["policy", "sign", "-", "--key", "alice.key"], 1, "a signature belongs to a file");
    assert!(!place.path("bad.toml.minisig").exists() && !place.path("-.minisig").exists());
}

/// That of minisign has no sum that would tell.
fn damaged_secret_signs_nothing() {
    let place = place();
    let text = fs::read_to_string(place.path("alice.key")).unwrap();
    let (comment, line) = text.trim_end().split_once('\n').unwrap();
    // In the public half, and in the secret one.
    for at in [150, 100] {
        let other = if line.as_bytes()[at] == b'A' { "B" } else { "A" };
        let damaged = format!("{comment}\n{}{other}{}\n", &line[..at], &line[at + 1..]);
        fs::write(place.path("damaged.key"), damaged).unwrap();
        let ran = run(&place, &["policy", "sign", "good.toml", "--key", "damaged.key"]);
        assert_ne!(ran.status, Some(0), "{at}: {}", ran.stdout);
        assert!(!place.path("good.toml.minisig").exists());
    }
    fs::write(place.path("damaged.key"), format!("{comment}\n{}\n", &line[..40])).unwrap();
    ends(
        &place,
        &["policy", "sign", "good.toml", "--key", "damaged.key"],
        1,
        "is no secret key, or a damaged one",
    );
}

fn directory_is_made() {
    let place = place();
    fs::remove_dir_all(place.path("keys")).unwrap();
    ends(&place, &["keys", "list"], 0, "fewer than must have signed");
    ends(&place, &["keys", "add", "bob.pub"], 0, "");
    assert_eq!(mode(&place, "keys"), 0o755);
    assert_eq!(mode(&place, "keys/SHA256-bUdLEDRiFb9lrW7NOR6AhM5HnULQyd7VuDr3SVx_clA.pub"), 0o644);
}

/// From the secret key to the daemon: two of two must sign, and what is older or other than what they signed stays out.
fn signed_policy_comes_into_force() {
    let configured = Configured::start();
    let place = &configured.armed.place;
    transcripts::keys(place);
    let directory = place.path("keys");
    let trust = format!("[trust]\ndirectory = {directory:?}\nthreshold = 2\nrequire_signature = true\n");
    configured.takes(&trust, "trust.require_signature");
    let good = fs::read_to_string(place.path("good.toml")).unwrap();
    let numbered = |serial: u32| good.replacen("name =", &format!("serial = {serial}\nname ="), 1);
    let apply = |status: i32, says: &str| {
        let ran = configured.armed.run(&["policy", "apply", "p.toml"]);
        let told = format!("{}{}", ran.stdout, ran.stderr);
        assert!(ran.status == Some(status) && told.contains(says), "no {status} with {says:?}: {told}");
    };
    let sign = |secret: &str, to: &str| {
        ends(place, &["policy", "sign", "p.toml", "--key", secret, "--out", to], 0, "");
    };
    ends(place, &["keys", "generate", "--no-password", "--out", "dave"], 0, "");

    fs::write(place.path("p.toml"), numbered(2)).unwrap();
    apply(6, "2 trusted key(s) must have signed, and there are only 1");
    ends(place, &["keys", "add", "dave.pub"], 0, "");
    apply(6, "0 trusted key(s) have signed the policy, 2 must have");
    sign("alice.key", "p.toml.minisig");
    sign("alice.key", "p.toml.again.minisig");
    apply(6, "has signed already and counts once");
    sign("dave.key", "p.toml.dave.minisig");
    apply(0, "is in force: policy good");

    fs::write(place.path("p.toml"), numbered(3)).unwrap();
    apply(6, "does not fit this policy");
    fs::write(place.path("p.toml"), numbered(1)).unwrap();
    sign("alice.key", "p.toml.minisig");
    sign("dave.key", "p.toml.dave.minisig");
    apply(6, "an old policy is not put in");
    fs::write(place.path("keys/wrong.pub"), "rubbish").unwrap();
    apply(6, "No key is trusted until it is mended or removed");
}
