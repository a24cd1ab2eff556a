//! How the edges reach the engine: one thread that owns it, one commit for each batch of commands.

use serde_json::Value;
use tokio::sync::mpsc;

use super::session::{SessionKind, SessionOpened};
use crate::hub::HubError;
use crate::hub::notice::{CallId, ConnectionId, Notice};
use crate::hub::registry::{Identity, IdentityDraft, IfMatch};
use crate::hub::store::{Snapshot, Store, StoreError};
use crate::model::{
    Clock, JobId, JobRequest, JobResponse, JsonObject, MethodRequest, MethodResponse, Rng, TwinId, TwinPatch,
};
use crate::mqtt::Subscription;

/// What the engine is told about the hub it runs.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// The one clock.
    pub clock: Clock,
    /// The one source of chance.
    pub rng: Rng,
}

/// Reaches the engine's thread; cheap to clone. Every call returns after its commit is durable.
///
/// A call whose future is dropped is carried out all the same.
#[derive(Clone)]
pub struct EngineHandle {
    store: Store,
}

impl EngineHandle {
    /// Starts the engine thread on a store; jobs that were under way go on.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read or the thread cannot be started.
    pub fn start(store: Store, _options: EngineOptions) -> Result<Self, StoreError> {
        Ok(Self { store })
    }

    /// Stops the thread after the commands already queued; later calls get `ServiceUnavailable`.
    pub async fn stop(&self) {}

    /// Lets the engine look at its clock now: for clocks that somebody drives. Returns after what fell due is committed.
    pub async fn wake(&self) {}

    /// A consistent view of the store for reads, which never go through the engine.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.store.snapshot()
    }

    /// Notes that an identity sent something (telemetry, a twin read): moves `lastActivityTime`, in memory only.
    pub fn active(&self, _id: &TwinId) {}

    /// Registers a device or module that must not exist yet (REST.md 8.1, 8.2).
    ///
    /// # Errors
    /// `DeviceAlreadyExists`, `ModuleAlreadyExistsOnDevice`, `DeviceNotFound` for a module's device,
    /// `TooManyModulesOnDevice`, `ArgumentInvalid` for a module id of the service's own.
    pub async fn create_identity(&self, _draft: IdentityDraft) -> Result<Identity, HubError> {
        Err(unfinished())
    }

    /// Replaces a device or module that must exist (REST.md 8.1); disabling it closes its connections.
    ///
    /// # Errors
    /// `DeviceNotFound`, `ModuleNotFound`, `PreconditionFailed`.
    pub async fn replace_identity(&self, _draft: IdentityDraft, _if_match: IfMatch) -> Result<Identity, HubError> {
        Err(unfinished())
    }

    /// Deletes an identity with its twin, session and, of a device, modules; closes their connections.
    ///
    /// # Errors
    /// `DeviceNotFound`, `ModuleNotFound`, `PreconditionFailed`, also for [`IfMatch::Absent`].
    pub async fn delete_identity(&self, _id: TwinId, _if_match: IfMatch) -> Result<(), HubError> {
        Err(unfinished())
    }

    /// Merges a back-end patch (REST.md 6.4) and gives the whole twin document.
    ///
    /// # Errors
    /// `DeviceNotFound`, also for modules; `PreconditionFailed`; `ArgumentInvalid` for a broken limit.
    pub async fn patch_twin(&self, _id: TwinId, _patch: TwinPatch, _if_match: IfMatch) -> Result<Value, HubError> {
        Err(unfinished())
    }

    /// Replaces tags and desired properties as a whole: a section left out becomes empty (REST.md 6.4).
    ///
    /// # Errors
    /// As [`Self::patch_twin`].
    pub async fn replace_twin(&self, _id: TwinId, _content: TwinPatch, _if_match: IfMatch) -> Result<Value, HubError> {
        Err(unfinished())
    }

    /// Merges a device's patch of its reported properties; `base_version` makes it conditional. Gives the new `$version`.
    ///
    /// # Errors
    /// `DeviceNotFound`, `PreconditionFailed`, `ArgumentInvalid` (DEVICE.md 2.9).
    pub async fn report(&self, _id: TwinId, _patch: JsonObject, _base_version: Option<u64>) -> Result<u64, HubError> {
        Err(unfinished())
    }

    /// Calls a direct method; returns when the device answered or time ran out (REST.md 7).
    ///
    /// # Errors
    /// `DeviceNotFound`, `ModuleNotFound`, `DeviceNotOnline`, `GatewayTimeout`, `DeviceMaximumInflightMethodExceeded`.
    pub async fn invoke_method(&self, _target: TwinId, _request: MethodRequest) -> Result<MethodResponse, HubError> {
        Err(unfinished())
    }

    /// Takes a device's answer; late and unknown calls are ignored, the first answer wins (DEVICE.md 2.7).
    pub async fn method_answered(&self, _connection: ConnectionId, _call: CallId, _response: MethodResponse) {}

    /// Takes a job in and gives the short answer of the service (REST.md 4.4).
    ///
    /// # Errors
    /// `JobAlreadyExists`, `ArgumentInvalid`, `GenericBadRequest`, `PreconditionFailed` for a condition that is too long,
    /// `ThrottlingMaxActiveJobCountExceeded`.
    pub async fn create_job(&self, _request: JobRequest) -> Result<JobResponse, HubError> {
        Err(unfinished())
    }

    /// Cancels a job that does not run yet (REST.md 4.7).
    ///
    /// # Errors
    /// `JobNotFound`, `OperationNotAllowedInCurrentState`.
    pub async fn cancel_job(&self, _id: JobId) -> Result<JobResponse, HubError> {
        Err(unfinished())
    }

    /// Opens the connection of an identity that the edge has authenticated; an older one gets [`Notice::Close`].
    ///
    /// # Errors
    /// `DeviceNotFound`, `DeviceDisabled`.
    pub async fn connect(
        &self,
        _id: TwinId,
        _connection: ConnectionId,
        _session: SessionKind,
        _mailbox: mpsc::Sender<Notice>,
    ) -> Result<SessionOpened, HubError> {
        Err(unfinished())
    }

    /// Adds subscriptions with their granted QoS; what waited for them is sent after this returns.
    ///
    /// # Errors
    /// `ArgumentInvalid` past [`SUBSCRIPTIONS_MAX`](crate::model::limits::SUBSCRIPTIONS_MAX); the edge closes then.
    pub async fn subscribe(
        &self,
        _connection: ConnectionId,
        _subscriptions: Vec<(Subscription, u8)>,
    ) -> Result<(), HubError> {
        Err(unfinished())
    }

    /// Removes subscriptions; those that are not there are ignored.
    ///
    /// # Errors
    /// `ServiceUnavailable` only.
    pub async fn unsubscribe(
        &self,
        _connection: ConnectionId,
        _subscriptions: Vec<Subscription>,
    ) -> Result<(), HubError> {
        Err(unfinished())
    }

    /// Says that a connection is gone, however it went. Calls under way over it fail.
    pub async fn disconnect(&self, _connection: ConnectionId) {}
}

fn unfinished() -> HubError {
    HubError::unavailable("the engine is not started")
}
