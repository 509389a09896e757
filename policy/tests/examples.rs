//! The example policies: they compile without a warning, the schema takes them, and they say themselves whether this version
//! can enforce them. The schema is also held against wrong policies.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may")]

use aegis_policy::{Plan, Source, compile, schema};
use std::path::{Path, PathBuf};

mod valid;

/// How the first line of an example begins that this version cannot enforce.
const LANGUAGE_ONLY: &str = "# Not in force with this version: it cannot decide upon ";

/// What stands in the folder, by name.
fn examples() -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/policies");
    let mut files: Vec<PathBuf> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    files.into_iter().map(|file| (file.clone(), std::fs::read_to_string(file).unwrap())).collect()
}

fn clean(name: &Path, text: &str) -> Plan {
    let name = name.display().to_string();
    let compiled = compile(&[Source { name: &name, text }]).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(compiled.warnings.warnings(), 0, "{}", compiled.warnings);
    compiled.plan
}

#[test]
fn examples_are_clean_and_say_what_this_version_can_do() {
    let examples = examples();
    assert!(examples.len() >= 8, "{}", examples.len());
    for (file, text) in &examples {
        let undecided = clean(file, text).undecided();
        let first = text.lines().next().unwrap_or_default();
        match first.strip_prefix(LANGUAGE_ONLY) {
            None => assert!(undecided.is_empty(), "{}: {undecided:?}", file.display()),
            // Each key that is named is one that is missing.
            Some(named) => {
                assert!(!undecided.is_empty(), "{} is in force", file.display());
                for key in named.split('`').skip(1).step_by(2) {
                    let quoted = format!("`{key}`");
                    assert!(undecided.iter().any(|why| why.contains(&quoted)), "{}: {key}", file.display());
                }
            }
        }
        assert!(text.contains("\n#:schema ./policy.schema.json\nversion = 3\n"), "{}", file.display());
    }
}

/// Rules that are alerted on have to say what for.
#[test]
fn examples_name_techniques() {
    for (file, text) in examples() {
        let plan = clean(&file, &text);
        let allows = |rule: &aegis_policy::Rule| rule.action() == aegis_policy::Action::Allow;
        let bare = plan.rules().iter().find(|rule| rule.mitre().is_empty() && !allows(rule));
        assert!(bare.is_none(), "{}: {bare:?}", file.display());
    }
}

#[test]
fn the_schema_takes_the_examples() {
    for (file, text) in examples() {
        assert_eq!(valid::faults(&schema(), &text), [""; 0], "{}", file.display());
    }
}

/// What the schema is to find while one types. Each row is refused by the compiler as well.
#[test]
fn the_schema_refuses_what_is_wrong() {
    const RULE: &str = "version = 3\nname = \"p\"\n[[rule]]\nid = \"r\"\non = \"read\"\npath = \"/a\"\n";
    let rows = [
        ("", "name = \"p\"\n"),
        ("", "version = 2\nname = \"p\"\n"),
        ("", "version = 3\nname = \"a b\"\n"),
        ("", "version = 3\nname = \"p\"\nserial = 0\n"),
        ("", "version = 3\nname = \"p\"\nexpires = 2030-12-31\n"),
        ("", "version = 3\nname = \"p\"\nmode = \"audit\"\n"),
        ("", "version = 3\nname = \"p\"\ncolour = 3\n"),
        ("", "version = 3\nname = \"p\"\nrule = 3\n"),
        ("", "version = 3\nname = \"p\"\n[exempt]\n"),
        ("", "version = 3\nname = \"p\"\n[exempt]\ncgroup = \"system.slice\"\n"),
        ("", "version = 3\nname = \"p\"\n[[rule]]\non = \"read\"\npath = \"/a\"\n"),
        ("", "version = 3\nname = \"p\"\n[[rule]]\nid = \"r\"\non = []\npath = \"/a\"\n"),
        ("", "version = 3\nname = \"p\"\n[[rule]]\nid = \"r\"\non = \"raed\"\npath = \"/a\"\n"),
        (RULE, "paths = \"/b\"\n"),
        (RULE, "subtree = \"srv\"\n"),
        (RULE, "inode = \"8:1\"\n"),
        (RULE, "sha256 = \"abc\"\n"),
        (RULE, "fsverity = \"md5:00\"\n"),
        (RULE, "net = 4\n"),
        (RULE, "unix = \"run/a\"\n"),
        (RULE, "any = false\n"),
        (RULE, "action = \"denny\"\n"),
        (RULE, "anchors = \"hodl\"\n"),
        (RULE, "signal = \"sigterm\"\n"),
        (RULE, "signal = \"term\"\nescalate = { after = 0, within_seconds = 3 }\n"),
        (RULE, "signal = \"term\"\nescalate = { after = 1 }\n"),
        (RULE, "severity = \"urgent\"\n"),
        (RULE, "mitre = \"TA0006\"\n"),
        (RULE, "lockdown = \"yes\"\n"),
        (RULE, "when = \"root\"\n"),
        (RULE, "when = { gids = 4 }\n"),
        (RULE, "when = { exe = \"nginx\" }\n"),
        (RULE, "when = { uid = -1 }\n"),
        (RULE, "when = { uid = \"root\" }\n"),
        (RULE, "unless = [{ pid_ns = \"hots\" }]\n"),
        (RULE, "tenant = \"a b\"\n"),
        (RULE, "[tenant.web]\nmax_rules = -1\ncgroup = \"/web.slice\"\n"),
        (RULE, "[tenant.\"a b\"]\ncgroup = \"/web.slice\"\n"),
        (RULE, "[tenant.web]\nexe = \"/a\"\n"),
    ];
    let schema = schema();
    assert_eq!(valid::faults(&schema, RULE), [""; 0]);
    for (head, text) in rows {
        let text = format!("{head}{text}");
        assert!(compile(&[Source { name: "p", text: &text }]).is_err(), "{text}");
        assert!(!valid::faults(&schema, &text).is_empty(), "the schema takes {text}");
    }
}
