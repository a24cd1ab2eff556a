//! Recursive descent over the tokens of a query (GRAMMAR.md 1).

mod clause;
mod expression;
mod projection;
mod word;

use std::ops::Range;

use super::condition::Condition;
use super::error::{QueryError, QueryErrorKind};
use super::path::{Scope, Segment, SegmentForm};
use super::select::Query;
use super::token::{Symbol, Token, TokenKind, tokens};
use super::warning::{Strictness, Warning};
use super::{Collection, lint};
use crate::model::limits::{QUERY_CHARS_MAX, QUERY_CONDITION_PREFIX};

/// Parses a whole query, leniently.
///
/// # Errors
/// The first mistake, with its place.
pub fn parse(text: &str) -> Result<Query, QueryError> {
    parse_with(text, Strictness::Lenient)
}

/// Parses a whole query.
///
/// # Errors
/// The first mistake, with its place; when strict, also the first thing that nobody confirmed.
pub fn parse_with(text: &str, strictness: Strictness) -> Result<Query, QueryError> {
    check_length(text, QUERY_CHARS_MAX)?;
    let mut parser = Parser::new(text)?;
    if parser.tokens.is_empty() {
        let error = QueryError::new(QueryErrorKind::Empty, 0..text.len(), "the query is empty");
        return Err(error.with_help("the shortest is `SELECT * FROM devices`"));
    }
    let mut query = parser.query()?;
    let mut warnings = parser.warnings;
    lint::query(&query, &mut warnings);
    query.warnings = strictness.judge(warnings)?;
    Ok(query)
}

/// Parses a job's condition, leniently: `*`, an expression, or `FROM devices.modules [WHERE expression]`.
///
/// # Errors
/// The first mistake, with its place. A text too long to take the service's prefix is one, and so is a leading SELECT.
pub fn parse_condition(text: &str) -> Result<Condition, QueryError> {
    parse_condition_with(text, Strictness::Lenient)
}

/// Parses a job's condition.
///
/// # Errors
/// As [`parse_condition`]; when strict, also the first thing that nobody confirmed.
pub fn parse_condition_with(text: &str, strictness: Strictness) -> Result<Condition, QueryError> {
    check_length(text, QUERY_CHARS_MAX - QUERY_CONDITION_PREFIX.len())?;
    let mut parser = Parser::new(text)?;
    if parser.tokens.is_empty() {
        let error = QueryError::new(QueryErrorKind::Empty, 0..text.len(), "the condition is empty");
        return Err(error.with_help("write `*` for every device"));
    }
    let filter = parser.condition()?;
    let mut warnings = parser.warnings;
    if let Some(filter) = &filter {
        lint::expression(filter, parser.scope.collection, &mut warnings);
    }
    let warnings = strictness.judge(warnings)?;
    Ok(Condition { text: text.into(), collection: parser.scope.collection, filter, warnings })
}

fn check_length(text: &str, max: usize) -> Result<(), QueryError> {
    let Some((excess, _)) = text.char_indices().nth(max) else { return Ok(()) };
    let chars = text.chars().count();
    let error = QueryError::new(
        QueryErrorKind::TooLong,
        excess..text.len(),
        format!("the text has {chars} characters, the service takes {max}"),
    );
    Err(error.with_help("split a long list of ids over several jobs or queries"))
}

