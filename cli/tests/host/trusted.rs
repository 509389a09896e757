//! A daemon that takes only signed policies: what is not signed as it must be, or is older than what was in force, never comes
//! into force, and what is in force stays.

use crate::armed::Armed;
use crate::fallback::with_a_daemon;
use crate::place::Ran;
use libtest_mimic::Trial;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    with_a_daemon(
        "trusted",
        &[
            ("only_signed_policies", only_signed_policies),
            ("serials_only_grow", serials_only_grow),
            ("keys_count_once_and_while_they_are_there", keys),
            ("what_is_in_force_goes_on", goes_on),
            ("configured_policies_need_signatures", configured),
        ],
    )
}

/// A daemon with keys of its own; `alice.key` and `bob.key` are secret.
struct Trusting {
    armed: Armed,
    directory: tempfile::TempDir,
}

impl Trusting {
    fn start(threshold: u8) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let keys = directory.path().join("keys");
        fs::create_dir(&keys).unwrap();
        for path in [directory.path(), keys.as_path()] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let config = directory.path().join("config.toml");
        fs::write(&config, "").unwrap();
        let armed = Armed::start(&["run", "--observe", "--config", &config.display().to_string()]);
        let trusting = Self { armed, directory };
        for name in ["alice", "bob"] {
            trusting.ok(&["keys", "generate", "--no-password", "--out", name]);
            trusting.trust(name);
        }
        trusting.demand(threshold, true);
        trusting
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn key(&self, name: &str) -> PathBuf {
        self.path("keys").join(format!("{name}.pub"))
    }

    fn trust(&self, name: &str) {
        fs::copy(self.armed.place.path(&format!("{name}.pub")), self.key(name)).unwrap();
    }

    /// Sets how many must have signed.
    fn demand(&self, threshold: u8, required: bool) {
        let directory = self.path("keys").display().to_string();
        let text = format!(
            "[trust]\ndirectory = \"{directory}\"\nthreshold = {threshold}\nrequire_signature = {required}\n"
        );
        fs::write(self.path("config.toml"), text).unwrap();
        self.ok(&["config", "reload"]);
    }

    fn ok(&self, words: &[&str]) -> Ran {
        let ran = self.armed.run(words);
        assert_eq!(ran.status, Some(0), "{words:?}: {}", ran.stderr);
        ran
    }

    /// A policy of this serial; more text makes it another one.
    fn write(&self, name: &str, serial: u64, more: &str) {
        let data = self.armed.place.path("data").display().to_string();
        let text = format!(
            "version = 3\nname = \"signed\"\nserial = {serial}\n{more}[[rule]]\nid = \"data-{serial}\"\non = [\"read\"]\n\
             path = \"{data}\"\n"
        );
        fs::write(self.armed.place.path(name), text).unwrap();
    }

    fn sign(&self, name: &str, by: &str) {
        let output = format!("{name}.{by}.minisig");
        let key = format!("{by}.key");
        self.ok(&["policy", "sign", name, "--key", &key, "--no-password", "--output", &output]);
    }

    fn signed(&self, name: &str, serial: u64, by: &[&str]) {
        self.write(name, serial, "");
        by.iter().for_each(|by| self.sign(name, by));
    }

    fn in_force(&self) -> (String, String) {
        let shown = self.ok(&["policy", "show", "-o", "json"]).json();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        (text(&shown["generation"]["plan_digest"]), shown["highest_serial"].to_string())
    }

