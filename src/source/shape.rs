//! What a schema has against the shape of a document, in sentences: unknown keys, wrong types, missing members.

use jsonschema::error::TypeKind;
use jsonschema::{JsonType, ValidationError};
use serde_json::Value;

use super::finding::{At, Finding, Pointer, Step};
use super::suggest::{any_of, nearest};
use super::text_problem::TextProblem;

/// One map of a document: what it is called, and what may stand in it.
#[derive(Debug, Clone, Copy)]
pub struct MapShape {
    /// What it is called, such as `a job`.
    pub place: &'static str,
    /// Its keys, in the order in which one writes them.
    pub keys: &'static [&'static str],
    /// Keys that people write here and that belong elsewhere or are called otherwise, with what to do.
    pub relocated: &'static [(&'static str, &'static str)],
}

impl MapShape {
    /// Refuses a key that the map at `pointer` does not have.
    #[must_use]
    pub fn unknown_key<K: From<TextProblem>>(&self, pointer: &Pointer, key: &str) -> Finding<K> {
        let Self { place, keys, relocated } = *self;
        let known = relocated.iter().find(|(name, _)| *name == key);
        let help = match (known, nearest(key, keys.iter().copied())) {
            (Some((_, help)), _) => (*help).to_owned(),
            (None, Some(meant)) => format!("did you mean `{meant}`?"),
            (None, None) => format!("{place} has the keys {}", any_of(keys).replace(" or ", " and ")),
        };
        let mut at = pointer.to_vec();
        at.push(Step::from(key));
        Finding { at: At::Key(at), kind: TextProblem::UnknownKey { key: key.to_owned(), place, help }.into() }
    }

    /// Misses a key in the map at `pointer`.
    #[must_use]
    pub fn missing_key<K: From<TextProblem>>(
        &self,
        pointer: Vec<Step>,
        key: String,
        help: Option<String>,
    ) -> Finding<K> {
        let at = match pointer.last() {
            None => At::Document,
            Some(Step::Key(_)) => At::Key(pointer),
            // An item of a list has no key: it is underlined where it starts.
            Some(Step::Index(_)) => At::Value(pointer),
        };
        Finding { at, kind: TextProblem::MissingKey { key, place: self.place, help }.into() }
    }
}

/// Where a violation lies.
#[must_use]
pub fn steps(violation: &ValidationError<'_>) -> Vec<Step> {
    let segments = violation.instance_path().segments();
    let steps = segments.map(|segment| match segment {
        jsonschema::paths::LocationSegment::Property(key) => Step::Key(key.into_owned()),
        jsonschema::paths::LocationSegment::Index(index) => Step::Index(index),
    });
    steps.collect()
}

/// The member as a person says it: `method.name`, `devices[2]`.
#[must_use]
pub fn said(pointer: &Pointer) -> String {
    let mut text = String::new();
    for step in pointer {
        match step {
            Step::Key(key) if text.is_empty() => text.push_str(key),
            Step::Key(key) => text = format!("{text}.{key}"),
            Step::Index(index) => text = format!("{text}[{index}]"),
        }
    }
    text
}

/// What a value is, in a word.
#[must_use]
pub fn shape(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

/// Refuses a value whose type is not the one `wanted`.
#[must_use]
pub fn wrong_type(pointer: &Pointer, wanted: &TypeKind, value: &Value) -> TextProblem {
    let member = said(pointer);
    let expected = match wanted {
        TypeKind::Single(JsonType::Object) => "a map",
        TypeKind::Single(JsonType::Array) => "a list",
        TypeKind::Single(JsonType::String) => "a text",
        TypeKind::Single(JsonType::Integer) => "a whole number",
        TypeKind::Single(JsonType::Number) => "a number",
        _ => "something else",
    };
    let help = match (expected, value) {
        (_, Value::Null) => Some("write a value, or remove the key".to_owned()),
        ("a text", Value::Number(_) | Value::Bool(_)) => Some(format!("put it in quotes: `'{value}'`")),
        ("a list", Value::String(text)) if text.len() <= 128 => Some(format!("write `{member}: [{text}]`")),
        _ => None,
    };
    let found = if expected == "a whole number" && value.is_number() { "a fraction" } else { shape(value) };
    TextProblem::WrongType { member, expected, found, help }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_said_like_a_path() {
        assert_eq!(said(&[Step::from("devices"), Step::from(2)]), "devices[2]");
        assert_eq!(said(&[Step::from("method"), Step::from("name")]), "method.name");
    }
}
