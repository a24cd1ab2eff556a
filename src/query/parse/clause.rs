//! The clauses of a query and of a job condition, and how they fit together.

use std::ops::Range;

use super::projection::WrittenSelection;
use super::{Parser, word};
use crate::query::Collection;
use crate::query::ast::{Expr, Projection, Selection, Source};
use crate::query::error::{QueryError, QueryErrorKind};
use crate::query::path::{Path, Scope};
use crate::query::select::Query;
use crate::query::token::{Symbol, TokenKind};
use crate::query::warning::Warning;

const COLLECTIONS_HELP: &str = "query `devices`, `devices.modules` or `devices.jobs`";

impl Parser<'_> {
    pub(super) fn query(&mut self) -> Result<Query, QueryError> {
        if !self.eat_word("SELECT") {
            return Err(self.expected("`SELECT`").with_help("a query reads `SELECT * FROM devices WHERE …`"));
        }
        let top = self.top()?;
        let written = self.selection()?;
        if !self.eat_word("FROM") {
            return Err(self.foreign().unwrap_or_else(|| self.expected("`FROM`")));
        }
        let collection = self.collection()?;
        let alias = self.collection_alias()?;
        self.scope = Scope { collection, alias };
        let selection = self.bind(written)?;
        let filter = if self.eat_word("WHERE") { Some(self.expression()?) } else { None };
        let group_by = self.group_by()?;
        self.check_fit(&selection, &group_by)?;
        self.semicolon();
        self.end()?;
        Ok(Query { selection, top, scope: self.scope.clone(), filter, group_by, warnings: Vec::new() })
    }

    /// The filter of a condition; `None` when everything passes.
    pub(super) fn condition(&mut self) -> Result<Option<Expr>, QueryError> {
        if self.peek_is("SELECT") {
            let message = "a condition does not begin with SELECT";
            return Err(QueryError::new(QueryErrorKind::ConditionIsQuery, self.here(), message).with_help(
                "write only what follows WHERE; the service puts `SELECT * FROM devices WHERE ` before it",
            ));
        }
        if self.peek_is("WHERE") {
            let error = QueryError::syntax(self.here(), "a condition does not begin with WHERE");
            return Err(error.with_help("write only what follows WHERE"));
        }
        let filter = if self.eat(Symbol::Star) {
            None
        } else if self.eat_word("FROM") {
            self.scope = Scope::of(self.condition_collection()?);
            if self.eat_word("WHERE") { Some(self.expression()?) } else { None }
        } else {
            Some(self.expression()?)
        };
        self.end()?;
        Ok(filter)
    }

    fn condition_collection(&mut self) -> Result<Collection, QueryError> {
        let start = self.here().start;
        let collection = self.collection()?;
        let help = match collection {
            Collection::Modules => return Ok(collection),
            Collection::Devices => "leave out FROM and WHERE: a condition is over `devices` anyway",
            Collection::Jobs => "a job can't be for the rows of other jobs",
        };
        let message = format!("a condition can't be over `{collection}` by FROM, only over `devices.modules`");
        Err(QueryError::new(QueryErrorKind::Collection, start..self.last.end, message).with_help(help))
    }

    fn top(&mut self) -> Result<Option<u64>, QueryError> {
        if let Some(error) = self.foreign() {
            return Err(error);
        }
        if !self.eat_word("TOP") {
            return Ok(None);
        }
        let top = match self.peek() {
            Some(TokenKind::Number(number)) => number.as_u64(),
            _ => None,
        };
        let top = top.ok_or_else(|| self.expected("a whole number"))?;
        self.advance();
        Ok(Some(top))
    }

    fn collection(&mut self) -> Result<Collection, QueryError> {
        let start = self.here().start;
        let Some(name) = self.peek_word() else {
            return Err(self.expected("a collection").with_help(COLLECTIONS_HELP));
        };
        self.advance();
        let mut found = name.eq_ignore_ascii_case("devices").then_some(Collection::Devices);
        if self.eat(Symbol::Dot) {
            let qualifier = self.segment()?;
            found = found.and_then(|_| {
                Collection::ALL.into_iter().find(|collection| {
                    collection.qualifier().is_some_and(|word| word.eq_ignore_ascii_case(&qualifier.text))
                })
            });
        }
        self.last.start = start;
        found.ok_or_else(|| {
            let message = format!("{} is no collection", self.last_text());
            QueryError::new(QueryErrorKind::Collection, self.last.clone(), message).with_help(COLLECTIONS_HELP)
        })
    }

    fn collection_alias(&mut self) -> Result<Option<Box<str>>, QueryError> {
        let start = self.here().start;
        let with_as = self.eat_word("AS");
        let Some(alias) = self.peek_word().filter(|word| !word::is_keyword(word)) else {
            return if with_as { Err(self.expected("a name")) } else { Ok(None) };
        };
        if let Some(error) = self.foreign() {
            return Err(error);
        }
        let end = self.advance().end;
        self.warnings.push(
            // conformance-choice: GRAMMAR.md 1: an alias for a collection is taken unless strict
            Warning::unconfirmed(start..end, "an alias for a collection is not documented")
                .with_help("leave it out: paths need no qualifier"),
        );
        Ok(Some(alias.into()))
    }

    fn bind(&mut self, written: WrittenSelection) -> Result<Selection, QueryError> {
        let projections = match written {
            WrittenSelection::Everything => return Ok(Selection::Everything),
            WrittenSelection::Projections(projections) => projections,
        };
        let mut nameless = 0;
        let projections: Vec<Projection> = projections
            .into_iter()
            .map(|projection| projection.bind(&self.scope, &mut nameless))
            .collect::<Result<_, _>>()?;
        Ok(Selection::Projections(projections))
    }

    fn group_by(&mut self) -> Result<Vec<Path>, QueryError> {
        let mut paths = Vec::new();
        if !self.eat_word("GROUP") {
            return Ok(paths);
        }
        if !self.eat_word("BY") {
            return Err(self.expected("`BY`"));
        }
        loop {
            let segments = self.segments()?;
            paths.push(self.scope.resolve(segments)?);
            if !self.eat(Symbol::Comma) {
                return Ok(paths);
            }
        }
    }

    /// Refuses clauses that the service does not take together (GRAMMAR.md 5).
    fn check_fit(&self, selection: &Selection, group_by: &[Path]) -> Result<(), QueryError> {
        let refuse = |span: Range<usize>, message: String, help: &str| {
            Err(QueryError::new(QueryErrorKind::Binding, span, message).with_help(help))
        };
        let projections = match selection {
            Selection::Everything => &[][..],
            Selection::Projections(projections) => projections,
        };
        if self.scope.collection == Collection::Jobs {
            if let Some(first) = projections.first() {
                let message = "`devices.jobs` takes neither columns nor aggregates".to_owned();
                return refuse(first.span.clone(), message, "write SELECT *");
            }
            if let Some(first) = group_by.first() {
                let message = "`devices.jobs` takes no GROUP BY".to_owned();
                return refuse(first.span.clone(), message, "count the rows that you get");
            }
        }
        if let (Selection::Everything, Some(first)) = (selection, group_by.first()) {
            let message = "GROUP BY needs columns instead of `*`".to_owned();
            return refuse(first.span.clone(), message, "select the grouped paths and aggregates");
        }
        if group_by.is_empty() && !projections.iter().any(|projection| projection.source.is_aggregate()) {
            return Ok(());
        }
        for projection in projections {
            if let Source::Path(path) = &projection.source
                && !group_by.iter().any(|grouped| grouped.keys == path.keys)
            {
                let message = format!("`{path}` is selected beside an aggregate or GROUP BY and not grouped by");
                return refuse(projection.span.clone(), message, "add it to GROUP BY");
            }
        }
        Ok(())
    }

    fn semicolon(&mut self) {
        if self.peek_symbol() == Some(Symbol::Semicolon) {
            let span = self.advance();
            self.warnings
                // conformance-choice: GRAMMAR.md 1: a semicolon at the end is taken unless strict
                .push(Warning::unconfirmed(span, "a semicolon at the end is not documented").with_help("leave it out"));
        }
    }

    /// The error for a clause that only other dialects have, if one comes next.
    fn foreign(&self) -> Option<QueryError> {
        let (message, help) = word::foreign_clause(self.peek_word()?)?;
        Some(QueryError::new(QueryErrorKind::Unsupported, self.here(), message).with_help(help))
    }

    /// Refuses whatever is left, as helpfully as its first token allows.
    fn end(&mut self) -> Result<(), QueryError> {
        let Some(next) = self.peek() else { return Ok(()) };
        if let Some(error) = self.foreign() {
            return Err(error);
        }
        let here = self.here();
        Err(match next {
            TokenKind::Word(word) if word::is_keyword(word) => {
                QueryError::syntax(here, format!("`{word}` can't stand after {}", self.last_text()))
            }
            TokenKind::Word(word) => {
                let error = self.expected("an operator");
                match word::foreign_operator(word) {
                    Some(help) => error.with_help(help),
                    None => error,
                }
            }
            TokenKind::Escaped(name) => {
                self.expected("an operator").with_help(format!("a path continues with a dot: .[[{name}]]"))
            }
            TokenKind::String(_)
            | TokenKind::Number(_)
            | TokenKind::Symbol(Symbol::LeftParen | Symbol::LeftBracket) => self.expected("an operator"),
            TokenKind::Symbol(Symbol::RightParen) => QueryError::syntax(here, "this `)` closes nothing"),
            TokenKind::Symbol(Symbol::RightBracket) => QueryError::syntax(here, "this `]` closes nothing"),
            TokenKind::Symbol(symbol) => {
                QueryError::syntax(here, format!("`{}` can't stand after {}", symbol.text(), self.last_text()))
            }
        })
    }
}
