//! Diagnostics as records.

use super::report::File;
use super::{Diagnostic, Level, Place, Report};
use serde::{Serialize, Serializer};

/// A position in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Point {
    /// Counted from 1.
    pub line: usize,
    /// Counted in characters from 1.
    pub column: usize,
}

/// A diagnostic with positions instead of byte ranges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Located<'a> {
    /// Name of the file.
    pub file: &'a str,
    /// Where it begins.
    #[serde(flatten)]
    pub start: Point,
    /// The position after its last character.
    pub end: Point,
    /// Such as `E0103`.
    pub code: &'static str,
    /// Error or warning.
    pub severity: Level,
    /// What is wrong.
    pub message: &'a str,
    /// The cause.
    pub label: &'a str,
    /// What to write instead.
    pub help: Option<&'a str>,
    /// Other places that matter.
    pub related: Vec<RelatedPlace<'a>>,
}

/// Another place that one must see to understand a diagnostic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RelatedPlace<'a> {
    /// Name of the file.
    pub file: &'a str,
    /// Where it begins.
    #[serde(flatten)]
    pub start: Point,
    /// The position after its last character.
    pub end: Point,
    /// What is there.
    pub label: &'a str,
}

impl Report {
    /// The diagnostics with their positions.
    pub fn located(&self) -> impl Iterator<Item = Located<'_>> {
        self.diagnostics().iter().filter_map(|found| self.locate(found))
    }

    fn locate<'a>(&'a self, found: &'a Diagnostic) -> Option<Located<'a>> {
        let file = self.file(found.place)?;
        let related = found.related.iter().filter_map(|other| {
            let file = self.file(other.place)?;
            let (start, end) = points(file, other.place);
            Some(RelatedPlace { file: &file.name, start, end, label: &other.label })
        });
        let (start, end) = points(file, found.place);
        Some(Located {
            file: &file.name,
            start,
            end,
            code: found.code.id(),
            severity: found.level(),
            message: &found.message,
            label: &found.label,
            help: found.help.as_deref(),
            related: related.collect(),
        })
    }
}

fn points(file: &File, place: Place) -> (Point, Point) {
    let point = |byte| {
        let line = file.line_at(byte);
        Point { line: line.number, column: line.column(byte) }
    };
    (point(place.start), point(place.end))
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.located())
    }
}
