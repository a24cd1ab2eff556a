//! Conditions, from OR down to a single value (GRAMMAR.md 1).

use std::ops::{Range, RangeInclusive};

use serde_json::Number;

use super::{Parser, word};
use crate::query::ast::{ArithmeticOp, CompareOp, ConstList, Expr, ExprKind, Literal, Membership, Sign};
use crate::query::error::{QueryError, QueryErrorKind};
use crate::query::function::{Function, ROUTING_NOT_IMITATED, Standing};
use crate::query::token::{Symbol, TokenKind};
use crate::query::warning::Warning;

/// The two levels of arithmetic; the later binds tighter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Sum,
    Product,
}

impl Level {
    fn operator(self, symbol: Symbol) -> Option<ArithmeticOp> {
        Some(match (self, symbol) {
            (Self::Sum, Symbol::Plus) => ArithmeticOp::Add,
            (Self::Sum, Symbol::Minus) => ArithmeticOp::Subtract,
            (Self::Product, Symbol::Star) => ArithmeticOp::Multiply,
            (Self::Product, Symbol::Slash) => ArithmeticOp::Divide,
            (Self::Product, Symbol::Percent) => ArithmeticOp::Remainder,
            _ => return None,
        })
    }
}

fn comparison_operator(symbol: Symbol) -> Option<CompareOp> {
    Some(match symbol {
        Symbol::Equal => CompareOp::Equal,
        Symbol::NotEqual => CompareOp::NotEqual,
        Symbol::Less => CompareOp::Less,
        Symbol::LessOrEqual => CompareOp::LessOrEqual,
        Symbol::Greater => CompareOp::Greater,
        Symbol::GreaterOrEqual => CompareOp::GreaterOrEqual,
        _ => return None,
    })
}

