//! A twin as bytes: a head of counters and lengths, then each part as JSON of its own.
//!
//! So a reader decodes the parts that it needs and passes over the others, whatever their size.

use serde_json::Value;

use super::StoreError;
use super::parts::Parts;
use crate::model::{JsonObject, Twin, TwinProperties};

/// Counters of the head: etag, version, desired `$version`, reported `$version`.
const COUNTERS: usize = 4;
/// Parts behind the head: tags, desired values and metadata, reported values and metadata.
const SECTIONS: usize = 5;
/// The counters, then the length of each section but the last, which takes the rest.
const HEAD_BYTES: usize = COUNTERS * 8 + (SECTIONS - 1) * 4;

/// A twin's record, read as far as its head.
#[derive(Debug, Clone, Copy)]
pub(super) struct StoredTwin<'b> {
    key: &'b str,
    counters: [u64; COUNTERS],
    sections: [&'b [u8]; SECTIONS],
}

/// Writes a twin as bytes.
pub(super) fn encode_twin(key: &str, twin: &Twin) -> Result<Vec<u8>, StoreError> {
    let counters = [twin.etag, twin.version, twin.desired.version, twin.reported.version];
    let sections =
        [&twin.tags, &twin.desired.values, &twin.desired.metadata, &twin.reported.values, &twin.reported.metadata];
    let mut bytes = vec![0; HEAD_BYTES];
    for (place, counter) in bytes.chunks_exact_mut(8).zip(counters) {
        place.copy_from_slice(&counter.to_le_bytes());
    }
    for (index, section) in sections.into_iter().enumerate() {
        let start = bytes.len();
        serde_json::to_writer(&mut bytes, section).map_err(|source| unreadable(key, source))?;
        let length = u32::try_from(bytes.len() - start).map_err(|_| torn(key))?;
        if index < SECTIONS - 1 {
            let place = COUNTERS * 8 + index * 4;
            bytes[place..place + 4].copy_from_slice(&length.to_le_bytes());
        }
    }
    Ok(bytes)
}

impl<'b> StoredTwin<'b> {
    /// Reads the head of a record.
    pub(super) fn read(key: &'b str, bytes: &'b [u8]) -> Result<Self, StoreError> {
        Self::of(key, bytes).ok_or_else(|| torn(key))
    }

    fn of(key: &'b str, bytes: &'b [u8]) -> Option<Self> {
        let (head, mut rest) = bytes.split_at_checked(HEAD_BYTES)?;
        let (counts, lengths) = head.split_at(COUNTERS * 8);
        let mut counters = [0; COUNTERS];
        for (counter, bytes) in counters.iter_mut().zip(counts.chunks_exact(8)) {
            *counter = u64::from_le_bytes(bytes.try_into().ok()?);
        }
        let mut sections = [rest; SECTIONS];
        for (section, bytes) in sections.iter_mut().zip(lengths.chunks_exact(4)) {
            let length = usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()?;
            (*section, rest) = rest.split_at_checked(length)?;
        }
        sections[SECTIONS - 1] = rest;
        Some(Self { key, counters, sections })
    }

    /// The whole twin.
    pub(super) fn twin(&self) -> Result<Twin, StoreError> {
        let [etag, version, desired_version, reported_version] = self.counters;
        let [tags, desired, desired_metadata, reported, reported_metadata] = self.sections;
        Ok(Twin {
            etag,
            version,
            tags: self.section(tags)?,
            desired: TwinProperties {
                values: self.section(desired)?,
                metadata: self.section(desired_metadata)?,
                version: desired_version,
            },
            reported: TwinProperties {
                values: self.section(reported)?,
                metadata: self.section(reported_metadata)?,
                version: reported_version,
            },
        })
    }

    /// The twin's etag as text and its version.
    pub(super) fn head(&self) -> (String, u64) {
        (Twin::etag_text_of(self.counters[0]), self.counters[1])
    }

    /// The tags.
    pub(super) fn tags(&self) -> Result<JsonObject, StoreError> {
        self.section(self.sections[0])
    }

    /// Those halves of the properties that `parts` names; none when it names none.
    pub(super) fn properties(&self, parts: Parts) -> Result<Option<Value>, StoreError> {
        let halves = [
            ("desired", Parts::DESIRED, Parts::DESIRED_METADATA, 1, self.counters[2]),
            ("reported", Parts::REPORTED, Parts::REPORTED_METADATA, 3, self.counters[3]),
        ];
        let mut properties = JsonObject::new();
        for (name, values, metadata, section, version) in halves {
            if !parts.has(values.and(metadata)) {
                continue;
            }
            let mut half = if parts.has(values) { self.section(self.sections[section])? } else { JsonObject::new() };
            if parts.has(metadata) {
                half.insert("$metadata".to_owned(), Value::Object(self.section(self.sections[section + 1])?));
                half.insert("$version".to_owned(), version.into());
            }
            properties.insert(name.to_owned(), Value::Object(half));
        }
        Ok((!properties.is_empty()).then_some(Value::Object(properties)))
    }

    fn section(&self, bytes: &[u8]) -> Result<JsonObject, StoreError> {
        if bytes == b"{}" {
            return Ok(JsonObject::new());
        }
        serde_json::from_slice(bytes).map_err(|source| unreadable(self.key, source))
    }
}

fn torn(key: &str) -> StoreError {
    StoreError::Torn { table: "twins", key: key.to_owned() }
}

fn unreadable(key: &str, source: serde_json::Error) -> StoreError {
    StoreError::Record { table: "twins", key: key.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::model::TwinPatch;

    fn twin() -> Twin {
        let object = |value: Value| value.as_object().cloned().unwrap();
        let mut twin = Twin::new(Timestamp::UNIX_EPOCH);
        let patch = TwinPatch {
            tags: Some(object(json!({"building": 43, "π": "ü"})).into()),
            desired: Some(object(json!({"a": {"b": [1]}})).into()),
        };
        twin.patch(patch, Timestamp::UNIX_EPOCH);
        twin.report(&object(json!({"battery": 0.5})), Timestamp::UNIX_EPOCH);
        twin
    }

    #[test]
    fn a_twin_comes_back_whole_and_in_parts() {
        let twin = twin();
        let bytes = encode_twin("a", &twin).unwrap();
        let stored = StoredTwin::read("a", &bytes).unwrap();
        assert_eq!(stored.twin().unwrap(), twin);
        assert_eq!(stored.head(), (twin.etag_text(), twin.version));
        assert_eq!(stored.tags().unwrap(), twin.tags);
        let whole = json!({"desired": twin.desired.document(), "reported": twin.reported.document()});
        assert_eq!(stored.properties(Parts::ALL).unwrap(), Some(whole));
        assert_eq!(stored.properties(Parts::REPORTED).unwrap(), Some(json!({"reported": {"battery": 0.5}})));
        assert_eq!(stored.properties(Parts::TAGS).unwrap(), None);
    }

    #[test]
    fn a_record_that_ends_early_is_refused() {
        let bytes = encode_twin("a", &twin()).unwrap();
        for cut in 0..bytes.len() {
            let read = StoredTwin::read("a", &bytes[..cut]).and_then(|stored| stored.twin());
            assert!(read.is_err(), "{cut} bytes");
        }
    }
}
