//! A problem with its place, as a terminal or a pipeline shows it.

use std::ops::Range;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

use super::rule::ProblemKind;

/// Whether a problem stops a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing is sent while it is there.
    Error,
    /// Worth a look; `--deny-warnings` makes it count.
    Warning,
}

/// A text that was read, with the name that a user knows it by.
#[derive(Debug)]
pub struct SourceFile(NamedSource<String>);

impl SourceFile {
    /// Wraps a text and its name.
    #[must_use]
    pub fn new(name: impl AsRef<str>, text: String) -> Self {
        Self(NamedSource::new(name, text))
    }

    /// The path as given, or `<stdin>`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.inner()
    }

    /// Line and column of a byte, both from 1; columns count characters.
    #[must_use]
    pub fn line_column(&self, byte: usize) -> (usize, usize) {
        let text = self.text();
        let mut end = byte.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &text[..end];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
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

/// One thing that is wrong, and where.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{kind}")]
pub struct Problem {
    /// Which rule.
    pub kind: ProblemKind,
    /// The text to underline.
    pub place: Place,
    /// Other texts that matter, each with a word on why.
    pub others: Vec<(Range<usize>, &'static str)>,
}

impl Problem {
    /// A problem at one place.
    #[must_use]
    pub fn new(place: Place, kind: ProblemKind) -> Self {
        Self { kind, place, others: Vec::new() }
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
        Some(&self.place.file.0)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let here = LabeledSpan::new_primary_with_span(None, self.place.span.clone());
        let others =
            self.others.iter().map(|(span, why)| LabeledSpan::new_with_span(Some((*why).to_owned()), span.clone()));
        Some(Box::new(std::iter::once(here).chain(others)))
    }
}
