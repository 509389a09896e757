//! What becomes of a policy when the state directory is full, cannot be written, or is damaged: what is in force stays, what
//! needs no file is done and says what could not be kept, and the rest is refused.

use crate::armed::Armed;
use crate::fallback::with_a_daemon;
use crate::place::Ran;
use libtest_mimic::Trial;
use serde_json::Value;
use std::fs;

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    with_a_daemon(
        "kept",
        &[
            ("full_directory", || {
                unwritable("dd if=/dev/zero of=$STATE/filler bs=1k 2>/dev/null || :", "rm $STATE/filler");
            }),
            ("read_only_directory", || {
                unwritable("mount -o remount,ro $STATE", "mount -o remount,rw $STATE");
            }),
            ("damaged_history", damaged_history),
            ("damaged_texts", damaged_texts),
            ("shown_without_the_daemon", shown_without_the_daemon),
        ],
    )
}

fn in_force(armed: &Armed) -> Value {
    armed.run(&["policy", "show", "-o", "json"]).json()["generation"]["plan_digest"].clone()
}

fn ends(ran: &Ran, status: i32, says: &str) {
    assert_eq!(ran.status, Some(status), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains(says), "no {says:?} in {}", ran.stderr);
}

/// The state directory becomes a small one of its own, and cannot be written from one command to the other.
fn unwritable(begin: &str, end: &str) {
    let armed = Armed::start(&["run", "--observe"]);
    let state = armed.place.path("state").display().to_string();
    let shell = |script: &str| armed.among_pins(&script.replace("$STATE", &state));
    shell("mount -t tmpfs -o size=256k,mode=700 tmpfs $STATE");
    ends(&armed.run(&["policy", "apply", "good.toml"]), 0, "");
    ends(&armed.run(&["policy", "apply", "scratch.toml"]), 0, "");
    let scratch = in_force(&armed);
    shell(begin);
    // A file of its own is what the local policy is: no change without it.
    ends(&armed.run(&["block", "add", "/nowhere/other"]), 1, "local policy");
    assert_eq!(in_force(&armed), scratch);
    ends(&armed.run(&["block", "list"]), 0, "");
    // What is not signed may come into force, and it is told what was not written down.
    ends(&armed.run(&["policy", "apply", "good.toml"]), 0, "could not be");
    let good = in_force(&armed);
    assert_ne!(good, scratch);
    // Back is where the history says.
    ends(&armed.run(&["policy", "rollback"]), 0, "could not be");
    assert_eq!(in_force(&armed), scratch);
    ends(&armed.run(&["policy", "reset"]), 0, "could not be");
    assert_eq!(armed.run(&["policy", "show", "-o", "json"]).json()["generation"]["policy"], "empty");
    shell(end);
    ends(&armed.run(&["policy", "apply", "good.toml"]), 0, "");
    assert_eq!(in_force(&armed), good);
    let history = armed.run(&["policy", "history", "-o", "json"]).json();
    assert_eq!(history["damaged"], 0, "{history}");
    assert_eq!(history["entries"].as_array().unwrap().last().unwrap()["outcome"], "in_force");
    shell("umount $STATE");
}

/// Who finds the daemon dead still sees what is in force, since when, and by whom.
fn shown_without_the_daemon() {
    let mut armed = Armed::start(&["run", "--observe"]);
    ends(&armed.run(&["policy", "apply", "scratch.toml"]), 0, "");
    let with = armed.run(&["policy", "show", "-o", "json"]).json();
    assert_eq!(with["entry"]["outcome"], "in_force");
    armed.kill();
    let state = armed.place.path("state");
    let show = || -> Ran {
        let mut command = armed.command(&["policy", "show", "-o", "json"]);
        command.env("AEGISBPF__DAEMON__STATE_DIR", &state).output().expect("aegisbpf starts").into()
    };
    assert_eq!(show().json(), with);
    armed.among_pins("mv maps/accepted maps/aside");
    let unread = show();
    ends(&unread, 0, "not fully known");
    assert_eq!(unread.json()["entry"], with["entry"]);
    // Nobody needs it to see what is enforced.
    ends(&armed.run(&["status"]), 0, "");
    armed.among_pins("mv maps/aside maps/accepted");
    fs::remove_file(state.join("history.ndjson")).unwrap();
    fs::create_dir(state.join("history.ndjson")).unwrap();
    let unread = show();
    ends(&unread, 0, "not fully known");
    let unread = unread.json();
    assert_eq!((&unread["generation"], &unread["entry"]), (&with["generation"], &Value::Null));
}

fn damaged_history() {
    let armed = Armed::start(&["run", "--observe"]);
    ends(&armed.run(&["policy", "apply", "good.toml"]), 0, "");
    let good = in_force(&armed);
    let file = armed.place.path("state/history.ndjson");
    let whole = fs::read(&file).unwrap();
    // The last line is cut, and there is one that is none.
    let cut = [b"\xff\n".as_slice(), &whole[..whole.len() - 9]].concat();
    fs::write(&file, cut).unwrap();
    let ran = armed.run(&["policy", "history"]);
    ends(&ran, 0, "2 line(s) of the history cannot be read");
    ends(&armed.run(&["policy", "apply", "scratch.toml"]), 0, "");
    let history = armed.run(&["policy", "history", "-o", "json"]).json();
    let last = history["entries"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["outcome"], &last["policy"]), (&"in_force".into(), &"scratch".into()), "{history}");
    // No file at all any more, or something else in its place.
    fs::remove_file(&file).unwrap();
    ends(&armed.run(&["policy", "rollback"]), 6, "knows no policy that was in force before");
    assert!(!file.exists());
    fs::create_dir(&file).unwrap();
    ends(&armed.run(&["policy", "history"]), 1, "cannot read the history");
    ends(&armed.run(&["policy", "rollback"]), 1, "cannot read the history");
    ends(&armed.run(&["policy", "apply", "good.toml"]), 0, "the history could not be written");
    assert_eq!(in_force(&armed), good);
    ends(&armed.run(&["policy", "show"]), 0, "");
}

fn damaged_texts() {
    let armed = Armed::start(&["run", "--observe"]);
    for name in ["good.toml", "scratch.toml"] {
        ends(&armed.run(&["policy", "apply", name]), 0, "");
    }
    let before = in_force(&armed);
    for file in fs::read_dir(armed.place.path("state/kept")).unwrap() {
        let path = file.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
    }
    ends(&armed.run(&["policy", "rollback"]), 6, "are damaged: apply them from their files");
    assert_eq!(in_force(&armed), before);
    let history = armed.run(&["policy", "history", "-o", "json"]).json();
    assert_eq!(history["entries"].as_array().unwrap().last().unwrap()["outcome"], "refused");
    // What is applied now is kept anew.
    for name in ["good.toml", "scratch.toml"] {
        ends(&armed.run(&["policy", "apply", name]), 0, "");
    }
    ends(&armed.run(&["policy", "rollback"]), 0, "");
}
