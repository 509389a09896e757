//! Wrong configurations: each row says which findings are expected where; the snapshot shows how they read.
#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use aegis_config::{FileText, Flag, Report, Value, compose};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// A file and the findings it must give, as `line:column code`, in order.
type Row = (&'static str, &'static str, &'static [&'static str]);

const ROWS: &[Row] = &[
    ("unquoted text", "[policy]\nmode = observe\n", &["2:8 syntax"]),
    ("key given twice", "[events]\nper_second = 1\nper_second = 2\n", &["3:1 syntax"]),
    ("errors of syntax hide the rest", "[policy]\nmod = 1\nx\n[events]\ny\n", &["3:2 syntax", "5:2 syntax"]),
    ("misspelt section", "[polcy]\nmode = \"observe\"\n", &["1:2 unknown-key"]),
    ("misspelt key", "[policy]\nmodes = \"observe\"\n", &["2:1 unknown-key"]),
    ("misspelt dotted key", "sinks.fil.path = \"/a\"\n", &["1:7 unknown-key"]),
    ("dots within quotes", "\"policy.watch\" = true\n", &["1:1 unknown-key"]),
    ("key of another section", "[policy]\nring_bytes = 4096\n", &["2:1 unknown-key"]),
    ("key without meaning", "[policy]\n\"co\\u001b[2Jlour\" = 1\n", &["2:1 unknown-key"]),
    ("key at the top", "mode = \"observe\"\n", &["1:1 unknown-key"]),
    ("section that is a value", "policy = \"observe\"\n", &["1:10 wrong-type"]),
    ("sections that are a list", "[[sinks]]\n", &["1:1 wrong-type"]),
    ("key that is a section", "[policy.mode]\nobserve = true\n", &["1:1 wrong-type"]),
    ("number for text", "[daemon]\nsocket = 3\n", &["2:10 wrong-type"]),
    ("text for a number", "[events]\nper_second = \"100\"\n", &["2:14 wrong-type"]),
    ("fraction", "[events]\nper_second = 1.5\n", &["2:14 wrong-type"]),
    ("text for a boolean", "[policy]\nwatch = \"yes\"\n", &["2:9 wrong-type"]),
    ("text for a list", "[policy]\nfiles = \"/a\"\n", &["2:9 wrong-type"]),
    ("boolean for a word", "[policy]\nmode = true\n", &["2:8 wrong-type"]),
    (
        "item that is no text",
        "[policy]\nfiles = [\"/a\", 7, \"b\"]\n",
        &["2:16 wrong-type", "2:19 out-of-bounds"],
    ),
    ("misspelt word", "[policy]\nmode = \"enforced\"\n", &["2:8 out-of-bounds"]),
    (
        "word of another tool",
        "[policy]\nmode = \"audit\"\nenforce_signal = \"SIGTERM\"\n",
        &["2:8 out-of-bounds", "3:18 out-of-bounds"],
    ),
    ("word without meaning", "[sinks.stdout]\nwhen_full = \"block_it\"\n", &["2:13 out-of-bounds"]),
    ("odd ring", "[events]\nring_bytes = 5000\n", &["2:14 out-of-bounds"]),
    ("small ring", "[events]\nring_bytes = 0x800\n", &["2:14 out-of-bounds"]),
    (
        "huge ring",
        "[events]\nring_bytes = 99999999999999999999999999999999999999999\n",
        &["2:14 out-of-bounds"],
    ),
    ("negative number", "[events]\nper_second = -1\n", &["2:14 out-of-bounds"]),
    ("relative path", "[daemon]\nstate_dir = \"state\"\n", &["2:13 out-of-bounds"]),
    ("home directory", "[policy]\nfiles = [\n  \"/a\",\n  \"~/policy.toml\",\n]\n", &["4:3 out-of-bounds"]),
    ("empty path", "[sinks.file]\npath = \"\"\n", &["2:8 out-of-bounds"]),
    ("NUL", "[sinks.file]\npath = \"/a\\u0000\"\n", &["2:8 out-of-bounds"]),
    (
        "root cgroup",
        "[survival]\ncgroups = [\"/\", \"a.slice\"]\n",
        &["2:12 out-of-bounds", "2:17 out-of-bounds"],
    ),
    (
        "words that hide everything",
        "[context]\nargv = 1\nhidden_words = [\"pin\", \"\", \" \", 3]\n",
        &["2:8 wrong-type", "3:24 out-of-bounds", "3:28 out-of-bounds", "3:33 wrong-type"],
    ),
    ("one hidden word", "[context]\nhidden_words = \"pin\"\n", &["2:16 wrong-type"]),
    ("misspelt level", "[daemon]\nlog = \"inof\"\n", &["2:7 out-of-bounds"]),
    ("wrong part of the program", "[daemon]\nlog = \"info,a b=debug\"\n", &["2:7 out-of-bounds"]),
    ("any address", "[metrics]\nlisten = \"0.0.0.0:9464\"\n", &["2:10 out-of-bounds"]),
    ("name of a host", "[metrics]\nlisten = \"localhost:9464\"\n", &["2:10 out-of-bounds"]),
    ("no port", "[metrics]\nlisten = \"[::1]:0\"\n", &["2:10 out-of-bounds"]),
    ("nobody must sign", "[trust]\nthreshold = 0\n", &["2:13 out-of-bounds"]),
    ("too many must sign", "[trust]\nthreshold = 17\n", &["2:13 out-of-bounds"]),
    ("text for a threshold", "[trust]\nthreshold = \"two\"\n", &["2:13 wrong-type"]),
    ("keys elsewhere", "[trust]\ndirectory = \"keys\"\n", &["2:13 out-of-bounds"]),
    ("perhaps signed", "[trust]\nrequire_signature = 1\n", &["2:21 wrong-type"]),
    ("keys among pins", "[trust]\ndirectory = \"/sys/fs/bpf/aegisbpf/keys\"\n", &["2:13 contradiction"]),
    ("socket among pins", "[daemon]\nsocket = \"/sys/fs/bpf/aegisbpf/socket\"\n", &["2:10 contradiction"]),
    ("pins around the state", "[daemon]\nbpffs_root = \"/var/lib\"\n", &["2:14 contradiction"]),
    (
        "records into the policy",
        "[policy]\nfiles = [\"/a\"]\n[sinks.file]\npath = \"/a\"\n",
        &["4:8 contradiction"],
    ),
    (
        "records into the socket",
        "[sinks.file]\npath = \"/run/aegisbpf/control.sock\"\n",
        &["2:8 contradiction"],
    ),
    (
        "all at once",
        "[daemon]\nsocket = \"/sys/fs/bpf/aegisbpf/socket\"\n[polcy]\n[events]\nring_bytes = 1\nper_second = \"é\"\n",
        &["2:10 contradiction", "3:2 unknown-key", "5:14 out-of-bounds", "6:14 wrong-type"],
    ),
];

