//! Writes a query back as text that parses to the same tree.

use std::fmt::{self, Display, Formatter, Write};

use super::ast::{
    ArithmeticOp, CompareOp, ConstList, Expr, ExprKind, Literal, Membership, NumericAggregate, Projection, Selection,
    Sign, Source,
};
use super::condition::Condition;
use super::path::{Path, Segment, SegmentForm};
use super::select::Query;

/// How tightly an expression binds, from OR to a single value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binding {
    Or,
    And,
    Not,
    Comparison,
    Sum,
    Product,
    Sign,
    Value,
}

fn binding(expr: &Expr) -> Binding {
    match &expr.kind {
        ExprKind::Or(_) => Binding::Or,
        ExprKind::And(_) => Binding::And,
        ExprKind::Not(_) => Binding::Not,
        ExprKind::Compare { .. } | ExprKind::In { .. } => Binding::Comparison,
        ExprKind::Arithmetic { rest, .. } => match rest.first() {
            Some((ArithmeticOp::Multiply | ArithmeticOp::Divide | ArithmeticOp::Remainder, _)) => Binding::Product,
            _ => Binding::Sum,
        },
        ExprKind::Sign { .. } => Binding::Sign,
        ExprKind::Literal(_) | ExprKind::Array(_) | ExprKind::Path(_) | ExprKind::Call { .. } => Binding::Value,
    }
}

/// An expression where only something that binds at least so tightly may stand without parentheses.
struct Operand<'a>(&'a Expr, Binding);

impl Display for Operand<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if binding(self.0) < self.1 { write!(f, "({})", self.0) } else { self.0.fmt(f) }
    }
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Literal(literal) => literal.fmt(f),
            ExprKind::Array(list) => list.fmt(f),
            ExprKind::Path(path) => path.fmt(f),
            ExprKind::Not(operand) => write!(f, "NOT {}", Operand(operand, Binding::Not)),
            ExprKind::And(terms) => separated(f, " AND ", terms.iter().map(|term| Operand(term, Binding::Not))),
            ExprKind::Or(terms) => separated(f, " OR ", terms.iter().map(|term| Operand(term, Binding::And))),
            ExprKind::Compare { op, left, right } => {
                write!(f, "{} {} {}", Operand(left, Binding::Sum), op.text(), Operand(right, Binding::Sum))
            }
            ExprKind::In { membership, left, list } => {
                write!(f, "{} {} {list}", Operand(left, Binding::Sum), membership.text())
            }
            ExprKind::Arithmetic { first, rest } => {
                let tighter = if binding(self) == Binding::Sum { Binding::Product } else { Binding::Sign };
                Operand(first, tighter).fmt(f)?;
                rest.iter().try_for_each(|(op, operand)| write!(f, " {} {}", op.text(), Operand(operand, tighter)))
            }
            ExprKind::Sign { sign, operand } => {
                f.write_char(if *sign == Sign::Minus { '-' } else { '+' })?;
                Operand(operand, Binding::Sign).fmt(f)
            }
            ExprKind::Call { function, args } => {
                write!(f, "{}(", function.name())?;
                separated(f, ", ", args.iter())?;
                f.write_char(')')
            }
        }
    }
}

fn separated<T: Display>(f: &mut Formatter<'_>, separator: &str, items: impl Iterator<Item = T>) -> fmt::Result {
    for (index, item) in items.enumerate() {
        if index > 0 {
            f.write_str(separator)?;
        }
        item.fmt(f)?;
    }
    Ok(())
}

impl Display for ConstList {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('[')?;
        separated(f, ", ", self.items().iter())?;
        f.write_char(']')
    }
}

impl Display for Literal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undefined => f.write_str("undefined"),
            Self::Null => f.write_str("null"),
            Self::Bool(value) => value.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::String(text) => quoted(f, text),
        }
    }
}

fn quoted(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('\'')?;
    for c in text.chars() {
        match c {
            '\'' => f.write_str("\\'")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('\'')
}

impl Display for Path {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        separated(f, ".", self.written.iter())
    }
}

impl Display for Segment {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.form {
            SegmentForm::Plain => f.write_str(&self.text),
            SegmentForm::Escaped => write!(f, "[[{}]]", self.text),
        }
    }
}

impl CompareOp {
    fn text(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

impl Membership {
    fn text(self) -> &'static str {
        match self {
            Self::In => "IN",
            Self::NotIn => "NOT IN",
            Self::Nin => "NIN",
        }
    }
}

impl ArithmeticOp {
    fn text(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }
}

impl NumericAggregate {
    /// The name before its parenthesis.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Avg => "AVG",
            Self::Sum => "SUM",
            Self::Min => "MIN",
            Self::Max => "MAX",
        }
    }
}

impl Display for Projection {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Path(path) => path.fmt(f)?,
            Source::Count(None) => f.write_str("COUNT()")?,
            Source::Count(Some(path)) => write!(f, "COUNT({path})")?,
            Source::Numeric(aggregate, path) => write!(f, "{}({path})", aggregate.name())?,
        }
        self.alias.as_ref().map_or(Ok(()), |alias| write!(f, " AS {alias}"))
    }
}

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("SELECT ")?;
        if let Some(top) = self.top {
            write!(f, "TOP {top} ")?;
        }
        match &self.selection {
            Selection::Everything => f.write_char('*')?,
            Selection::Projections(projections) => separated(f, ", ", projections.iter())?,
        }
        write!(f, " FROM {}", self.scope.collection)?;
        if let Some(alias) = &self.scope.alias {
            write!(f, " AS {alias}")?;
        }
        if let Some(filter) = &self.filter {
            write!(f, " WHERE {filter}")?;
        }
        if !self.group_by.is_empty() {
            f.write_str(" GROUP BY ")?;
            separated(f, ", ", self.group_by.iter())?;
        }
        Ok(())
    }
}

impl Display for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match (self.needs_from(), &self.filter) {
            (false, None) => f.write_char('*'),
            (false, Some(filter)) => filter.fmt(f),
            (true, None) => write!(f, "FROM {}", self.collection()),
            (true, Some(filter)) => write!(f, "FROM {} WHERE {filter}", self.collection()),
        }
    }
}
