//! `docs/policy.md` says what is true: each policy in it compiles, each mistake in it is found, and its tables are those of
//! the code.
//!
//! The info string of a block says what it is: `toml` and `ini` are good policies, the second of formats 1 and 2. Behind it
//! may stand a code, which is what is found in the policy, and `language-only`, which this version cannot enforce. A `text`
//! block behind a code is how that is told, and a `toml` block with `migrated` is what the `ini` block before it becomes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may")]

use aegis_policy::{
    Code, Level, Name, Net, Object, Operations, Plan, Source, Verity, compile, migrate, schema,
};
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;

mod valid;

const HEAD: &str = "version = 3\nname = \"example\"\n";

fn document() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/policy.md")).unwrap()
}

/// A block of the document.
struct Block {
    line: usize,
    kind: String,
    marks: Vec<String>,
    text: String,
}

impl Block {
    fn has(&self, mark: &str) -> bool {
        self.marks.iter().any(|own| own == mark)
    }

    /// The code of what is wrong with it.
    fn code(&self) -> Option<&str> {
        let is_code = |mark: &&String| Code::ALL.iter().any(|code| code.id() == mark.as_str());
        self.marks.iter().find(is_code).map(String::as_str)
    }

    /// The whole policy: a part of one gets what each has.
    fn policy(&self) -> String {
        let is_whole = self.kind == "ini" || self.text.lines().any(|line| line.starts_with("version"));
        if is_whole { self.text.clone() } else { format!("{HEAD}{}", self.text) }
    }
}

fn blocks(document: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut is_open = false;
    for (number, line) in (1..).zip(document.lines()) {
        let Some(info) = line.strip_prefix("```") else {
            if let Some(block) = blocks.last_mut().filter(|_| is_open) {
                block.text.push_str(line);
                block.text.push('\n');
            }
            continue;
        };
        is_open = !is_open;
        if is_open {
            let mut words = info.split(' ').map(str::to_owned);
            let kind = words.next().unwrap_or_default();
            blocks.push(Block { line: number, kind, marks: words.collect(), text: String::new() });
        }
    }
    assert!(!is_open, "a block is not closed");
    blocks
}

#[test]
fn each_policy_is_what_it_is_shown_as() {
    let blocks = blocks(&document());
    let policies = || blocks.iter().filter(|block| ["toml", "ini"].contains(&block.kind.as_str()));
    assert!(policies().count() > 20, "{}", policies().count());
    for block in policies() {
        let unknown = block.marks.iter().find(|mark| {
            block.code() != Some(mark.as_str()) && !["language-only", "migrated"].contains(&mark.as_str())
        });
        assert!(unknown.is_none(), "line {}: {unknown:?}", block.line);
        let text = block.policy();
        let (report, plan) = match compile(&[Source { name: "web-host.toml", text: &text }]) {
            Ok(compiled) => (compiled.warnings.without_notes(), Some(compiled.plan)),
            Err(report) => (report, None),
        };
        let found: Vec<&str> = report.diagnostics().iter().map(|found| found.code.id()).collect();
        assert_eq!(found, Vec::from_iter(block.code()), "line {}: {report}", block.line);
        if let Some(plan) = &plan {
            let undecided = plan.undecided();
            assert_eq!(
                undecided.is_empty(),
                !block.has("language-only"),
                "line {}: {undecided:?}",
                block.line
            );
        }
        if plan.is_some() && block.kind == "toml" {
            assert_eq!(valid::faults(&schema(), &text), [""; 0], "line {}", block.line);
        }
    }
}

#[test]
fn what_follows_from_a_policy_is_shown_as_it_is() {
    let (mut told, mut migrated) = (0, 0);
    let blocks = blocks(&document());
    for pair in blocks.windows(2) {
        let [before, after] = pair else { continue };
        let text = before.policy();
        let source = [Source { name: "web-host.toml", text: &text }];
        if before.code().is_some() && after.kind == "text" {
            told += 1;
            let report = compile(&source).map_or_else(|report| report, |compiled| compiled.warnings);
            assert!(report.render(false).starts_with(&after.text), "line {}: {report}", after.line);
        }
        if after.has("migrated") {
            migrated += 1;
            let found = migrate(&source, Some(Name::parse("web-host").unwrap())).unwrap();
            assert_eq!(found.text, after.text, "line {}", after.line);
        }
    }
    assert_eq!((told, migrated), (1, 1));
}

fn must_have(document: &str, part: &str) {
    assert!(document.contains(part), "docs/policy.md must have this, as it stands here:\n\n{part}");
}

#[test]
fn each_code_is_explained() {
    let document = document();
    let mut table = String::from("| code | meaning |\n|---|---|\n");
    for code in Code::ALL {
        writeln!(table, "| {} | {} |", code.id(), code.explanation()).unwrap();
    }
    must_have(&document, &(table + "\n"));
    assert!(Code::ALL.iter().any(|code| code.level() == Level::Note));
}

