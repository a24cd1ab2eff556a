//! Values while a row is judged: undefined is not null, and three truths are not two (GRAMMAR.md 4).

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Value;

use super::ast::{CompareOp, ConstList, Literal};
use super::row::Member;

/// What an expression yields for a row. Borrows from the row or the query wherever it can.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Datum<'a> {
    /// Nothing is there, or the operation makes no sense for its operands.
    Undefined,
    Null,
    Bool(bool),
    Number(f64),
    String(Cow<'a, str>),
    /// An object or array of the row.
    Compound(Cow<'a, Value>),
    /// An array that the query spells out.
    List(&'a ConstList),
}

/// The three truths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Truth {
    True,
    False,
    Undefined,
}

impl Truth {
    pub(super) fn negate(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Undefined => Self::Undefined,
        }
    }
}

impl From<bool> for Truth {
    fn from(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }
}

impl From<Truth> for Datum<'_> {
    fn from(truth: Truth) -> Self {
        match truth {
            Truth::True => Self::Bool(true),
            Truth::False => Self::Bool(false),
            Truth::Undefined => Self::Undefined,
        }
    }
}

impl<'a> From<Member<'a>> for Datum<'a> {
    fn from(member: Member<'a>) -> Self {
        match member {
            Member::Missing => Self::Undefined,
            Member::Null => Self::Null,
            Member::Bool(value) => Self::Bool(value),
            Member::Number(number) => Self::Number(number),
            Member::Text(text) => Self::String(text),
            Member::Compound(value) => Self::Compound(value),
        }
    }
}

impl<'a> Datum<'a> {
    pub(super) fn of_json(value: &'a Value) -> Self {
        Member::of(Some(value)).into()
    }

    pub(super) fn of_literal(literal: &'a Literal) -> Self {
        match literal {
            Literal::Undefined => Self::Undefined,
            Literal::Null => Self::Null,
            Literal::Bool(value) => Self::Bool(*value),
            Literal::Number(number) => number.as_f64().map_or(Self::Undefined, Self::Number),
            Literal::String(text) => Self::String(Cow::Borrowed(text)),
        }
    }

    // conformance-choice: GRAMMAR.md 4: a division by zero is undefined, and `+` joins two strings
    /// A number, unless arithmetic left the range of numbers: division by zero is undefined (GRAMMAR.md 4, U).
    pub(super) fn finite(number: f64) -> Self {
        if number.is_finite() { Self::Number(number) } else { Self::Undefined }
    }

    /// The truth of a condition: only booleans have one.
    pub(super) fn truth(&self) -> Truth {
        match self {
            Self::Bool(value) => Truth::from(*value),
            _ => Truth::Undefined,
        }
    }

    /// The items of an array of the row.
    pub(super) fn items(&self) -> Option<&[Value]> {
        match self {
            Self::Compound(value) => value.as_array().map(Vec::as_slice),
            _ => None,
        }
    }

    fn is_primitive(&self) -> bool {
        matches!(self, Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_))
    }

    /// The order of two primitives of one type; `None` for everything else.
    fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Null, Self::Null) => Some(Ordering::Equal),
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Self::Number(a), Self::Number(b)) => a.partial_cmp(b),
            (Self::String(a), Self::String(b)) => Some(a.as_ref().cmp(b.as_ref())),
            _ => None,
        }
    }

    /// Whether two primitives are the same; undefined when a side is undefined, an object or an array.
    pub(super) fn equals(&self, other: &Self) -> Truth {
        if self.is_primitive() && other.is_primitive() {
            Truth::from(self.order(other) == Some(Ordering::Equal))
        } else {
            Truth::Undefined
        }
    }

    // conformance-choice: GRAMMAR.md 4: values of different types are unequal, and neither is less
    pub(super) fn compare(&self, op: CompareOp, other: &Self) -> Truth {
        let ordered =
            |holds: fn(Ordering) -> bool| self.order(other).map_or(Truth::Undefined, |order| Truth::from(holds(order)));
        match op {
            CompareOp::Equal => self.equals(other),
            CompareOp::NotEqual => self.equals(other).negate(),
            CompareOp::Less => ordered(Ordering::is_lt),
            CompareOp::LessOrEqual => ordered(Ordering::is_le),
            CompareOp::Greater => ordered(Ordering::is_gt),
            CompareOp::GreaterOrEqual => ordered(Ordering::is_ge),
        }
    }

    /// Whether some constant of the list equals a primitive; undefined for anything else.
    pub(super) fn is_in(&self, list: &ConstList) -> Truth {
        match self {
            Self::String(text) => Truth::from(list.contains_string(text)),
            Self::Null | Self::Bool(_) | Self::Number(_) => {
                Truth::from(list.items().iter().any(|item| self.equals(&Datum::of_literal(item)) == Truth::True))
            }
            Self::Undefined | Self::Compound(_) | Self::List(_) => Truth::Undefined,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn truth_of(left: &Datum<'_>, op: CompareOp, right: &Datum<'_>) -> Truth {
        left.compare(op, right)
    }

    #[test]
    fn comparison_follows_the_types() {
        use CompareOp::{Equal, GreaterOrEqual, Less, NotEqual};
        let object = Datum::Compound(Cow::Owned(json!({})));
        let (one, text) = (Datum::Number(1.0), Datum::String("a".into()));
        for (left, op, right, want) in [
            (&one, Equal, &one, Truth::True),
            (&one, Equal, &text, Truth::False),
            (&one, NotEqual, &text, Truth::True),
            (&one, Less, &text, Truth::Undefined),
            (&Datum::Null, Equal, &Datum::Null, Truth::True),
            (&Datum::Null, Equal, &one, Truth::False),
            (&Datum::Undefined, Equal, &Datum::Null, Truth::Undefined),
            (&Datum::Undefined, NotEqual, &one, Truth::Undefined),
            (&Datum::Undefined, Equal, &Datum::Undefined, Truth::Undefined),
            (&object, Equal, &object, Truth::Undefined),
            (&object, NotEqual, &one, Truth::Undefined),
            (&Datum::Bool(false), Less, &Datum::Bool(true), Truth::True),
            (&text, GreaterOrEqual, &Datum::String("B".into()), Truth::True),
        ] {
            assert_eq!(truth_of(left, op, right), want, "{left:?} {op:?} {right:?}");
        }
    }

    #[test]
    fn a_list_holds_constants_of_any_type() {
        let list = ConstList::new(vec![Literal::String("b".into()), Literal::Number(1.into()), Literal::Null]);
        for (value, want) in [
            (Datum::String("b".into()), Truth::True),
            (Datum::String("a".into()), Truth::False),
            (Datum::Number(1.0), Truth::True),
            (Datum::Null, Truth::True),
            (Datum::Bool(true), Truth::False),
            (Datum::Undefined, Truth::Undefined),
        ] {
            assert_eq!(value.is_in(&list), want, "{value:?}");
        }
    }
}
