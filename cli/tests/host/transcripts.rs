//! The transcripts of `cli/tests/transcripts`: what each verb says and how it ends, word by word. One file for each
//! kind of circumstances. `TRYCMD=overwrite` writes them anew; read what has changed before it is kept.
//!
//! What they call `aegisbpf` is a script that goes to a directory of the test's own, and adds options, so that nothing
//! of this host counts. Broken pipes are in `pipes.rs`, as a transcript cannot have any.

use crate::armed::Armed;
use crate::place::{Place, trial};
use crate::refused::{Health, ignored_unless};
use crate::{fallback, verbs};
use libtest_mimic::Trial;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

/// All tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    let daemon = fallback::why_not();
    let unprivileged = daemon.or_else(|| (!has_setpriv()).then_some("there is no setpriv"));
    let trial = |name: &str, why: Option<&str>, test: fn()| {
        let trial = trial(&format!("transcripts::{name}"), test);
        ignored_unless(why.is_none(), why.unwrap_or_default(), trial)
    };
    vec![
        trial("every_verb_is_shown", None, every_verb_is_shown),
        trial("success_alone", None, || alone("success-alone", "--config-root root")),
        trial("usage", None, || alone("usage", "")),
        trial("no_daemon", None, || alone("no-daemon", NOWHERE)),
        trial("no_daemon_as_root", why_not_root(), || alone("no-daemon-as-root", NOWHERE)),
        trial("success", daemon, success),
        trial("not_permitted", unprivileged, || as_another("not-permitted", 65534)),
        trial("group_member", unprivileged, || as_another("group-member", GROUP)),
    ]
}

/// Options that lead to no daemon and no pins.
const NOWHERE: &str = "--bpffs-root pins --socket none.sock --config-root root";
/// Those of a daemon of the test.
const ARMED: &str = "--bpffs-root bpf/pins --socket none.sock --config-root root";
/// What stands for the group aegisbpf, which this host may not have.
const GROUP: u32 = 61_234;

fn has_setpriv() -> bool {
    Command::new("setpriv").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Why this cannot be tried as root here.
fn why_not_root() -> Option<&'static str> {
    let health = Health::ask();
    if health.ok("BPF LSM programs") {
        return Some("this kernel takes BPF LSM programs, and says other things");
    }
    (!health.ok("BPF iterators")).then_some("the kernel refuses BPF iterators too (not root?)")
}

/// Plays a transcript where there is no daemon.
fn alone(name: &str, options: &str) {
    let place = Place::make();
    play(name, &place, &[], Path::new(env!("CARGO_BIN_EXE_aegisbpf")), options);
}

/// Plays that of root with a daemon.
fn success() {
    let mut armed = Armed::start(&["run", "--observe"]);
    let wrapper = armed.wrapper();
    play("success", &armed.place, &wrapper, Path::new(env!("CARGO_BIN_EXE_aegisbpf")), ARMED);
    // Its last word is `detach`.
    armed.wait_for_its_end();
}

/// Plays that of a user who is not root, with a daemon whose socket is for a group.
fn as_another(name: &str, group: u32) {
    let armed = Armed::start(&["run", "--observe"]);
    let before = in_force(&armed);
    fs::set_permissions(armed.place.path(""), Permissions::from_mode(0o755)).unwrap();
    chown(armed.socket(), Some(0), Some(GROUP)).unwrap();
    assert_eq!(fs::metadata(armed.socket()).unwrap().mode() & 0o777, 0o660, "nobody but root and a group");
    // Others cannot go to where programs are built.
    let binary = armed.place.path("aegisbpf");
    fs::copy(env!("CARGO_BIN_EXE_aegisbpf"), &binary).unwrap();
    let mut wrapper = armed.wrapper();
    wrapper.extend(["setpriv", "--reuid=65534", "--clear-groups"].map(str::to_owned));
    wrapper.push(format!("--regid={group}"));
    play(name, &armed.place, &wrapper, &binary, ARMED);
    assert_eq!(in_force(&armed), before);
}

/// What nobody but root may change.
fn in_force(armed: &Armed) -> [String; 5] {
    let show = ["policy", "show"].as_slice();
    let tells = |words: &[&str]| armed.run(words).stdout;
    let links = armed.status()["links"].to_string();
    let lists = [&["block", "list"][..], &["allow", "list"], &["network", "deny", "list", "-o", "json"]];
    let [block, allow, network] = lists.map(tells);
    [tells(show), block, allow, network, links]
}

fn play(name: &str, place: &Place, wrapper: &[String], binary: &Path, options: &str) {
    let script = place.path("aegisbpf.sh");
    fs::write(&script, text(place, wrapper, binary, options)).unwrap();
    fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
    keys(place);
    fs::write(place.path("site.toml"), "[policy]\nmode = \"observe\"\n").unwrap();
    fs::write(place.path("wrong.toml"), "[policy]\nmode = \"obsrve\"\n").unwrap();
    for file in ["site.toml", "wrong.toml"] {
        // Whatever the umask is.
        fs::set_permissions(place.path(file), Permissions::from_mode(0o644)).unwrap();
    }
    let here = place.path("").display().to_string();
    let cases = trycmd::TestCases::new();
    cases.register_bin("aegisbpf", script);
    cases.insert_var("[HERE]", here.trim_end_matches('/').to_owned()).unwrap();
    cases.case(file(name)).run();
}

