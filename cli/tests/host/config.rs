//! `config`, and the configuration as the other verbs meet it. Each test has a directory that stands for `/`, so that
//! nothing of this host counts.

use crate::place::{Place, Ran, trial};
use libtest_mimic::Trial;
use serde_json::json;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("config::nothing_is_set", nothing_is_set),
        trial("config::a_right_file", a_right_file),
        trial("config::all_that_is_wrong_is_told_at_once", all_that_is_wrong_is_told_at_once),
        trial("config::check_in_json", check_in_json),
        trial("config::variables", variables),
        trial("config::a_file_that_others_can_write", a_file_that_others_can_write),
        trial("config::another_file", another_file),
        trial("config::origins", origins),
        trial("config::default_and_schema", default_and_schema),
        trial("config::run_refuses_a_wrong_configuration", run_refuses_a_wrong_configuration),
        trial("config::run_takes_its_policy_from_it", run_takes_its_policy_from_it),
        trial("config::others_go_on_without_it", others_go_on_without_it),
        trial("config::others_find_the_daemon_by_it", others_find_the_daemon_by_it),
    ]
}

/// The file of the administrator.
const MAIN: &str = "etc/aegisbpf/config.toml";

/// A directory for `/` with files in it.
fn place(files: &[(&str, &str)]) -> Place {
    let place = Place::make();
    for (name, text) in files {
        let path = place.path("root").join(name);
        let parent = path.parent().unwrap();
        fs::create_dir_all(parent).unwrap();
        fs::write(&path, text).unwrap();
        // Whatever the umask is.
        fs::set_permissions(parent, Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    }
    place
}

/// A command line without any options but that for the directory.
fn command(place: &Place, words: &[&str]) -> Command {
    let mut command = place.command_as_it_is(&[], words);
    command.args(["--config-root", "root"]);
    command
}

fn run(place: &Place, words: &[&str]) -> Ran {
    command(place, words).output().unwrap().into()
}

fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

fn nothing_is_set() {
    let ran = run(&place(&[]), &["config", "check"]);
    let expected = "no errors in 0 file(s) of the configuration\n";
    assert_eq!((ran.status, ran.stdout.as_str(), ran.stderr.as_str()), (Some(0), expected, ""));
    let ran = run(&place(&[]), &["config", "dump"]);
    says(
        &ran.stdout,
        &["[daemon]\nbpffs_root = \"/sys/fs/bpf/aegisbpf\"\n", "[policy]\nfiles = []\nmode = \"enforce\"\n"],
    );
}

fn a_right_file() {
    let ran = run(&place(&[(MAIN, "[policy]\nmode = \"observe\"\n")]), &["config", "check"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""));
    assert_eq!(ran.stdout, format!("read root/{MAIN}\nno errors in 1 file(s) of the configuration\n"));
}

const WRONG: &str =
    "[policy]\nmodes = \"observe\"\nfiles = [\"policy.toml\"]\n[metrics]\nlisten = \"0.0.0.0:9464\"\n";

fn all_that_is_wrong_is_told_at_once() {
    let place = place(&[(MAIN, WRONG), ("run/aegisbpf/conf.d/1.toml", "[events\n")]);
    for words in [&["config", "check"][..], &["config", "dump"]] {
        let ran = run(&place, words);
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(6), ""));
        // Place, text, cause, remedy.
        let parts = [
            "root/etc/aegisbpf/config.toml:2:1",
            "modes = \"observe\"",
            "there is no key `modes`",
            "did you mean `mode`?",
            "config.toml:3:10",
            "`policy.toml` is not an absolute path",
            "config.toml:5:10",
            "`metrics.listen` would be reached from other hosts",
            "root/run/aegisbpf/conf.d/1.toml:1:",
            "this is not TOML",
            "aegisbpf: 4 error(s) in the configuration\n",
        ];
        says(&ran.stderr, &parts);
    }
}

fn check_in_json() {
    let ran = run(&place(&[(MAIN, WRONG)]), &["config", "check", "-o", "json"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(6), "aegisbpf: 3 error(s) in the configuration\n"));
    let found = ran.json();
    let first = json!({
        "file": format!("root/{MAIN}"), "line": 2, "column": 1, "code": "unknown-key",
        "message": "there is no key `modes` in `[policy]`", "label": "unknown key", "help": "did you mean `mode`?",
    });
    assert_eq!((&found[0], found.as_array().unwrap().len()), (&first, 3));
    let ran = run(&place(&[]), &["config", "check", "-o", "json"]);
    assert_eq!((ran.status, ran.json()), (Some(0), json!([])));
}

fn variables() {
    let place = place(&[(MAIN, "[policy]\nmode = \"enforce\"\n")]);
    let with = |name: &str, value: &str, words: &[&str]| -> Ran {
        command(&place, words).env(name, value).output().unwrap().into()
    };
    let ran = with("AEGISBPF__POLICY__MODE", "observe", &["config", "dump", "--show-origin"]);
    says(&ran.stdout, &["mode = \"observe\" # from $AEGISBPF__POLICY__MODE\n"]);
    let ran = with("AEGISBPF__POLICY__MODUS", "observe", &["config", "check"]);
    assert_eq!(ran.status, Some(6));
    says(&ran.stderr, &["AEGISBPF__POLICY__MODUS=observe", "did you mean `AEGISBPF__POLICY__MODE`?"]);
    let ran = with("AEGISBPF__EVENTS__PER_SECOND", "many", &["config", "check"]);
    assert_eq!(ran.status, Some(6));
    says(&ran.stderr, &["takes an integer", "write it as `AEGISBPF__EVENTS__PER_SECOND=100`"]);
}

