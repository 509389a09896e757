//! Texts of others, as they are shown and as they are written into files.

/// A text on one line and without anything that a terminal would act upon.
pub(crate) fn harmless(text: &str) -> String {
    let escape = |character: char| character.is_control().then(|| character.escape_default().to_string());
    text.chars().map(|character| escape(character).unwrap_or_else(|| character.to_string())).collect()
}

/// A text as messages quote it: harmless and short.
pub(crate) fn quote(text: &str) -> String {
    const SHOWN: usize = 80;
    if text.is_empty() {
        return "the empty string".to_owned();
    }
    let shown: String = text.chars().take(SHOWN).collect();
    let more = if shown.len() < text.len() { "…" } else { "" };
    format!("`{}{more}`", harmless(&shown))
}

/// Words as a sentence lists them: `a`, `b` and `c`.
pub(crate) fn enumerate(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| quote(word)).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

/// A text as a string of TOML.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            control if control.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(control))),
            other => out.push(other),
        }
    }
    out + "\""
}

/// Words of other tools and everyday language for ours.
const SYNONYMS: [(&str, &str); 8] = [
    ("audit", "observe"),
    ("monitor", "observe"),
    ("block", "enforce"),
    ("deny", "enforce"),
    ("sigterm", "term"),
    ("sigkill", "kill"),
    ("sigint", "int"),
    ("warning", "warn"),
];

/// The one of `known` that was probably meant by `word`.
pub(crate) fn closest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let meant = SYNONYMS.iter().find(|(other, _)| *other == lower).map_or(lower.as_str(), |(_, ours)| *ours);
    // One slip in three letters; more would be guessing.
    let allowed = (meant.chars().count() / 3).max(1);
    known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(meant, &candidate.to_lowercase()), *candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant_and_does_not_guess() {
        let known = ["enforce", "observe", "AEGISBPF__POLICY__MODE"];
        let rows = [
            ("enforced", Some("enforce")),
            ("Observe", Some("observe")),
            ("audit", Some("observe")),
            ("aegisbpf__policy__mode", Some("AEGISBPF__POLICY__MODE")),
            ("later", None),
            ("", None),
        ];
        for (word, meant) in rows {
            assert_eq!(closest(word, &known), meant, "{word:?}");
        }
    }

    #[test]
    fn strings_of_toml_hold_anything() {
        assert_eq!(quoted("a\"b\\c\n\u{7f}\u{9b}é"), r#""a\"b\\c\u000A\u007F\u009Bé""#);
    }
}
