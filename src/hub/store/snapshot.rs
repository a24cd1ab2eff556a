//! A consistent view for reads, which never wait for the engine.

use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use redb::{Database, ReadOnlyTable, ReadableDatabase};
use serde_json::Value;

use super::parts::Parts;
use super::past::{Past, PastScan};
use super::read::{TwinScan, TwinTables, TwinVisitor, decode, record, twin};
use super::record::{DeviceCounts, JobRecord};
use super::rows::RowTables;
use super::schema::{
    IDENTITIES, JOBS, META, META_COUNTS, ROWS, SENT, TARGETS, TWINS, is_module_key, modules_range, parse_row_key,
    row_key, twin_key,
};
use super::{Presence, PresenceBoard, StoreError};
use crate::hub::registry::Identity;
use crate::model::{DeviceId, JobId, JobResponse, Twin, TwinId};

/// Which identities a list shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentityScope {
    /// Devices, without their modules.
    Devices,
    /// The modules of one device.
    ModulesOf(DeviceId),
}

/// Names one row of `devices.jobs`; rows are in this order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowKey {
    /// The job.
    pub job: JobId,
    /// The device or module.
    pub target: TwinId,
}

/// How many devices there are (REST.md 8.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Registered devices, modules not counted.
    pub devices: u64,
    /// Those that may connect.
    pub enabled: u64,
    /// Those that may not.
    pub disabled: u64,
    /// Those that are connected.
    pub connected: u64,
}

type Records = ReadOnlyTable<&'static str, &'static [u8]>;

/// A consistent read view: one read transaction and the live connection states.
///
/// Holding one keeps old pages of the database alive: read, answer, drop.
pub struct Snapshot {
    identities: Records,
    twins: Records,
    jobs: Records,
    targets: Records,
    sent: Records,
    rows: Records,
    meta: Records,
    presence: Arc<PresenceBoard>,
    past: Option<Arc<Past>>,
    /// Last, so that it outlives the tables: a database that is dropped closes under its readers.
    _database: Arc<Database>,
}

impl Snapshot {
    pub(super) fn new(database: &Arc<Database>, presence: Arc<PresenceBoard>) -> Result<Self, StoreError> {
        let txn = database.begin_read()?;
        Ok(Self {
            identities: txn.open_table(IDENTITIES)?,
            twins: txn.open_table(TWINS)?,
            jobs: txn.open_table(JOBS)?,
            targets: txn.open_table(TARGETS)?,
            sent: txn.open_table(SENT)?,
            rows: txn.open_table(ROWS)?,
            meta: txn.open_table(META)?,
            presence,
            past: None,
            _database: Arc::clone(database),
        })
    }

    /// The same with scans that see the past.
    pub(super) fn with_past(mut self, past: Option<Arc<Past>>) -> Self {
        self.past = past;
        self
    }

    /// One identity.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read; so do all the methods below.
    pub fn identity(&self, id: &TwinId) -> Result<Option<Identity>, StoreError> {
        record(&self.identities, "identities", &twin_key(id))
    }

    /// Identities after `after`, in id order, at most `limit`.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn identities(
        &self,
        scope: &IdentityScope,
        after: Option<&TwinId>,
        limit: usize,
    ) -> Result<Vec<Identity>, StoreError> {
        let (from, below) = match scope {
            IdentityScope::Devices => (String::new(), None),
            IdentityScope::ModulesOf(device) => {
                let (from, below) = modules_range(device.as_str());
                (from, Some(below))
            }
        };
        let after = after.map(twin_key).filter(|after| *after >= from);
        let from = after.as_deref().map_or(Bound::Included(from.as_str()), Bound::Excluded);
        let mut identities = Vec::new();
        for entry in self.identities.range::<&str>((from, Bound::Unbounded))? {
            let (key, value) = entry?;
            let key = key.value();
            if identities.len() == limit || below.as_deref().is_some_and(|below| key >= below) {
                break;
            }
            if *scope == IdentityScope::Devices && is_module_key(key) {
                continue;
            }
            identities.push(decode("identities", key, value.value())?);
        }
        Ok(identities)
    }

    /// The live connection of an identity; who never connected is disconnected since `0001-01-01`.
    #[must_use]
    pub fn presence(&self, id: &TwinId) -> Presence {
        self.presence.get(id)
    }

    /// The stored content of one twin.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn twin(&self, id: &TwinId) -> Result<Option<Twin>, StoreError> {
        twin(&self.twins, &twin_key(id), Parts::ALL)
    }

    /// The whole twin as a GET and queries show it (REST.md 6.2).
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn twin_document(&self, id: &TwinId) -> Result<Option<Value>, StoreError> {
        self.twin_tables().document(id)
    }

    /// Walks the twins of a scan in id order while `visit` says so. With a query lag they are those of back then.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn scan_twins(&self, scan: &TwinScan<'_>, visit: TwinVisitor<'_>) -> Result<(), StoreError> {
        match &self.past {
            None => self.twin_tables().scan(scan, visit),
            Some(past) => PastScan { tables: &self.twin_tables(), past, scan }.walk(visit),
        }
    }

    fn twin_tables(&self) -> TwinTables<'_, Records> {
        TwinTables { identities: &self.identities, twins: &self.twins, presence: &self.presence }
    }

    /// One job.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn job(&self, id: &JobId) -> Result<Option<JobResponse>, StoreError> {
        Ok(self.job_record(id)?.map(|job| job.response()))
    }

    /// All jobs, newest first by `createdTime`.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn jobs(&self) -> Result<Vec<JobResponse>, StoreError> {
        let mut jobs = Vec::new();
        for entry in self.jobs.range::<&str>(..)? {
            let (key, value) = entry?;
            let job: JobRecord = decode("jobs", key.value(), value.value())?;
            jobs.push(job.response());
        }
        jobs.sort_by(|a, b| b.created_time.cmp(&a.created_time).then_with(|| a.job_id.cmp(&b.job_id)));
        Ok(jobs)
    }

    /// Walks rows of `devices.jobs` in the order of their keys, of one job or of all, while `visit` says so.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn scan_rows(
        &self,
        job: Option<&JobId>,
        after: Option<&RowKey>,
        visit: &mut dyn FnMut(&RowKey, Value) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let after = after.map(|key| row_key(&key.job, &key.target));
        let tables = RowTables { targets: &self.targets, sent: &self.sent, rows: &self.rows };
        let mut current: Option<JobRecord> = None;
        tables.walk(job, after.as_deref(), &mut |key, row| {
            let torn = || StoreError::Torn { table: "targets", key: key.to_owned() };
            let (job, target) = parse_row_key(key).ok_or_else(torn)?;
            // Rows of one job are neighbours: its record is read once.
            let record = match current.take().filter(|record| record.request.job_id == job) {
                Some(record) => record,
                None => self.job_record(&job)?.ok_or_else(torn)?,
            };
            let document = row.record.document(&record, &target);
            current = Some(record);
            Ok(visit(&RowKey { job, target }, document))
        })
    }

    /// Counts for the statistics endpoints.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn counts(&self) -> Result<Counts, StoreError> {
        let devices: DeviceCounts = record(&self.meta, "meta", META_COUNTS)?.unwrap_or_default();
        Ok(Counts {
            devices: devices.enabled + devices.disabled,
            enabled: devices.enabled,
            disabled: devices.disabled,
            connected: self.presence.devices_connected(),
        })
    }

    fn job_record(&self, id: &JobId) -> Result<Option<JobRecord>, StoreError> {
        record(&self.jobs, "jobs", id.as_str())
    }
}
