//! Reads a condition as a list of equalities, so that a twin can be made to fit it.

use std::ops::Range;

use serde_json::Value;

use super::ast::{CompareOp, Expr, ExprKind, Literal, Membership};
use super::condition::Equality;
use super::path::Path;

/// Adds the equalities of an expression; the error is the place of the first part that is no equality.
pub(super) fn collect(expr: &Expr, into: &mut Vec<Equality>) -> Result<(), Range<usize>> {
    if let ExprKind::And(terms) = &expr.kind {
        return terms.iter().try_for_each(|term| collect(term, into));
    }
    let equality = equality(expr).ok_or_else(|| expr.span.clone())?;
    into.push(equality);
    Ok(())
}

fn equality(expr: &Expr) -> Option<Equality> {
    let (path, values) = match &expr.kind {
        ExprKind::Compare { op: CompareOp::Equal, left, right } => match (&left.kind, &right.kind) {
            (ExprKind::Path(path), ExprKind::Literal(literal)) | (ExprKind::Literal(literal), ExprKind::Path(path)) => {
                (path, candidates(path, std::slice::from_ref(literal)))
            }
            _ => return None,
        },
        ExprKind::In { membership: Membership::In, left, list } => match &left.kind {
            ExprKind::Path(path) => (path, candidates(path, list.items())),
            _ => return None,
        },
        _ => return None,
    };
    if values.is_empty() || !is_settable(path) {
        return None;
    }
    Some(Equality { path: path.keys.iter().map(ToString::to_string).collect(), values, span: expr.span.clone() })
}

/// The literals that a twin can hold at the path: never null, and only strings for an id.
fn candidates(path: &Path, literals: &[Literal]) -> Vec<Value> {
    let fits = |value: &Value| !path.is_property("deviceId") || value.is_string();
    literals.iter().filter_map(json).filter(fits).collect()
}

fn json(literal: &Literal) -> Option<Value> {
    match literal {
        Literal::Undefined | Literal::Null => None,
        Literal::Bool(value) => Some(Value::Bool(*value)),
        Literal::Number(number) => Some(Value::Number(number.clone())),
        Literal::String(text) => Some(Value::String(text.to_string())),
    }
}

/// Whether a twin can be given a value there: the service itself keeps `$` names.
fn is_settable(path: &Path) -> bool {
    let keys: Vec<&str> = path.keys.iter().map(AsRef::as_ref).collect();
    match keys.as_slice() {
        ["deviceId"] => true,
        ["tags", own @ ..] | ["properties", "reported", own @ ..] => {
            !own.is_empty() && own.iter().all(|key| !key.starts_with('$'))
        }
        _ => false,
    }
}
