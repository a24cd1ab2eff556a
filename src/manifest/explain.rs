//! What the schema has against a document, in sentences about manifests.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{JsonType, ValidationError};
use serde_json::Value;

use super::finding::{At, Finding, Pointer, Step};
use super::rule::ProblemKind;
use super::success::SuccessProblem;
use super::suggest::{any_of, nearest};
use super::{checked::RunName, duration, schema, start};
use crate::model::MethodName;

/// Keys of a job, in the order in which one writes them.
const JOB_KEYS: [&str; 12] = [
    "name",
    "description",
    "type",
    "query",
    "devices",
    "method",
    "patch",
    "startTime",
    "timeout",
    "after",
    "success",
    "revision",
];
/// Keys of `success`.
const SUCCESS_KEYS: [&str; 3] = ["devices", "statuses", "offline"];
/// Keys of a method.
const METHOD_KEYS: [&str; 4] = ["name", "payload", "responseTimeout", "connectTimeout"];
/// Keys of a patch.
const PATCH_KEYS: [&str; 2] = ["tags", "desired"];
/// Types of jobs.
const JOB_TYPES: [&str; 2] = ["scheduleDeviceMethod", "scheduleUpdateTwin"];

/// Names that other tools use, or that stand one level too high: where, what, and what to write.
const RELOCATED: [(&str, &str, &str); 12] = [
    ("", "tags", "`tags` belongs under `patch`"),
    ("", "desired", "`desired` belongs under `patch`"),
    ("", "payload", "`payload` belongs under `method`"),
    ("", "responseTimeout", "`responseTimeout` belongs under `method`"),
    ("", "connectTimeout", "`connectTimeout` belongs under `method`"),
    ("", "queryCondition", "it is called `query` here"),
    ("", "maxExecutionTimeInSeconds", "it is called `timeout` here, with a unit: `60s`"),
    ("method", "methodName", "it is called `name` here"),
    ("method", "responseTimeoutInSeconds", "it is called `responseTimeout` here, with a unit: `30s`"),
    ("method", "connectTimeoutInSeconds", "it is called `connectTimeout` here, with a unit: `10s`"),
    ("patch", "properties", "write `desired` without `properties` round it"),
    ("patch", "reported", "only the device itself writes reported properties"),
];

/// What the schema has against `document`, in the order in which it finds it.
///
/// Rules about members that have to agree are left to the checks, which say more.
pub(super) fn findings(document: &Value) -> Vec<Finding> {
    schema::violations(document).flat_map(|violation| explain(&violation)).collect()
}

fn explain(violation: &ValidationError<'_>) -> Vec<Finding> {
    let pointer: Vec<Step> = steps(violation);
    let value = violation.instance();
    let one = |kind| vec![Finding { at: At::Value(pointer.clone()), kind }];
    match violation.kind() {
        ValidationErrorKind::OneOfNotValid { .. } | ValidationErrorKind::OneOfMultipleValid { .. }
            if pointer.is_empty() =>
        {
            Vec::new()
        }
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            unexpected.iter().map(|key| unknown_key(&pointer, key)).collect()
        }
        ValidationErrorKind::Type { .. } if pointer.is_empty() => one(ProblemKind::NotAJob { found: shape(value) }),
        ValidationErrorKind::Type { kind } => one(wrong_type(&pointer, kind, value)),
        ValidationErrorKind::Required { property } => vec![missing(pointer, property, violation)],
        ValidationErrorKind::Enum { .. } | ValidationErrorKind::Constant { .. } if is(&pointer, &["type"]) => {
            one(unknown_type(value))
        }
        ValidationErrorKind::OneOfNotValid { .. } | ValidationErrorKind::AnyOf { .. } if is(&pointer, &["type"]) => {
            one(unknown_type(value))
        }
        ValidationErrorKind::Enum { .. } if is(&pointer, &["success", "offline"]) => {
            one(SuccessProblem::Offline { text: value.as_str().unwrap_or_default().to_owned() }.into())
        }
        ValidationErrorKind::AnyOf { .. } if is(&pointer, &["revision"]) => one(ProblemKind::WrongType {
            member: "revision".into(),
            expected: "a whole number or a text of 1 to 128 characters",
            found: shape(value),
            help: None,
        }),
        ValidationErrorKind::AnyOf { .. } if matches!(pointer.as_slice(), [_, Step::Key(key), Step::Index(_)] if key == "statuses") => {
            one(SuccessProblem::Status { text: value.to_string() }.into())
        }
        ValidationErrorKind::MinItems { .. }
        | ValidationErrorKind::MinProperties { .. }
        | ValidationErrorKind::MinLength { .. }
        | ValidationErrorKind::MaxLength { .. }
        | ValidationErrorKind::Pattern { .. } => of_text(&pointer, value)
            .map_or_else(|| one(ProblemKind::Schema { message: violation.to_string() }), |at_kind| vec![at_kind]),
        _ => one(ProblemKind::Schema { message: violation.to_string() }),
    }
}