impl Parser<'_> {
    pub(super) fn expression(&mut self) -> Result<Expr, QueryError> {
        self.chain("OR", |parser| parser.chain("AND", Self::negation, ExprKind::And), ExprKind::Or)
    }

    /// One or more operands with the same word between them.
    fn chain(
        &mut self,
        keyword: &str,
        operand: fn(&mut Self) -> Result<Expr, QueryError>,
        join: fn(Vec<Expr>) -> ExprKind,
    ) -> Result<Expr, QueryError> {
        let first = operand(self)?;
        if !self.peek_is(keyword) {
            return Ok(first);
        }
        let start = first.span.start;
        let mut terms = vec![first];
        while self.eat_word(keyword) {
            terms.push(operand(self)?);
        }
        Ok(Expr::new(start..self.last.end, join(terms)))
    }

    fn negation(&mut self) -> Result<Expr, QueryError> {
        if !self.peek_is("NOT") {
            return self.comparison();
        }
        let start = self.advance().start;
        let operand = self.nested(Self::negation)?;
        Ok(Expr::new(start..operand.span.end, ExprKind::Not(Box::new(operand))))
    }

    fn comparison(&mut self) -> Result<Expr, QueryError> {
        let left = self.arithmetic(Level::Sum)?;
        if let Some(membership) = self.membership()? {
            let list = self.const_list(membership)?;
            let span = left.span.start..self.last.end;
            return Ok(Expr::new(span, ExprKind::In { membership, left: Box::new(left), list }));
        }
        let Some(op) = self.peek_symbol().and_then(comparison_operator) else { return Ok(left) };
        self.advance();
        let right = self.arithmetic(Level::Sum)?;
        if self.peek_symbol().and_then(comparison_operator).is_some() {
            return Err(QueryError::syntax(self.here(), "comparisons can't be chained").with_help("join them with AND"));
        }
        let span = left.span.start..right.span.end;
        Ok(Expr::new(span, ExprKind::Compare { op, left: Box::new(left), right: Box::new(right) }))
    }

    /// Reads IN, NIN or NOT IN, if one comes next.
    fn membership(&mut self) -> Result<Option<Membership>, QueryError> {
        if self.eat_word("IN") {
            return Ok(Some(Membership::In));
        }
        if self.eat_word("NIN") {
            return Ok(Some(Membership::Nin));
        }
        if !self.peek_is("NOT") {
            return Ok(None);
        }
        let start = self.advance().start;
        if !self.eat_word("IN") {
            return Err(self.expected("`IN`").with_help("NOT stands before a whole comparison: NOT a = 1"));
        }
        self.warnings
            // conformance-choice: GRAMMAR.md 1: NOT IN is taken unless strict
            .push(Warning::unconfirmed(start..self.last.end, "`NOT IN` is not documented").with_help("write NIN"));
        Ok(Some(Membership::NotIn))
    }

    fn const_list(&mut self, membership: Membership) -> Result<ConstList, QueryError> {
        if self.peek_symbol() == Some(Symbol::LeftBracket) {
            return self.array();
        }
        let error = self.expected("`[`");
        let word = if membership == Membership::In { "IN" } else { "NIN" };
        Err(error.with_help(format!("a list stands in square brackets: {word} ['a', 'b']")))
    }

    fn arithmetic(&mut self, level: Level) -> Result<Expr, QueryError> {
        let operand = |parser: &mut Self| match level {
            Level::Sum => parser.arithmetic(Level::Product),
            Level::Product => parser.signed(),
        };
        let first = operand(self)?;
        let mut rest = Vec::new();
        while let Some(op) = self.peek_symbol().and_then(|symbol| level.operator(symbol)) {
            self.advance();
            rest.push((op, operand(self)?));
        }
        let Some((_, last)) = rest.last() else { return Ok(first) };
        let span = first.span.start..last.span.end;
        Ok(Expr::new(span, ExprKind::Arithmetic { first: Box::new(first), rest }))
    }

    fn signed(&mut self) -> Result<Expr, QueryError> {
        let Some(sign) = self.sign() else { return self.primary() };
        let start = self.advance().start;
        let operand = self.nested(Self::signed)?;
        let span = start..operand.span.end;
        self.last = span.clone();
        let kind = match operand.kind {
            ExprKind::Literal(Literal::Number(number)) => ExprKind::Literal(Literal::Number(apply_sign(sign, number))),
            _ => ExprKind::Sign { sign, operand: Box::new(operand) },
        };
        Ok(Expr::new(span, kind))
    }

    fn sign(&self) -> Option<Sign> {
        match self.peek_symbol() {
            Some(Symbol::Minus) => Some(Sign::Minus),
            Some(Symbol::Plus) => Some(Sign::Plus),
            _ => None,
        }
    }

    fn primary(&mut self) -> Result<Expr, QueryError> {
        if let Some(literal) = self.literal() {
            return Ok(Expr::new(self.last.clone(), ExprKind::Literal(literal)));
        }
        match (self.peek(), self.peek_second()) {
            (Some(TokenKind::Symbol(Symbol::LeftParen)), _) => self.parenthesised(),
            (Some(TokenKind::Symbol(Symbol::LeftBracket)), _) => {
                let list = self.array()?;
                Ok(Expr::new(self.last.clone(), ExprKind::Array(list)))
            }
            (Some(TokenKind::Word(name)), _) if word::is_keyword(name) => Err(self.keyword_as_value(name)),
            (Some(TokenKind::Word(name)), Some(TokenKind::Symbol(Symbol::LeftParen))) => {
                let name = *name;
                self.call(name)
            }
            (Some(TokenKind::Word(_) | TokenKind::Escaped(_)), _) => {
                let segments = self.segments()?;
                let path = self.scope.resolve(segments)?;
                Ok(Expr::new(path.span.clone(), ExprKind::Path(path)))
            }
            _ => Err(self.expected("a value")),
        }
    }

    fn keyword_as_value(&self, word: &str) -> QueryError {
        if word.eq_ignore_ascii_case("SELECT") {
            let message = "sub-queries do not exist in this language";
            return QueryError::new(QueryErrorKind::Unsupported, self.here(), message);
        }
        let error = self.expected("a value");
        if word.eq_ignore_ascii_case("NOT") { error.with_help("put NOT … in parentheses") } else { error }
    }

    fn parenthesised(&mut self) -> Result<Expr, QueryError> {
        let start = self.advance().start;
        let mut inner = self.nested(Self::expression)?;
        if self.peek_symbol() != Some(Symbol::RightParen) {
            return Err(self.unclosed(start));
        }
        let end = self.advance().end;
        inner.span = start..end;
        self.last = inner.span.clone();
        Ok(inner)
    }

    /// What is wrong where a `)` had to come.
    fn unclosed(&self, open: usize) -> QueryError {
        match self.peek() {
            None => QueryError::syntax(open..open + 1, "this `(` is not closed"),
            Some(TokenKind::Word(name)) => {
                let error = self.expected("an operator or `)`");
                match word::foreign_operator(name) {
                    Some(help) => error.with_help(help),
                    None => error,
                }
            }
            Some(_) => self.expected("an operator or `)`"),
        }
    }

    /// A constant without sign, if one comes next.
    fn literal(&mut self) -> Option<Literal> {
        let literal = match self.peek()? {
            TokenKind::String(text) => Literal::String(text.clone()),
            TokenKind::Number(number) => Literal::Number(number.clone()),
            TokenKind::Word(word) => match word.to_ascii_lowercase().as_str() {
                "true" => Literal::Bool(true),
                "false" => Literal::Bool(false),
                "null" => Literal::Null,
                "undefined" => Literal::Undefined,
                _ => return None,
            },
            TokenKind::Escaped(_) | TokenKind::Symbol(_) => return None,
        };
        self.advance();
        Some(literal)
    }

    /// Constants in square brackets; numbers may have a sign.
    fn array(&mut self) -> Result<ConstList, QueryError> {
        let start = self.expect(Symbol::LeftBracket)?.start;
        let mut items = Vec::new();
        while self.peek_symbol() != Some(Symbol::RightBracket) {
            if !items.is_empty() && !self.eat(Symbol::Comma) {
                return Err(self.expected("`,` or `]`"));
            }
            items.push(self.constant()?);
        }
        self.advance();
        self.last.start = start;
        Ok(ConstList::new(items))
    }

    fn constant(&mut self) -> Result<Literal, QueryError> {
        let sign = self.sign();
        if sign.is_some() {
            self.advance();
        }
        match (sign, self.peek()) {
            (Some(sign), Some(TokenKind::Number(number))) => {
                let number = apply_sign(sign, number.clone());
                self.advance();
                Ok(Literal::Number(number))
            }
            (Some(_), _) => Err(self.expected("a number")),
            (None, _) => self.literal().ok_or_else(|| {
                self.expected("a constant").with_help("a list holds constants only; strings stand in quotes")
            }),
        }
    }

    fn call(&mut self, name: &str) -> Result<Expr, QueryError> {
        let name_span = self.advance();
        let function = Function::named(name).ok_or_else(|| no_function(name, name_span.clone()))?;
        let open = self.expect(Symbol::LeftParen)?.start;
        let args = self.nested(|parser| parser.arguments(open))?;
        let span = name_span.start..self.last.end;
        self.last = span.clone();
        check_arguments(function, &args, &span)?;
        self.warnings.extend(doubt_of(function, name_span));
        Ok(Expr::new(span, ExprKind::Call { function, args }))
    }

    fn arguments(&mut self, open: usize) -> Result<Vec<Expr>, QueryError> {
        let mut args = Vec::new();
        if self.eat(Symbol::RightParen) {
            return Ok(args);
        }
        loop {
            args.push(self.expression()?);
            if self.eat(Symbol::RightParen) {
                return Ok(args);
            }
            if !self.eat(Symbol::Comma) {
                return Err(if self.peek().is_none() { self.unclosed(open) } else { self.expected("`,` or `)`") });
            }
        }
    }
}

