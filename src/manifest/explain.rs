//! What the schema has against a document, in sentences about manifests.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use serde_json::Value;

use super::rule::ProblemKind;
use super::success::SuccessProblem;
use super::{Finding, checked::RunName, schema, start};
use crate::model::MethodName;
use crate::source::shape::{self, MapShape};
use crate::source::suggest::{any_of, nearest};
use crate::source::{At, Pointer, Step, TextProblem, duration};

/// A job.
const JOB: MapShape = MapShape {
    place: "a job",
    keys: &[
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
    ],
    relocated: &[
        ("tags", "`tags` belongs under `patch`"),
        ("desired", "`desired` belongs under `patch`"),
        ("payload", "`payload` belongs under `method`"),
        ("responseTimeout", "`responseTimeout` belongs under `method`"),
        ("connectTimeout", "`connectTimeout` belongs under `method`"),
        ("queryCondition", "it is called `query` here"),
        ("maxExecutionTimeInSeconds", "it is called `timeout` here, with a unit: `60s`"),
    ],
};
/// `success`.
const SUCCESS: MapShape = MapShape { place: "`success`", keys: &["devices", "statuses", "offline"], relocated: &[] };
/// A method.
const METHOD: MapShape = MapShape {
    place: "a method",
    keys: &["name", "payload", "responseTimeout", "connectTimeout"],
    relocated: &[
        ("methodName", "it is called `name` here"),
        ("responseTimeoutInSeconds", "it is called `responseTimeout` here, with a unit: `30s`"),
        ("connectTimeoutInSeconds", "it is called `connectTimeout` here, with a unit: `10s`"),
    ],
};
/// A patch.
const PATCH: MapShape = MapShape {
    place: "a patch",
    keys: &["tags", "desired"],
    relocated: &[
        ("properties", "write `desired` without `properties` round it"),
        ("reported", "only the device itself writes reported properties"),
    ],
};
/// Types of jobs.
const JOB_TYPES: [&str; 2] = ["scheduleDeviceMethod", "scheduleUpdateTwin"];

/// What the schema has against `document`, in the order in which it finds it.
///
/// Rules about members that have to agree are left to the checks, which say more.
pub(super) fn findings(document: &Value) -> Vec<Finding> {
    schema::violations(document).flat_map(|violation| explain(&violation)).collect()
}

fn explain(violation: &ValidationError<'_>) -> Vec<Finding> {
    let pointer: Vec<Step> = shape::steps(violation);
    let value = violation.instance();
    let one = |kind| vec![Finding { at: At::Value(pointer.clone()), kind }];
    match violation.kind() {
        ValidationErrorKind::OneOfNotValid { .. } | ValidationErrorKind::OneOfMultipleValid { .. }
            if pointer.is_empty() =>
        {
            Vec::new()
        }
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            unexpected.iter().map(|key| shape_of(&pointer).unknown_key(&pointer, key)).collect()
        }
        ValidationErrorKind::Type { .. } if pointer.is_empty() => {
            one(ProblemKind::NotAJob { found: shape::shape(value) })
        }
        ValidationErrorKind::Type { kind } => one(wrong_type(&pointer, kind, value)),
        ValidationErrorKind::Required { property } => vec![missing(pointer, property, value)],
        ValidationErrorKind::Enum { .. } | ValidationErrorKind::Constant { .. } if is(&pointer, &["type"]) => {
            one(unknown_type(value))
        }
        ValidationErrorKind::OneOfNotValid { .. } | ValidationErrorKind::AnyOf { .. } if is(&pointer, &["type"]) => {
            one(unknown_type(value))
        }
        ValidationErrorKind::Enum { .. } if is(&pointer, &["success", "offline"]) => {
            one(SuccessProblem::Offline { text: value.as_str().unwrap_or_default().to_owned() }.into())
        }
        ValidationErrorKind::AnyOf { .. } if is(&pointer, &["revision"]) => one(TextProblem::WrongType {
            member: "revision".into(),
            expected: "a whole number or a text of 1 to 128 characters",
            found: shape::shape(value),
            help: None,
        }
        .into()),
        ValidationErrorKind::AnyOf { .. } if matches!(pointer.as_slice(), [_, Step::Key(key), Step::Index(_)] if key == "statuses") => {
            one(SuccessProblem::Status { text: value.to_string() }.into())
        }
        ValidationErrorKind::MinItems { .. }
        | ValidationErrorKind::MinProperties { .. }
        | ValidationErrorKind::MinLength { .. }
        | ValidationErrorKind::MaxLength { .. }
        | ValidationErrorKind::Pattern { .. } => {
            of_text(&pointer, value).map_or_else(|| one(beyond_words(violation)), |at_kind| vec![at_kind])
        }
        _ => one(beyond_words(violation)),
    }
}

