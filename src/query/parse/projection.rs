//! What stands between SELECT and FROM. Its paths wait for FROM to say what they mean.

use std::ops::Range;

use super::{Parser, word};
use crate::query::ast::{NumericAggregate, Projection, Source};
use crate::query::error::{QueryError, QueryErrorKind};
use crate::query::path::{Scope, Segment};
use crate::query::token::{Symbol, TokenKind};
use crate::query::warning::Warning;

/// A selection whose paths are not resolved yet.
pub(super) enum WrittenSelection {
    Everything,
    Projections(Vec<WrittenProjection>),
}

pub(super) struct WrittenProjection {
    span: Range<usize>,
    source: WrittenSource,
    alias: Option<Box<str>>,
}

enum WrittenSource {
    Path(Vec<Segment>),
    Count(Option<Vec<Segment>>),
    Numeric(NumericAggregate, Vec<Segment>),
}

impl WrittenProjection {
    /// Resolves the paths. `nameless` counts the aggregates without alias, which are named by their number: `$1`.
    pub(super) fn bind(self, scope: &Scope, nameless: &mut usize) -> Result<Projection, QueryError> {
        let source = match self.source {
            WrittenSource::Path(segments) => Source::Path(scope.resolve(segments)?),
            WrittenSource::Count(None) => Source::Count(None),
            WrittenSource::Count(Some(segments)) => Source::Count(Some(scope.resolve(segments)?)),
            WrittenSource::Numeric(aggregate, segments) => Source::Numeric(aggregate, scope.resolve(segments)?),
        };
        let column = match (&self.alias, &source) {
            (Some(alias), _) => alias.clone(),
            (None, Source::Path(path)) => path.last_key().into(),
            (None, Source::Count(_) | Source::Numeric(..)) => {
                *nameless += 1;
                // conformance-choice: GRAMMAR.md 5: an aggregate without an alias is named `$1`, the next `$2`
                format!("${nameless}").into()
            }
        };
        Ok(Projection { span: self.span, source, column, alias: self.alias })
    }
}

impl Parser<'_> {
    pub(super) fn selection(&mut self) -> Result<WrittenSelection, QueryError> {
        if self.peek_symbol() == Some(Symbol::Star) {
            self.advance();
            if self.peek_symbol() == Some(Symbol::Comma) {
                return Err(QueryError::syntax(self.here(), "nothing can be selected beside `*`"));
            }
            return Ok(WrittenSelection::Everything);
        }
        let mut projections = vec![self.projection()?];
        while self.eat(Symbol::Comma) {
            projections.push(self.projection()?);
        }
        Ok(WrittenSelection::Projections(projections))
    }

    fn projection(&mut self) -> Result<WrittenProjection, QueryError> {
        let start = self.here().start;
        let source = match (self.peek(), self.peek_second()) {
            (Some(TokenKind::Word(name)), Some(TokenKind::Symbol(Symbol::LeftParen))) => {
                let name = *name;
                self.aggregate(name)?
            }
            (Some(TokenKind::Word(name)), _) if word::is_keyword(name) => {
                return Err(self.expected("`*`, a path or an aggregate"));
            }
            (Some(TokenKind::Word(_) | TokenKind::Escaped(_)), _) => WrittenSource::Path(self.segments()?),
            _ => return Err(self.expected("`*`, a path or an aggregate")),
        };
        let alias = self.column_alias()?;
        Ok(WrittenProjection { span: start..self.last.end, source, alias })
    }

    fn aggregate(&mut self, name: &str) -> Result<WrittenSource, QueryError> {
        let span = self.advance();
        let numeric = [NumericAggregate::Avg, NumericAggregate::Sum, NumericAggregate::Min, NumericAggregate::Max]
            .into_iter()
            .find(|aggregate| aggregate.name().eq_ignore_ascii_case(name));
        let is_count = name.eq_ignore_ascii_case("COUNT");
        if numeric.is_none() && !is_count {
            let message = format!("`{name}` is no aggregate, and no other function can be selected");
            return Err(QueryError::new(QueryErrorKind::Function, span, message)
                .with_help("the aggregates are COUNT, AVG, SUM, MIN and MAX"));
        }
        self.expect(Symbol::LeftParen)?;
        let source = match numeric {
            Some(aggregate) => WrittenSource::Numeric(aggregate, self.segments()?),
            None if self.eat(Symbol::Star) || self.peek_symbol() == Some(Symbol::RightParen) => {
                WrittenSource::Count(None)
            }
            None => WrittenSource::Count(Some(self.segments()?)),
        };
        self.expect(Symbol::RightParen)?;
        self.last = span.start..self.last.end;
        Ok(source)
    }

    fn column_alias(&mut self) -> Result<Option<Box<str>>, QueryError> {
        let with_as = self.eat_word("AS");
        match self.peek_word() {
            Some(word) if !word::is_keyword(word) && word::foreign_clause(word).is_none() => {
                let span = self.advance();
                if !with_as {
                    self.warnings.push(
                        // conformance-choice: GRAMMAR.md 1: an alias without AS is taken unless strict
                        Warning::unconfirmed(span, "an alias without AS is not documented")
                            .with_help(format!("write AS {word}")),
                    );
                }
                Ok(Some(word.into()))
            }
            _ if with_as => Err(self.expected("a name")),
            _ => Ok(None),
        }
    }
}
