//! What may be written in the files.

use super::{Finding, SourceFile};

/// Most lines of a source file, and of a file of probes, which is read in one sitting.
const MOST_LINES: usize = 600;
const MOST_PROBE_LINES: usize = 300;
/// Written by a generator, so its length is nobody's choice.
const GENERATED: &[&str] = &["probes-ebpf/bpf/abi.h"];

/// Code that is not part of the product.
const NOT_PRODUCT: &[&str] = &["bench", "chaos", "fuzz", "tests", "xtask"];

/// A word that only some folders may use.
struct Reserved {
    word: &'static str,
    folders: &'static [&'static str],
    why: &'static str,
    remedy: &'static str,
}

const RESERVED: &[Reserved] = &[
    Reserved {
        word: "aya::",
        folders: &["probes-ebpf"],
        why: "one crate talks to the kernel's BPF, so that one crate has to be right about it",
        remedy: "ask aegis-probes for what you need",
    },
    Reserved {
        word: "SYS_bpf",
        folders: &["probes-ebpf"],
        why: "one crate talks to the kernel's BPF, so that one crate has to be right about it",
        remedy: "ask aegis-probes for what you need",
    },
    Reserved {
        word: "dlopen",
        folders: &["sinks/host"],
        why: "foreign code runs in the sandboxed sink host and nowhere else",
        remedy: "let the sink host load it",
    },
    Reserved {
        word: "feature = \"chaos\"",
        folders: &[],
        why: "what is tested must be what is shipped: faults are injected from outside",
        remedy: "inject the fault from the chaos crate",
    },
];

/// Words that are true on one machine only. They are split here, so that this file does not hold them.
const LOCAL: &[&str] = &[
    concat!("/wor", "k/"),
    concat!("DESIGN", ".md"),
    concat!("COMPAT", ".md"),
    concat!("arti", "factory"),
    concat!("/root/", ".cargo"),
];

pub(super) fn check(files: &[SourceFile]) -> Vec<Finding> {
    files.iter().flat_map(|file| [long(file), reserved(file), local(file)].concat()).collect()
}

fn long(file: &SourceFile) -> Vec<Finding> {
    let most = if file.path.ends_with(".bpf.c") { MOST_PROBE_LINES } else { MOST_LINES };
    let lines = file.text().lines().count();
    let free = !file.has_extension(&["rs", "c", "h"]) || GENERATED.contains(&file.path.as_str());
    if free || lines <= most {
        return Vec::new();
    }
    vec![Finding {
        path: file.path.clone(),
        line: most + 1,
        what: format!("{lines} lines, {most} are the most"),
        why: "a file that does not fit the head is not reviewed",
        remedy: "split it where its subject changes",
    }]
}

fn reserved(file: &SourceFile) -> Vec<Finding> {
    if !file.has_extension(&["rs", "c", "h"]) || file.is_below(NOT_PRODUCT) {
        return Vec::new();
    }
    let rules = RESERVED.iter().filter(|rule| !file.is_below(rule.folders));
    rules.flat_map(|rule| holding(file, rule.word, rule.why, rule.remedy)).collect()
}

fn local(file: &SourceFile) -> Vec<Finding> {
    let (why, remedy) = ("it means nothing to a reader elsewhere", "say what it stands for");
    LOCAL.iter().flat_map(|word| holding(file, word, why, remedy)).collect()
}

fn holding(file: &SourceFile, word: &str, why: &'static str, remedy: &'static str) -> Vec<Finding> {
    let lines = (1..).zip(file.text().lines()).filter(|(_, line)| line.contains(word));
    let finding = |(line, _)| Finding {
        path: file.path.clone(),
        line,
        what: format!("`{word}` is not for here"),
        why,
        remedy,
    };
    lines.map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    fn findings(path: &str, text: &str) -> usize {
        check(&[file(path, text)]).len()
    }

    #[test]
    fn long_files_are_found() {
        assert_eq!(findings("a/b.rs", &"\n".repeat(600)), 0);
        assert_eq!(findings("a/b.rs", &"\n".repeat(601)), 1);
        assert_eq!(findings("probes-ebpf/bpf/file.bpf.c", &"\n".repeat(301)), 1);
        assert_eq!(findings("probes-ebpf/bpf/abi.h", &"\n".repeat(601)), 0);
        assert_eq!(findings("README.md", &"\n".repeat(601)), 0);
    }

    #[test]
    fn reserved_words_are_found_outside_their_folders() {
        for rule in RESERVED {
            let text = format!("\nuse {};\n", rule.word);
            assert_eq!(findings("actors/src/lib.rs", &text), 1, "{}", rule.word);
            assert_eq!(findings("tests/src/lib.rs", &text), 0, "{}", rule.word);
            for folder in rule.folders {
                assert_eq!(findings(&format!("{folder}/src/lib.rs"), &text), 0, "{}", rule.word);
            }
        }
    }

    #[test]
    fn local_words_are_found_everywhere_with_their_line() {
        for word in LOCAL {
            let text = format!("one\nsee {word}x");
            let found = check(&[file("docs/policy.md", &text)]);
            assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [2], "{word}");
        }
    }
}