/// What a key takes, in words, from the schema alone.
fn takes(schema: &Value) -> String {
    if let Some(one) = schema.get("anyOf").and_then(|all| all.as_array()) {
        return match &one[..] {
            [one, list] if list["type"] == "array" => match takes(one).as_str() {
                "a table" => "a table, or several".to_owned(),
                "a text" => "a text, or a list".to_owned(),
                "one of many words" => "[operations](#operations)".to_owned(),
                other => format!("{other}, or a list"),
            },
            [number, text] if number["type"] == "integer" && text["type"] == "string" => {
                "a number, a range such as `\"1000-1999\"`".to_owned()
            }
            [number, word] if number["type"] == "integer" => format!("a number, {}", takes(word)),
            other => panic!("{other:?}"),
        };
    }
    let word = |value: &Value| match value {
        Value::String(text) => format!("`\"{text}\"`"),
        other => format!("`{other}`"),
    };
    if let Some(value) = schema.get("const") {
        return word(value);
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        let words: Vec<String> = words.iter().map(word).collect();
        return if words.len() > 9 { "one of many words".to_owned() } else { words.join(", ") };
    }
    match schema["type"].as_str().unwrap() {
        "string" if schema.get("format").is_some() => "a moment, such as `2030-12-31T00:00:00Z`".to_owned(),
        "string" if schema.get("maxLength") == Some(&Name::LONGEST.into()) => "a [name](#names)".to_owned(),
        "string" => match schema.get("maxLength") {
            Some(most) => format!("a text of at most {most} bytes"),
            None => "a text".to_owned(),
        },
        "integer" => format!("a number from {} to {}", schema["minimum"], schema["maximum"]),
        "array" => "tables".to_owned(),
        "object" if schema.get("properties").is_none() => "tables with names".to_owned(),
        "object" => "a table".to_owned(),
        other => panic!("{other}"),
    }
}

/// The table of the keys of one kind of table. Keys are in the order of the alphabet, as the schema has them.
fn keys(schema: &Value) -> String {
    let mut table = String::from("| key | takes | meaning |\n|---|---|---|\n");
    let required: Vec<&str> =
        schema["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for (key, value) in schema["properties"].as_object().unwrap() {
        let must = if required.contains(&key.as_str()) { " (required)" } else { "" };
        let means = value["description"].as_str().unwrap().replace('|', "\\|");
        writeln!(table, "| `{key}`{must} | {} | {means} |", takes(value)).unwrap();
    }
    table + "\n"
}

#[test]
fn each_key_has_its_row() {
    let (document, schema) = (document(), schema());
    let rule = &schema["properties"]["rule"]["items"];
    let condition = |key: &str| rule["properties"][key]["anyOf"][0].clone();
    assert_eq!(condition("when"), condition("unless"));
    for (heading, table) in [
        ("The policy", &schema),
        ("A rule", rule),
        ("A condition", &condition("when")),
        ("An escalation", &rule["properties"]["escalate"]),
        ("A tenant", &schema["properties"]["tenant"]["additionalProperties"]),
        ("Exemptions", &schema["properties"]["exempt"]),
    ] {
        must_have(&document, &keys(table));
        must_have(&document, &format!("\n### {heading}\n"));
    }
}

