//! Did you mean …?

use crate::diagnostic::{Code, Fault, enumerate, quote};

/// Words of other tools and everyday language for ours.
const SYNONYMS: [(&str, &str); 19] = [
    ("audit", "observe"),
    ("monitor", "observe"),
    ("block", "enforce"),
    ("block", "deny"),
    ("deny", "enforce"),
    ("permit", "allow"),
    ("open", "read"),
    ("execute", "exec"),
    ("mmap", "map-exec"),
    ("file", "path"),
    ("directory", "subtree"),
    ("address", "net"),
    ("ip", "net"),
    ("cidr", "net"),
    ("socket", "unix"),
    ("user", "uid"),
    ("sigint", "int"),
    ("sigterm", "term"),
    ("sigkill", "kill"),
];

/// The one of `known` that was probably meant by `word`.
pub(crate) fn closest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let word = word.to_lowercase();
    let ours = SYNONYMS.iter().find(|(other, ours)| *other == word && known.contains(ours));
    let meant = ours.map_or(word.as_str(), |(_, ours)| *ours);
    // One slip in three letters; more would be guessing.
    let allowed = (meant.chars().count() / 3).max(1);
    known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(meant, candidate), *candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The fault of a word that is not one of `known`. `kind` says what it should be, such as "operation".
pub(crate) fn choice(
    code: Code,
    kind: &str,
    word: &str,
    known: impl IntoIterator<Item = &'static str>,
) -> Fault {
    let known: Vec<&str> = known.into_iter().collect();
    let all = enumerate(known.iter().copied());
    let help = match closest(word, &known) {
        Some(meant) => format!("did you mean `{meant}`? The choices are {all}"),
        None => format!("write one of {all}"),
    };
    Fault::new(code, format!("there is no {kind} {}", quote(word)))
        .label(format!("unknown {kind}"))
        .help(help)
}

#[cfg(test)]
mod tests {
    use super::closest;

    #[test]
    fn finds_what_was_meant_and_does_not_guess() {
        let known = ["read", "write", "exec", "map-exec"];
        let rows = [
            ("raed", Some("read")),
            ("Read", Some("read")),
            ("writes", Some("write")),
            ("map_exec", Some("map-exec")),
            ("mmap", Some("map-exec")),
            ("connect", None),
            ("block", None),
            ("", None),
        ];
        for (word, meant) in rows {
            assert_eq!(closest(word, &known), meant, "{word:?}");
        }
    }
}
