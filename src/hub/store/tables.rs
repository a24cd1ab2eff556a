//! The engine's view of the database inside one write transaction.

use std::ops::Bound;

use jiff::Timestamp;
use redb::{ReadableTable, Table};
use serde::Serialize;
use serde_json::Value;

use super::parts::Parts;
use super::past::{Past, PastScan, PastTwin};
use super::read::{TwinScan, TwinTables, TwinVisitor, decode, encode, record};
use super::record::{DeviceCounts, JobRecord, RowRecord, SessionRecord};
use super::rows::{JobRow, RowWriter};
use super::schema::{
    IDENTITIES, JOBS, META, META_COUNTS, META_STARTS, SESSIONS, TWINS, modules_range, parse_twin_key, twin_key,
};
use super::stored_twin::{encode_twin, encode_twin_parts};
use super::{PresenceBoard, StoreError, TwinCollection};
use crate::hub::registry::Identity;
use crate::model::{DeviceId, JobId, Twin, TwinId, TwinPatch};

type RecordWriter<'t> = Table<'t, &'static str, &'static [u8]>;

/// Whether a transaction has anything to commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touched {
    /// It wrote.
    Yes,
    /// It only read.
    No,
}

/// A twin of which only the sections were read that a patch is for; the others are empty here and not in the store.
#[derive(Debug)]
pub struct PatchedTwin {
    /// Counters and those sections.
    pub twin: Twin,
    parts: Parts,
}

/// All tables, open for reading and writing.
pub struct WriteTables<'t> {
    identities: RecordWriter<'t>,
    twins: RecordWriter<'t>,
    jobs: RecordWriter<'t>,
    rows: RowWriter<'t>,
    sessions: RecordWriter<'t>,
    meta: RecordWriter<'t>,
    presence: &'t PresenceBoard,
    past: Option<&'t Past>,
    touched: Touched,
}

impl<'t> WriteTables<'t> {
    pub(super) fn open(txn: &'t redb::WriteTransaction, presence: &'t PresenceBoard) -> Result<Self, StoreError> {
        Ok(Self {
            identities: txn.open_table(IDENTITIES)?,
            twins: txn.open_table(TWINS)?,
            jobs: txn.open_table(JOBS)?,
            rows: RowWriter::open(txn)?,
            sessions: txn.open_table(SESSIONS)?,
            meta: txn.open_table(META)?,
            presence,
            past: None,
            touched: Touched::No,
        })
    }

    /// The same, keeping what changes replace.
    pub(super) fn with_past(mut self, past: Option<&'t Past>) -> Self {
        self.past = past;
        self
    }

    /// Lets a lagging index remember what a twin is, before it changes.
    fn keep_past(&self, id: &TwinId, key: &str) -> Result<(), StoreError> {
        let Some(past) = self.past else { return Ok(()) };
        let (identity, twin) = (self.identities.get(key)?, self.twins.get(key)?);
        let before = identity.zip(twin);
        let before = before
            .map(|(identity, twin)| PastTwin { identity: identity.value().to_owned(), twin: twin.value().to_owned() });
        past.note(id, before);
        Ok(())
    }

    /// Whether there is anything to commit.
    #[must_use]
    pub fn touched(&self) -> Touched {
        self.touched
    }

    /// The live connections.
    #[must_use]
    pub fn presence(&self) -> &PresenceBoard {
        self.presence
    }

    /// One identity.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails; so do all the methods below.
    pub fn identity(&self, id: &TwinId) -> Result<Option<Identity>, StoreError> {
        record(&self.identities, "identities", &twin_key(id))
    }

