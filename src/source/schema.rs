//! JSON Schemas that are generated from the types of what people write.

use std::ops::Range;

use jsonschema::Validator;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

use super::yaml::slice_span;

/// The file of the schema of manifests, as an editor line names it.
pub const JOB_SCHEMA_FILE: &str = "job.schema.json";
/// The file of the schema of fleet files.
pub const FLEET_SCHEMA_FILE: &str = "fleet.schema.json";

/// The file of the schema that an editor line at the top of `text` names, without its folders, and where it stands.
#[must_use]
pub fn named_schema(text: &str) -> Option<(&str, Range<usize>)> {
    let comments =
        text.lines().take_while(|line| line.trim().is_empty() || line.starts_with(['#', '%']) || *line == "---");
    let named = comments.filter_map(|line| line.trim_start_matches('#').trim().strip_prefix("yaml-language-server:"));
    let schema = named.filter_map(|setting| setting.trim().strip_prefix("$schema=")).map(str::trim).last()?;
    Some((schema.rsplit(['/', '\\']).next().unwrap_or(schema), slice_span(text, schema)?))
}

/// The schema of `T`, draft 2020-12, with its `id` in front.
#[must_use]
pub fn schema_of<T: JsonSchema>(id: &str) -> Value {
    let settings = SchemaSettings::draft2020_12().with_transform(RecursiveTransform(as_written_by_people));
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    let mut document = serde_json::Map::new();
    // The id stands first, where people look for it.
    for key in ["$schema", "$id"] {
        let value = schema.remove(key).unwrap_or_else(|| json!(id));
        document.insert(key.to_owned(), value);
    }
    if let Value::Object(rest) = schema.to_value() {
        document.extend(rest);
    }
    Value::Object(document)
}

/// Gets ready to judge documents by a schema that [`schema_of`] made.
#[must_use]
pub fn validator(schema: &Value) -> Validator {
    jsonschema::draft202012::new(schema).expect("a schema that is generated from types is a schema")
}

/// Takes null out of a schema, for members that are left out instead; and makes a description one paragraph, however the
/// source breaks its lines.
pub fn without_null(schema: &mut Schema) {
    if let Some(Value::String(description)) = schema.get_mut("description") {
        *description = description.replace('\n', " ");
    }
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| *choice != json!({"type": "null"}));
    }
}

/// Makes a schema read as a user means it: `timeout:` with nothing after it is a mistake, not the default.
fn as_written_by_people(schema: &mut Schema) {
    without_null(schema);
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
    if let Some(Value::Array(choices)) = schema.get("anyOf")
        && let [Value::Object(only)] = choices.as_slice()
    {
        let only = only.clone();
        schema.remove("anyOf");
        let object = schema.ensure_object();
        for (key, value) in only {
            object.entry(key).or_insert(value);
        }
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_editor_line_names_its_schema() {
        for (text, want) in [
            ("# yaml-language-server: $schema=../schema/job.schema.json\ntype: x\n", Some(JOB_SCHEMA_FILE)),
            ("# yaml-language-server: $schema=https://example.com/fleet.schema.json\n", Some(FLEET_SCHEMA_FILE)),
            ("\n# a comment\n#yaml-language-server: $schema=workflow.json\n", Some("workflow.json")),
            ("type: x\n# yaml-language-server: $schema=other.json\n", None),
            ("type: x\n", None),
        ] {
            assert_eq!(named_schema(text).map(|(file, _)| file), want, "{text}");
        }
        let text = "# yaml-language-server: $schema=a/b.json\n";
        assert_eq!(named_schema(text).map(|(_, span)| &text[span]), Some("a/b.json"));
    }
}