fn apply_sign(sign: Sign, number: Number) -> Number {
    match (sign, number.as_i64(), number.as_u64(), number.as_f64()) {
        (Sign::Plus, ..) => number,
        (Sign::Minus, Some(whole), ..) if whole != i64::MIN => Number::from(-whole),
        (Sign::Minus, _, Some(whole), _) if whole == i64::MIN.unsigned_abs() => Number::from(i64::MIN),
        (Sign::Minus, .., double) => double.and_then(|value| Number::from_f64(-value)).unwrap_or(number),
    }
}

fn no_function(name: &str, span: Range<usize>) -> QueryError {
    let upper = name.to_ascii_uppercase();
    let error = |kind, message: String| QueryError::new(kind, span.clone(), message);
    match upper.as_str() {
        "STARTS_WITH" => error(QueryErrorKind::Function, "the service refuses `STARTS_WITH` here".to_owned())
            .with_help("use STARTSWITH"),
        "ENDS_WITH" => {
            error(QueryErrorKind::Function, "`ENDS_WITH` does not exist here".to_owned()).with_help("use ENDSWITH")
        }
        "COUNT" | "AVG" | "SUM" | "MIN" | "MAX" => {
            error(QueryErrorKind::Binding, format!("`{upper}` can only be selected, it is no part of a condition"))
        }
        other if ROUTING_NOT_IMITATED.contains(&other) => {
            error(QueryErrorKind::Function, format!("`{upper}` is for routing queries only"))
        }
        other => {
            let error = error(QueryErrorKind::Function, format!("there is no function `{name}`"));
            match nearest(other) {
                Some(near) => error.with_help(format!("did you mean {}?", near.name())),
                None => error.with_help("the functions are IS_DEFINED, STARTSWITH and ARRAY_CONTAINS"),
            }
        }
    }
}

