//! Which files may be in the repository at all.

use super::{Finding, SourceFile};

/// All that may be in `docs/`; a name that ends in `/` is a folder of its own.
const DOCS: &[&str] = &[
    "adr/",
    "architecture.md",
    "compatibility.json",
    "compatibility.md",
    "guarantees.md",
    "openapi.json",
    "operations.md",
    "plugins.md",
    "policy.md",
    "runbooks/",
    "threat-model.md",
];

/// Files that are made from others.
const PRODUCTS: &[&str] = &["a", "cpio", "deb", "img", "ko", "o", "pyc", "rlib", "rmeta", "rpm", "so"];
const ELF: &[u8] = b"\x7fELF";

pub(super) fn check(files: &[SourceFile]) -> Vec<Finding> {
    files.iter().filter_map(misplaced).collect()
}

fn misplaced(file: &SourceFile) -> Option<Finding> {
    let finding = |what: &str, why, remedy| {
        Some(Finding { path: file.path.clone(), line: 1, what: what.to_owned(), why, remedy })
    };
    if file.is_below(&["target"]) || file.has_extension(PRODUCTS) || file.bytes.starts_with(ELF) {
        let why = "what a build makes is made again by every build, and goes stale in between";
        return finding("a build product", why, "remove it and add it to .gitignore");
    }
    if file.path.split('/').any(|part| part == "scripts") {
        let why = "a script beside the tasks is found by nobody and tested by nothing";
        return finding("a `scripts` folder", why, "make it a verb of xtask");
    }
    if !file.path.strip_prefix("docs/").is_none_or(is_listed) {
        let why = "few documents with known names are read and kept true";
        return finding("not one of the documents", why, "put the text into one of those that exist");
    }
    None
}

fn is_listed(name: &str) -> bool {
    DOCS.iter().any(|entry| if entry.ends_with('/') { name.starts_with(entry) } else { name == *entry })
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    #[test]
    fn misplaced_files_are_found() {
        let cases = [
            ("docs/policy.md", true),
            ("docs/adr/0001-one.md", true),
            ("docs/notes.md", false),
            ("scripts/a.sh", false),
            ("cli/scripts/a.sh", false),
            ("probes-ebpf/file.o", false),
            ("target/x", false),
            ("target-audience.md", true),
            ("cli/src/main.rs", true),
        ];
        for (path, good) in cases {
            assert_eq!(misplaced(&file(path, "")).is_none(), good, "{path}");
        }
        assert!(misplaced(&file("cli/tool", "\x7fELF\x02")).is_some());
    }
}
