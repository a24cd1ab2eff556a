//! A twin as bytes: a head of counters and lengths, then each part as JSON of its own.
//!
//! So a reader decodes the parts that it needs and passes over the others, whatever their size.

use std::fmt;

use serde::Deserializer;
use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::StoreError;
use super::member::find;
use super::parts::{Parts, Portion};
use crate::model::{JsonObject, Twin, TwinProperties};
use crate::query::Member;

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

/// Which part each section is.
const SECTION_PARTS: [Parts; SECTIONS] =
    [Parts::TAGS, Parts::DESIRED, Parts::DESIRED_METADATA, Parts::REPORTED, Parts::REPORTED_METADATA];

/// Writes a twin as bytes.
pub(super) fn encode_twin(key: &str, twin: &Twin) -> Result<Vec<u8>, StoreError> {
    encode(key, twin, |_| None)
}

/// Writes a twin as bytes; `ready` gives the sections that are bytes already.
fn encode<'s>(key: &str, twin: &Twin, ready: impl Fn(usize) -> Option<&'s [u8]>) -> Result<Vec<u8>, StoreError> {
    let counters = [twin.etag, twin.version, twin.desired.version, twin.reported.version];
    let sections =
        [&twin.tags, &twin.desired.values, &twin.desired.metadata, &twin.reported.values, &twin.reported.metadata];
    let mut bytes = vec![0; HEAD_BYTES];
    for (place, counter) in bytes.chunks_exact_mut(8).zip(counters) {
        place.copy_from_slice(&counter.to_le_bytes());
    }
    for (index, section) in sections.into_iter().enumerate() {
        let start = bytes.len();
        match ready(index) {
            Some(section) => bytes.extend_from_slice(section),
            None => serde_json::to_writer(&mut bytes, section).map_err(|source| unreadable(key, source))?,
        }
        let length = u32::try_from(bytes.len() - start).map_err(|_| torn(key))?;
        if index < SECTIONS - 1 {
            let place = COUNTERS * 8 + index * 4;
            bytes[place..place + 4].copy_from_slice(&length.to_le_bytes());
        }
    }
    Ok(bytes)
}

/// Writes a twin as bytes, taking what `parts` does not name from its record as it is.
pub(super) fn encode_twin_parts(key: &str, twin: &Twin, parts: Parts, former: &[u8]) -> Result<Vec<u8>, StoreError> {
    let former = StoredTwin::read(key, former)?;
    encode(key, twin, |index| (!parts.has(SECTION_PARTS[index])).then_some(former.sections[index]))
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

    /// The twin, with its counters and those parts; the others are left empty.
    pub(super) fn twin(&self, parts: Parts) -> Result<Twin, StoreError> {
        let [etag, version, desired_version, reported_version] = self.counters;
        let part = |index: usize| match parts.has(SECTION_PARTS[index]) {
            true => self.section(self.sections[index]),
            false => Ok(JsonObject::new()),
        };
        Ok(Twin {
            etag,
            version,
            tags: part(0)?,
            desired: TwinProperties { values: part(1)?, metadata: part(2)?, version: desired_version },
            reported: TwinProperties { values: part(3)?, metadata: part(4)?, version: reported_version },
        })
    }

    /// The twin's etag as text and its version.
    pub(super) fn head(&self) -> (String, u64) {
        (Twin::etag_text_of(self.counters[0]), self.counters[1])
    }

    /// The tags, or those of them that somebody looks at.
    pub(super) fn tags(&self, portion: &Portion) -> Result<JsonObject, StoreError> {
        self.members(self.sections[0], portion)
    }

    /// What somebody looks at in the properties; none when nobody does.
    pub(super) fn properties(&self, portion: &Portion) -> Result<Option<Value>, StoreError> {
        let halves = [
            ("desired", Parts::DESIRED, Parts::DESIRED_METADATA, 1, self.counters[2]),
            ("reported", Parts::REPORTED, Parts::REPORTED_METADATA, 3, self.counters[3]),
        ];
        let mut properties = JsonObject::new();
        for (name, values, metadata, section, version) in halves {
            let mut half = JsonObject::new();
            if portion.parts.has(values) {
                half = self.members(self.sections[section], portion)?;
            }
            if portion.parts.has(metadata) {
                half.insert("$metadata".to_owned(), Value::Object(self.section(self.sections[section + 1])?));
                half.insert("$version".to_owned(), version.into());
            }
            if portion.parts.has(values.and(metadata)) {
                properties.insert(name.to_owned(), Value::Object(half));
            }
        }
        Ok((!properties.is_empty()).then_some(Value::Object(properties)))
    }

    /// What lies at a path that leads into a section's values, decoding nothing else; none when it leads elsewhere.
    pub(super) fn member(&self, path: &[Box<str>]) -> Option<Result<Member<'b>, StoreError>> {
        let (index, path) = match path {
            [tags, own @ ..] if &**tags == "tags" => (0, own),
            [properties, half, own @ ..] if &**properties == "properties" => match &**half {
                "desired" => (1, own),
                "reported" => (3, own),
                _ => return None,
            },
            _ => return None,
        };
        // Sections as a whole hold more than their values, and are left out where they are empty.
        let is_value = path.first().is_some_and(|key| !key.starts_with('$'));
        is_value.then(|| find(self.sections[index], path).map_err(|source| unreadable(self.key, source)))
    }

    fn members(&self, bytes: &[u8], portion: &Portion) -> Result<JsonObject, StoreError> {
        let Some(names) = &portion.members else { return self.section(bytes) };
        let mut section = serde_json::Deserializer::from_slice(bytes);
        section.deserialize_map(Members { names }).map_err(|source| unreadable(self.key, source))
    }

    fn section(&self, bytes: &[u8]) -> Result<JsonObject, StoreError> {
        if bytes == b"{}" {
            return Ok(JsonObject::new());
        }
        serde_json::from_slice(bytes).map_err(|source| unreadable(self.key, source))
    }
}

