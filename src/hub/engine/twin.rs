//! Twins: patches from both sides, their limits, and who is told (REST.md 6, DEVICE.md 2.9).

use serde_json::Value;

use super::command::{Fault, Reply};
use super::{Engine, Turn};
use crate::hub::HubError;
use crate::hub::notice::Notice;
use crate::hub::registry::IfMatch;
use crate::model::{
    ErrorCode, JsonObject, PatchViolation, SectionPatch, Twin, TwinId, TwinPatch, desired_violations,
    reported_violations, tags_violations,
};
use crate::mqtt::Subscription;

impl Engine {
    /// Merges a back-end patch.
    pub(super) fn patch_twin(
        &mut self,
        id: &TwinId,
        patch: TwinPatch,
        if_match: &IfMatch,
        turn: &mut Turn<'_, '_>,
    ) -> Result<Reply, Fault> {
        existing(id, if_match, turn)?;
        self.write_twin(id, patch, turn)?;
        document(id, turn)
    }

    // conformance-choice: DEVICE.md 2.9: a replacement tells the device the new content, with a null for each key that went
    /// Replaces tags and desired properties: what is not in `content` goes (REST.md 6.4).
    pub(super) fn replace_twin(
        &mut self,
        id: &TwinId,
        content: TwinPatch,
        if_match: &IfMatch,
        turn: &mut Turn<'_, '_>,
    ) -> Result<Reply, Fault> {
        let twin = existing(id, if_match, turn)?;
        let section = |content: Option<SectionPatch>| match content {
            Some(SectionPatch::Merge(content)) => without_service_keys(content),
            Some(SectionPatch::Clear) | None => JsonObject::new(),
        };
        let patch = TwinPatch {
            tags: Some(replacement(&twin.tags, section(content.tags)).into()),
            desired: Some(replacement(&twin.desired.values, section(content.desired)).into()),
        };
        self.write_twin(id, patch, turn)?;
        document(id, turn)
    }

    /// Fills a fresh twin; nobody can be connected yet.
    pub(super) fn fill_twin(id: &TwinId, content: TwinPatch, turn: &mut Turn<'_, '_>) -> Result<Reply, Fault> {
        let mut twin = turn.tables.twin(id)?.ok_or_else(|| not_found(id))?;
        twin.fill(TwinPatch { tags: content.tags, desired: content.desired.map(without_service_keys_of) });
        check("tags", tags_violations(&twin.tags))?;
        check("properties.desired", desired_violations(&twin.desired.values))?;
        turn.tables.put_twin(id, &twin)?;
        Ok(Reply::Done)
    }

    /// Merges a patch into a twin, checks what came of it, stores it and tells the device.
    ///
    /// # Errors
    /// `DeviceNotFound`, and `ArgumentInvalid` for a broken limit; nothing was changed then.
    pub(super) fn write_twin(&mut self, id: &TwinId, patch: TwinPatch, turn: &mut Turn<'_, '_>) -> Result<(), Fault> {
        let mut patched = turn.tables.twin_to_patch(id, &patch)?.ok_or_else(|| not_found(id))?;
        let twin = &mut patched.twin;
        let (patches_tags, patches_desired) = (patch.tags.is_some(), patch.desired.is_some());
        let patch = TwinPatch { tags: patch.tags, desired: patch.desired.map(without_service_keys_of) };
        let applied = twin.patch(patch, turn.now);
        if patches_tags {
            check("tags", tags_violations(&twin.tags))?;
        }
        if patches_desired {
            check("properties.desired", desired_violations(&twin.desired.values))?;
        }
        turn.tables.put_patched(id, &patched)?;
        if let (Some(patch), Some(connection)) = (applied, self.subscribed(id, Subscription::DesiredPatches)) {
            let version = patched.twin.desired.version;
            self.effects.notices.push((connection, Notice::DesiredPatch { version, patch }));
        }
        Ok(())
    }