/// Reads tokens from left to right and never goes back.
struct Parser<'t> {
    text: &'t str,
    tokens: Vec<Token<'t>>,
    at: usize,
    depth: usize,
    /// The bytes of what was last understood as a whole: errors are reported as being after it.
    last: Range<usize>,
    scope: Scope,
    warnings: Vec<Warning>,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str) -> Result<Self, QueryError> {
        let (tokens, warnings) = tokens(text)?;
        Ok(Self { text, tokens, at: 0, depth: 0, last: 0..0, scope: Scope::of(Collection::Devices), warnings })
    }

    fn peek(&self) -> Option<&TokenKind<'t>> {
        self.tokens.get(self.at).map(|token| &token.kind)
    }

    fn peek_second(&self) -> Option<&TokenKind<'t>> {
        self.tokens.get(self.at + 1).map(|token| &token.kind)
    }

    fn peek_symbol(&self) -> Option<Symbol> {
        match self.peek() {
            Some(TokenKind::Symbol(symbol)) => Some(*symbol),
            _ => None,
        }
    }

    fn peek_word(&self) -> Option<&'t str> {
        match self.peek() {
            Some(TokenKind::Word(word)) => Some(word),
            _ => None,
        }
    }

    fn peek_is(&self, keyword: &str) -> bool {
        self.peek_word().is_some_and(|word| word.eq_ignore_ascii_case(keyword))
    }

    /// The bytes of the next token, or the end of the text.
    fn here(&self) -> Range<usize> {
        let end = self.text.trim_end().len();
        self.tokens.get(self.at).map_or(end..end, |token| token.span.clone())
    }

    fn advance(&mut self) -> Range<usize> {
        self.last = self.here();
        self.at += 1;
        self.last.clone()
    }

    fn eat_word(&mut self, keyword: &str) -> bool {
        let found = self.peek_is(keyword);
        if found {
            self.advance();
        }
        found
    }

    fn eat(&mut self, symbol: Symbol) -> bool {
        let found = self.peek_symbol() == Some(symbol);
        if found {
            self.advance();
        }
        found
    }

    fn expect(&mut self, symbol: Symbol) -> Result<Range<usize>, QueryError> {
        if self.peek_symbol() == Some(symbol) {
            return Ok(self.advance());
        }
        Err(self.expected(&format!("`{}`", symbol.text())))
    }

    /// The error that something else had to come next.
    fn expected(&self, what: &str) -> QueryError {
        let after = self.last_text();
        let message =
            if after.is_empty() { format!("expected {what}") } else { format!("expected {what} after {after}") };
        QueryError::syntax(self.here(), message)
    }

    /// What was last understood, quoted and cut to a readable length.
    fn last_text(&self) -> String {
        const SHOWN_MAX: usize = 40;
        let text = &self.text[self.last.clone()];
        match text.char_indices().nth(SHOWN_MAX) {
            _ if text.is_empty() => String::new(),
            None => format!("`{text}`"),
            Some((cut, _)) => format!("`{}…`", &text[..cut]),
        }
    }

    /// Parses one level further down, unless that is too deep.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, QueryError>) -> Result<T, QueryError> {
        use crate::model::limits::QUERY_DEPTH_MAX;
        if self.depth == QUERY_DEPTH_MAX {
            let message = format!("this is nested more than {QUERY_DEPTH_MAX} levels deep");
            return Err(QueryError::new(QueryErrorKind::TooDeep, self.here(), message));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    /// The segments of a path, unresolved.
    fn segments(&mut self) -> Result<Vec<Segment>, QueryError> {
        let mut segments = vec![self.segment()?];
        let start = self.last.start;
        while self.eat(Symbol::Dot) {
            let segment = self.segment()?;
            if segment.form == SegmentForm::Plain {
                self.warnings.extend(word::reserved_in_path(&segment));
            }
            segments.push(segment);
        }
        self.last.start = start;
        if self.peek_symbol() == Some(Symbol::LeftBracket) {
            let message = format!("{} can't be followed by `[`", self.last_text());
            return Err(QueryError::new(QueryErrorKind::Unsupported, self.here(), message)
                // conformance-choice: GRAMMAR.md 3: array indexing is refused
                .with_help("there is no indexing; ARRAY_CONTAINS looks into an array, [[name]] escapes a name"));
        }
        Ok(segments)
    }

    fn segment(&mut self) -> Result<Segment, QueryError> {
        let (text, form) = match self.peek() {
            Some(TokenKind::Word(word)) => (*word, SegmentForm::Plain),
            Some(TokenKind::Escaped(name)) => (*name, SegmentForm::Escaped),
            Some(TokenKind::Number(_) | TokenKind::String(_)) => {
                let error = self.expected("a name");
                return Err(error.with_help("a name that is no plain word is written in [[ ]]"));
            }
            Some(TokenKind::Symbol(_)) | None => return Err(self.expected("a name")),
        };
        let span = self.advance();
        Ok(Segment { span, text: text.into(), form })
    }
}