fn steps(violation: &ValidationError<'_>) -> Vec<Step> {
    let segments = violation.instance_path().segments();
    let mut value_is_list = Vec::new();
    for segment in segments {
        value_is_list.push(match segment {
            jsonschema::paths::LocationSegment::Property(key) => Step::Key(key.into_owned()),
            jsonschema::paths::LocationSegment::Index(index) => Step::Index(index),
        });
    }
    value_is_list
}

fn is(pointer: &Pointer, keys: &[&str]) -> bool {
    pointer.len() == keys.len() && pointer.iter().zip(keys).all(|(step, key)| matches!(step, Step::Key(k) if k == key))
}

/// The member as a person says it: `method.name`, `devices[2]`.
fn said(pointer: &Pointer) -> String {
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

fn shape(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

fn place_of(pointer: &Pointer) -> (&'static str, &'static [&'static str], &'static str) {
    match pointer {
        [Step::Key(key)] if key == "method" => ("a method", &METHOD_KEYS, "method"),
        [Step::Key(key)] if key == "patch" => ("a patch", &PATCH_KEYS, "patch"),
        [Step::Key(key)] if key == "success" => ("`success`", &SUCCESS_KEYS, "success"),
        _ => ("a job", &JOB_KEYS, ""),
    }
}

fn unknown_key(pointer: &Pointer, key: &str) -> Finding {
    let (place, known, under) = place_of(pointer);
    let relocated = RELOCATED.iter().find(|(parent, name, _)| *parent == under && *name == key);
    let help = match (relocated, nearest(key, known.iter().copied())) {
        (Some((_, _, help)), _) => (*help).to_owned(),
        (None, Some(meant)) => format!("did you mean `{meant}`?"),
        (None, None) => format!("{place} has the keys {}", any_of(known).replace(" or ", " and ")),
    };
    let mut at = pointer.to_vec();
    at.push(Step::from(key));
    Finding { at: At::Key(at), kind: ProblemKind::UnknownKey { key: key.to_owned(), place, help } }
}

fn wrong_type(pointer: &Pointer, wanted: &TypeKind, value: &Value) -> ProblemKind {
    let member = said(pointer);
    if let (Value::Number(number), Some(Step::Key(key))) = (value, pointer.last())
        && key.to_ascii_lowercase().ends_with("timeout")
    {
        return ProblemKind::DurationWithoutUnit { key: key.clone(), written: number.to_string() };
    }
    let expected = match wanted {
        TypeKind::Single(JsonType::Object) => "a map",
        TypeKind::Single(JsonType::Array) => "a list",
        TypeKind::Single(JsonType::String) => "a text",
        _ => "something else",
    };
    let help = match (expected, value) {
        (_, Value::Null) => Some("write a value, or remove the key".to_owned()),
        ("a text", Value::Number(_) | Value::Bool(_)) => Some(format!("put it in quotes: `'{value}'`")),
        ("a list", Value::String(text)) if text.len() <= 128 => Some(format!("write `{member}: [{text}]`")),
        _ => None,
    };
    ProblemKind::WrongType { member, expected, found: shape(value), help }
}

fn missing(mut pointer: Vec<Step>, property: &Value, violation: &ValidationError<'_>) -> Finding {
    let key = property.as_str().unwrap_or_default().to_owned();
    let (place, _, _) = place_of(&pointer);
    let document = violation.instance();
    let help = match (key.as_str(), document.get("method"), document.get("patch")) {
        ("type", Some(_), None) => Some("write `type: scheduleDeviceMethod`".to_owned()),
        ("type", None, Some(_)) => Some("write `type: scheduleUpdateTwin`".to_owned()),
        ("type", _, _) => Some(format!("write `type:` with {}", any_of(&JOB_TYPES))),
        _ => None,
    };
    let kind = ProblemKind::MissingKey { key, place, help };
    let at = if pointer.is_empty() { At::Document } else { At::Key(std::mem::take(&mut pointer)) };
    Finding { at, kind }
}

fn unknown_type(value: &Value) -> ProblemKind {
    let Some(found) = value.as_str() else {
        return ProblemKind::WrongType { member: "type".into(), expected: "a text", found: shape(value), help: None };
    };
    let meant = nearest(found, JOB_TYPES).or_else(|| match found.to_ascii_lowercase() {
        lower if lower.contains("method") => Some(JOB_TYPES[0]),
        lower if lower.contains("twin") => Some(JOB_TYPES[1]),
        _ => None,
    });
    let help = match meant {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("write {}", any_of(&JOB_TYPES)),
    };
    ProblemKind::UnknownType { found: found.to_owned(), help }
}

/// The rule that a text, a list or a map breaks whose form the schema refuses; `None` when the schema alone has it.
fn of_text(pointer: &Pointer, value: &Value) -> Option<Finding> {
    let text = value.as_str().unwrap_or_default();
    let at_value = |kind| Finding { at: At::Value(pointer.to_vec()), kind };
    let kind = match pointer {
        p if is(p, &["name"]) => name_illegal(text)?,
        p if is(p, &["query"]) && text.is_empty() => ProblemKind::QueryEmpty,
        p if is(p, &["query"]) => ProblemKind::QueryTooLong { chars: text.chars().count() },
        p if is(p, &["devices"]) => {
            ProblemKind::Empty { member: "devices".into(), help: "name at least one device, or use `query`" }
        }
        [Step::Key(devices), Step::Index(_)] if devices == "devices" => {
            ProblemKind::DeviceIdIllegal { error: text.parse::<crate::model::DeviceId>().err()? }
        }
        p if is(p, &["after"]) => {
            ProblemKind::Empty { member: "after".into(), help: "name at least one manifest, or remove the key" }
        }
        [Step::Key(after), Step::Index(_)] if after == "after" => name_illegal(text)?,
        p if is(p, &["success"]) => {
            ProblemKind::Empty { member: "success".into(), help: "write `devices`, `statuses` or `offline`" }
        }
        p if is(p, &["success", "devices"]) => SuccessProblem::Share { text: text.to_owned() }.into(),
        p if is(p, &["success", "statuses"]) => {
            ProblemKind::Empty { member: "success.statuses".into(), help: "write at least one status, such as `2xx`" }
        }
        p if is(p, &["patch"]) => {
            ProblemKind::Empty { member: "patch".into(), help: "write `tags`, `desired` or both" }
        }
        p if is(p, &["method", "name"]) => ProblemKind::MethodNameIllegal { error: text.parse::<MethodName>().err()? },
        p if is(p, &["startTime"]) => {
            let unreadable = || (ProblemKind::StartUnreadable { text: text.to_owned() }, 0..text.len());
            let (kind, span) = start::parse(text).err().unwrap_or_else(unreadable);
            return Some(Finding { at: At::Inside(pointer.to_vec(), span), kind });
        }
        [.., Step::Key(key)] if key.to_ascii_lowercase().ends_with("timeout") => {
            let unreadable = || ProblemKind::DurationUnreadable { text: text.to_owned() };
            duration::seconds(key, text).err().unwrap_or_else(unreadable)
        }
        _ => return None,
    };
    Some(at_value(kind))
}

/// Why `text` is no name of a run, with one that is.
pub(super) fn name_illegal(text: &str) -> Option<ProblemKind> {
    let error = text.parse::<RunName>().err()?;
    let suggestion: String = RunName::suggest(text).trim_matches('-').chars().take(40).collect();
    let help = match suggestion.parse::<RunName>() {
        Ok(name) => format!("write `{name}`"),
        Err(_) => "use lower-case letters, digits and dashes, a letter first, at most 40".to_owned(),
    };
    Some(ProblemKind::NameIllegal { error, help })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_key_tables_are_the_schemas() {
        let schema = schema::filled_schema();
        let keys = |pointer: &str| -> Vec<String> {
            schema.pointer(pointer).unwrap().as_object().unwrap().keys().cloned().collect()
        };
        assert_eq!(keys("/properties"), JOB_KEYS);
        assert_eq!(keys("/$defs/Method/properties"), METHOD_KEYS);
        assert_eq!(keys("/$defs/Patch/properties"), PATCH_KEYS);
        assert_eq!(keys("/$defs/Success/properties"), SUCCESS_KEYS);
    }

    #[test]
    fn members_that_must_agree_are_left_to_the_checks() {
        let job = json!({"type": "scheduleDeviceMethod", "patch": {"tags": {}}, "query": "*", "devices": ["a"]});
        assert_eq!(findings(&job), []);
    }

    #[test]
    fn a_member_is_said_like_a_path() {
        assert_eq!(said(&[Step::from("devices"), Step::from(2)]), "devices[2]");
        assert_eq!(said(&[Step::from("method"), Step::from("name")]), "method.name");
    }
}
