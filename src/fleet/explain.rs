//! What the schema has against a fleet file, in sentences; what the checks say better is left to them.

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind;
use serde_json::{Number, Value};

use super::{Finding, ProblemKind, schema};
use crate::model::limits::{FLEET_DEVICES_MAX, FLEET_GROUPS_MAX};
use crate::source::shape::{self, MapShape};
use crate::source::{At, Pointer, Step, TextProblem};

/// The file as a whole.
const FLEET: MapShape = MapShape {
    place: "a fleet",
    keys: &["name", "seed", "devices", "groups"],
    relocated: &[
        ("count", "it is called `devices` here; a `count` belongs to a group"),
        ("group", "did you mean `groups`?"),
    ],
};
/// A group.
const GROUP: MapShape = MapShape {
    place: "a group",
    keys: &[
        "name",
        "count",
        "share",
        "idTemplate",
        "tags",
        "reported",
        "methods",
        "desired",
        "telemetry",
        "connectivity",
        "authentication",
        "transport",
        "modules",
    ],
    relocated: &[
        ("devices", "it is called `count` here"),
        ("properties", "write `reported` without `properties` round it"),
        ("id", "it is called `idTemplate` here: `door-{n:05}`"),
    ],
};
/// A module.
const MODULE: MapShape = MapShape {
    place: "a module",
    keys: &["moduleId", "reported", "methods", "desired", "telemetry"],
    relocated: &[
        ("name", "it is called `moduleId` here"),
        ("id", "it is called `moduleId` here"),
        ("connectivity", "faults of the connection are the device's: write them in the group"),
    ],
};
/// A method.
const METHOD: MapShape = MapShape {
    place: "a method",
    keys: &["status", "payload", "latency", "failures", "hangs"],
    relocated: &[("delay", "it is called `latency` here"), ("hang", "it is called `hangs` here")],
};
/// `failures`.
const FAILURES: MapShape = MapShape { place: "`failures`", keys: &["share", "status", "payload"], relocated: &[] };
/// `desired`.
const DESIRED: MapShape = MapShape {
    place: "`desired`",
    keys: &["apply", "delay"],
    relocated: &[("latency", "it is called `delay` here"), ("partial", "write `apply: { partial: 50% }`")],
};
/// `telemetry`.
const TELEMETRY: MapShape = MapShape {
    place: "`telemetry`",
    keys: &["every", "jitter", "body", "properties"],
    relocated: &[("interval", "it is called `every` here"), ("payload", "it is called `body` here")],
};
/// `connectivity`.
const CONNECTIVITY: MapShape = MapShape {
    place: "`connectivity`",
    keys: &["offline", "flapping", "slow", "halfOpen", "takeover"],
    relocated: &[],
};
/// `flapping`.
const FLAPPING: MapShape = MapShape { place: "`flapping`", keys: &["share", "online", "offline"], relocated: &[] };
/// `slow`.
const SLOW: MapShape = MapShape { place: "`slow`", keys: &["share", "delay"], relocated: &[] };
/// `halfOpen`.
const HALF_OPEN: MapShape = MapShape { place: "`halfOpen`", keys: &["share", "after"], relocated: &[] };
/// `takeover`.
const TAKEOVER: MapShape = MapShape { place: "`takeover`", keys: &["share", "every"], relocated: &[] };
/// A log-normal latency.
pub(super) const LOG_NORMAL: MapShape = MapShape { place: "a latency", keys: &["median", "p99"], relocated: &[] };

/// What the schema has against a document.
#[derive(Debug, Default)]
pub(super) struct Objections {
    /// What has a sentence here.
    pub findings: Vec<Finding>,
    /// What the checks say better: the member, and the validator's words should they stay silent.
    pub left: Vec<(Vec<Step>, String)>,
}

/// Asks the schema.
pub(super) fn objections(document: &Value) -> Objections {
    let mut objections = Objections::default();
    for violation in schema::violations(document) {
        let pointer = shape::steps(&violation);
        match explain(&violation, &pointer) {
            Some(findings) => objections.findings.extend(findings),
            None => objections.left.push((pointer, violation.to_string())),
        }
    }
    objections
}

