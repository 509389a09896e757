//! Diagnostics together with the texts they are about.

use super::{Code, Diagnostic, Fault, Level, Place};
use crate::Source;
use std::sync::OnceLock;

/// The diagnostics of one compilation, in the order of files and lines.
///
/// `Display` renders it without colours; serialised it is a list of [`Located`](super::Located).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    files: Vec<File>,
    diagnostics: Vec<Diagnostic>,
}

/// A source.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) text: String,
    /// Where its lines begin, so that looking up a position does not read the text again. Not before it is asked for: of a
    /// policy that is put in force, notes are left out.
    line_starts: OnceLock<Vec<usize>>,
}

/// A line of a file.
pub(super) struct Line<'a> {
    /// Counted from 1.
    pub(super) number: usize,
    /// Byte in the file where it begins.
    pub(super) start: usize,
    /// Without the line break.
    pub(super) text: &'a str,
}

impl Report {
    pub(crate) fn new(sources: &[Source<'_>], mut diagnostics: Vec<Diagnostic>) -> Self {
        diagnostics.sort_by_key(|found| (found.place, found.code));
        // Without diagnostics nobody will ask for the texts, which may be long.
        let needed = if diagnostics.is_empty() { &[] } else { sources };
        Self { files: needed.iter().map(File::new).collect(), diagnostics }
    }

    /// The report on no files at all.
    pub(crate) fn no_source() -> Self {
        let fault = Fault::new(Code::NoSource, "no policy file was given")
            .label("there is nothing to read")
            .help("name at least one policy file");
        Self::new(&[Source { name: "(no file)", text: "" }], vec![fault.at(Place::new(0, 0..0))])
    }

    /// All diagnostics.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.diagnostics.is_empty()
    }

    /// How many errors there are.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.count(Level::Error)
    }

    /// How many warnings there are.
    #[must_use]
    pub fn warnings(&self) -> usize {
        self.count(Level::Warning)
    }

    /// How many notes there are.
    #[must_use]
    pub fn notes(&self) -> usize {
        self.count(Level::Note)
    }

    /// The same without notes: for whoever did not ask for advice.
    #[must_use]
    pub fn without_notes(mut self) -> Self {
        self.diagnostics.retain(|found| found.level() != Level::Note);
        self
    }

    fn count(&self, level: Level) -> usize {
        self.diagnostics.iter().filter(|found| found.level() == level).count()
    }

    pub(super) fn file(&self, place: Place) -> Option<&File> {
        self.files.get(place.source)
    }
}

impl PartialEq for File {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.text) == (&other.name, &other.text)
    }
}

impl Eq for File {}

impl File {
    fn new(source: &Source<'_>) -> Self {
        let (name, text) = (source.name.to_owned(), source.text.to_owned());
        Self { name, text, line_starts: OnceLock::new() }
    }

    fn line_starts(&self) -> &[usize] {
        self.line_starts.get_or_init(|| {
            std::iter::once(0).chain(self.text.match_indices('\n').map(|(at, _)| at + 1)).collect()
        })
    }

    pub(super) fn line_at(&self, byte: usize) -> Line<'_> {
        let line_starts = self.line_starts();
        let number = line_starts.partition_point(|start| *start <= byte);
        let start = line_starts.get(number.saturating_sub(1)).copied().unwrap_or(0);
        let rest = self.text.get(start..).unwrap_or_default();
        let text = rest.split('\n').next().unwrap_or_default();
        Line { number, start, text: text.strip_suffix('\r').unwrap_or(text) }
    }
}

impl Line<'_> {
    /// Column of a byte of the file, counted in characters from 1. What lies behind the line counts as its end.
    pub(super) fn column(&self, byte: usize) -> usize {
        let before = self.offset(byte);
        1 + self.text.get(..before).unwrap_or(self.text).chars().count()
    }

    /// Offset of a byte of the file in this line, not behind its end.
    pub(super) fn offset(&self, byte: usize) -> usize {
        byte.saturating_sub(self.start).min(self.text.len())
    }
}
