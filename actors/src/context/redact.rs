//! Arguments that nobody is to read. Pure.

/// What stands in the place of an argument that is not shown.
pub(crate) const HIDDEN: &str = "***";

/// Which arguments are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redaction {
    /// Whether there are arguments in records at all.
    argv: bool,
    /// An argument that contains one of these words, in whatever case, is hidden. They are in lower case.
    words: Vec<String>,
}

impl Default for Redaction {
    /// Shows no argument: who does not say what is hidden shows nothing.
    fn default() -> Self {
        Self { argv: false, words: Vec::new() }
    }
}

impl Redaction {
    /// Shows arguments, if any, but for those that contain one of these words, in whatever case.
    #[must_use]
    pub fn new(argv: bool, words: &[String]) -> Self {
        Self { argv, words: words.iter().map(|word| word.to_lowercase()).collect() }
    }

    /// The arguments as they may be shown; `None` if none may be.
    pub(crate) fn shown<T: AsRef<str>>(&self, arguments: impl Iterator<Item = T>) -> Option<Vec<String>> {
        if !self.argv {
            return None;
        }
        let mut hides_next = false;
        let show = |argument: T| {
            let argument = argument.as_ref();
            let lower = argument.to_lowercase();
            let is_named = self.words.iter().any(|word| lower.contains(word.as_str()));
            let is_hidden = is_named || hides_next;
            // `--password x`: the option has its value in the next argument.
            hides_next = is_named && argument.starts_with('-') && !argument.contains('=');
            if is_hidden { HIDDEN.to_owned() } else { argument.to_owned() }
        };
        Some(arguments.map(show).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden() {
        let redaction = Redaction::new(true, &["password", "Token", "secret", "api_key"].map(str::to_owned));
        let rows: &[(&[&str], &[&str])] = &[
            (&[], &[]),
            (&["ls", "-l", "/"], &["ls", "-l", "/"]),
            (&["db", "--password=x", "y"], &["db", "***", "y"]),
            (&["db", "--PassWord", "x", "y"], &["db", "***", "***", "y"]),
            (&["db", "--password"], &["db", "***"]),
            (&["env", "TOKEN=1", "run"], &["env", "***", "run"]),
            (&["curl", "-H", "x-api_key: 1", "url"], &["curl", "-H", "***", "url"]),
            (&["a", "--password", "--token", "x", "y"], &["a", "***", "***", "***", "y"]),
            (&["a", "the secret", "y"], &["a", "***", "y"]),
            (&["a", "***", "y"], &["a", "***", "y"]),
            (&["a", "", "y"], &["a", "", "y"]),
        ];
        for (given, expected) in rows {
            let once = redaction.shown(given.iter()).unwrap();
            assert_eq!(once, *expected);
            assert_eq!(redaction.shown(once.iter()).unwrap(), *expected, "again");
        }
    }

    #[test]
    fn nothing_is_shown_unless_it_is_asked_for() {
        assert_eq!(Redaction::default().shown(["a"].iter()), None);
        let all = Redaction::new(true, &[]);
        assert_eq!(all.shown(["--password"].iter()), Some(vec!["--password".to_owned()]));
    }
}
