//! The hub's synchronous core and the handle through which the edges reach it.

use tokio::sync::mpsc;

use super::HubError;
use super::notice::{CallId, ConnectionId, Notice};
use super::registry::{Identity, IdentityDraft, IfMatch};
use super::store::{Snapshot, Store};
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
#[derive(Clone)]
pub struct EngineHandle {}

/// What a device gets on CONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionOpened {
    /// Whether a session was there to restore: the CONNACK's session-present flag.
    pub session_present: bool,
    /// Subscriptions in force from the start.
    pub subscriptions: Vec<(Subscription, u8)>,
}

impl EngineHandle {
    /// Starts the engine thread on a store; jobs that were under way go on.
    pub fn start(store: Store, options: EngineOptions) -> Self;
    /// Stops the thread after the commands already queued.
    pub async fn stop(&self);
    /// A consistent view of the store for reads.
    pub fn snapshot(&self) -> Snapshot;

    // Registry (REST.md 8)
    pub async fn create_identity(&self, draft: IdentityDraft) -> Result<Identity, HubError>;
    pub async fn replace_identity(&self, draft: IdentityDraft, if_match: IfMatch) -> Result<Identity, HubError>;
    pub async fn delete_identity(&self, id: TwinId, if_match: IfMatch) -> Result<(), HubError>;

    // Twins (REST.md 6): both give the whole twin document
    pub async fn patch_twin(
        &self,
        id: TwinId,
        patch: TwinPatch,
        if_match: IfMatch,
    ) -> Result<serde_json::Value, HubError>;
    pub async fn replace_twin(
        &self,
        id: TwinId,
        content: TwinPatch,
        if_match: IfMatch,
    ) -> Result<serde_json::Value, HubError>;
    /// A device's reported patch; `base_version` makes it conditional. Gives the new `$version`.
    pub async fn report(&self, id: TwinId, patch: JsonObject, base_version: Option<u64>) -> Result<u64, HubError>;

    // Methods (REST.md 7): returns when the device answered or time ran out
    pub async fn invoke_method(&self, target: TwinId, request: MethodRequest) -> Result<MethodResponse, HubError>;
    /// A device's answer; late and unknown calls are ignored. First wins.
    pub async fn method_answered(&self, connection: ConnectionId, call: CallId, response: MethodResponse);

    // Jobs (REST.md 4)
    pub async fn create_job(&self, request: JobRequest) -> Result<JobResponse, HubError>;
    pub async fn cancel_job(&self, id: JobId) -> Result<JobResponse, HubError>;

    // Sessions (DEVICE.md 1.6, 1.9): the edge has authenticated the identity
    pub async fn connect(
        &self,
        id: TwinId,
        connection: ConnectionId,
        clean_session: bool,
        mailbox: mpsc::Sender<Notice>,
    ) -> Result<SessionOpened, HubError>;
    pub async fn subscribe(
        &self,
        connection: ConnectionId,
        subscriptions: Vec<(Subscription, u8)>,
    ) -> Result<(), HubError>;
    pub async fn unsubscribe(&self, connection: ConnectionId, subscriptions: Vec<Subscription>)
    -> Result<(), HubError>;
    pub async fn disconnect(&self, connection: ConnectionId);
}