    /// Merges a device's own patch.
    pub(super) fn report(
        id: &TwinId,
        patch: &JsonObject,
        base_version: Option<u64>,
        turn: &mut Turn<'_, '_>,
    ) -> Result<Reply, Fault> {
        let mut twin = turn.tables.twin(id)?.ok_or_else(|| not_found(id))?;
        if base_version.is_some_and(|base| base != twin.reported.version) {
            return Err(stale(id)
                .because(format!("reported properties are at version {}", twin.reported.version))
                .into());
        }
        // The patch too: a null for a forbidden key would vanish in the merge.
        check("properties.reported", reported_violations(patch))?;
        let version = twin.report(patch, turn.now);
        check("properties.reported", reported_violations(&twin.reported.values))?;
        turn.tables.put_twin(id, &twin)?;
        turn.tables.presence().active(id, turn.now);
        Ok(Reply::Version(version))
    }
}

fn document(id: &TwinId, turn: &Turn<'_, '_>) -> Result<Reply, Fault> {
    Ok(Reply::Document(turn.tables.twin_document(id)?.ok_or_else(|| not_found(id))?))
}

fn existing(id: &TwinId, if_match: &IfMatch, turn: &Turn<'_, '_>) -> Result<Twin, Fault> {
    let twin = turn.tables.twin(id)?.ok_or_else(|| not_found(id))?;
    match if_match {
        IfMatch::Etag(etag) if *etag != twin.etag_text() => {
            Err(stale(id).because(format!("the caller's etag `{etag}` is not `{}`", twin.etag_text())).into())
        }
        _ => Ok(twin),
    }
}

/// Twins of modules too answer with the device's code (REST.md 6.1).
pub(super) fn not_found(id: &TwinId) -> HubError {
    HubError::new(ErrorCode::DeviceNotFound, id.device.as_str()).because(format!("there is no twin `{id}`"))
}

/// Twins of modules too name the device (REST.md 3.3).
fn stale(id: &TwinId) -> HubError {
    HubError::new(ErrorCode::PreconditionFailed, format!("ETag mismatch for device ID '{}'", id.device))
}

fn check(section: &str, violations: Vec<PatchViolation>) -> Result<(), HubError> {
    let Some(first) = violations.first() else { return Ok(()) };
    let place = format!("{section}{}", first.pointer());
    Err(HubError::new(ErrorCode::ArgumentInvalid, format!("The twin is not valid at '{place}': {first}.")))
}

/// SDKs send a whole section back; `$metadata` and `$version` in it are ignored (REST.md 6.4).
fn without_service_keys(mut section: JsonObject) -> JsonObject {
    section.retain(|key, _| key != "$metadata" && key != "$version");
    section
}

fn without_service_keys_of(patch: SectionPatch) -> SectionPatch {
    match patch {
        SectionPatch::Merge(patch) => SectionPatch::Merge(without_service_keys(patch)),
        SectionPatch::Clear => SectionPatch::Clear,
    }
}

/// The merge patch that turns `old` into `new`: all of `new`, and a null for each member that is not in it.
fn replacement(old: &JsonObject, new: JsonObject) -> JsonObject {
    let mut patch: JsonObject =
        old.keys().filter(|key| !new.contains_key(*key)).map(|key| (key.clone(), Value::Null)).collect();
    for (key, value) in new {
        let value = match (old.get(&key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => Value::Object(replacement(old, new)),
            (_, value) => value,
        };
        patch.insert(key, value);
    }
    patch
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::merge;

    #[test]
    fn a_replacement_merges_into_the_new_content_at_any_depth() {
        let object = |value: Value| value.as_object().cloned().unwrap();
        let old = object(json!({"a": {"b": 1, "c": {"d": 2}}, "e": 3, "f": {"g": 1}}));
        let new = object(json!({"a": {"c": {}}, "f": 4, "h": {"i": 5}}));
        let patch = replacement(&old, new.clone());
        assert_eq!(
            Value::Object(patch.clone()),
            json!({"e": null, "a": {"b": null, "c": {"d": null}}, "f": 4, "h": {"i": 5}})
        );
        let mut merged = old;
        merge(&mut merged, &patch);
        assert_eq!(merged, new);
    }
}
