//! A twin's own content: tags, desired and reported properties with versions and metadata (REST.md 6.3).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::patch::merge;
use super::{JsonObject, WireTime};

/// One half of a twin's properties.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TwinProperties {
    /// The properties, without `$metadata` and `$version`.
    pub values: JsonObject,
    /// The `$metadata` tree: `$lastUpdated` (and `$lastUpdatedVersion`, desired only) on each object and leaf.
    pub metadata: JsonObject,
    /// The `$version`: starts at 1, grows by one with each write.
    pub version: u64,
}

/// The stored content of a twin, apart from what the registry and the connection know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Twin {
    /// The etag's counter: 1 at birth, grows with tag and desired writes only (REST.md 1.4).
    pub etag: u64,
    /// The twin's `version`: 2 at birth, grows with every write (REST.md 6.3).
    pub version: u64,
    /// Tags.
    pub tags: JsonObject,
    /// Desired properties.
    pub desired: TwinProperties,
    /// Reported properties.
    pub reported: TwinProperties,
}

/// A change of one section of a twin.
#[derive(Debug, Clone, PartialEq)]
pub enum SectionPatch {
    /// Merges as RFC 7386 says.
    Merge(JsonObject),
    /// The section was `null`: every key goes (CLIENTS.md 3.13).
    Clear,
}

impl SectionPatch {
    /// The merge patch that does this to a section: clearing names each of its keys with a null.
    #[must_use]
    pub fn resolve(self, section: &JsonObject) -> JsonObject {
        match self {
            Self::Merge(patch) => patch,
            Self::Clear => section.keys().map(|key| (key.clone(), Value::Null)).collect(),
        }
    }
}

impl Serialize for SectionPatch {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Merge(patch) => patch.serialize(serializer),
            Self::Clear => serializer.serialize_none(),
        }
    }
}

impl From<JsonObject> for SectionPatch {
    fn from(patch: JsonObject) -> Self {
        Self::Merge(patch)
    }
}

/// A change of tags and desired properties that the back end asks for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TwinPatch {
    /// What happens to the tags; `None` leaves them alone.
    pub tags: Option<SectionPatch>,
    /// What happens to the desired properties; `None` leaves them alone.
    pub desired: Option<SectionPatch>,
}

impl Twin {
    /// The twin of a fresh identity.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        let section = || TwinProperties { values: JsonObject::new(), metadata: stamp(now.into(), None), version: 1 };
        Self { etag: 1, version: 2, tags: JsonObject::new(), desired: section(), reported: section() }
    }

    /// The etag as text: base64 of an 8-byte big-endian counter (REST.md 1.4).
    #[must_use]
    pub fn etag_text(&self) -> String {
        Self::etag_text_of(self.etag)
    }

    /// As [`Self::etag_text`], of a counter alone.
    #[must_use]
    pub fn etag_text_of(etag: u64) -> String {
        data_encoding::BASE64.encode(&etag.to_be_bytes())
    }

    /// Merges a back-end patch. Each section named counts as one write, also when nothing changes.
    ///
    /// Gives the merge patch of the desired properties as it was applied, which is what a device is told.
    pub fn patch(&mut self, patch: TwinPatch, now: Timestamp) -> Option<JsonObject> {
        if patch.tags.is_some() || patch.desired.is_some() {
            self.etag += 1;
        }
        if let Some(tags) = patch.tags {
            let tags = tags.resolve(&self.tags);
            merge(&mut self.tags, &tags);
            // conformance-choice: REST.md 6.3: a patch that changes nothing moves the versions all the same, and tags move `version`
            self.version += 1;
        }
        let desired = patch.desired?.resolve(&self.desired.values);
        self.desired.patch(&desired, now, Versioned::Yes);
        self.version += 1;
        Some(desired)
    }

    /// Takes the content that came with its identity's creation: no version moves, and the metadata says that it was
    /// never updated since (REST.md 6.3).
    pub fn fill(&mut self, content: TwinPatch) {
        if let Some(tags) = content.tags {
            let tags = tags.resolve(&self.tags);
            merge(&mut self.tags, &tags);
        }
        if let Some(desired) = content.desired {
            let desired = desired.resolve(&self.desired.values);
            merge(&mut self.desired.values, &desired);
            stamp_patch(&mut self.desired.metadata, &desired, &stamp(WireTime::Never, Some(self.desired.version)));
        }
    }

    /// Merges a device's patch of its reported properties and gives the new `$version`.
    pub fn report(&mut self, patch: &JsonObject, now: Timestamp) -> u64 {
        self.reported.patch(patch, now, Versioned::No);
        self.version += 1;
        self.reported.version
    }

    /// The body of a device's twin GET: no metadata, tags or etag (DEVICE.md 2.8).
    #[must_use]
    pub fn device_view(&self) -> Value {
        let section = |properties: &TwinProperties| {
            let mut values = properties.values.clone();
            values.insert("$version".to_owned(), properties.version.into());
            Value::Object(values)
        };
        json!({"desired": section(&self.desired), "reported": section(&self.reported)})
    }
}

/// Whether metadata carries `$lastUpdatedVersion`: on desired properties only (REST.md 6.3).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Versioned {
    Yes,
    No,
}

