//! A problem with its place, as a terminal or a pipeline shows it.

use miette::{Diagnostic, LabeledSpan, SourceCode};

use super::file::Place;

/// Whether a problem stops what it is found in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing is sent or started while it is there.
    Error,
    /// Worth a look; `--deny-warnings` makes it count.
    Warning,
}

impl Severity {
    /// How much a diagnostic weighs.
    #[must_use]
    pub fn of(diagnostic: &dyn Diagnostic) -> Self {
        match diagnostic.severity() {
            Some(miette::Severity::Warning | miette::Severity::Advice) => Self::Warning,
            Some(miette::Severity::Error) | None => Self::Error,
        }
    }
}

/// One thing that is wrong, and where; `K` has the rules of the kind of document.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{kind}")]
pub struct Problem<K: Diagnostic> {
    /// Which rule.
    pub kind: K,
    /// The text to underline.
    pub place: Place,
}

impl<K: Diagnostic> Problem<K> {
    /// A problem at one place.
    #[must_use]
    pub fn new(place: Place, kind: K) -> Self {
        Self { kind, place }
    }

    /// Whether it stops what it is found in.
    #[must_use]
    pub fn severity(&self) -> Severity {
        Severity::of(&self.kind)
    }
}

/// Problems of every kind of document, for whoever shows them.
pub trait Placed: Diagnostic {
    /// The text to underline.
    fn place(&self) -> &Place;
}

impl<K: Diagnostic> Placed for Problem<K> {
    fn place(&self) -> &Place {
        &self.place
    }
}

impl<K: Diagnostic> Diagnostic for Problem<K> {
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
