//! Reading records, the same for a snapshot and for the engine's own transaction.

use std::ops::{Bound, ControlFlow};

use redb::ReadableTable;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::document::twin_document;
use super::schema::{is_module_key, modules_range, parse_twin_key, twin_key};
use super::{PresenceBoard, StoreError};
use crate::hub::registry::Identity;
use crate::model::{Twin, TwinId};
use crate::query::KeyRange;

/// Which twins a query reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TwinCollection {
    /// Those of devices.
    Devices,
    /// Those of modules.
    Modules,
}

impl TwinCollection {
    pub(super) fn holds(self, key: &str) -> bool {
        is_module_key(key) == (self == Self::Modules)
    }
}

/// Anything that can be read like a table of records.
pub(super) trait RecordTable: ReadableTable<&'static str, &'static [u8]> {}
impl<T: ReadableTable<&'static str, &'static [u8]>> RecordTable for T {}

/// The record of a key.
pub(super) fn record<T: DeserializeOwned>(
    table: &impl RecordTable,
    name: &'static str,
    key: &str,
) -> Result<Option<T>, StoreError> {
    table.get(key)?.map(|bytes| decode(name, key, bytes.value())).transpose()
}

/// Reads a record's bytes.
pub(super) fn decode<T: DeserializeOwned>(table: &'static str, key: &str, bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|source| StoreError::Record { table, key: key.to_owned(), source })
}

/// Writes a record as bytes.
pub(super) fn encode<T: Serialize>(table: &'static str, key: &str, record: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(record).map_err(|source| StoreError::Record { table, key: key.to_owned(), source })
}

/// The tables that a twin document is made of.
pub(super) struct TwinTables<'a, T> {
    pub(super) identities: &'a T,
    pub(super) twins: &'a T,
    pub(super) presence: &'a PresenceBoard,
}

impl<T: RecordTable> TwinTables<'_, T> {
    /// The whole document of one twin.
    pub(super) fn document(&self, id: &TwinId) -> Result<Option<Value>, StoreError> {
        let key = twin_key(id);
        let Some(identity) = record::<Identity>(self.identities, "identities", &key)? else { return Ok(None) };
        let Some(twin) = record::<Twin>(self.twins, "twins", &key)? else {
            return Err(StoreError::Torn { table: "identities", key });
        };
        Ok(Some(twin_document(&identity, &twin, &self.presence.get(id))))
    }

    /// Walks documents in id order while `visit` says so; `range` bounds the device id.
    pub(super) fn scan(
        &self,
        collection: TwinCollection,
        range: &KeyRange,
        after: Option<&TwinId>,
        visit: &mut dyn FnMut(&TwinId, Value) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let after = after.map(twin_key);
        let after = after.as_deref();
        match range {
            KeyRange::All => self.walk(collection, after, Span { from: "", below: None, prefix: "" }, visit).map(drop),
            KeyRange::Prefix(prefix) => {
                self.walk(collection, after, Span { from: prefix, below: None, prefix }, visit).map(drop)
            }
            KeyRange::Ids(ids) => {
                for id in ids {
                    let (modules_from, modules_below) = modules_range(id);
                    let span = match collection {
                        TwinCollection::Devices => Span { from: id, below: Some(&modules_from), prefix: id },
                        TwinCollection::Modules => {
                            Span { from: &modules_from, below: Some(&modules_below), prefix: "" }
                        }
                    };
                    if self.walk(collection, after, span, visit)?.is_break() {
                        break;
                    }
                }
                Ok(())
            }
        }
    }

    fn walk(
        &self,
        collection: TwinCollection,
        after: Option<&str>,
        span: Span<'_>,
        visit: &mut dyn FnMut(&TwinId, Value) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, StoreError> {
        let from = match after {
            Some(after) if after >= span.from => Bound::Excluded(after),
            _ => Bound::Included(span.from),
        };
        let below = span.below.map_or(Bound::Unbounded, Bound::Excluded);
        if let (Bound::Excluded(from), Bound::Excluded(below)) = (from, below)
            && from >= below
        {
            return Ok(ControlFlow::Continue(()));
        }
        let twins = self.twins.range::<&str>((from, below))?;
        let identities = self.identities.range::<&str>((from, below))?;
        for (twin, identity) in twins.zip(identities) {
            let ((key, twin), (identity_key, identity)) = (twin?, identity?);
            let key = key.value();
            if key != identity_key.value() {
                return Err(StoreError::Torn { table: "twins", key: key.to_owned() });
            }
            if !key.starts_with(span.prefix) {
                break;
            }
            if !collection.holds(key) {
                continue;
            }
            let id = parse_twin_key(key).ok_or_else(|| StoreError::Torn { table: "twins", key: key.to_owned() })?;
            let identity: Identity = decode("identities", key, identity.value())?;
            let twin: Twin = decode("twins", key, twin.value())?;
            if visit(&id, twin_document(&identity, &twin, &self.presence.get(&id))).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// A stretch of keys: from a key, below another, as long as they begin so.
#[derive(Clone, Copy)]
struct Span<'a> {
    from: &'a str,
    below: Option<&'a str>,
    prefix: &'a str,
}
