//! A problem with its place, as a terminal or a pipeline shows it.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use miette::{Diagnostic, LabeledSpan, MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

use super::rule::ProblemKind;

/// Whether a problem stops a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing is sent while it is there.
    Error,
    /// Worth a look; `--deny-warnings` makes it count.
    Warning,
}

/// Most bytes of a file that one problem shows.
const EXCERPT_BYTES_MAX: usize = 1_000;
/// Bytes shown before a problem in a line that is too long to show.
const EXCERPT_LEAD_BYTES: usize = 40;
/// Bytes shown of a problem, and of the line behind it, when either is too long to show.
const EXCERPT_TAIL_BYTES: usize = 120;

/// A text that was read, with the name that a user knows it by.
#[derive(Debug)]
pub struct SourceFile {
    name: String,
    text: String,
    /// Where each line starts; found when the first place is asked for.
    line_starts: OnceLock<Vec<usize>>,
}

impl SourceFile {
    /// Wraps a text and its name.
    #[must_use]
    pub fn new(name: impl Into<String>, text: String) -> Self {
        Self { name: name.into(), text, line_starts: OnceLock::new() }
    }

    /// The path as given, or `<stdin>`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column of a byte, both from 1; columns count characters.
    #[must_use]
    pub fn line_column(&self, byte: usize) -> (usize, usize) {
        let byte = self.floor(byte);
        let starts = self
            .line_starts
            .get_or_init(|| std::iter::once(0).chain(self.text.match_indices('\n').map(|(end, _)| end + 1)).collect());
        let line = starts.partition_point(|&start| start <= byte);
        let start = starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        (line, self.text[start..byte].chars().count() + 1)
    }
}

impl SourceFile {
    /// The last byte at or before `byte` that starts a character.
    fn floor(&self, byte: usize) -> usize {
        self.text.floor_char_boundary(byte)
    }

    /// The part of a long line round `span`.
    fn excerpt(&self, span: &SourceSpan) -> Range<usize> {
        let at = self.floor(span.offset());
        let line_start = self.text[..at].rfind('\n').map_or(0, |end| end + 1);
        let line_end = self.text[at..].find('\n').map_or(self.text.len(), |end| at + end);
        let start = self.floor(at.saturating_sub(EXCERPT_LEAD_BYTES)).max(line_start);
        let end = self.floor(span.offset() + span.len() + EXCERPT_TAIL_BYTES).min(line_end);
        start..end.max(start)
    }
}

impl SourceCode for SourceFile {
    /// The lines round a span; of a line that would flood the terminal only the part that matters.
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let lines = self.text.read_span(span, lines_before, lines_after)?;
        let name = self.name.clone();
        let contents = if lines.data().len() <= EXCERPT_BYTES_MAX {
            MietteSpanContents::new_named(
                name,
                lines.data(),
                *lines.span(),
                lines.line(),
                lines.column(),
                lines.line_count(),
            )
        } else {
            let part = self.excerpt(span);
            let (line, column) = self.line_column(part.start);
            let data = &self.text.as_bytes()[part.clone()];
            MietteSpanContents::new_named(name, data, part.into(), line - 1, column - 1, 1)
        };
        Ok(Box::new(contents))
    }
}

/// A stretch of a file.
#[derive(Debug, Clone)]
pub struct Place {
    /// The file.
    pub file: Arc<SourceFile>,
    /// The bytes, from the file's start.
    pub span: Range<usize>,
}

impl Place {
    /// What of the span is underlined: a very long one would flood the terminal.
    fn shown(&self) -> Range<usize> {
        let Range { start, end } = self.span;
        start..if end - start > EXCERPT_BYTES_MAX { self.file.floor(start + EXCERPT_TAIL_BYTES) } else { end }
    }
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{kind}")]
pub struct Problem {
    /// Which rule.
    pub kind: ProblemKind,
    /// The text to underline.
    pub place: Place,
}

impl Problem {
    /// A problem at one place.
    #[must_use]
    pub fn new(place: Place, kind: ProblemKind) -> Self {
        Self { kind, place }
    }

    /// Whether it stops the manifest.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self.kind.severity() {
            Some(miette::Severity::Warning | miette::Severity::Advice) => Severity::Warning,
            Some(miette::Severity::Error) | None => Severity::Error,
        }
    }
}

impl Diagnostic for Problem {
    fn code<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        self.kind.code()
    }

    fn severity(&self) -> Option<miette::Severity> {
        self.kind.severity()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        self.kind.help()
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self.place.file.as_ref())
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let shown = self.place.shown();
        Some(Box::new(std::iter::once(LabeledSpan::new_primary_with_span(None, shown))))
    }
}