/// The function whose name is at most two edits away.
fn nearest(name: &str) -> Option<Function> {
    const EDITS_MAX: usize = 2;
    let distance = |function: &Function| strsim::damerau_levenshtein(function.name(), name);
    Function::ALL.iter().copied().min_by_key(|function| distance(function)).filter(|near| distance(near) <= EDITS_MAX)
}

fn check_arguments(function: Function, args: &[Expr], span: &Range<usize>) -> Result<(), QueryError> {
    let name = function.name();
    let arity = function.arity();
    if !arity.contains(&args.len()) {
        let message = format!("`{name}` takes {}, this has {}", counted(&arity), args.len());
        return Err(QueryError::new(QueryErrorKind::Arguments, span.clone(), message));
    }
    match args {
        [only] if function == Function::IsDefined && !matches!(only.kind, ExprKind::Path(_)) => {
            let message = format!("`{name}` takes a path");
            Err(QueryError::new(QueryErrorKind::Arguments, only.span.clone(), message)
                .with_help("write the path without quotes, such as tags.site"))
        }
        _ => Ok(()),
    }
}

fn counted(arity: &RangeInclusive<usize>) -> String {
    match (arity.start(), arity.end()) {
        (1, 1) => "one argument".to_owned(),
        (least, most) if least == most => format!("{least} arguments"),
        (least, most) => format!("{least} to {most} arguments"),
    }
}

fn doubt_of(function: Function, span: Range<usize>) -> Option<Warning> {
    let name = function.name();
    match function.standing() {
        Standing::Confirmed => None,
        Standing::Unconfirmed => Some(Warning::unconfirmed(span, format!("`{name}` is not documented"))),
        Standing::ReportedFailing => Some(
            Warning::unconfirmed(span, format!("the service is reported to refuse `{name}`"))
                .with_help("STARTSWITH tests a beginning, ARRAY_CONTAINS looks into an array"),
        ),
        Standing::RoutingOnly => {
            Some(Warning::unconfirmed(span, format!("`{name}` is documented for routing queries only")))
        }
    }
}