fn a_file_that_others_can_write() {
    let place = place(&[(MAIN, "[policy]\nmode = \"observe\"\n")]);
    fs::set_permissions(place.path("root").join(MAIN), Permissions::from_mode(0o666)).unwrap();
    for words in [&["config", "check"][..], &["run"]] {
        let ran = run(&place, words);
        assert_eq!(ran.status, Some(6), "{}", ran.stderr);
        says(
            &ran.stderr,
            &["its mode is 666", "who can write it can switch off the agent", "chmod go-w root/etc"],
        );
    }
}

fn another_file() {
    let place = place(&[(MAIN, WRONG), ("other.toml", "[events]\nper_second = 7\n")]);
    let ran = run(&place, &["config", "dump", "--show-origin", "--config", "root/other.toml"]);
    says(&ran.stdout, &["per_second = 7 # from root/other.toml:2\n"]);
    let ran = run(&place, &["config", "check", "--config", "root/absent.toml"]);
    assert_eq!(ran.status, Some(6));
    says(&ran.stderr, &["cannot read the file root/absent.toml", "there is no such file"]);
}

fn origins() {
    let place = place(&[
        (MAIN, "[policy]\nmode = \"observe\"\n[events]\nper_second = 1\n"),
        ("etc/aegisbpf/conf.d/1.toml", "events.per_second = 2\n"),
    ]);
    let words = ["config", "dump", "--socket", "/s"];
    let ran = run(&place, &[&words[..], &["--show-origin"]].concat());
    let parts = [
        "socket = \"/s\" # from --socket /s\n",
        "mode = \"observe\" # from root/etc/aegisbpf/config.toml:2\n",
        "per_second = 2 # from root/etc/aegisbpf/conf.d/1.toml:1\n",
        "ring_bytes = 4194304 # from built in\n",
        "# listen is not set # from built in\n",
    ];
    says(&ran.stdout, &parts);
    let dumped = run(&place, &[&words[..], &["-o", "json"]].concat()).json();
    let origin = format!("root/{MAIN}:2");
    assert_eq!(dumped["policy.mode"], json!({ "value": "observe", "origin": origin }));
    assert_eq!(dumped["metrics.listen"], json!({ "value": null, "origin": "built in" }));
}

/// What is printed is right as it is.
fn default_and_schema() {
    let printed = run(&place(&[]), &["config", "default"]);
    assert_eq!(printed.status, Some(0));
    assert!(printed.stdout.contains("\n#mode = \"enforce\"\n"));
    let ran = run(&place(&[(MAIN, &printed.stdout)]), &["config", "check"]);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let schema = run(&place(&[]), &["config", "schema"]).json();
    assert_eq!(schema["properties"]["policy"]["properties"]["mode"]["default"], json!("enforce"));
}

fn run_refuses_a_wrong_configuration() {
    let place = place(&[(MAIN, "[policy]\nmodes = \"observe\"\n[daemon]\nlog = \"inof\"\n")]);
    let ran = run(&place, &["run", "--policy", "good.toml"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(6), ""));
    says(
        &ran.stderr,
        &["did you mean `mode`?", "did you mean `info`?", "aegisbpf: 2 error(s) in the configuration\n"],
    );
}

/// Seen by what it says of a wrong one: nothing is armed by that.
fn run_takes_its_policy_from_it() {
    let place = place(&[]);
    fs::create_dir(place.path("policies")).unwrap();
    let main = place.path("root").join(MAIN);
    fs::create_dir_all(main.parent().unwrap()).unwrap();
    let watch = "watch = false\n";
    fs::write(&main, format!("[policy]\nfiles = [{:?}]\n{watch}", place.path("policies"))).unwrap();
    fs::set_permissions(&main, Permissions::from_mode(0o644)).unwrap();
    let ran = run(&place, &["run"]);
    assert_eq!(ran.status, Some(6), "{}", ran.stderr);
    says(&ran.stderr, &["policies has no file with a name in `.toml` or `.policy`"]);
    fs::copy(place.path("bad.toml"), place.path("policies/20.policy")).unwrap();
    fs::copy(place.path("good.toml"), place.path("policies/10.toml")).unwrap();
    fs::write(place.path("policies/notes.txt"), "=").unwrap();
    let ran = run(&place, &["run"]);
    assert_eq!(ran.status, Some(6), "{}", ran.stderr);
    says(&ran.stderr, &["policies/20.policy:6:7", "policies/10.toml:2:8", "did you mean `read`?"]);
    // What is typed takes its place.
    let ran = run(&place, &["run", "--policy", "network.conf"]);
    assert_eq!(ran.status, Some(6));
    says(&ran.stderr, &["network.conf:3:1", "1 error(s); nothing has changed"]);
}

fn others_go_on_without_it() {
    let place = place(&[(MAIN, "[daemon]\nsocket = \"s\"\n")]);
    let ran = run(&place, &["policy", "lint", "exec.toml"]);
    let expected = "warning: 1 error(s) in the configuration, see `aegisbpf config check`; taken is what is built in: \
                    --bpffs-root /sys/fs/bpf/aegisbpf --socket /run/aegisbpf/control.sock\n";
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), expected));
    // Whoever says where everything is needs no configuration.
    let ran = run(&place, &["policy", "lint", "exec.toml", "--bpffs-root", "pins", "--socket", "s"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""));
}

fn others_find_the_daemon_by_it() {
    let place = place(&[(MAIN, "[daemon]\nsocket = \"/nowhere/s\"\nbpffs_root = \"/nowhere/pins\"\n")]);
    let ran = run(&place, &["events"]);
    assert_eq!(ran.status, Some(4));
    says(&ran.stderr, &["no daemon answers on /nowhere/s"]);
    says(&run(&place, &["stats"]).stderr, &["/nowhere/pins"]);
}