fn beyond_words(violation: &ValidationError<'_>) -> ProblemKind {
    TextProblem::Schema { message: violation.to_string(), subject: schema::SUBJECT }.into()
}

fn is(pointer: &Pointer, keys: &[&str]) -> bool {
    pointer.len() == keys.len() && pointer.iter().zip(keys).all(|(step, key)| matches!(step, Step::Key(k) if k == key))
}

fn shape_of(pointer: &Pointer) -> MapShape {
    match pointer {
        [Step::Key(key)] if key == "method" => METHOD,
        [Step::Key(key)] if key == "patch" => PATCH,
        [Step::Key(key)] if key == "success" => SUCCESS,
        _ => JOB,
    }
}

fn wrong_type(pointer: &Pointer, wanted: &TypeKind, value: &Value) -> ProblemKind {
    let problem = match (value, pointer.last()) {
        (Value::Number(number), Some(Step::Key(key))) if key.to_ascii_lowercase().ends_with("timeout") => {
            TextProblem::DurationWithoutUnit { key: key.clone(), written: number.to_string() }
        }
        _ => shape::wrong_type(pointer, wanted, value),
    };
    problem.into()
}

fn missing(pointer: Vec<Step>, property: &Value, document: &Value) -> Finding {
    let key = property.as_str().unwrap_or_default().to_owned();
    let help = match (key.as_str(), document.get("method"), document.get("patch")) {
        ("type", Some(_), None) => Some("write `type: scheduleDeviceMethod`".to_owned()),
        ("type", None, Some(_)) => Some("write `type: scheduleUpdateTwin`".to_owned()),
        ("type", _, _) => Some(format!("write `type:` with {}", any_of(&JOB_TYPES))),
        _ => None,
    };
    shape_of(&pointer).missing_key(pointer, key, help)
}

fn unknown_type(value: &Value) -> ProblemKind {
    let Some(found) = value.as_str() else {
        let found = shape::shape(value);
        return TextProblem::WrongType { member: "type".into(), expected: "a text", found, help: None }.into();
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
        p if is(p, &["devices"]) => empty("devices", "name at least one device, or use `query`"),
        [Step::Key(devices), Step::Index(_)] if devices == "devices" => {
            ProblemKind::DeviceIdIllegal { error: text.parse::<crate::model::DeviceId>().err()? }
        }
        p if is(p, &["after"]) => empty("after", "name at least one manifest, or remove the key"),
        [Step::Key(after), Step::Index(_)] if after == "after" => name_illegal(text)?,
        p if is(p, &["success"]) => empty("success", "write `devices`, `statuses` or `offline`"),
        p if is(p, &["success", "devices"]) => SuccessProblem::Share { text: text.to_owned() }.into(),
        p if is(p, &["success", "statuses"]) => empty("success.statuses", "write at least one status, such as `2xx`"),
        p if is(p, &["patch"]) => empty("patch", "write `tags`, `desired` or both"),
        p if is(p, &["method", "name"]) => ProblemKind::MethodNameIllegal { error: text.parse::<MethodName>().err()? },
        p if is(p, &["startTime"]) => {
            let unreadable = || (ProblemKind::StartUnreadable { text: text.to_owned() }, 0..text.len());
            let (kind, span) = start::parse(text).err().unwrap_or_else(unreadable);
            return Some(Finding { at: At::Inside(pointer.to_vec(), span), kind });
        }
        [.., Step::Key(key)] if key.to_ascii_lowercase().ends_with("timeout") => {
            let unreadable = || TextProblem::DurationUnreadable { text: text.to_owned() };
            duration::seconds(key, text).err().unwrap_or_else(unreadable).into()
        }
        _ => return None,
    };
    Some(at_value(kind))
}

fn empty(member: &str, help: &'static str) -> ProblemKind {
    TextProblem::Empty { member: member.to_owned(), help }.into()
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
        assert_eq!(keys("/properties"), JOB.keys);
        assert_eq!(keys("/$defs/Method/properties"), METHOD.keys);
        assert_eq!(keys("/$defs/Patch/properties"), PATCH.keys);
        assert_eq!(keys("/$defs/Success/properties"), SUCCESS.keys);
    }

    #[test]
    fn members_that_must_agree_are_left_to_the_checks() {
        let job = json!({"type": "scheduleDeviceMethod", "patch": {"tags": {}}, "query": "*", "devices": ["a"]});
        assert_eq!(findings(&job), []);
    }
}
