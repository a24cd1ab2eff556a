//! A twin of the store as a condition sees it: values are found in the record's bytes, the rest is put together when
//! somebody looks.

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};

use serde_json::Value;

use super::StoreError;
use super::member::find;
use super::parts::Portion;
use super::read::{IdentityRecord, RecordTable, TwinRow};
use super::schema::split_twin_key;
use super::stored_twin::StoredTwin;
use crate::query::{Member, Row};

/// A row while it is judged.
pub(super) struct JudgedRow<'j, 'r, T> {
    row: &'j TwinRow<'r, T>,
    stored: StoredTwin<'j>,
    /// What a condition looks at.
    reads: &'j Portion,
    document: OnceCell<Value>,
    /// What went wrong: a condition hears of a missing member instead.
    trouble: RefCell<Option<StoreError>>,
}

impl<'j, 'r, T: RecordTable> JudgedRow<'j, 'r, T> {
    pub(super) fn of(row: &'j TwinRow<'r, T>, reads: &'j Portion) -> Result<Self, StoreError> {
        let stored = StoredTwin::read(row.key, row.twin)?;
        Ok(Self { row, stored, reads, document: OnceCell::new(), trouble: RefCell::new(None) })
    }

    /// What went wrong while it was judged, which makes the verdict void.
    pub(super) fn into_trouble(self) -> Result<(), StoreError> {
        self.trouble.into_inner().map_or(Ok(()), Err)
    }

    fn find(&self, path: &[Box<str>]) -> Result<Member<'_>, StoreError> {
        if let Some(member) = self.stored.member(path) {
            return member;
        }
        if let Some(member) = self.of_identity(path) {
            return member;
        }
        if self.document.get().is_none() {
            let document = self.row.document(self.reads)?;
            return Ok(self.document.get_or_init(|| document).member(path));
        }
        Ok(self.document.get().map_or(Member::Missing, |document| document.member(path)))
    }
}

impl<'r, T: RecordTable> JudgedRow<'_, 'r, T> {
    /// What many conditions ask of an identity, found without its keys; none for the rest of the document.
    fn of_identity(&self, path: &[Box<str>]) -> Option<Result<Member<'r>, StoreError>> {
        let [name] = path else { return None };
        match (&**name, &self.row.identity) {
            ("deviceId", _) => {
                let (device, _) = split_twin_key(self.row.key);
                Some(Ok(Member::Text(Cow::Borrowed(device))))
            }
            ("connectionState", _) => Some(self.row.id().map(|id| {
                let state = self.row.presence.get(&id).state;
                Member::Text(Cow::Borrowed(state.word()))
            })),
            ("status", IdentityRecord::Bytes(bytes)) => Some(find(bytes, path).map_err(|source| StoreError::Record {
                table: "identities",
                key: self.row.key.to_owned(),
                source,
            })),
            _ => None,
        }
    }
}

impl<T: RecordTable> Row for JudgedRow<'_, '_, T> {
    fn member(&self, path: &[Box<str>]) -> Member<'_> {
        self.find(path).unwrap_or_else(|error| {
            self.trouble.replace(Some(error));
            Member::Missing
        })
    }
}