/// One object of each kind, and how a rule names it.
fn one_of_each() -> [(Object, &'static str); 8] {
    const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(DIGEST.len(), 64);
    [
        (Object::Path("/a".to_owned()), "path = \"/a\""),
        (Object::Subtree("/a".to_owned()), "subtree = \"/a\""),
        (Object::Inode { major: 8, minor: 1, ino: 2, inode_generation: None }, "inode = \"8:1:2\""),
        (
            Object::Sha256([0; 32]),
            "sha256 = \"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"",
        ),
        (
            Object::Verity(Verity::Sha256([0; 32])),
            "fsverity = \"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"",
        ),
        (Object::Net(Net::ANY), "net = \"*\""),
        (Object::Unix("@a".to_owned()), "unix = \"@a\""),
        (Object::Any, "any = true"),
    ]
}

fn plan_of(rule: &str, more: &str) -> Plan {
    let text = format!("{HEAD}[[rule]]\nid = \"r\"\n{rule}\n{more}\n");
    compile(&[Source { name: "p", text: &text }]).unwrap_or_else(|report| panic!("{report}\nof {text}")).plan
}

fn quoted(words: impl IntoIterator<Item = impl std::fmt::Display>) -> String {
    words.into_iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// The rows of the table of operations: their first words, what they go with, and what they bring along.
#[test]
fn each_operation_has_its_row() {
    let document = document();
    let section = document.split("\n## ").find(|section| section.starts_with("Operations\n")).unwrap();
    let mut order = Vec::new();
    for word in Operations::all_words() {
        let operation = Operations::from_word(word).unwrap();
        let fitting: Vec<_> = one_of_each()
            .into_iter()
            .filter(|(object, _)| object.concerned_by().contains(operation))
            .collect();
        let objects = quoted(fitting.iter().map(|(object, _)| object.key()));
        let plan = plan_of(&format!("on = \"{word}\"\n{}", fitting[0].1), "");
        let along = quoted(plan.rules()[0].operations().difference(operation).words());
        let along = if along.is_empty() { "—" } else { &along };
        let start = format!("| `{word}` | ");
        let (row, line) = section.lines().enumerate().find(|(_, line)| line.starts_with(&start)).unwrap();
        let end = format!(" | {objects} | {along} |");
        assert!(line.ends_with(&end), "{line}\nmust end with\n{end}");
        order.push(row);
    }
    assert!(order.is_sorted(), "the rows are in the order of the language");
}

/// What is in force, and what is language only, is what a daemon refuses.
#[test]
fn what_is_not_heeded_is_listed() {
    let mut rows: Vec<(&str, [Vec<String>; 2])> = Vec::new();
    let mut add = |kind, all: Vec<(String, bool)>| {
        let of = |wanted| all.iter().filter(|(_, is)| *is == wanted).map(|(name, _)| name.clone()).collect();
        rows.push((kind, [of(true), of(false)]));
    };
    let decided = |word: &str| Operations::from_word(word).unwrap().undecided().is_empty();
    add("operations", Operations::all_words().map(|word| (word.to_owned(), decided(word))).collect());
    let named = |(object, text): (Object, &str)| {
        let word = object.concerned_by().words().next().unwrap();
        let is_heeded = plan_of(&format!("on = \"{word}\"\n{text}"), "").undecided().is_empty();
        (object.key().to_owned(), is_heeded)
    };
    add("objects", one_of_each().into_iter().map(named).collect());
    let schema = schema();
    let keys = schema["properties"]["rule"]["items"]["properties"].as_object().unwrap().keys();
    let objects = one_of_each().map(|(object, _)| object.key());
    let keys = keys.filter(|key| !objects.contains(&key.as_str()));
    let of_rule = |key: &String| {
        let (line, more) = match key.as_str() {
            "id" | "on" => ("", ""),
            "action" => ("action = \"allow\"\ntenant = \"t\"", "[tenant.t]\ncgroup = \"/t\""),
            "anchors" => ("anchors = \"follow\"", ""),
            "escalate" => ("signal = \"term\"\nescalate = { after = 1, within_seconds = 1 }", ""),
            "lockdown" => ("lockdown = true", ""),
            "mitre" => ("mitre = \"T1003\"", ""),
            "mode" => ("mode = \"observe\"", ""),
            "reason" => ("reason = \"a\"", ""),
            "severity" => ("severity = \"high\"", ""),
            "signal" => ("signal = \"term\"", ""),
            "tenant" => ("tenant = \"t\"", "[tenant.t]\ncgroup = \"/t\""),
            "unless" => ("unless = { uid = 0 }", ""),
            "when" => ("when = { uid = 0 }", ""),
            other => panic!("{other} is new: say here how it is written"),
        };
        let plan = plan_of(&format!("on = \"read\"\npath = \"/a\"\n{line}"), more);
        (key.clone(), plan.undecided().is_empty())
    };
    add("keys of a rule", keys.map(of_rule).collect());
    let mut table = String::from("| | in force | language only |\n|---|---|---|\n");
    for (kind, [yes, no]) in rows {
        writeln!(table, "| {kind} | {} | {} |", quoted(yes), quoted(no)).unwrap();
    }
    must_have(&document(), &table);
}

/// The message of a daemon that refuses, and the ids of entries, are those of policies that are shown.
#[test]
fn what_is_told_of_policies_is_what_they_say() {
    let document = document();
    let blocks = blocks(&document);
    let plan = |block: &Block| compile(&[Source { name: "p", text: &block.policy() }]).unwrap().plan;
    let refused: Vec<Plan> = blocks.iter().filter(|block| block.has("language-only")).map(plan).collect();
    let told = refused.iter().flat_map(Plan::undecided).find(|why| document.contains(&format!("\n{why}\n")));
    assert!(told.is_some(), "the page shows a message that no policy on it would get");
    let entries = refused.iter().find(|plan| plan.name().as_str() == "format-1").unwrap();
    for id in [
        "deny_cidr-10.0.0.0_8",
        "deny_inode-8388609-131073",
        "deny_ip-2001-db8--1",
        "deny_path-etc-ssl-private-site.key",
        "deny_port-22-tcp-bind",
        "deny_port-23-any-connect-bind",
    ] {
        assert!(entries.rules().iter().any(|rule| rule.id().as_str() == id), "{id}");
        assert!(document.contains(&format!("| `{id}` |")), "{id}");
    }
}
