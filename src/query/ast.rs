//! The tree of a query, with the bytes that each part came from.

use std::ops::Range;

use serde_json::Number;

use super::function::Function;
use super::path::Path;

/// A condition or a part of one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Expr {
    /// The bytes of the text, with the parentheses round it.
    pub(super) span: Range<usize>,
    pub(super) kind: ExprKind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum ExprKind {
    Literal(Literal),
    Array(ConstList),
    Path(Path),
    Not(Box<Expr>),
    /// Two or more terms; a list, since a long chain must not become a deep tree.
    And(Vec<Expr>),
    /// Two or more terms.
    Or(Vec<Expr>),
    Compare {
        op: CompareOp,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    In {
        membership: Membership,
        left: Box<Expr>,
        list: ConstList,
    },
    /// Operators of one level, from left to right; `rest` is not empty.
    Arithmetic {
        first: Box<Expr>,
        rest: Vec<(ArithmeticOp, Expr)>,
    },
    Sign {
        sign: Sign,
        operand: Box<Expr>,
    },
    Call {
        function: Function,
        args: Vec<Expr>,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    Undefined,
    Null,
    Bool(bool),
    Number(Number),
    String(Box<str>),
}

/// The constants in square brackets, in order, with their strings sorted for look-up.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ConstList {
    items: Vec<Literal>,
    strings: Vec<Box<str>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CompareOp {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// The three ways to test a value against a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Membership {
    In,
    /// `NOT IN`, which nobody confirmed.
    NotIn,
    /// `NIN`, the documented word for the same.
    Nin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ArithmeticOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Plus,
    Minus,
}

/// A column of the answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Projection {
    pub(super) span: Range<usize>,
    pub(super) source: Source,
    /// The name that the value has in a row of the answer.
    pub(super) column: Box<str>,
    pub(super) alias: Option<Box<str>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Source {
    Path(Path),
    /// Rows, or rows in which the path exists.
    Count(Option<Path>),
    /// The numbers found at the path.
    Numeric(NumericAggregate, Path),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumericAggregate {
    Avg,
    Sum,
    Min,
    Max,
}

/// What stands between SELECT and FROM.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Selection {
    Everything,
    Projections(Vec<Projection>),
}

impl Expr {
    pub(super) fn new(span: Range<usize>, kind: ExprKind) -> Self {
        Self { span, kind }
    }
}

impl ConstList {
    pub(super) fn new(items: Vec<Literal>) -> Self {
        let mut strings: Vec<Box<str>> = items
            .iter()
            .filter_map(|item| match item {
                Literal::String(text) => Some(text.clone()),
                _ => None,
            })
            .collect();
        strings.sort_unstable();
        Self { items, strings }
    }

    pub(super) fn items(&self) -> &[Literal] {
        &self.items
    }

    pub(super) fn contains_string(&self, text: &str) -> bool {
        self.strings.binary_search_by(|item| item.as_ref().cmp(text)).is_ok()
    }
}

impl Source {
    pub(super) fn is_aggregate(&self) -> bool {
        !matches!(self, Self::Path(_))
    }
}