/// Reads the named members of an object and passes over the others.
#[derive(Clone, Copy)]
struct Members<'n> {
    names: &'n [String],
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = JsonObject;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JsonObject, A::Error> {
        let mut members = JsonObject::new();
        while let Some(name) = map.next_key_seed(MemberName { names: self.names })? {
            match name {
                Some(name) => {
                    members.insert(name.to_owned(), map.next_value()?);
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(members)
    }
}

/// Finds a member's name among those that are wanted.
struct MemberName<'n> {
    names: &'n [String],
}

impl<'n, 'de> DeserializeSeed<'de> for MemberName<'n> {
    type Value = Option<&'n str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<'n> Visitor<'_> for MemberName<'n> {
    type Value = Option<&'n str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(self.names.iter().map(String::as_str).find(|name| *name == text))
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
        assert_eq!(stored.twin(Parts::ALL).unwrap(), twin);
        assert_eq!(stored.head(), (twin.etag_text(), twin.version));
        assert_eq!(stored.tags(&Portion::WHOLE).unwrap(), twin.tags);
        let whole = json!({"desired": twin.desired.document(), "reported": twin.reported.document()});
        assert_eq!(stored.properties(&Portion::WHOLE).unwrap(), Some(whole));
        let some = |parts, members: Option<&str>| Portion {
            parts,
            members: members.map(|names| names.split(' ').map(str::to_owned).collect()),
        };
        let reported = json!({"reported": {"battery": 0.5}});
        assert_eq!(stored.properties(&some(Parts::REPORTED, None)).unwrap(), Some(reported));
        assert_eq!(stored.properties(&some(Parts::TAGS, None)).unwrap(), None);
        assert_eq!(Value::Object(stored.tags(&some(Parts::TAGS, Some("b π"))).unwrap()), json!({"π": "ü"}));
        assert_eq!(stored.tags(&some(Parts::TAGS, Some("none"))).unwrap(), JsonObject::new());
    }

    #[test]
    fn a_record_that_ends_early_is_refused() {
        let bytes = encode_twin("a", &twin()).unwrap();
        for cut in 0..bytes.len() {
            let read = StoredTwin::read("a", &bytes[..cut]).and_then(|stored| stored.twin(Parts::ALL));
            assert!(read.is_err(), "{cut} bytes");
        }
    }
}
