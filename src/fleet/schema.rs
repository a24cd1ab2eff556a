//! The JSON Schema of a fleet file: generated from the types, compiled once, applied to every file.

use std::sync::OnceLock;

use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use super::v1::Fleet;
use crate::source::schema::{schema_of, validator};

/// Where the schema is published; its last part is what an editor line names.
pub const SCHEMA_ID: &str = "https://raw.githubusercontent.com/iotjob/iotjob/main/schema/fleet.schema.json";

/// What `iotjob schema` calls it.
pub(super) const SUBJECT: &str = "fleet";

/// A duration as an editor checks it: `200ms`, `30s`, `1h 30m`, `PT45S`.
pub(super) const SPAN_PATTERN: &str = r"^ ?([0-9.]+ ?[a-z]+[, ]*)+$|^[Pp][Tt][0-9.HhMmSs]+$";

/// A duration, or two with `..` between.
pub(super) const LATENCY_PATTERN: &str =
    r"^ *([0-9.]+ ?[a-z]+[, ]*)+(\.\. *([0-9.]+ ?[a-z]+[, ]*)+)?$|^[Pp][Tt][0-9.HhMmSs]+$";

/// A share as an editor checks it: `5%`, `0.5%`.
pub(super) const SHARE_PATTERN: &str = r"^ *(100(\.0{1,4})?|[0-9]{1,2}(\.[0-9]{1,4})?) *% *$";

/// The schema as a document, draft 2020-12, as editors know it.
#[must_use]
pub fn schema() -> Value {
    schema_of::<Fleet>(SCHEMA_ID)
}

/// The schema as `iotjob schema fleet` prints it and `schema/fleet.schema.json` holds it, with a line end.
#[must_use]
pub fn schema_text() -> String {
    format!("{:#}\n", schema())
}

/// What the schema has against a document.
pub(super) fn violations(document: &Value) -> impl Iterator<Item = ValidationError<'_>> {
    static VALIDATOR: OnceLock<Validator> = OnceLock::new();
    VALIDATOR.get_or_init(|| validator(&schema())).iter_errors(document)
}