/// Keys, and a policy that is signed by two of them. Whoever is not root has a directory of keys that is root's.
pub(crate) fn keys(place: &Place) {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../trust/tests/vectors");
    for (vector, name) in [
        ("policy.toml", "signed.toml"),
        ("minisign-one.minisig", "signed.toml.minisig"),
        ("ssh-two.sig", "signed.toml.bob.sig"),
        ("minisign-one.key", "alice.key"),
        ("minisign-one.pub", "alice.pub"),
        ("ssh-two.pub", "bob.pub"),
        ("ssh-one", "carol"),
    ] {
        fs::copy(vectors.join(vector), place.path(name)).unwrap();
        // Also for others to read: their rights are what is tried.
        fs::set_permissions(place.path(name), Permissions::from_mode(0o644)).unwrap();
    }
    fs::create_dir(place.path("keys")).unwrap();
    fs::set_permissions(place.path("keys"), Permissions::from_mode(0o755)).unwrap();
    fs::copy(place.path("alice.pub"), place.path("keys/B04ECA292ED6D06D.pub")).unwrap();
}

/// Help is as wide as a terminal, if it knows of one. The variables are for what should have been refused.
fn text(place: &Place, wrapper: &[String], binary: &Path, options: &str) -> String {
    let here = place.path("").display().to_string();
    let nowhere =
        ["BPFFS_ROOT", "SOCKET"].map(|name| format!("export AEGISBPF__DAEMON__{name}='{here}/nowhere'\n"));
    let nowhere = if options.is_empty() { nowhere.concat() } else { String::new() };
    let keys = format!("export AEGISBPF__TRUST__DIRECTORY='{}/keys'\n", here.trim_end_matches('/'));
    let wrapper: String = wrapper.iter().map(|word| format!("'{word}' ")).collect();
    format!(
        "#!/bin/sh\nunset AEGISBPF_LOG COLUMNS LINES NO_COLOR CLICOLOR_FORCE\n{nowhere}{keys}export TMPDIR='{here}/tmp'\ncd '{here}'\n\
         case \" $* \" in *' --bpffs-root '*) ;; *) set -- \"$@\" {options} ;; esac\n\
         exec {wrapper}'{}' \"$@\"\n",
        binary.display()
    )
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts").join(name).with_extension("trycmd")
}

/// A kind of circumstances, the files that have it, and how verbs may end there.
struct Kind {
    files: &'static [&'static str],
    ends: &'static [i32],
    /// Verbs that cannot end so on a host that nobody may arm.
    elsewhere: &'static [&'static str],
}

const KINDS: &[Kind] = &[
    // A cgroup of the host is not made for it, and these are right only where the kernel enforces: `tests/guest` has
    // them all.
    Kind {
        files: &["success-alone", "success"],
        ends: &[0],
        elsewhere: &[
            "allow add",
            "allow del",
            "demo",
            "doctor",
            "health",
            "network deny add",
            "network deny del",
        ],
    },
    Kind { files: &["usage"], ends: &[2], elsewhere: &[] },
    // Those that need none say what they always say.
    Kind { files: &["no-daemon", "no-daemon-as-root"], ends: &[0, 1, 4, 5, 7], elsewhere: &[] },
    Kind { files: &["not-permitted"], ends: &[0, 3], elsewhere: &[] },
    Kind { files: &["group-member"], ends: &[0, 3], elsewhere: &[] },
];

/// Each verb has its place in each kind.
fn every_verb_is_shown() {
    let all = verbs::all();
    for kind in KINDS {
        let shown: Vec<_> = kind.files.iter().flat_map(|name| steps(name)).collect();
        let right = shown.iter().filter(|(_, status)| kind.ends.contains(status));
        let missing = verbs::missing(&all, right.map(|(words, _)| words.as_slice()));
        assert_eq!(
            missing, kind.elsewhere,
            "not shown to end with one of {:?} in {:?}",
            kind.ends, kind.files
        );
    }
}

/// The command lines of a transcript, and how each ends.
fn steps(name: &str) -> Vec<(verbs::Verb, i32)> {
    let text = fs::read_to_string(file(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut lines = text.lines().peekable();
    let mut steps = Vec::new();
    while let Some(line) = lines.next() {
        let Some(line) = line.strip_prefix("$ aegisbpf") else { continue };
        let status = lines.peek().and_then(|line| line.strip_prefix("? ")).map(str::trim);
        let status = status.map_or(0, |status| status.parse().unwrap_or(-1));
        steps.push((verbs::words(line), status));
    }
    steps
}
