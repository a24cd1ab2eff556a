//! A consistent view for reads, which never wait for the engine.

use std::ops::ControlFlow;

use serde_json::Value;

use super::{Presence, StoreError};
use crate::hub::registry::Identity;
use crate::model::{ConnectionState, DeviceId, JobId, JobResponse, Twin, TwinId, WireTime};
use crate::query::KeyRange;

/// Which identities a list shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentityScope {
    /// Devices, without their modules.
    Devices,
    /// The modules of one device.
    ModulesOf(DeviceId),
}

/// Which twins a query reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TwinCollection {
    /// Those of devices.
    Devices,
    /// Those of modules.
    Modules,
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

/// A consistent read view: one read transaction and the live connection states.
pub struct Snapshot {}

impl Snapshot {
    /// One identity.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read; so do all the methods below.
    pub fn identity(&self, _id: &TwinId) -> Result<Option<Identity>, StoreError> {
        Ok(None)
    }

    /// Identities after `after`, in id order, at most `limit`.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn identities(
        &self,
        _scope: &IdentityScope,
        _after: Option<&TwinId>,
        _limit: usize,
    ) -> Result<Vec<Identity>, StoreError> {
        Ok(Vec::new())
    }

    /// The live connection of an identity; who never connected is disconnected since `0001-01-01`.
    #[must_use]
    pub fn presence(&self, _id: &TwinId) -> Presence {
        Presence {
            state: ConnectionState::Disconnected,
            state_updated: WireTime::Never,
            last_activity: WireTime::Never,
        }
    }

    /// The stored content of one twin.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn twin(&self, _id: &TwinId) -> Result<Option<Twin>, StoreError> {
        Ok(None)
    }

    /// The whole twin as a GET and queries show it (REST.md 6.2).
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn twin_document(&self, _id: &TwinId) -> Result<Option<Value>, StoreError> {
        Ok(None)
    }

    /// Walks twin documents in id order while `visit` says so; `range` bounds the device id.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn scan_twins(
        &self,
        _collection: TwinCollection,
        _range: &KeyRange,
        _after: Option<&TwinId>,
        _visit: &mut dyn FnMut(&TwinId, Value) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        Ok(())
    }

    /// One job.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn job(&self, _id: &JobId) -> Result<Option<JobResponse>, StoreError> {
        Ok(None)
    }

    /// All jobs, newest first by `createdTime`.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn jobs(&self) -> Result<Vec<JobResponse>, StoreError> {
        Ok(Vec::new())
    }

    /// Walks rows of `devices.jobs` in the order of their keys, of one job or of all, while `visit` says so.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn scan_rows(
        &self,
        _job: Option<&JobId>,
        _after: Option<&RowKey>,
        _visit: &mut dyn FnMut(&RowKey, Value) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        Ok(())
    }

    /// Counts for the statistics endpoints.
    ///
    /// # Errors
    /// As [`Self::identity`].
    pub fn counts(&self) -> Result<Counts, StoreError> {
        Ok(Counts::default())
    }
}
