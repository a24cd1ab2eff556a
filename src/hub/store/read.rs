//! Reading records, the same for a snapshot and for the engine's own transaction.

use std::ops::{Bound, ControlFlow};

use redb::ReadableTable;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::document::{Ingredients, twin_document};
use super::judged_row::JudgedRow;
use super::parts::{Parts, Portion};
use super::schema::{is_module_key, modules_range, parse_twin_key, twin_key};
use super::stored_twin::StoredTwin;
use super::{PresenceBoard, StoreError};
use crate::hub::registry::Identity;
use crate::model::{Twin, TwinId};
use crate::query::{KeyRange, Row};

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

/// The twin of a key, with its counters and those parts.
pub(super) fn twin(table: &impl RecordTable, key: &str, parts: Parts) -> Result<Option<Twin>, StoreError> {
    table.get(key)?.map(|bytes| StoredTwin::read(key, bytes.value())?.twin(parts)).transpose()
}

/// Reads a record's bytes.
pub(super) fn decode<T: DeserializeOwned>(table: &'static str, key: &str, bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|source| StoreError::Record { table, key: key.to_owned(), source })
}

/// Writes a record as bytes.
pub(super) fn encode<T: Serialize>(table: &'static str, key: &str, record: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(record).map_err(|source| StoreError::Record { table, key: key.to_owned(), source })
}

/// A twin of the store with its identity, of which the parts are read when somebody looks.
pub(super) struct TwinRow<'r, T> {
    pub(super) key: &'r str,
    pub(super) twin: &'r [u8],
    pub(super) identity: IdentityRecord<'r, T>,
    pub(super) presence: &'r PresenceBoard,
}

/// Where the identity of a row is.
pub(super) enum IdentityRecord<'r, T> {
    /// Read already.
    Bytes(&'r [u8]),
    /// In the table, under the row's key.
    Table(&'r T),
}

impl<T: RecordTable> TwinRow<'_, T> {
    pub(super) fn id(&self) -> Result<TwinId, StoreError> {
        parse_twin_key(self.key).ok_or_else(|| self.torn())
    }

    /// That portion of the document.
    pub(super) fn document(&self, portion: &Portion) -> Result<Value, StoreError> {
        let stored = StoredTwin::read(self.key, self.twin)?;
        let identity = portion.parts.has(Parts::IDENTITY).then(|| self.identity()).transpose()?;
        let id = portion.parts.has(Parts::IDS.and(Parts::PRESENCE)).then(|| self.id()).transpose()?;
        let from = Ingredients { id: id.as_ref(), identity: identity.as_ref(), twin: &stored, presence: self.presence };
        twin_document(&from, portion)
    }

    fn identity(&self) -> Result<Identity, StoreError> {
        match self.identity {
            IdentityRecord::Bytes(bytes) => decode("identities", self.key, bytes),
            IdentityRecord::Table(table) => record(table, "identities", self.key)?.ok_or_else(|| self.torn()),
        }
    }

    fn torn(&self) -> StoreError {
        StoreError::Torn { table: "twins", key: self.key.to_owned() }
    }
}

/// Which twins a scan shows, and what of them.
#[derive(Clone, Copy)]
pub struct TwinScan<'s> {
    /// Devices or modules.
    pub collection: TwinCollection,
    /// Bounds the device id.
    pub range: &'s KeyRange,
    /// Where to go on; the first twin without it.
    pub after: Option<&'s TwinId>,
    /// Which ones pass; all without it.
    pub filter: Option<TwinFilter<'s>>,
    /// What of the document is shown.
    pub shows: &'s Portion,
}

/// Decides on a twin by some parts of its document.
#[derive(Clone, Copy)]
pub struct TwinFilter<'s> {
    /// What it looks at.
    pub reads: &'s Portion,
    /// Whether a twin passes.
    pub passes: &'s dyn Fn(&dyn Row) -> bool,
}

/// Is shown a twin that passes and says whether to go on.
pub type TwinVisitor<'v> = &'v mut dyn FnMut(&TwinId, Value) -> ControlFlow<()>;

impl<'s> TwinScan<'s> {
    /// A scan that shows everybody's whole document.
    #[must_use]
    pub fn whole(collection: TwinCollection, range: &'s KeyRange, after: Option<&'s TwinId>) -> Self {
        Self { collection, range, after, filter: None, shows: &Portion::WHOLE }
    }

