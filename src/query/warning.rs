//! What is accepted in a query and still worth a second look.

use std::ops::Range;

use super::error::{QueryError, QueryErrorKind};

/// Points at a part of a query that the service may refuse or that can't mean what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The bytes of the text that it is about.
    pub span: Range<usize>,
    /// What is doubtful, as a lower-case fragment.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
    /// Why it is doubtful.
    pub doubt: Doubt,
}

/// The two reasons for a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Doubt {
    /// No source says that the service takes it (the U marks of GRAMMAR.md); refused when strict.
    Unconfirmed,
    /// Legal, and probably not what was meant: a name that no twin has, a comparison that never holds.
    Suspicious,
}

/// Whether what nobody has confirmed passes with a warning or is refused (product.md 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strictness {
    /// Passes with a [`Warning`].
    #[default]
    Lenient,
    /// Is refused with [`QueryErrorKind::Unconfirmed`].
    Strict,
}

impl Warning {
    pub(super) fn unconfirmed(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), help: None, doubt: Doubt::Unconfirmed }
    }

    pub(super) fn suspicious(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), help: None, doubt: Doubt::Suspicious }
    }

    pub(super) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl Strictness {
    /// Lets warnings pass, in the order of the text, or turns the first unconfirmed one into an error.
    pub(super) fn judge(self, mut warnings: Vec<Warning>) -> Result<Vec<Warning>, QueryError> {
        warnings.sort_by_key(|warning| (warning.span.start, warning.span.end));
        let refused = match self {
            Self::Lenient => None,
            Self::Strict => warnings.iter().find(|warning| warning.doubt == Doubt::Unconfirmed),
        };
        match refused {
            None => Ok(warnings),
            Some(warning) => Err(QueryError {
                span: warning.span.clone(),
                message: warning.message.clone(),
                help: warning.help.clone(),
                kind: QueryErrorKind::Unconfirmed,
            }),
        }
    }
}
