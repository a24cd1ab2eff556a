//! Judges rows: an expression, a row, and what it yields (GRAMMAR.md 4).
//!
//! Nothing is allocated for a row, apart from texts that a function makes.

use std::borrow::Cow;

use super::ast::{ArithmeticOp, Expr, ExprKind, Membership, Sign};
use super::row::Row;
use super::value::{Datum, Truth};

/// Whether a row passes: only exactly true does.
pub(super) fn passes(filter: &Expr, row: &dyn Row) -> bool {
    truth(filter, row) == Truth::True
}

fn truth(expr: &Expr, row: &dyn Row) -> Truth {
    match &expr.kind {
        ExprKind::And(terms) => all(terms, row),
        ExprKind::Or(terms) => any(terms, row),
        ExprKind::Not(operand) => truth(operand, row).negate(),
        ExprKind::Compare { op, left, right } => datum(left, row).compare(*op, &datum(right, row)),
        ExprKind::In { membership, left, list } => {
            let found = datum(left, row).is_in(list);
            match membership {
                Membership::In => found,
                Membership::NotIn | Membership::Nin => found.negate(),
            }
        }
        _ => datum(expr, row).truth(),
    }
}

/// False if some term is; else true if all are.
fn all(terms: &[Expr], row: &dyn Row) -> Truth {
    let mut result = Truth::True;
    for term in terms {
        match truth(term, row) {
            Truth::False => return Truth::False,
            Truth::Undefined => result = Truth::Undefined,
            Truth::True => {}
        }
    }
    result
}

/// True if some term is; else false if all are.
fn any(terms: &[Expr], row: &dyn Row) -> Truth {
    let mut result = Truth::False;
    for term in terms {
        match truth(term, row) {
            Truth::True => return Truth::True,
            Truth::Undefined => result = Truth::Undefined,
            Truth::False => {}
        }
    }
    result
}

fn datum<'a>(expr: &'a Expr, row: &'a dyn Row) -> Datum<'a> {
    match &expr.kind {
        ExprKind::Literal(literal) => Datum::of_literal(literal),
        ExprKind::Array(list) => Datum::List(list),
        ExprKind::Path(path) => row.member(&path.keys).into(),
        ExprKind::Arithmetic { first, rest } => {
            rest.iter().fold(datum(first, row), |left, (op, right)| arithmetic(left, *op, datum(right, row)))
        }
        ExprKind::Sign { sign, operand } => match (sign, datum(operand, row)) {
            (Sign::Plus, number @ Datum::Number(_)) => number,
            (Sign::Minus, Datum::Number(number)) => Datum::Number(-number),
            _ => Datum::Undefined,
        },
        ExprKind::Call { function, args } => function.apply(args.len(), |index| datum(&args[index], row)),
        ExprKind::And(_) | ExprKind::Or(_) | ExprKind::Not(_) | ExprKind::Compare { .. } | ExprKind::In { .. } => {
            truth(expr, row).into()
        }
    }
}

fn arithmetic<'a>(left: Datum<'a>, op: ArithmeticOp, right: Datum<'a>) -> Datum<'a> {
    match (left, right) {
        (Datum::Number(a), Datum::Number(b)) => Datum::finite(match op {
            ArithmeticOp::Add => a + b,
            ArithmeticOp::Subtract => a - b,
            ArithmeticOp::Multiply => a * b,
            ArithmeticOp::Divide => a / b,
            ArithmeticOp::Remainder => a % b,
        }),
        (Datum::String(a), Datum::String(b)) if op == ArithmeticOp::Add => {
            let mut joined = a.into_owned();
            joined.push_str(&b);
            Datum::String(Cow::Owned(joined))
        }
        _ => Datum::Undefined,
    }
}
