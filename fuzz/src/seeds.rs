//! Inputs to begin with. Nothing is written twice for them: they are the texts in the tests of the language, and the
//! example policies.

use crate::slots::SLOTS;
use std::path::Path;
use std::{fs, io};

const EXAMPLES: [&str; 3] = [
    include_str!("../../config/policies/credentials.toml"),
    include_str!("../../config/policies/persistence.toml"),
    include_str!("../../config/policies/tools.toml"),
];

/// Where texts are, in quotes.
const TESTS: [&str; 5] = [
    include_str!("../../policy/tests/diagnostics.rs"),
    include_str!("../../policy/tests/format1.rs"),
    include_str!("../../policy/tests/plan.rs"),
    include_str!("../../policy/tests/whole.rs"),
    include_str!("../../policy/src/check/net.rs"),
];

const TOP: &str = "version = 3\nname = \"p\"\n";
const RULE: &str = "[[rule]]\nid = \"a\"\non = [\"read\", \"exec\", \"connect\"]\n";

/// Inputs that did not hold once, by the name of the target.
pub(crate) fn kept(target: &str) -> io::Result<Vec<Vec<u8>>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries?.map(|entry| fs::read(entry?.path())).collect(),
    }
}

pub(crate) fn format3() -> Vec<Vec<u8>> {
    let examples = EXAMPLES.map(str::to_owned).into_iter();
    let texts = literals().into_iter().filter(|text| text.contains(" = ")).map(|text| {
        let head = if text.starts_with("version") { "" } else { TOP };
        let of_a_rule = OF_RULES.iter().any(|key| text.trim_start().starts_with(key));
        let rule = if !head.is_empty() && of_a_rule { RULE } else { "" };
        format!("{head}{rule}{text}")
    });
    examples.chain(texts).map(String::into_bytes).collect()
}

/// How a text begins that belongs below the head of a rule.
const OF_RULES: [&str; 8] = ["path", "subtree", "inode", "sha256", "fsverity", "net", "unix", "any"];

pub(crate) fn format1() -> Vec<Vec<u8>> {
    let texts = literals().into_iter().filter(|text| text.contains("[deny_") || text.contains("[allow_"));
    let rest = |text: String| match text.split_once('\n') {
        Some((first, rest)) if first.starts_with("version") => rest.to_owned(),
        _ => text,
    };
    texts.map(|text| format!("1{}", rest(text)).into_bytes()).collect()
}

/// Each short text at each place of which it may be a value.
pub(crate) fn values() -> Vec<Vec<u8>> {
    let literals = literals();
    let mut seeds = Vec::new();
    for (number, slot) in (0_u8..).zip(SLOTS) {
        let mut put = |value: &str| seeds.push([&[number], value.as_bytes()].concat());
        match slot.key() {
            None => {
                let lines = literals.iter().flat_map(|text| text.lines()).map(str::trim);
                lines
                    .filter(|line| {
                        line.len() < 64 && line.contains([':', '/', '.']) && !line.contains(['{', '=', ' '])
                    })
                    .for_each(&mut put);
            }
            Some(key) => {
                let found =
                    literals.iter().flat_map(|text| text.lines()).filter_map(|line| line.split_once(" = "));
                for (_, value) in found.filter(|(name, _)| *name == key) {
                    match value.split('"').nth(1).filter(|_| slot.quotes()) {
                        Some(inner) => put(inner),
                        None => put(value),
                    }
                }
            }
        }
        // Single values of tests have no key.
        let plain = literals.iter().filter(|text| {
            text.len() < 40 && text.contains([':', '/', '@']) && !text.contains(['{', '=', ' '])
        });
        plain.for_each(|text| put(text));
    }
    seeds
}

/// Whole policies, and what others may add to them.
pub(crate) fn merged() -> Vec<Vec<u8>> {
    let (new, old) = (format3(), format1());
    let joined = |one: &[u8], other: &[u8]| [one, other].join(&0);
    let neighbours = new.windows(2).map(|pair| joined(&pair[0], &pair[1]));
    let mixed = new.iter().zip(old.iter().cycle()).map(|(new, old)| {
        let lines = old.get(1..).unwrap_or_default();
        joined(new, &[b"version=2\n", lines].concat())
    });
    neighbours.chain(mixed).collect()
}

fn literals() -> Vec<String> {
    TESTS.iter().flat_map(|source| strings(source)).collect()
}

/// The strings of a source file of Rust. Comments with a single quotation mark are none of ours.
fn strings(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = source.chars();
    while let Some(character) = rest.next() {
        match character {
            // `'"'` begins no string.
            '\'' if rest.as_str().starts_with("\"'") => drop(rest.nth(1)),
            '"' => found.push(string(&mut rest)),
            _ => {}
        }
    }
    found
}

/// What follows until the quotation mark that ends it.
fn string(rest: &mut std::str::Chars<'_>) -> String {
    let mut text = String::new();
    while let Some(character) = rest.next() {
        match character {
            '"' => break,
            '\\' => match rest.next() {
                Some('n') => text.push('\n'),
                Some('r') => text.push('\r'),
                Some('t') => text.push('\t'),
                Some('0') => text.push('\0'),
                Some('\n') => *rest = rest.as_str().trim_start().chars(),
                Some('u') => {
                    let digits: String = rest.by_ref().skip(1).take_while(|next| *next != '}').collect();
                    text.extend(u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32));
                }
                other => text.extend(other),
            },
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_found() {
        let source = "let a = \"one\\n\\\"two\\\" \\u{e9}\"; let b = '\"'; // it's\nlet c = \"x\\\n   y\";";
        assert_eq!(strings(source), ["one\n\"two\" \u{e9}", "xy"]);
    }

    #[test]
    fn every_target_has_many_seeds() {
        for target in crate::TARGETS {
            let seeds = target.seeds().unwrap();
            assert!(seeds.len() >= 20, "{}: {}", target.name, seeds.len());
        }
    }
}
