//! The JSON Schema of a manifest: generated from the types, compiled once, applied to every document.

use std::sync::OnceLock;

use jsonschema::{ValidationError, Validator};
use schemars::Schema;
use serde_json::{Value, json};

use super::v1::Job;
use crate::model::JsonObject;
use crate::source::schema::{schema_of, validator};

/// Where the schema is published; its last part is what an editor line names.
pub const SCHEMA_ID: &str = "https://raw.githubusercontent.com/iotjob/iotjob/main/schema/job.schema.json";

/// What `iotjob schema` calls it.
pub(super) const SUBJECT: &str = "manifest";

/// Durations as an editor checks them: `30s`, `1h 30m`, `PT45S`, in whole seconds.
pub(super) const DURATION_PATTERN: &str = r"^([0-9]+ ?(h|hrs?|hours?|m|mins?|minutes?|s|secs?|seconds?)(,? ?[0-9]+ ?(m|mins?|minutes?|s|secs?|seconds?)){0,2}|[Pp][Tt]([0-9]+[Hh])?([0-9]+[Mm])?([0-9]+[Ss])?)$";

/// Start times as an editor checks them: `now`, or a time with an offset, a zone or both.
pub(super) const START_PATTERN: &str = r"^(now|[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}(:?[0-9]{2}){1,2}([.,][0-9]{1,9})?([Zz]|[+-][0-9]{2}(:?[0-9]{2})?|(?=\[))(\[[A-Za-z0-9_+/-]+\])?)$";

/// The schema as a document, draft 2020-12, as editors know it: every member may be written as a variable.
#[must_use]
pub fn schema() -> Value {
    let mut schema = filled_schema();
    for definition in ["", "/$defs/Method", "/$defs/Patch", "/$defs/Success"] {
        let members = schema.pointer_mut(&format!("{definition}/properties")).and_then(Value::as_object_mut);
        members.into_iter().flatten().for_each(|(_, member)| or_variable(member));
    }
    if let Some(by_type) = schema.pointer_mut("/allOf/0/oneOf").and_then(Value::as_array_mut) {
        by_type.push(json!({"properties": {"type": {"$ref": VARIABLE_REF}}}));
    }
    if let Some(definitions) = schema.pointer_mut("/$defs").and_then(Value::as_object_mut) {
        let description = "A text with a variable in it: `${NAME}` or `${NAME:-default}`.";
        let variable = json!({"description": description, "type": "string", "pattern": r"\$\{[A-Za-z_]"});
        definitions.insert("Variable".to_owned(), variable);
    }
    schema
}

/// Where the schema says what a variable is.
const VARIABLE_REF: &str = "#/$defs/Variable";

/// Lets a member be written as a variable, unless any text will do.
fn or_variable(member: &mut Value) {
    /// What tells about a member and does not restrict it.
    const WORDS: [&str; 4] = ["description", "default", "examples", "title"];
    let Value::Object(rules) = member else { return };
    let is_restricted = rules.get("type") != Some(&json!("string")) || rules.contains_key("pattern");
    if !is_restricted || !rules.keys().any(|key| !WORDS.contains(&key.as_str())) {
        return;
    }
    let (words, rules): (JsonObject, JsonObject) =
        std::mem::take(rules).into_iter().partition(|(key, _)| WORDS.contains(&key.as_str()));
    let mut both = words;
    both.insert("anyOf".to_owned(), json!([rules, {"$ref": VARIABLE_REF}]));
    *member = Value::Object(both);
}

/// The schema of a document whose variables are filled in.
pub(super) fn filled_schema() -> Value {
    schema_of::<Job>(SCHEMA_ID)
}

/// The schema as `iotjob schema` prints it and `schema/job.schema.json` holds it, with a line end.
#[must_use]
pub fn schema_text() -> String {
    format!("{:#}\n", schema())
}

/// What the schema has against a document whose variables are filled in.
pub(super) fn violations(document: &Value) -> impl Iterator<Item = ValidationError<'_>> {
    static VALIDATOR: OnceLock<Validator> = OnceLock::new();
    VALIDATOR.get_or_init(|| validator(&filled_schema())).iter_errors(document)
}

/// Says how the members of a job depend on each other: what Rust types without `flatten` cannot.
pub(super) fn relate_members(schema: &mut Schema) {
    let rules = json!([
        {
            "oneOf": [
                {"properties": {"type": {"const": "scheduleDeviceMethod"}, "patch": false}, "required": ["method"]},
                {"properties": {"type": {"const": "scheduleUpdateTwin"}, "method": false}, "required": ["patch"]},
            ],
        },
        {"oneOf": [{"required": ["query"]}, {"required": ["devices"]}]},
    ]);
    schema.insert("allOf".to_owned(), rules);
}