fn explain(violation: &ValidationError<'_>, pointer: &Pointer) -> Option<Vec<Finding>> {
    let value = violation.instance();
    let one = |kind: ProblemKind| Some(vec![Finding { at: At::Value(pointer.to_vec()), kind }]);
    match violation.kind() {
        ValidationErrorKind::Type { .. } if pointer.is_empty() => {
            one(ProblemKind::NotAFleet { found: shape::shape(value) })
        }
        ValidationErrorKind::Type { kind } => one(match (value.as_ref(), unit_of(pointer)) {
            (Value::Number(number), Some(unit)) => unit.missing(key_of(pointer), number),
            (Value::String(text), _) if key_of(pointer) == "desired" => TextProblem::WrongType {
                member: shape::said(pointer),
                expected: "a map",
                found: shape::shape(value),
                help: Some(format!("write `desired: {{ apply: {text} }}`")),
            }
            .into(),
            _ => shape::wrong_type(pointer, kind, value).into(),
        }),
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let shape = shape_of(pointer)?;
            Some(unexpected.iter().map(|key| shape.unknown_key(pointer, key)).collect())
        }
        ValidationErrorKind::Required { property } => {
            let key = property.as_str().unwrap_or_default().to_owned();
            let help = example_of(pointer, &key).map(|example| format!("write for instance `{example}`"));
            Some(vec![shape_of(pointer)?.missing_key(pointer.to_vec(), key, help)])
        }
        ValidationErrorKind::Minimum { .. } | ValidationErrorKind::Maximum { .. } => {
            let (least, most) = if key_of(pointer) == "seed" { (0, u64::MAX) } else { (1, FLEET_DEVICES_MAX) };
            one(ProblemKind::Number { member: shape::said(pointer), least, most, written: value.to_string() })
        }
        ValidationErrorKind::MinItems { .. } => {
            let help = if key_of(pointer) == "groups" {
                "write at least one group"
            } else {
                "write at least one, or remove the key"
            };
            one(TextProblem::Empty { member: shape::said(pointer), help }.into())
        }
        ValidationErrorKind::MaxItems { .. } if key_of(pointer) == "groups" => {
            let found = value.as_array().map_or(0, Vec::len);
            debug_assert!(found > FLEET_GROUPS_MAX);
            one(ProblemKind::TooManyGroups { found })
        }
        ValidationErrorKind::MaxItems { .. } => {
            one(ProblemKind::TooManyModules { found: value.as_array().map_or(0, Vec::len) })
        }
        _ => None,
    }
}

/// The unit without which a number says nothing.
enum Unit {
    Share,
    Time,
}

impl Unit {
    fn missing(&self, key: &str, number: &Number) -> ProblemKind {
        let (key, written) = (key.to_owned(), number.to_string());
        match self {
            Self::Share => ProblemKind::ShareWithoutUnit { key, written },
            Self::Time => TextProblem::DurationWithoutUnit { key, written }.into(),
        }
    }
}

fn unit_of(pointer: &Pointer) -> Option<Unit> {
    match key_of(pointer) {
        "share" | "hangs" | "jitter" | "partial" => Some(Unit::Share),
        "offline" if parent_of(pointer) == "connectivity" => Some(Unit::Share),
        "every" | "median" | "p99" => Some(Unit::Time),
        _ => None,
    }
}

fn key_of(pointer: &Pointer) -> &str {
    match pointer.last() {
        Some(Step::Key(key)) => key,
        _ => "",
    }
}

fn parent_of(pointer: &Pointer) -> &str {
    pointer.split_last().map_or("", |(_, above)| key_of(above))
}

/// The map at a place of a fleet file.
fn shape_of(pointer: &Pointer) -> Option<MapShape> {
    let keys: Vec<&str> = pointer
        .iter()
        .filter_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        })
        .collect();
    let behaviour = match keys.as_slice() {
        [] => return Some(FLEET),
        ["groups"] => return Some(GROUP),
        ["groups", "modules"] => return Some(MODULE),
        ["groups", "modules", behaviour @ ..] | ["groups", behaviour @ ..] => behaviour,
        _ => return None,
    };
    match behaviour {
        ["methods", _] => Some(METHOD),
        ["methods", _, "failures"] => Some(FAILURES),
        ["methods", _, "latency"] | ["desired", "delay"] | ["connectivity", _, _] => Some(LOG_NORMAL),
        ["desired"] => Some(DESIRED),
        ["telemetry"] => Some(TELEMETRY),
        ["connectivity"] => Some(CONNECTIVITY),
        ["connectivity", "flapping"] => Some(FLAPPING),
        ["connectivity", "slow"] => Some(SLOW),
        ["connectivity", "halfOpen"] => Some(HALF_OPEN),
        ["connectivity", "takeover"] => Some(TAKEOVER),
        _ => None,
    }
}

/// A member as one could write it.
fn example_of(pointer: &Pointer, key: &str) -> Option<&'static str> {
    Some(match (key, key_of(pointer)) {
        ("groups", _) => "groups: [{ name: doors, count: 10 }]",
        ("name", _) => "name: doors",
        ("moduleId", _) => "moduleId: thermostat",
        ("apply", _) => "apply: echo",
        ("every", "takeover") => "every: 1m",
        ("every", _) => "every: 10s",
        ("body", _) => "body: { temperature: { $range: [15.0, 25.0] } }",
        ("share", _) => "share: 2%",
        ("online", _) => "online: 30s..2m",
        ("offline", _) => "offline: 5s..20s",
        ("delay", _) => "delay: 500ms..3s",
        ("after", _) => "after: 5m",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_tables_are_the_schemas() {
        let schema = schema::schema();
        let keys = |pointer: &str| -> Vec<String> {
            schema
                .pointer(pointer)
                .unwrap_or_else(|| panic!("{pointer}"))
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect()
        };
        assert_eq!(keys("/properties"), FLEET.keys);
        for (definition, shape) in [
            ("Group", GROUP),
            ("Module", MODULE),
            ("Method", METHOD),
            ("Failures", FAILURES),
            ("Desired", DESIRED),
            ("Telemetry", TELEMETRY),
            ("Connectivity", CONNECTIVITY),
            ("Flapping", FLAPPING),
            ("Slow", SLOW),
            ("HalfOpen", HALF_OPEN),
            ("Takeover", TAKEOVER),
            ("LogNormal", LOG_NORMAL),
        ] {
            assert_eq!(keys(&format!("/$defs/{definition}/properties")), shape.keys, "{definition}");
        }
    }
}