fn report(files: &[FileText], variables: &[(OsString, OsString)], flags: &[Flag]) -> Report {
    compose(files, variables, flags).expect_err("something is wrong")
}

fn places(report: &Report) -> Vec<String> {
    report.located().map(|found| format!("{}:{} {}", found.line, found.column, found.code)).collect()
}

#[test]
fn wrong_files() {
    let (mut all, mut wrong) = (String::new(), Vec::new());
    for (name, text, expected) in ROWS {
        let report = report(&[FileText::new("config.toml", *text)], &[], &[]);
        let found = places(&report);
        if found != *expected {
            wrong.push(format!("{name}: {found:?}"));
        }
        all.push_str(&format!("## {name}\n{report}\n"));
    }
    assert!(wrong.is_empty(), "{}\n{all}", wrong.join("\n"));
    insta::assert_snapshot!("files", all);
}

#[test]
fn wrong_variables() {
    let pair = |(name, value): (&str, &str)| (OsString::from(name), OsString::from(value));
    let mut variables: Vec<_> = [
        ("AEGISBPF__POLICY__MODE", "audit"),
        ("AEGISBPF__POLICY__MODUS", "observe"),
        ("AEGISBPF__policy__watch", "true"),
        ("AEGISBPF__POLICY__WATCH", "yes"),
        ("AEGISBPF__POLICY__FILES", "a\n\u{1b}[2J"),
        ("AEGISBPF__EVENTS__PER_SECOND", "many"),
        ("AEGISBPF__EVENTS__RING_BYTES", "5000"),
        ("AEGISBPF__COLOUR", "1"),
        ("AEGISBPF__METRICS__LISTEN", "1.2.3.4:5"),
    ]
    .map(pair)
    .into();
    variables.push(("AEGISBPF__DAEMON__SOCKET".into(), OsString::from_vec(vec![b'/', 0xff])));
    let report = report(&[], &variables, &[]);
    assert_eq!(report.errors(), 10, "{report}");
    assert!(!report.to_string().contains('\u{1b}'));
    insta::assert_snapshot!("variables", report.to_string());
}

#[test]
fn wrong_options() {
    let flag = |key, option: &str, value: &str| Flag {
        key,
        option: option.to_owned(),
        value: Value::Text(value.to_owned()),
    };
    let flags = [
        flag("daemon.bpffs_root", "--bpffs-root /a", "/a"),
        flag("daemon.socket", "--socket /a/b", "/a/b"),
        flag("daemon.state_dir", "--state-dir ''", ""),
        // Who types knows where.
        flag("sinks.file.path", "--events-file relative", "relative"),
    ];
    insta::assert_snapshot!("options", report(&[], &[], &flags).to_string());
}

#[test]
fn a_lower_layer_is_checked_too() {
    let files = [
        FileText::new("lower.toml", "[policy]\nmode = \"enforced\"\n"),
        FileText::new("higher.toml", "[policy]\nmode = \"observe\"\n[events]\nper_secnd = 1\n"),
    ];
    let report = report(&files, &[], &[]);
    let files: Vec<&str> = report.located().map(|found| found.file).collect();
    assert_eq!(files, ["lower.toml", "higher.toml"]);
    insta::assert_snapshot!("json", serde_json::to_string_pretty(&report).unwrap());
}

#[test]
fn nothing_reaches_the_terminal_but_text() {
    let text = "[policy]\nmode = \"\u{9b}2J\" # \u{7f}\u{202e}\n";
    let report = report(&[FileText::new("evil\u{1b}[2J\n\u{9b}.toml", text)], &[], &[]);
    let harmful = |character: char| character != '\n' && (character.is_control() || character == '\u{202e}');
    assert!(!report.render(false).contains(harmful), "{:?}", report.render(false));
    assert!(report.render(true).contains("\u{1b}[") && !report.render(true).contains("\u{1b}[2J"));
}

#[test]
fn strange_texts_are_reported_and_do_no_harm() {
    let deep = format!("a = {}", "[".repeat(100_000));
    for text in ["\0", "[[policy]]\n[policy.x]\n[policy]", "[a]\n[a.b]\n[[a]]", "=", &deep] {
        let report = report(&[FileText::new("strange", text)], &[], &[]);
        assert_eq!(report.located().count(), report.errors());
        assert!(!report.render(false).is_empty());
    }
    compose(&[FileText::new("strange", "\u{feff}[policy]\r\nwatch = true\r\n")], &[], &[]).unwrap();
}
