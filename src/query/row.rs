//! What an expression looks into: anything that finds a member by its path.

use std::borrow::Cow;

use serde_json::Value;

/// A row that is judged: a document, or a record that decodes no more of itself than somebody asks for.
pub trait Row {
    /// The member at a path from the root of the document.
    fn member(&self, path: &[Box<str>]) -> Member<'_>;
}

/// What lies at a path.
#[derive(Debug, Clone, PartialEq)]
pub enum Member<'r> {
    /// Nothing.
    Missing,
    /// Null.
    Null,
    /// A boolean.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A text.
    Text(Cow<'r, str>),
    /// An object or an array.
    Compound(Cow<'r, Value>),
}

impl Row for Value {
    fn member(&self, path: &[Box<str>]) -> Member<'_> {
        Member::of(follow(self, path))
    }
}

impl<R: Row + ?Sized> Row for &R {
    fn member(&self, path: &[Box<str>]) -> Member<'_> {
        (**self).member(path)
    }
}

impl<'r> Member<'r> {
    /// A value of a document, or that there is none.
    #[must_use]
    pub fn of(value: Option<&'r Value>) -> Self {
        match value {
            None => Self::Missing,
            Some(Value::Null) => Self::Null,
            Some(Value::Bool(value)) => Self::Bool(*value),
            Some(Value::Number(number)) => number.as_f64().map_or(Self::Missing, Self::Number),
            Some(Value::String(text)) => Self::Text(Cow::Borrowed(text)),
            Some(compound @ (Value::Array(_) | Value::Object(_))) => Self::Compound(Cow::Borrowed(compound)),
        }
    }
}

/// The value there, if every member on the way exists.
pub(super) fn follow<'v>(row: &'v Value, path: &[Box<str>]) -> Option<&'v Value> {
    path.iter().try_fold(row, |value, key| value.as_object()?.get(key.as_ref()))
}