    /// Shows a row if it passes.
    pub(super) fn judge<T: RecordTable>(
        &self,
        row: &TwinRow<'_, T>,
        visit: TwinVisitor<'_>,
    ) -> Result<ControlFlow<()>, StoreError> {
        if let Some(filter) = self.filter {
            let judged = JudgedRow::of(row, filter.reads)?;
            let passes = (filter.passes)(&judged);
            judged.into_trouble()?;
            if !passes {
                return Ok(ControlFlow::Continue(()));
            }
        }
        Ok(visit(&row.id()?, row.document(self.shows)?))
    }

    /// Whether every row's identity is looked at, so that the two tables are best read side by side.
    fn reads_identities(&self) -> bool {
        self.filter.map_or(self.shows, |filter| filter.reads).parts.has(Parts::IDENTITY)
    }
}

/// The tables that a twin document is made of.
pub(super) struct TwinTables<'a, T> {
    pub(super) identities: &'a T,
    pub(super) twins: &'a T,
    pub(super) presence: &'a PresenceBoard,
}

/// Is shown a row and says whether to go on.
type RowVisitor<'v, T> = &'v mut dyn FnMut(&TwinRow<'_, T>) -> Result<ControlFlow<()>, StoreError>;

impl<T: RecordTable> TwinTables<'_, T> {
    /// The whole document of one twin.
    pub(super) fn document(&self, id: &TwinId) -> Result<Option<Value>, StoreError> {
        let key = twin_key(id);
        let Some(identity) = self.identities.get(key.as_str())? else { return Ok(None) };
        let Some(twin) = self.twins.get(key.as_str())? else {
            return Err(StoreError::Torn { table: "identities", key });
        };
        let row = TwinRow {
            key: &key,
            twin: twin.value(),
            identity: IdentityRecord::<T>::Bytes(identity.value()),
            presence: self.presence,
        };
        row.document(&Portion::WHOLE).map(Some)
    }

    /// Walks documents in id order while `visit` says so.
    pub(super) fn scan(&self, scan: &TwinScan<'_>, visit: TwinVisitor<'_>) -> Result<(), StoreError> {
        self.rows(scan, &mut |row| scan.judge(row, visit)).map(drop)
    }

    /// Walks the rows of a scan's collection, range and place, whether they pass or not.
    pub(super) fn rows(&self, scan: &TwinScan<'_>, visit: RowVisitor<'_, T>) -> Result<ControlFlow<()>, StoreError> {
        let after = scan.after.map(twin_key);
        let after = after.as_deref();
        let KeyRange::Ids(ids) = scan.range else {
            let prefix = match scan.range {
                KeyRange::Prefix(prefix) => prefix,
                KeyRange::All | KeyRange::Ids(_) => "",
            };
            return self.walk(scan, after, Span { from: prefix, below: None, prefix }, visit);
        };
        for id in ids {
            let (modules_from, modules_below) = modules_range(id);
            let span = match scan.collection {
                TwinCollection::Devices => Span { from: id, below: Some(&modules_from), prefix: id },
                TwinCollection::Modules => Span { from: &modules_from, below: Some(&modules_below), prefix: "" },
            };
            if self.walk(scan, after, span, visit)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn walk(
        &self,
        scan: &TwinScan<'_>,
        after: Option<&str>,
        span: Span<'_>,
        visit: RowVisitor<'_, T>,
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
        let mut identities = match scan.reads_identities() {
            true => Some(self.identities.range::<&str>((from, below))?),
            false => None,
        };
        for twin in self.twins.range::<&str>((from, below))? {
            let (key, twin) = twin?;
            let key = key.value();
            let torn = || StoreError::Torn { table: "twins", key: key.to_owned() };
            let identity = match &mut identities {
                Some(identities) => Some(identities.next().ok_or_else(torn)??),
                None => None,
            };
            if identity.as_ref().is_some_and(|(identity_key, _)| identity_key.value() != key) {
                return Err(torn());
            }
            if !key.starts_with(span.prefix) {
                break;
            }
            if !scan.collection.holds(key) {
                continue;
            }
            let identity = match &identity {
                Some((_, bytes)) => IdentityRecord::Bytes(bytes.value()),
                None => IdentityRecord::Table(self.identities),
            };
            if visit(&TwinRow { key, twin: twin.value(), identity, presence: self.presence })?.is_break() {
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
