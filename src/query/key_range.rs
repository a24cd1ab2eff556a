//! Which ids a filter leaves possible, so that a scan may skip the rest.

use std::collections::BTreeSet;

use super::ast::{CompareOp, Expr, ExprKind, Literal, Membership};
use super::function::Function;

/// The values that an id must have in every row that can match.
///
/// It never leaves out a row that matches; a row inside it may still fail the filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyRange {
    /// Any id.
    All,
    /// One of these, in order; none of them need exist.
    Ids(BTreeSet<String>),
    /// Ids that begin so.
    Prefix(String),
}

impl KeyRange {
    /// The ids that `filter` leaves possible for the property of that (canonical) name.
    pub(super) fn of(filter: Option<&Expr>, name: &str) -> Self {
        filter.map_or(Self::All, |filter| implied(filter, name))
    }

    /// Whether an id lies in the range.
    #[must_use]
    pub fn contains(&self, id: &str) -> bool {
        match self {
            Self::All => true,
            Self::Ids(ids) => ids.contains(id),
            Self::Prefix(prefix) => id.starts_with(prefix.as_str()),
        }
    }

    fn intersect(self, other: Self) -> Self {
        match (self, other) {
            (Self::All, range) | (range, Self::All) => range,
            (Self::Ids(mut ids), range) | (range, Self::Ids(mut ids)) => {
                ids.retain(|id| range.contains(id));
                Self::Ids(ids)
            }
            (Self::Prefix(a), Self::Prefix(b)) if a.starts_with(&b) => Self::Prefix(a),
            (Self::Prefix(a), Self::Prefix(b)) if b.starts_with(&a) => Self::Prefix(b),
            (Self::Prefix(_), Self::Prefix(_)) => Self::Ids(BTreeSet::new()),
        }
    }

    fn union(self, other: Self) -> Self {
        match (self, other) {
            (Self::Ids(mut ids), Self::Ids(more)) => {
                ids.extend(more);
                Self::Ids(ids)
            }
            (a, b) if a == b => a,
            _ => Self::All,
        }
    }
}

fn implied(expr: &Expr, name: &str) -> KeyRange {
    match &expr.kind {
        ExprKind::And(terms) => terms.iter().map(|term| implied(term, name)).fold(KeyRange::All, KeyRange::intersect),
        ExprKind::Or(terms) => {
            terms.iter().map(|term| implied(term, name)).reduce(KeyRange::union).unwrap_or(KeyRange::All)
        }
        ExprKind::Compare { op: CompareOp::Equal, left, right } => match (&left.kind, &right.kind) {
            (ExprKind::Path(path), ExprKind::Literal(literal)) | (ExprKind::Literal(literal), ExprKind::Path(path))
                if path.is_property(name) =>
            {
                ids([literal])
            }
            _ => KeyRange::All,
        },
        ExprKind::In { membership: Membership::In, left, list } => match &left.kind {
            ExprKind::Path(path) if path.is_property(name) => ids(list.items()),
            _ => KeyRange::All,
        },
        ExprKind::Call { function: Function::StartsWith, args } => match args.as_slice() {
            [
                Expr { kind: ExprKind::Path(path), .. },
                Expr { kind: ExprKind::Literal(Literal::String(prefix)), .. },
            ] if path.is_property(name) => KeyRange::Prefix(prefix.to_string()),
            _ => KeyRange::All,
        },
        _ => KeyRange::All,
    }
}

/// Ids are strings: a literal of another type equals none of them.
fn ids<'a>(literals: impl IntoIterator<Item = &'a Literal>) -> KeyRange {
    let strings = literals.into_iter().filter_map(|literal| match literal {
        Literal::String(id) => Some(id.to_string()),
        _ => None,
    });
    KeyRange::Ids(strings.collect())
}
