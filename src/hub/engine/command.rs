//! What the engine is asked, what it answers, and what else it causes.

use serde_json::Value;

use super::session::{SessionKind, SessionOpened};
use crate::hub::HubError;
use crate::hub::notice::{CallId, ConnectionId, Notice};
use crate::hub::registry::{Identity, IdentityDraft, IfMatch};
use crate::hub::store::StoreError;
use crate::model::{
    JobId, JobRequest, JobResponse, JsonObject, MethodRequest, MethodResponse, SymmetricKey, TwinId, TwinPatch,
};
use crate::mqtt::Subscription;

/// Anything that changes the hub's state; the edges have authorised it.
#[derive(Debug, Clone)]
pub enum Command {
    /// Registers a device or module.
    CreateIdentity(IdentityDraft),
    /// Replaces a device or module.
    ReplaceIdentity {
        /// What it becomes.
        draft: IdentityDraft,
        /// The precondition.
        if_match: IfMatch,
    },
    /// Deletes a device or module.
    DeleteIdentity {
        /// Which.
        id: TwinId,
        /// The precondition.
        if_match: IfMatch,
    },
    /// Gives a device or module new keys.
    RegenerateKeys {
        /// Which.
        id: TwinId,
        /// The keys.
        new: NewKeys,
    },
    /// Gives the twin of an identity that was just registered its first content.
    FillTwin {
        /// Whose.
        id: TwinId,
        /// The content.
        content: TwinPatch,
    },
    /// Merges a back-end patch into a twin.
    PatchTwin {
        /// Whose.
        id: TwinId,
        /// The patch.
        patch: TwinPatch,
        /// The precondition.
        if_match: IfMatch,
    },
    /// Replaces tags and desired properties of a twin.
    ReplaceTwin {
        /// Whose.
        id: TwinId,
        /// The new content.
        content: TwinPatch,
        /// The precondition.
        if_match: IfMatch,
    },
    /// Merges a device's patch into its reported properties.
    Report {
        /// Whose.
        id: TwinId,
        /// The patch.
        patch: JsonObject,
        /// The `$version` that the device believes in.
        base_version: Option<u64>,
    },
    /// Calls a direct method.
    InvokeMethod {
        /// Of whom.
        target: TwinId,
        /// Which, with what.
        request: MethodRequest,
    },
    /// A device answered a call.
    MethodAnswered {
        /// Over which connection.
        connection: ConnectionId,
        /// Which call.
        call: CallId,
        /// What.
        response: MethodResponse,
    },
    /// Takes a job in.
    CreateJob(JobRequest),
    /// Cancels a job.
    CancelJob(JobId),
    /// A device connected.
    Connect {
        /// Who.
        id: TwinId,
        /// Over which connection.
        connection: ConnectionId,
        /// What it asks of its session.
        session: SessionKind,
    },
    /// A device subscribed.
    Subscribe {
        /// Over which connection.
        connection: ConnectionId,
        /// To what, with the QoS granted.
        subscriptions: Vec<(Subscription, u8)>,
    },
    /// A device unsubscribed.
    Unsubscribe {
        /// Over which connection.
        connection: ConnectionId,
        /// From what.
        subscriptions: Vec<Subscription>,
    },
    /// A connection is gone.
    Disconnect(ConnectionId),
}

/// Keys that take the place of an identity's; `None` keeps the one it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKeys {
    /// The new primary key.
    pub primary: Option<SymmetricKey>,
    /// The new secondary key.
    pub secondary: Option<SymmetricKey>,
}

/// The answer to a command, given once its batch is durable.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// Done; there is nothing to say.
    Done,
    /// The identity as it is now.
    Identity(Box<Identity>),
    /// The twin document as it is now.
    Document(Value),
    /// The new `$version` of reported properties.
    Version(u64),
    /// The job.
    Job(Box<JobResponse>),
    /// The session.
    Session(SessionOpened),
    /// What the device answered.
    Method(MethodResponse),
    /// The answer comes later, as a [`Completion`].
    Later(Ticket),
}

/// Names a direct method whose caller waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// The end of a direct method whose caller waited. Each ticket gets exactly one.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// Whose.
    pub ticket: Ticket,
    /// How it ended.
    pub result: Result<MethodResponse, HubError>,
}

/// What commands, timers and jobs cause beyond replies; released after the commit.
#[derive(Debug, Default, PartialEq)]
pub struct Effects {
    /// For live connections, in order.
    pub notices: Vec<(ConnectionId, Notice)>,
    /// For callers who waited.
    pub completions: Vec<Completion>,
}

/// What one command came to.
#[derive(Debug, PartialEq)]
pub struct Applied {
    /// The answer.
    pub reply: Result<Reply, HubError>,
    /// What else it caused.
    pub effects: Effects,
}

/// Why a command was not carried out.
#[derive(Debug)]
pub(super) enum Fault {
    /// The caller may not have it; nothing was changed.
    Refused(Box<HubError>),
    /// The store failed; the engine must not go on.
    Store(StoreError),
}

impl From<HubError> for Fault {
    fn from(error: HubError) -> Self {
        Self::Refused(Box::new(error))
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
