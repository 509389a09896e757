//! What was wrong with a policy, where, and what to write instead.
//!
//! [`Diagnostic`] knows byte ranges; [`Report`] has the texts they point into, and turns them into lines for
//! people (`render`) and into records for programs (`json`).

mod code;
mod json;
mod render;
mod report;
mod sarif;

pub use code::{Code, Level};
pub use json::{Located, Point, RelatedPlace};
pub use report::Report;

use std::ops::Range;

/// A range of bytes in one of the sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Index of the source among those that were compiled.
    pub source: usize,
    /// Its first byte.
    pub start: usize,
    /// The byte after its last one. Equal to `start` where something is missing.
    pub end: usize,
}

impl Place {
    pub(crate) fn new(source: usize, span: Range<usize>) -> Self {
        Self { source, start: span.start, end: span.end }
    }

    /// Moves it so many bytes towards the end.
    pub(crate) fn shift(&mut self, bytes: usize) {
        self.start += bytes;
        self.end += bytes;
    }

    /// Its range of bytes.
    #[must_use]
    pub fn span(self) -> Range<usize> {
        self.start..self.end
    }
}

/// Another place that one must see to understand a diagnostic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// Where it is.
    pub place: Place,
    /// What is there.
    pub label: String,
}

/// One thing that is wrong, or probably wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What kind of thing.
    pub code: Code,
    /// What is wrong, in one line.
    pub message: String,
    /// Where.
    pub place: Place,
    /// The cause, to be shown at the place.
    pub label: String,
    /// What to write instead.
    pub help: Option<String>,
    /// Other places that matter.
    pub related: Vec<Related>,
}

impl Diagnostic {
    /// How bad it is.
    #[must_use]
    pub fn level(&self) -> Level {
        self.code.level()
    }

    /// All places that it tells of.
    pub(crate) fn places(&mut self) -> impl Iterator<Item = &mut Place> {
        std::iter::once(&mut self.place).chain(self.related.iter_mut().map(|related| &mut related.place))
    }

    pub(crate) fn see(mut self, place: Place, label: impl Into<String>) -> Self {
        self.related.push(Related { place, label: label.into() });
        self
    }
}

/// A diagnostic that does not know its place yet: what checks of single values return.
#[derive(Debug)]
pub(crate) struct Fault {
    code: Code,
    message: String,
    label: String,
    help: Option<String>,
}

impl Fault {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), label: String::new(), help: None }
    }

    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The fault as another one sees it, if it has this code.
    pub(crate) fn instead_of(self, code: Code, change: impl FnOnce(Self) -> Self) -> Self {
        if self.code == code { change(self) } else { self }
    }

    pub(crate) fn at(self, place: Place) -> Diagnostic {
        let Self { code, message, label, help } = self;
        Diagnostic { code, message, place, label, help, related: Vec::new() }
    }
}

/// What is found while checking goes here.
pub(crate) type Sink = Vec<Diagnostic>;

/// Text of a policy as messages quote it: harmless and short.
pub(crate) fn quote(text: &str) -> String {
    const SHOWN: usize = 80;
    if text.is_empty() {
        return "the empty string".to_owned();
    }
    let shown: String = text.chars().take(SHOWN).collect();
    let more = if shown.len() < text.len() { "…" } else { "" };
    format!("`{}{more}`", harmless(&shown))
}

/// A text on one line and without anything that a terminal would act upon.
fn harmless(text: &str) -> String {
    let escape = |character: char| character.is_control().then(|| character.escape_default().to_string());
    text.chars().map(|character| escape(character).unwrap_or_else(|| character.to_string())).collect()
}

/// Words as a sentence lists them: `a`, `b` and `c`.
pub(crate) fn enumerate<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = words.into_iter().map(quote).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}
