//! The JSON Schema of an event line, generated from the types that write it.

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::{Value, json};

use crate::run::RunEvent;
use crate::source::schema::without_null;

/// Where the schema is published.
const SCHEMA_ID: &str = "https://raw.githubusercontent.com/iotjob/iotjob/main/schema/events.schema.json";

/// The schema as a document, draft 2020-12.
#[must_use]
pub fn events_schema() -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize().with_transform(RecursiveTransform(without_null));
    let mut schema = settings.into_generator().into_root_schema_for::<RunEvent>();
    let words = [
        ("$schema", schema.remove("$schema").unwrap_or_default()),
        ("$id", json!(SCHEMA_ID)),
        ("title", json!("iotjob event")),
        ("description", json!("One line of `iotjob apply --output json` and `iotjob watch --output json`.")),
    ];
    for (name, _) in &words {
        schema.remove(*name);
    }
    let mut document: serde_json::Map<String, Value> =
        words.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    if let Value::Object(rest) = schema.to_value() {
        document.extend(rest);
    }
    Value::Object(document)
}

/// The schema as `iotjob schema events` prints it and `schema/events.schema.json` holds it, with a line end.
#[must_use]
pub fn events_schema_text() -> String {
    format!("{:#}\n", events_schema())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::report::sample::{oddities, story};

    #[test]
    fn the_schema_file_is_current() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/events.schema.json");
        if std::env::var_os("IOTJOB_UPDATE").is_some() {
            fs::write(&path, events_schema_text()).unwrap();
        }
        let written = fs::read_to_string(&path).unwrap().replace("\r\n", "\n");
        let is_current = written == events_schema_text();
        assert!(is_current, "schema/events.schema.json is stale: run the tests once with IOTJOB_UPDATE=1");
    }

    #[test]
    fn the_schema_takes_events_and_nothing_else() {
        let validator = jsonschema::draft202012::new(&events_schema()).unwrap();
        for event in story().into_iter().chain(oddities()) {
            let value = serde_json::to_value(&event).unwrap();
            let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
            assert_eq!(errors, Vec::<String>::new(), "{value}");
        }
        let end = serde_json::to_value(story().last()).unwrap();
        for (member, wrong) in
            [("v", json!(2)), ("event", json!("runPainted")), ("targets", json!(-1)), ("outcomes", json!({}))]
        {
            let mut bad = end.clone();
            bad[member] = wrong;
            assert!(!validator.is_valid(&bad), "{bad}");
        }
    }
}