    fn wait_for(&self, what: &str, holds: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !holds() {
            assert!(Instant::now() < deadline, "waited in vain until {what}: {}", self.armed.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Applies a policy, which must be refused for this reason and change nothing.
    fn refuses(&self, words: &[&str], why: &str) {
        let before = self.in_force();
        for dry in [true, false] {
            let words =
                if dry && words[1] == "apply" { [words, &["--dry-run"]].concat() } else { words.to_vec() };
            let ran = self.armed.run(&words);
            assert_eq!(ran.status, Some(6), "{words:?}: {}{}", ran.stdout, ran.stderr);
            assert!(ran.stderr.contains(why), "{words:?}: no {why:?} in {}", ran.stderr);
            assert_eq!(self.in_force(), before, "{words:?}");
        }
    }
}

fn only_signed_policies() {
    let trusting = Trusting::start(1);
    trusting.write("plain.toml", 1, "");
    trusting.refuses(&["policy", "apply", "plain.toml"], "there is no signature");
    trusting.signed("good.toml", 2, &["alice"]);
    let tried = trusting.ok(&["policy", "apply", "good.toml", "--dry-run"]).stdout;
    assert!(tried.contains("would come into force"), "{tried}");
    assert_eq!(trusting.in_force().1, "0", "trying it changes nothing");
    trusting.ok(&["policy", "apply", "good.toml"]);
    let shown = trusting.ok(&["policy", "show", "-o", "json"]).json();
    assert_eq!(shown["entry"]["signers"].as_array().map(Vec::len), Some(1), "{shown}");
    // It is in force, so that is no error.
    trusting.ok(&["policy", "apply", "good.toml"]);
    // The signature of another policy, or of these bytes and one more.
    let place = &trusting.armed.place;
    fs::copy(place.path("good.toml.alice.minisig"), place.path("plain.toml.minisig")).unwrap();
    trusting.refuses(&["policy", "apply", "plain.toml"], "plain.toml");
    let mut text = fs::read_to_string(place.path("good.toml")).unwrap();
    text.push('\n');
    fs::write(place.path("longer.toml"), text).unwrap();
    fs::copy(place.path("good.toml.alice.minisig"), place.path("longer.toml.minisig")).unwrap();
    trusting.refuses(&["policy", "apply", "longer.toml"], "longer.toml");
    // Two files of which one is signed.
    trusting.refuses(&["policy", "apply", "good.toml", "more.toml"], "more.toml");
    // Nobody is exempt by a word that nobody signed.
    trusting.refuses(&["allow", "add", "/nowhere"], "write it into `[exempt]`");
    trusting.ok(&["block", "add", "/nowhere/else"]);
    // The way out stays open.
    trusting.ok(&["policy", "reset"]);
}

fn serials_only_grow() {
    let trusting = Trusting::start(1);
    for serial in [3, 5] {
        trusting.signed(&format!("{serial}.toml"), serial, &["alice"]);
        trusting.ok(&["policy", "apply", &format!("{serial}.toml")]);
    }
    assert_eq!(trusting.in_force().1, "5");
    trusting.refuses(&["policy", "apply", "3.toml"], "needs a serial from 6 on");
    trusting.write("other.toml", 5, "# other\n");
    trusting.sign("other.toml", "alice");
    trusting.refuses(&["policy", "apply", "other.toml"], "another policy with the serial 5");
    // Back is where it was, and does not open the way for what is old.
    trusting.ok(&["policy", "rollback"]);
    assert_eq!(trusting.in_force().1, "5");
    trusting.signed("4.toml", 4, &["alice"]);
    trusting.refuses(&["policy", "apply", "4.toml"], "needs a serial from 6 on");
    trusting.ok(&["policy", "apply", "5.toml"]);
    // The kernel remembers what is no longer on the disk, and the disk what the kernel has lost.
    let file = trusting.armed.place.path("state/accepted.json");
    fs::remove_file(&file).unwrap();
    trusting.refuses(&["policy", "apply", "3.toml"], "needs a serial from 6 on");
    fs::write(&file, "{\"serial\": 1").unwrap();
    trusting.refuses(&["policy", "apply", "3.toml"], "needs a serial from 6 on");
    // It is started with a policy that is not signed.
    trusting.demand(1, false);
    let mut trusting = trusting;
    trusting.armed.kill();
    trusting.armed.start_again();
    assert!(fs::read_to_string(&file).unwrap().contains("\"serial\":5"), "the disk follows the kernel");
    trusting.armed.detach();
    trusting.armed.start_again();
    assert_eq!(trusting.in_force().1, "5", "the kernel follows the disk");
    // If neither knows, nothing is put in force anew that is signed.
    trusting.armed.detach();
    fs::write(&file, "{\"serial\": 1").unwrap();
    trusting.armed.start_again();
    let ran = trusting.armed.run(&["policy", "apply", "5.toml"]);
    assert!(ran.status == Some(1) && ran.stderr.contains("accepted.json"), "{}", ran.stderr);
}

fn keys() {
    let trusting = Trusting::start(2);
    trusting.signed("one.toml", 2, &["alice"]);
    trusting.refuses(&["policy", "apply", "one.toml"], "2 must have");
    // The same key again.
    let place = &trusting.armed.place;
    fs::copy(place.path("one.toml.alice.minisig"), place.path("one.toml.again.minisig")).unwrap();
    trusting.refuses(&["policy", "apply", "one.toml"], "2 must have");
    trusting.sign("one.toml", "bob");
    trusting.ok(&["policy", "apply", "one.toml"]);
    trusting.signed("two.toml", 3, &["alice", "bob"]);
    // A key that was taken away counts no more, also for what was in force with it.
    fs::remove_file(trusting.key("bob")).unwrap();
    trusting.refuses(&["policy", "apply", "two.toml"], "must have signed");
    trusting.ok(&["policy", "reset"]);
    trusting.refuses(&["policy", "rollback"], "must have signed");
    trusting.trust("bob");
    trusting.ok(&["policy", "rollback"]);
    // Where others can write, nobody is trusted.
    fs::set_permissions(trusting.path("keys"), fs::Permissions::from_mode(0o777)).unwrap();
    trusting.refuses(&["policy", "apply", "two.toml"], "others than root can change");
    fs::set_permissions(trusting.path("keys"), fs::Permissions::from_mode(0o755)).unwrap();
    trusting.write("old.toml", 4, "expires = 2020-01-01T00:00:00Z\n");
    ["alice", "bob"].iter().for_each(|by| trusting.sign("old.toml", by));
    trusting.refuses(&["policy", "apply", "old.toml"], "expired");
    trusting.ok(&["policy", "apply", "two.toml"]);
}

/// A demand on what is new never opens what is in force.
fn goes_on() {
    let mut trusting = Trusting::start(1);
    // The policy it was started with is not signed, and was in force before signatures were asked for.
    let before = trusting.in_force();
    trusting.armed.kill();
    trusting.armed.start_again();
    assert_eq!(trusting.in_force(), before);
    assert!(trusting.armed.log().contains("stays in force, although"), "{}", trusting.armed.log());
    trusting.refuses(&["policy", "apply", "scratch.toml"], "there is no signature");
    // Whoever asks can ask for more than the settings.
    trusting.demand(1, false);
    trusting.refuses(&["policy", "apply", "scratch.toml", "--require-signature"], "there is no signature");
    trusting.ok(&["policy", "apply", "scratch.toml"]);
}

/// A file that is watched, and its signature that comes later.
fn configured() {
    let trusting = Trusting::start(1);
    let before = trusting.in_force();
    trusting.write("scratch.toml", 2, "");
    trusting.wait_for("it was refused", || trusting.armed.log().contains("there is no signature"));
    assert_eq!(trusting.in_force(), before);
    trusting.sign("scratch.toml", "alice");
    trusting.wait_for("it is in force", || trusting.in_force().1 == "2");
    let entries = trusting.ok(&["policy", "history", "-o", "json"]).json()["entries"].clone();
    let told: Vec<_> = entries
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .take(2)
        .map(|entry| {
            (entry["deed"].as_str().unwrap().to_owned(), entry["outcome"].as_str().unwrap().to_owned())
        })
        .collect();
    assert_eq!(
        told,
        [("reload", "in_force"), ("reload", "refused")]
            .map(|(deed, outcome)| (deed.to_owned(), outcome.to_owned()))
    );
}
