//! Twin patches as callers write them (REST.md 6.4).

use serde_json::Value;

use super::error::Refusal;
use super::json::optional_object;
use crate::model::{JsonObject, SectionPatch, TwinPatch};

/// What a section that is written as `null` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NullSection {
    /// Every key of it goes (CLIENTS.md 3.13).
    Clears,
    /// As if it were not written: some clients write null for everything they leave out.
    IsAbsent,
}

/// Reads tags and desired properties out of a whole or partial twin. Everything else in it is ignored, since SDKs send
/// back the whole twin that they read.
///
/// # Errors
/// `ArgumentInvalid` when a section is no object, or stands where it would silently have no effect.
pub(super) fn patch(body: &Value, null: NullSection) -> Result<TwinPatch, Refusal> {
    let body = match body {
        Value::Object(body) => body,
        Value::Null => return Ok(TwinPatch::default()),
        _ => return Err(Refusal::argument("A twin must be a JSON object.")),
    };
    for misplaced in ["desired", "reported"] {
        if body.contains_key(misplaced) {
            return Err(Refusal::argument(format!("'{misplaced}' belongs below 'properties'.")));
        }
    }
    let properties = optional_object(body.get("properties"), "properties")?;
    Ok(TwinPatch {
        tags: section(body.get("tags"), "tags", null)?,
        desired: section(properties.as_ref().and_then(|both| both.get("desired")), "properties.desired", null)?,
    })
}

fn section(value: Option<&Value>, name: &str, null: NullSection) -> Result<Option<SectionPatch>, Refusal> {
    if value == Some(&Value::Null) && null == NullSection::Clears {
        return Ok(Some(SectionPatch::Clear));
    }
    Ok(optional_object(value, name)?.map(|section| SectionPatch::Merge(without_service_keys(section))))
}

/// Drops `$metadata` and `$version`, which are the service's and come back with whole twins.
pub(super) fn without_service_keys(mut section: JsonObject) -> JsonObject {
    section.shift_remove("$metadata");
    section.shift_remove("$version");
    section
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Option<SectionPatch> {
        Some(SectionPatch::Merge(value.as_object().cloned().unwrap()))
    }

    // conformance: REST.md 6.4: a whole twin may be sent back: only tags and desired properties of it count
    #[test]
    fn a_whole_twin_leaves_only_what_may_be_written() {
        let twin = json!({
            "deviceId": "d1", "etag": "AAAAAAAAAAE=", "version": 2, "tags": {"a": 1},
            "properties": {
                "desired": {"b": {"c": null}, "$metadata": {"$lastUpdated": "x"}, "$version": 1},
                "reported": {"d": 2},
            },
        });
        let patch = patch(&twin, NullSection::Clears).unwrap();
        assert_eq!(patch.tags, object(json!({"a": 1})));
        assert_eq!(patch.desired, object(json!({"b": {"c": null}})));
    }

    #[test]
    fn null_clears_or_is_absent() {
        let body = json!({"tags": null, "properties": {"desired": null}});
        let cleared = patch(&body, NullSection::Clears).unwrap();
        assert_eq!((cleared.tags, cleared.desired), (Some(SectionPatch::Clear), Some(SectionPatch::Clear)));
        assert_eq!(patch(&body, NullSection::IsAbsent).unwrap(), TwinPatch::default());
        assert_eq!(patch(&json!({"properties": null}), NullSection::Clears).unwrap(), TwinPatch::default());
    }

    // conformance: REST.md 4.2: `desired` beside `properties` is 400
    #[test]
    fn what_would_have_no_effect_is_refused() {
        for body in
            [json!({"desired": {"a": 1}}), json!({"tags": 5}), json!({"properties": {"desired": []}}), json!([1])]
        {
            assert!(patch(&body, NullSection::Clears).is_err(), "{body}");
        }
    }
}