    /// Writes an identity.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn put_identity(&mut self, identity: &Identity) -> Result<(), StoreError> {
        let key = twin_key(&identity.id);
        self.keep_past(&identity.id, &key)?;
        put(&mut self.identities, &mut self.touched, "identities", &key, identity)
    }

    /// Removes an identity with its twin and session.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn remove_identity(&mut self, id: &TwinId) -> Result<(), StoreError> {
        let key = twin_key(id);
        self.keep_past(id, &key)?;
        self.touched = Touched::Yes;
        self.identities.remove(key.as_str())?;
        self.twins.remove(key.as_str())?;
        self.sessions.remove(key.as_str())?;
        Ok(())
    }

    /// The modules of a device, in order.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn modules_of(&self, device: &DeviceId) -> Result<Vec<TwinId>, StoreError> {
        let (from, below) = modules_range(device.as_str());
        let mut modules = Vec::new();
        for entry in self.identities.range(from.as_str()..below.as_str())? {
            let (key, _) = entry?;
            modules.push(parse_twin_key(key.value()).ok_or_else(|| torn("identities", key.value()))?);
        }
        Ok(modules)
    }

    /// The stored content of a twin.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn twin(&self, id: &TwinId) -> Result<Option<Twin>, StoreError> {
        super::read::twin(&self.twins, &twin_key(id), Parts::ALL)
    }

    /// Writes a twin.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn put_twin(&mut self, id: &TwinId, twin: &Twin) -> Result<(), StoreError> {
        let key = twin_key(id);
        self.keep_past(id, &key)?;
        let bytes = encode_twin(&key, twin)?;
        self.touched = Touched::Yes;
        self.twins.insert(key.as_str(), bytes.as_slice())?;
        Ok(())
    }

    /// A twin as far as a back-end patch needs it: its counters, and the sections that the patch is for.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn twin_to_patch(&self, id: &TwinId, patch: &TwinPatch) -> Result<Option<PatchedTwin>, StoreError> {
        let mut parts = Parts::NONE;
        if patch.tags.is_some() {
            parts = parts.and(Parts::TAGS);
        }
        if patch.desired.is_some() {
            parts = parts.and(Parts::DESIRED).and(Parts::DESIRED_METADATA);
        }
        let twin = super::read::twin(&self.twins, &twin_key(id), parts)?;
        Ok(twin.map(|twin| PatchedTwin { twin, parts }))
    }

    /// Writes what a patch changed and leaves the other sections as they are.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn put_patched(&mut self, id: &TwinId, patched: &PatchedTwin) -> Result<(), StoreError> {
        let key = twin_key(id);
        self.keep_past(id, &key)?;
        let bytes = {
            let former = self.twins.get(key.as_str())?.ok_or_else(|| torn("twins", &key))?;
            encode_twin_parts(&key, &patched.twin, patched.parts, former.value())?
        };
        self.touched = Touched::Yes;
        self.twins.insert(key.as_str(), bytes.as_slice())?;
        Ok(())
    }

    /// The whole document of a twin, as written so far.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn twin_document(&self, id: &TwinId) -> Result<Option<Value>, StoreError> {
        self.twin_tables().document(id)
    }

    /// Walks twin documents as [`Snapshot::scan_twins`](super::Snapshot::scan_twins) does.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn scan_twins(&self, scan: &TwinScan<'_>, visit: TwinVisitor<'_>) -> Result<(), StoreError> {
        match self.past {
            None => self.twin_tables().scan(scan, visit),
            Some(past) => PastScan { tables: &self.twin_tables(), past, scan }.walk(visit),
        }
    }

    /// The next twins of a collection after one of them, at most `limit`: their ids and nothing else.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn twins_after(
        &self,
        collection: TwinCollection,
        after: Option<&TwinId>,
        limit: usize,
    ) -> Result<Vec<TwinId>, StoreError> {
        let after = after.map(twin_key);
        let from = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut ids = Vec::new();
        for entry in self.twins.range::<&str>((from, Bound::Unbounded))? {
            let (key, _) = entry?;
            if !collection.holds(key.value()) {
                continue;
            }
            if ids.len() == limit {
                break;
            }
            ids.push(parse_twin_key(key.value()).ok_or_else(|| torn("twins", key.value()))?);
        }
        Ok(ids)
    }

    fn twin_tables(&self) -> TwinTables<'_, RecordWriter<'t>> {
        TwinTables { identities: &self.identities, twins: &self.twins, presence: self.presence }
    }

    /// One job.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn job(&self, id: &JobId) -> Result<Option<JobRecord>, StoreError> {
        record(&self.jobs, "jobs", id.as_str())
    }

    /// All jobs, by id.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn jobs(&self) -> Result<Vec<JobRecord>, StoreError> {
        let mut jobs = Vec::new();
        for entry in self.jobs.range::<&str>(..)? {
            let (key, value) = entry?;
            jobs.push(decode("jobs", key.value(), value.value())?);
        }
        Ok(jobs)
    }

    /// Writes a job.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn put_job(&mut self, job: &JobRecord) -> Result<(), StoreError> {
        put(&mut self.jobs, &mut self.touched, "jobs", job.request.job_id.as_str(), job)
    }

    /// Removes a job with its rows.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn remove_job(&mut self, id: &JobId) -> Result<(), StoreError> {
        self.remove_rows(id)?;
        self.jobs.remove(id.as_str())?;
        Ok(())
    }

    /// Removes the rows of a job.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn remove_rows(&mut self, job: &JobId) -> Result<(), StoreError> {
        self.touched = Touched::Yes;
        self.rows.remove(job)
    }

    /// Makes pending rows of a job; targets come in their order, at one call and from call to call.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn add_targets(&mut self, job: &JobId, targets: &[TwinId], now: Timestamp) -> Result<(), StoreError> {
        self.touched = Touched::Yes;
        self.rows.add_targets(job, targets, now)
    }

    /// Marks as `running` all rows of a job up to a target that are pending and were not written by themselves.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn mark_sent(&mut self, job: &JobId, through: &TwinId, now: Timestamp) -> Result<(), StoreError> {
        self.touched = Touched::Yes;
        self.rows.mark_sent(job, through, now)
    }

    /// A row of a job that was written by itself.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn written_row(&self, job: &JobId, target: &TwinId) -> Result<Option<RowRecord>, StoreError> {
        self.rows.written(job, target)
    }

    /// Writes a row of a job by itself; it must be one of the job's targets.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn put_row(&mut self, job: &JobId, target: &TwinId, row: &RowRecord) -> Result<(), StoreError> {
        self.touched = Touched::Yes;
        self.rows.put(job, target, row)
    }

    /// The next rows of a job after a target, at most `limit`.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn rows_after(
        &self,
        job: &JobId,
        after: Option<&TwinId>,
        limit: usize,
    ) -> Result<Vec<(TwinId, JobRow)>, StoreError> {
        self.rows.after(job, after, limit)
    }

    /// The stored session of an identity.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn session(&self, id: &TwinId) -> Result<Option<SessionRecord>, StoreError> {
        record(&self.sessions, "sessions", &twin_key(id))
    }

    /// Writes the session of an identity.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn put_session(&mut self, id: &TwinId, session: &SessionRecord) -> Result<(), StoreError> {
        put(&mut self.sessions, &mut self.touched, "sessions", &twin_key(id), session)
    }

    /// Drops the session of an identity, if it has one.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn remove_session(&mut self, id: &TwinId) -> Result<(), StoreError> {
        if self.sessions.remove(twin_key(id).as_str())?.is_some() {
            self.touched = Touched::Yes;
        }
        Ok(())
    }

    /// Registered devices by status.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn counts(&self) -> Result<DeviceCounts, StoreError> {
        Ok(record(&self.meta, "meta", META_COUNTS)?.unwrap_or_default())
    }

    /// Writes the counts of registered devices.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn put_counts(&mut self, counts: DeviceCounts) -> Result<(), StoreError> {
        put(&mut self.meta, &mut self.touched, "meta", META_COUNTS, &counts)
    }

    /// Counts one more start of an engine on this database and gives its number, from 1.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn count_start(&mut self) -> Result<u32, StoreError> {
        let start = record::<u32>(&self.meta, "meta", META_STARTS)?.unwrap_or_default().wrapping_add(1);
        put(&mut self.meta, &mut self.touched, "meta", META_STARTS, &start)?;
        Ok(start)
    }
}

fn put<T: Serialize>(
    table: &mut RecordWriter<'_>,
    touched: &mut Touched,
    name: &'static str,
    key: &str,
    value: &T,
) -> Result<(), StoreError> {
    let bytes = encode(name, key, value)?;
    *touched = Touched::Yes;
    table.insert(key, bytes.as_slice())?;
    Ok(())
}

fn torn(table: &'static str, key: &str) -> StoreError {
    StoreError::Torn { table, key: key.to_owned() }
}
