//! What is wrong with a query text, and where.

use std::ops::Range;

use crate::model::limits::QUERY_CONDITION_PREFIX;

/// Says why a query or a job condition was refused, pointing into its text.
///
/// `message` is a lower-case fragment for the place at `span`; `help` says what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct QueryError {
    /// The offending bytes of the text; empty at its end when something is missing there.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
    /// Which class of mistake it is.
    pub kind: QueryErrorKind,
}

/// The classes of mistakes in a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QueryErrorKind {
    /// Characters that form no token: an open quote, a bad escape, a stray sign.
    Token,
    /// Tokens in an order that the grammar does not know.
    Syntax,
    /// A clause of other SQL dialects that this language lacks (GRAMMAR.md 1).
    Unsupported,
    /// `FROM` names something that is no collection.
    Collection,
    /// A function that does not exist here, or that only routing queries know (GRAMMAR.md 4).
    Function,
    /// A function with the wrong number or kind of arguments.
    Arguments,
    /// Clauses that are fine alone and don't fit together, such as a projection of `devices.jobs`.
    Binding,
    /// More characters than the service takes (GRAMMAR.md 2).
    TooLong,
    /// More nesting than our parser follows.
    TooDeep,
    /// Nothing but white space.
    Empty,
    /// A job condition that begins with `SELECT`, though the service puts that before it (REST.md 4.5).
    ConditionIsQuery,
    /// Something unconfirmed, refused under [`Strictness::Strict`](super::Strictness::Strict).
    Unconfirmed,
}

impl QueryError {
    pub(super) fn new(kind: QueryErrorKind, span: Range<usize>, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), help: None, kind }
    }

    pub(super) fn syntax(span: Range<usize>, message: impl Into<String>) -> Self {
        Self::new(QueryErrorKind::Syntax, span, message)
    }

    pub(super) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The 1-based line and column, in characters, of the mistake in the text that was parsed.
    #[must_use]
    pub fn position(&self, text: &str) -> (usize, usize) {
        let before = text.get(..self.span.start).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
        (line, column)
    }

    /// The reason that a hub gives for a job whose condition does not parse.
    ///
    /// The position counts in the prefixed text, so the first column of a condition is 29 (GRAMMAR.md 7).
    #[must_use]
    pub fn service_text(&self, condition: &str) -> String {
        let (line, column) = self.position(condition);
        let shift = if line == 1 { QUERY_CONDITION_PREFIX.len() } else { 0 };
        format!("SQL query parse failed due to following errors:\n\tLine {line}:{}, {}", column + shift, self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(span: Range<usize>) -> QueryError {
        QueryError::syntax(span, "expected a value after `=`")
    }

    #[test]
    fn a_condition_starts_in_column_29_of_the_service() {
        assert_eq!(
            at(0..1).service_text("= 1"),
            "SQL query parse failed due to following errors:\n\tLine 1:29, expected a value after `=`"
        );
        assert!(at(4..5).service_text("a =\n= 1").contains("\n\tLine 2:1, "));
    }

    #[test]
    fn columns_count_characters() {
        let text = "tags.ø = x";
        assert_eq!(at(text.find('x').unwrap()..text.len()).position(text), (1, 10));
    }
}
