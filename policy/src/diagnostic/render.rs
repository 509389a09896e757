//! Diagnostics as text for people.

use super::{Diagnostic, Place, Report, harmless};
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use std::fmt::Write;

/// Lines longer than this are not shown: nobody would find the place in them.
const LONGEST_SHOWN_LINE: usize = 1000;

impl Report {
    /// All diagnostics as text: where, the line with the place underlined, what is wrong, and what to write
    /// instead; a count at the end. Empty if there is nothing to tell.
    ///
    /// With `colour`, the text contains ANSI escape sequences of its own; those in policies or file names are
    /// made harmless either way.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut out = String::new();
        for found in self.diagnostics() {
            out.push_str(&renderer.render(&[self.group(found)]));
            out.push_str("\n\n");
        }
        out.push_str(&self.summary());
        out
    }

    fn group<'a>(&'a self, found: &'a Diagnostic) -> Group<'a> {
        let level = match found.level() {
            super::Level::Error => Level::ERROR,
            super::Level::Warning => Level::WARNING,
            super::Level::Note => Level::NOTE,
        };
        let title = level.primary_title(without_c1(&found.message)).id(found.code.id());
        let mut group =
            self.show(Group::with_title(title), found.place, &found.label, AnnotationKind::Primary);
        for other in &found.related {
            group = self.show(group, other.place, &other.label, AnnotationKind::Context);
        }
        match &found.help {
            Some(help) => group.element(Level::HELP.message(without_c1(help))),
            None => group,
        }
    }

    /// Only the line where the place begins is shown, so the cost does not depend on the size of the file.
    fn show<'a>(&'a self, group: Group<'a>, place: Place, label: &'a str, kind: AnnotationKind) -> Group<'a> {
        let Some(file) = self.file(place) else { return group };
        let line = file.line_at(place.start);
        if line.text.len() > LONGEST_SHOWN_LINE {
            let origin =
                Origin::path(harmless(&file.name)).line(line.number).char_column(line.column(place.start));
            return group.element(origin).element(Level::NOTE.message(without_c1(label)));
        }
        let span = line.offset(place.start)..line.offset(place.end);
        let annotation = kind.span(span).label(without_c1(label));
        group.element(
            Snippet::source(without_c1(line.text))
                .path(harmless(&file.name))
                .line_start(line.number)
                .annotation(annotation),
        )
    }

    fn summary(&self) -> String {
        let mut out = String::new();
        let parts = [(self.errors(), "error"), (self.warnings(), "warning"), (self.notes(), "note")];
        for (count, word) in parts.into_iter().filter(|(count, _)| *count > 0) {
            let separator = if out.is_empty() { "" } else { ", " };
            let plural = if count == 1 { "" } else { "s" };
            // Writing to a string cannot fail.
            let _ = write!(out, "{separator}{count} {word}{plural}");
        }
        if !out.is_empty() {
            out.push('\n');
        }
        out
    }
}

/// The renderer makes ASCII control characters visible, but not those behind ASCII, of which one is as good as an
/// escape for some terminals. Each is replaced by a character of as many bytes, so that places stay right. Messages quote what
/// they show of a policy; whatever is forgotten there ends here.
fn without_c1(line: &str) -> String {
    line.replace(|character| matches!(character, '\u{80}'..='\u{9f}'), "¤")
}

impl std::fmt::Display for Report {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.render(false))
    }
}

impl std::error::Error for Report {}
