//! What is wrong with a configuration, where, and what to do about it.

use crate::text::harmless;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde::{Serialize, Serializer};
use std::ops::Range;

/// What kind of thing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    /// A file that cannot be read.
    Unreadable,
    /// A file that others than root can change.
    Untrusted,
    /// A text that is not TOML.
    Syntax,
    /// A key or variable that there is not.
    UnknownKey,
    /// A value of another type than its key takes.
    WrongType,
    /// A value that its key does not take.
    OutOfBounds,
    /// Two settings that do not go together.
    Contradiction,
}

impl Code {
    /// As people and programs see it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Untrusted => "untrusted",
            Self::Syntax => "syntax",
            Self::UnknownKey => "unknown-key",
            Self::WrongType => "wrong-type",
            Self::OutOfBounds => "out-of-bounds",
            Self::Contradiction => "contradiction",
        }
    }
}

/// One thing that is wrong, without its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: Code,
    /// What is wrong.
    pub(crate) message: String,
    /// The cause, to be shown at the place.
    pub(crate) label: String,
    /// What to do about it.
    pub(crate) help: String,
}

impl Fault {
    pub(crate) fn new(
        code: Code,
        message: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self { code, message: message.into(), label: label.into(), help: help.into() }
    }

    pub(crate) fn at(self, place: Place) -> Finding {
        Finding { fault: self, place }
    }
}

/// A range of bytes in one of the texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) text: usize,
    pub(crate) span: Range<usize>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) fault: Fault,
    pub(crate) place: Place,
}

/// Something that places point into: a file, all variables, the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    name: String,
    /// Empty if it could not be read.
    text: String,
    /// So that looking up a position does not read the text again.
    line_starts: Vec<usize>,
}

/// A line of a text: its number from 1 on, the byte where it begins, and what is in it.
pub(crate) struct Line<'a> {
    pub(crate) number: usize,
    start: usize,
    text: &'a str,
}

impl Text {
    pub(crate) fn new(name: &str, text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let line_starts = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        Self { name: name.to_owned(), text: text.to_owned(), line_starts }
    }

    pub(crate) fn line_at(&self, byte: usize) -> Line<'_> {
        let number = self.line_starts.partition_point(|start| *start <= byte);
        let start = self.line_starts.get(number.saturating_sub(1)).copied().unwrap_or(0);
        let rest = self.text.get(start..).unwrap_or_default();
        let text = rest.split('\n').next().unwrap_or_default();
        Line { number, start, text: text.strip_suffix('\r').unwrap_or(text) }
    }
}

impl Line<'_> {
    fn offset(&self, byte: usize) -> usize {
        byte.saturating_sub(self.start).min(self.text.len())
    }

    /// Counted in characters from 1.
    fn column(&self, byte: usize) -> usize {
        let before = self.offset(byte);
        1 + self.text.get(..before).unwrap_or(self.text).chars().count()
    }
}

/// Everything that is wrong, in the order of the layers.
///
/// `Display` renders it without colours; serialised it is a list of [`Located`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    texts: Vec<Text>,
    findings: Vec<Finding>,
}

/// A finding with its position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Located<'a> {
    /// Name of the file, `environment` or `command line`.
    pub file: &'a str,
    /// Counted from 1.
    pub line: usize,
    /// Counted in characters from 1.
    pub column: usize,
    /// Such as `unknown-key`.
    pub code: &'static str,
    /// What is wrong.
    pub message: &'a str,
    /// The cause.
    pub label: &'a str,
    /// What to do about it.
    pub help: &'a str,
}

/// Lines longer than this are not shown: nobody would find the place in them.
const LONGEST_SHOWN_LINE: usize = 1000;

impl Report {
    pub(crate) fn new(texts: Vec<Text>, mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|found| (found.place.text, found.place.span.start));
        Self { texts, findings }
    }

    /// How many things are wrong.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.findings.len()
    }

    /// The findings with their positions.
    pub fn located(&self) -> impl Iterator<Item = Located<'_>> {
        self.findings.iter().filter_map(|Finding { fault, place }| {
            let text = self.texts.get(place.text)?;
            let line = text.line_at(place.span.start);
            Some(Located {
                file: &text.name,
                line: line.number,
                column: line.column(place.span.start),
                code: fault.code.word(),
                message: &fault.message,
                label: &fault.label,
                help: &fault.help,
            })
        })
    }

    /// All findings as text: where, the line with the place underlined, what is wrong, and what to do about it; a
    /// count at the end. With `colour`, the text has ANSI escape sequences of its own; those of others are made
    /// harmless either way.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut out = String::new();
        for found in &self.findings {
            if let Some(text) = self.texts.get(found.place.text) {
                out.push_str(&renderer.render(&[group(text, found)]));
                out.push_str("\n\n");
            }
        }
        let count = self.errors();
        out + &format!("{count} error{}\n", if count == 1 { "" } else { "s" })
    }
}

/// Only the line where the place begins is shown, so the cost does not depend on the size of the file.
fn group<'a>(text: &'a Text, found: &'a Finding) -> Group<'a> {
    let Finding { fault, place } = found;
    let group = Group::with_title(Level::ERROR.primary_title(&fault.message).id(fault.code.word()));
    let line = text.line_at(place.span.start);
    let name = harmless(&text.name);
    let group = if text.text.is_empty() {
        group.element(Origin::path(name)).element(Level::NOTE.message(&fault.label))
    } else if line.text.len() > LONGEST_SHOWN_LINE {
        let origin = Origin::path(name).line(line.number).char_column(line.column(place.span.start));
        group.element(origin).element(Level::NOTE.message(&fault.label))
    } else {
        let span = line.offset(place.span.start)..line.offset(place.span.end);
        group.element(
            Snippet::source(without_c1(line.text))
                .path(name)
                .line_start(line.number)
                .annotation(AnnotationKind::Primary.span(span).label(&fault.label)),
        )
    };
    group.element(Level::HELP.message(&fault.help))
}

/// The renderer makes ASCII control characters visible, but not those behind ASCII, of which one is as good as an
/// escape for some terminals. Each is replaced by a character of as many bytes, so that places stay right.
fn without_c1(line: &str) -> String {
    line.replace(|character| matches!(character, '\u{80}'..='\u{9f}'), "¤")
}

impl std::fmt::Display for Report {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.render(false))
    }
}

impl std::error::Error for Report {}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.located())
    }
}