impl TwinProperties {
    /// Merges a patch into values and metadata and moves the version.
    fn patch(&mut self, patch: &JsonObject, now: Timestamp, versioned: Versioned) {
        self.version += 1;
        merge(&mut self.values, patch);
        let version = (versioned == Versioned::Yes).then_some(self.version);
        stamp_patch(&mut self.metadata, patch, &stamp(now.into(), version));
    }

    /// The section as the service shows it: user keys, then `$metadata`, then `$version` (REST.md 6.3).
    #[must_use]
    pub fn document(&self) -> Value {
        let mut values = self.values.clone();
        values.insert("$metadata".to_owned(), Value::Object(self.metadata.clone()));
        values.insert("$version".to_owned(), self.version.into());
        Value::Object(values)
    }
}

fn stamp(time: WireTime, version: Option<u64>) -> JsonObject {
    let mut stamp = JsonObject::new();
    stamp.insert("$lastUpdated".to_owned(), Value::String(time.to_string()));
    if let Some(version) = version {
        stamp.insert("$lastUpdatedVersion".to_owned(), version.into());
    }
    stamp
}

/// Stamps an object's metadata and that of every member the patch touches; forgets what it deletes.
fn stamp_patch(metadata: &mut JsonObject, patch: &JsonObject, stamp: &JsonObject) {
    for (key, value) in stamp {
        metadata.insert(key.clone(), value.clone());
    }
    for (key, value) in patch {
        match value {
            Value::Null => {
                metadata.shift_remove(key);
            }
            Value::Object(inner) => {
                let slot = metadata.entry(key.clone()).or_insert_with(|| Value::Object(JsonObject::new()));
                if let Value::Object(existing) = slot {
                    stamp_patch(existing, inner, stamp);
                }
            }
            _ => {
                metadata.insert(key.clone(), Value::Object(stamp.clone()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> JsonObject {
        value.as_object().cloned().expect("the test wrote an object")
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    // conformance: REST.md 6.3: a fresh twin has version 2 and both $version 1
    #[test]
    fn a_fresh_twin_has_the_service_counters() {
        let twin = Twin::new(at(0));
        assert_eq!((twin.etag_text().as_str(), twin.version), ("AAAAAAAAAAE=", 2));
        assert_eq!(twin.device_view(), json!({"desired": {"$version": 1}, "reported": {"$version": 1}}));
    }

    // conformance: REST.md 6.3: a desired change moves etag, version and $version
    #[test]
    fn desired_moves_the_etag_and_reported_does_not() {
        let mut twin = Twin::new(at(0));
        twin.patch(TwinPatch { desired: Some(object(json!({"a": 1})).into()), tags: None }, at(1));
        assert_eq!((twin.etag, twin.version, twin.desired.version), (2, 3, 2));
        assert_eq!(twin.report(&object(json!({"b": 1})), at(2)), 2);
        assert_eq!((twin.etag, twin.version), (2, 4));
    }

    // conformance: REST.md 6.3: properties that came with a bulk creation are version 1 and were updated in the year 1
    #[test]
    fn first_content_moves_no_counter_and_was_never_updated() {
        let mut twin = Twin::new(at(1));
        twin.fill(TwinPatch {
            desired: Some(object(json!({"a": 1})).into()),
            tags: Some(object(json!({"t": 2})).into()),
        });
        assert_eq!((twin.etag, twin.version, twin.tags.len()), (1, 2, 1));
        let never = json!({"$lastUpdated": "0001-01-01T00:00:00Z", "$lastUpdatedVersion": 1});
        let document = twin.desired.document();
        assert_eq!(
            (&document["a"], &document["$version"], &document["$metadata"]["a"]),
            (&json!(1), &json!(1), &never)
        );
    }

    // conformance: DEVICE.md 2.9: a cleared or replaced section tells the device a null for each key that went
    #[test]
    fn clearing_names_each_key_with_a_null() {
        let mut twin = Twin::new(at(0));
        twin.patch(TwinPatch { desired: Some(object(json!({"a": {"b": 1}, "c": 2})).into()), tags: None }, at(1));
        let applied = twin.patch(TwinPatch { desired: Some(SectionPatch::Clear), tags: None }, at(2));
        assert_eq!(applied, Some(object(json!({"a": null, "c": null}))));
        assert_eq!((twin.desired.values.len(), twin.desired.version), (0, 3));
    }

    #[test]
    fn metadata_mirrors_the_tree() {
        let mut twin = Twin::new(at(0));
        twin.patch(TwinPatch { desired: Some(object(json!({"a": {"b": 1, "c": 2}})).into()), tags: None }, at(1));
        twin.patch(TwinPatch { desired: Some(object(json!({"a": {"b": null, "c": 3}})).into()), tags: None }, at(2));
        let t2 = "1970-01-01T00:00:02Z";
        assert_eq!(
            twin.desired.document(),
            json!({
                "a": {"c": 3},
                "$metadata": {
                    "$lastUpdated": t2, "$lastUpdatedVersion": 3,
                    "a": {"$lastUpdated": t2, "$lastUpdatedVersion": 3, "c": {"$lastUpdated": t2, "$lastUpdatedVersion": 3}},
                },
                "$version": 3,
            })
        );
    }
}
