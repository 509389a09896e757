//! In parts a file says what it says as a whole, or it is not read in parts.

use super::*;
use crate::check::merge;
use crate::{Plan, Report, Source};
use proptest::prelude::*;

const HEAD: &str = "version = 3\nname = \"policy\"\n";

/// What becomes of a file, with what is told of it.
fn outcome(text: &str, file: Option<File>, mut found: Sink) -> (Option<Plan>, Report) {
    let is_complete = file.is_some();
    let plan = merge::merge(file.into_iter().collect(), is_complete, &mut found);
    (plan, Report::new(&[Source { name: "file", text }], found))
}

/// Reads a text in parts that are cut at each rule, and holds what they say against the whole. Whether it was read so.
fn check(text: &str) -> bool {
    let (mut found, mut as_whole) = (Sink::new(), Sink::new());
    let Some(file) = read(0, text, 0, &mut found) else {
        assert!(found.is_empty(), "{text}");
        return false;
    };
    let in_parts = outcome(text, Some(file), found);
    let whole = file::whole(0, text, &mut as_whole);
    assert_eq!(in_parts, outcome(text, whole, as_whole), "{text}");
    true
}

#[test]
fn parts_say_what_the_whole_says() {
    let one = "[[rule]]\nid = \"one\"\non = [\"read\"]\npath = \"/etc/one\"\n";
    let two = "[[rule]]\nid = \"two\"\non = \"reed\"\npath = [\"/etc/../two\"]\n[[rule.when]]\nexe = \"a\"\n";
    let exempt = "[exempt]\ncgroup = \"/\"\n";
    let tenant = "[tenant.web]\ncgroup = \"/web\"\nmax = 1\n";
    let rows: [(&str, &[&str], bool); 16] = [
        ("two rules", &[HEAD, one, two], true),
        ("the same id", &[HEAD, one, two, one, "mode = \"observe\"\n"], true),
        ("exceptions and tenants", &[HEAD, one, exempt, two, tenant], true),
        ("these before all rules", &[HEAD, tenant, exempt, one, two], true),
        ("characters of several bytes", &[HEAD, "# \u{e9}\u{1f600}\n", one, "# \u{e9}\r\n", two], true),
        ("an unknown key at the top", &[HEAD, "nam = 1\n", one, two], true),
        ("exceptions twice", &[HEAD, exempt, one, exempt], false),
        ("tenants in two places", &[HEAD, tenant, one, "[tenant.db]\ncgroup = \"/db\"\n"], false),
        ("an unknown header", &[HEAD, one, "[other]\n", two], false),
        ("rules that are no headers", &[HEAD, "rule = []\n", one, two], false),
        ("a rule with another header", &[HEAD, "[[ rule ]]\nid = \"x\"\n", one, two], false),
        ("a header in a text", &[HEAD, one, "reason = \"\"\"\n", two, "\"\"\"\n"], false),
        ("a header in a list", &[HEAD, one, "mitre = [\n[[rule]]\n]\n"], false),
        ("another version", &["version = 4\n", one, two], false),
        ("no TOML", &[HEAD, one, "what?\n", two], false),
        ("no rule", &[HEAD, exempt], false),
    ];
    for (what, lines, is_in_parts) in rows {
        assert_eq!(check(&lines.concat()), is_in_parts, "{what}");
    }
}

#[test]
fn halves_say_what_the_whole_says() {
    let rules = |first: usize| -> String {
        let rule = |number| {
            // Every third is wrong, and what is told of it must be in order.
            let operation = if number % 3 == 0 { "reed" } else { "read" };
            format!("[[rule]]\nid = \"r{number}\"\non = \"{operation}\"\npath = \"/etc/{number}\"\n")
        };
        (first..first + MANY).map(rule).collect()
    };
    let (exempt, tenant) = ("[exempt]\ncgroup = \"/\"\n", "[tenant.web]\ncgroup = \"/web\"\n");
    let rows: [(&str, &[&str], bool); 5] = [
        ("rules", &["", ""], true),
        ("an exception and a tenant", &[exempt, tenant], true),
        ("exceptions in both", &[exempt, exempt], false),
        ("tenants in both", &[tenant, "[tenant.db]\ncgroup = \"/db\"\n"], false),
        ("no TOML in the second", &["", "what?\n"], false),
    ];
    for (what, between, is_in_parts) in rows {
        let text = [HEAD, &rules(0), between[0], &rules(MANY), between[1]].concat();
        assert_eq!(check(&text), is_in_parts, "{what}");
    }
}

#[test]
fn parts_are_cut_where_they_are_long_enough() {
    let text = format!("{HEAD}{}", "[[rule]]\n\u{1f600}".repeat(5));
    let places: Vec<usize> = text.match_indices("[[rule]]").map(|(at, _)| at).collect();
    // The second header follows a character without a line break, and is none.
    assert_eq!(cuts(&text, 0), Some(places[..1].to_vec()));
    let text = format!("{HEAD}{}", "[[rule]]\n\u{1f600}\n".repeat(5));
    let places: Vec<usize> = text.match_indices("[[rule]]").map(|(at, _)| at).collect();
    assert_eq!(cuts(&text, 0), Some(places.clone()));
    // Within the first character of the second rule, and behind its header.
    assert_eq!(cuts(&text, 10), Some(vec![places[0], places[1], places[2], places[3], places[4]]));
    assert_eq!(cuts(&text, 14), Some(vec![places[0], places[2], places[4]]));
    assert_eq!(cuts(&text, text.len()), None);
}

const LINES: [&str; 26] = [
    "[[rule]]",
    "[[rule]]",
    "[[rule]]",
    "[[rule]] # more",
    "[[rule.when]]",
    "[rule]",
    "[rule.when]",
    "[exempt]",
    "[tenant.web]",
    "[tenant]",
    "rule = []",
    "version = 3",
    "id = \"one\"",
    "id = \"two\"",
    "on = [\"read\", \"wriet\"]",
    "path = [",
    "\"/etc/\u{e9}\",",
    "]",
    "path = \"/etc/two/\"",
    "cgroup = \"/web\"",
    "when = { exe = \"/bin/a\",",
    "}",
    "reason = \"\"\"",
    "\"\"\"",
    "'''",
    "# it's \u{1f600}",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]
    #[test]
    fn whatever_the_lines_are(lines in prop::collection::vec(prop::sample::select(&LINES[..]), 0..14)) {
        check(&format!("{HEAD}{}", lines.join("\n")));
    }
}
