//! How the edges reach the engine: asynchronous calls into its bounded queue.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};

use serde_json::Value;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot, watch};

use super::command::{Command, NewKeys, Reply};
use super::driver;
use super::session::{SessionKind, SessionOpened};
use super::writer::{Envelope, Order, Writer};
use crate::hub::metrics::Metrics;
use crate::hub::notice::{CallId, ConnectionId, Notice};
use crate::hub::registry::{Identity, IdentityDraft, IfMatch};
use crate::hub::store::{Snapshot, Store, StoreError};
use crate::hub::{Fidelity, HubError};
use crate::model::limits::ENGINE_QUEUE_MAX;
use crate::model::{
    Clock, ErrorCode, JobId, JobRequest, JobResponse, JsonObject, MethodRequest, MethodResponse, Rng, TwinId, TwinPatch,
};
use crate::mqtt::Subscription;

/// What the engine is told about the hub it runs.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// The one clock.
    pub clock: Clock,
    /// The one source of chance.
    pub rng: Rng,
    /// How narrow jobs are.
    pub fidelity: Fidelity,
    /// Where batches and commits are counted.
    pub metrics: Metrics,
}

impl EngineOptions {
    /// An engine that is as fast as the machine.
    #[must_use]
    pub fn instant(clock: Clock, rng: Rng) -> Self {
        Self { clock, rng, fidelity: Fidelity::INSTANT, metrics: Metrics::default() }
    }
}

/// What keeps the engine going.
#[derive(Clone)]
enum Drive {
    /// A thread of its own, that waits for its queue.
    Thread,
    /// A task, that waits for a bell.
    Task(Arc<Notify>),
}

/// Reaches the engine; cheap to clone. Every call returns after its commit is durable.
///
/// A call whose future is dropped is carried out all the same.
#[derive(Clone)]
pub struct EngineHandle {
    store: Store,
    clock: Clock,
    queue: SyncSender<Envelope>,
    room: Arc<Semaphore>,
    ended: watch::Receiver<()>,
    drive: Drive,
}

impl EngineHandle {
    /// Starts the engine thread on a store; jobs that were under way go on.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read or the thread cannot be started.
    pub fn start(store: Store, options: EngineOptions) -> Result<Self, StoreError> {
        let (clock, (queue, orders)) = (options.clock.clone(), queue());
        let room = Arc::new(Semaphore::new(ENGINE_QUEUE_MAX));
        let writer = Writer::restore(store.clone(), options, Arc::clone(&room))?;
        let ended = driver::start_thread(writer, orders)?;
        Ok(Self { store, clock, queue, room, ended, drive: Drive::Thread })
    }

    /// The same for simulations: the engine is the future, which waits on tokio's time and blocks nobody's thread but the
    /// one that polls it. Dropping it is a kill: what is not committed then never happened.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub fn start_in_task(
        store: Store,
        options: EngineOptions,
    ) -> Result<(Self, impl Future<Output = ()> + Send + use<>), StoreError> {
        let (clock, (queue, orders)) = (options.clock.clone(), queue());
        let room = Arc::new(Semaphore::new(ENGINE_QUEUE_MAX));
        let writer = Writer::restore(store.clone(), options, Arc::clone(&room))?;
        let bell = Arc::new(Notify::new());
        let (ended, engine) = driver::task(writer, orders, Arc::clone(&bell));
        Ok((Self { store, clock, queue, room, ended, drive: Drive::Task(bell) }, engine))
    }

    fn put(&self, envelope: Envelope) -> Result<(), HubError> {
        self.queue.try_send(envelope).map_err(|_| stopped())?;
        if let Drive::Task(bell) = &self.drive {
            bell.notify_one();
        }
        Ok(())
    }

    async fn order(&self, order: Order) -> Result<(), HubError> {
        let place = Arc::clone(&self.room).acquire_owned().await.map_err(|_| stopped())?;
        self.put(Envelope { order, place: Some(place) })
    }

    async fn ask(&self, command: Command, mailbox: Option<mpsc::Sender<Box<Notice>>>) -> Result<Reply, HubError> {
        let (reply, answer) = oneshot::channel();
        self.order(Order::Carry { command: Box::new(command), mailbox, reply: Some(reply) }).await?;
        answer.await.map_err(|_| stopped())?
    }

    /// Stops the engine after the commands already queued; later calls get `ServiceUnavailable`.
    pub async fn stop(&self) {
        self.room.close();
        // A full queue has an order to stop in it already.
        let _ = self.put(Envelope { order: Order::Stop, place: None });
        let mut ended = self.ended.clone();
        while ended.changed().await.is_ok() {}
    }

    /// Lets the engine look at its clock now, for clocks that somebody drives; returns when it has nothing left to do.
    pub async fn wake(&self) {
        let (reply, answer) = oneshot::channel();
        if self.order(Order::Wake(reply)).await.is_ok() {
            // An engine that ended has nothing left to do either.
            let _ = answer.await;
        }
    }

    /// How many commands wait for the engine.
    #[must_use]
    pub fn queued(&self) -> usize {
        ENGINE_QUEUE_MAX.saturating_sub(self.room.available_permits())
    }

    /// A consistent view of the store for reads, which never go through the engine.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.store.snapshot()
    }

    /// Reads the store where waiting for a disk harms nobody: on a thread for that, or at once in a simulation.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read, or the reading ended early.
    pub async fn read<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Snapshot) -> Result<T, StoreError> + Send + 'static,
    {
        let store = self.store.clone();
        let look = move || read(&store.snapshot()?);
        if matches!(self.drive, Drive::Task(_)) {
            return look();
        }
        match tokio::task::spawn_blocking(look).await {
            Ok(outcome) => outcome,
            Err(ended) => Err(StoreError::Abandoned(ended)),
        }
    }

    /// Notes that an identity sent something (telemetry, a twin read): moves `lastActivityTime`, in memory only.
    pub fn active(&self, id: &TwinId) {
        self.store.presence().active(id, self.clock.now());
    }

    /// Registers a device or module that must not exist yet (REST.md 8.1, 8.2).
    ///
    /// # Errors
    /// `DeviceAlreadyExists`, `ModuleAlreadyExistsOnDevice`, `DeviceNotFound` for a module's device,
    /// `TooManyModulesOnDevice`, `ArgumentInvalid` for a module id of the service's own.
    pub async fn create_identity(&self, draft: IdentityDraft) -> Result<Identity, HubError> {
        match self.ask(Command::CreateIdentity(draft), None).await? {
            Reply::Identity(it) => Ok(*it),
            other => Err(astray(&other)),
        }
    }

    /// Replaces a device or module that must exist (REST.md 8.1); disabling it closes its connections.
    ///
    /// # Errors
    /// `DeviceNotFound`, `ModuleNotFound`, `PreconditionFailed`.
    pub async fn replace_identity(&self, draft: IdentityDraft, if_match: IfMatch) -> Result<Identity, HubError> {
        match self.ask(Command::ReplaceIdentity { draft, if_match }, None).await? {
            Reply::Identity(it) => Ok(*it),
            other => Err(astray(&other)),
        }
    }

    /// Deletes an identity with its twin, session and, of a device, modules; closes their connections.
    ///
    /// # Errors
    /// `DeviceNotFound`, `ModuleNotFound`, `PreconditionFailed`, also for [`IfMatch::Absent`].
    pub async fn delete_identity(&self, id: TwinId, if_match: IfMatch) -> Result<(), HubError> {
        self.ask(Command::DeleteIdentity { id, if_match }, None).await.map(drop)
    }

    /// Gives an identity new keys; its etag moves, its connections stay.
    ///
    /// # Errors
    /// `DeviceNotFound`, `ModuleNotFound`, `InvalidOperation` for an identity without keys.
    pub async fn regenerate_keys(&self, id: TwinId, new: NewKeys) -> Result<Identity, HubError> {
        match self.ask(Command::RegenerateKeys { id, new }, None).await? {
            Reply::Identity(it) => Ok(*it),
            other => Err(astray(&other)),
        }
    }

    /// Gives the twin of a new identity its first content, which counts as no change (REST.md 6.3).
    ///
    /// # Errors
    /// `DeviceNotFound`; `ArgumentInvalid` for a broken limit.
    pub async fn fill_twin(&self, id: TwinId, content: TwinPatch) -> Result<(), HubError> {
        self.ask(Command::FillTwin { id, content }, None).await.map(drop)
    }

    /// Merges a back-end patch (REST.md 6.4) and gives the whole twin document.
    ///
    /// # Errors
    /// `DeviceNotFound`, also for modules; `PreconditionFailed`; `ArgumentInvalid` for a broken limit.
    pub async fn patch_twin(&self, id: TwinId, patch: TwinPatch, if_match: IfMatch) -> Result<Value, HubError> {
        match self.ask(Command::PatchTwin { id, patch, if_match }, None).await? {
            Reply::Document(it) => Ok(it),
            other => Err(astray(&other)),
        }
    }

    /// Replaces tags and desired properties as a whole: a section left out becomes empty (REST.md 6.4).
    ///
    /// # Errors
    /// As [`Self::patch_twin`].
    pub async fn replace_twin(&self, id: TwinId, content: TwinPatch, if_match: IfMatch) -> Result<Value, HubError> {
        match self.ask(Command::ReplaceTwin { id, content, if_match }, None).await? {
            Reply::Document(it) => Ok(it),
            other => Err(astray(&other)),
        }
    }

    /// Merges a device's patch of its reported properties; `base_version` makes it conditional. Gives the new `$version`.
    ///
    /// # Errors
    /// `DeviceNotFound`, `PreconditionFailed`, `ArgumentInvalid` (DEVICE.md 2.9).
    pub async fn report(&self, id: TwinId, patch: JsonObject, base_version: Option<u64>) -> Result<u64, HubError> {
        match self.ask(Command::Report { id, patch, base_version }, None).await? {
            Reply::Version(it) => Ok(it),
            other => Err(astray(&other)),
        }
    }

    /// Calls a direct method; returns when the device answered or time ran out (REST.md 7).
    ///
    /// # Errors
    /// `DeviceNotFound`, `ModuleNotFound`, `DeviceNotOnline`, `GatewayTimeout`, `DeviceMaximumInflightMethodExceeded`.
    pub async fn invoke_method(&self, target: TwinId, request: MethodRequest) -> Result<MethodResponse, HubError> {
        match self.ask(Command::InvokeMethod { target, request }, None).await? {
            Reply::Method(it) => Ok(it),
            other => Err(astray(&other)),
        }
    }

    /// Takes a device's answer; late and unknown calls are ignored, the first answer wins (DEVICE.md 2.7).
    pub async fn method_answered(&self, connection: ConnectionId, call: CallId, response: MethodResponse) {
        // A hub that stopped has told the caller already.
        let _ = self.ask(Command::MethodAnswered { connection, call, response }, None).await;
    }

    /// The same for an answer that nobody acknowledges: returns when it is queued, which may be before it is durable.
    pub async fn take_answer(&self, connection: ConnectionId, call: CallId, response: MethodResponse) {
        let command = Box::new(Command::MethodAnswered { connection, call, response });
        // As above.
        let _ = self.order(Order::Carry { command, mailbox: None, reply: None }).await;
    }

    /// Takes a job in and gives the short answer of the service (REST.md 4.4).
    ///
    /// # Errors
    /// `JobAlreadyExists`, `ArgumentInvalid`, `GenericBadRequest`, `PreconditionFailed` for a condition that is too long,
    /// `ThrottlingMaxActiveJobCountExceeded`.
    pub async fn create_job(&self, request: JobRequest) -> Result<JobResponse, HubError> {
        match self.ask(Command::CreateJob(request), None).await? {
            Reply::Job(it) => Ok(*it),
            other => Err(astray(&other)),
        }
    }

    /// Cancels a job that does not run yet (REST.md 4.7).
    ///
    /// # Errors
    /// `JobNotFound`, `OperationNotAllowedInCurrentState`.
    pub async fn cancel_job(&self, id: JobId) -> Result<JobResponse, HubError> {
        match self.ask(Command::CancelJob(id), None).await? {
            Reply::Job(it) => Ok(*it),
            other => Err(astray(&other)),
        }
    }

    /// Opens the connection of an identity that the edge has authenticated; an older one gets [`Notice::Close`].
    ///
    /// With restored subscriptions the mailbox may hold notices when this returns: the CONNACK goes first. A mailbox that
    /// ends without a [`Notice::Close`] means the same: the device did not read, or the engine ended.
    ///
    /// # Errors
    /// `DeviceNotFound`, `DeviceDisabled`.
    pub async fn connect(
        &self,
        id: TwinId,
        connection: ConnectionId,
        session: SessionKind,
        mailbox: mpsc::Sender<Box<Notice>>,
    ) -> Result<SessionOpened, HubError> {
        match self.ask(Command::Connect { id, connection, session }, Some(mailbox)).await? {
            Reply::Session(it) => Ok(it),
            other => Err(astray(&other)),
        }
    }

    /// Adds subscriptions with their granted QoS. What waited for them lands in the mailbox when this returns: the edge
    /// writes its SUBACK before it looks there.
    ///
    /// # Errors
    /// `DeviceConnectionClosedRemotely` when the hub has closed the connection in the meantime.
    pub async fn subscribe(
        &self,
        connection: ConnectionId,
        subscriptions: Vec<(Subscription, u8)>,
    ) -> Result<(), HubError> {
        self.ask(Command::Subscribe { connection, subscriptions }, None).await.map(drop)
    }

    /// Removes subscriptions; those that are not there are ignored.
    ///
    /// # Errors
    /// As [`Self::subscribe`].
    pub async fn unsubscribe(
        &self,
        connection: ConnectionId,
        subscriptions: Vec<Subscription>,
    ) -> Result<(), HubError> {
        self.ask(Command::Unsubscribe { connection, subscriptions }, None).await.map(drop)
    }

    /// Says that a connection is gone, however it went. Calls under way over it fail.
    pub async fn disconnect(&self, connection: ConnectionId) {
        // A hub that stopped knows of no connections.
        let _ = self.ask(Command::Disconnect(connection), None).await;
    }
}

/// One place more than there are callers: it is for the order to stop.
fn queue() -> (SyncSender<Envelope>, Receiver<Envelope>) {
    std::sync::mpsc::sync_channel(ENGINE_QUEUE_MAX + 1)
}

fn stopped() -> HubError {
    HubError::unavailable("the engine has stopped")
}

/// A command whose answer is of another kind: a fault of ours.
fn astray(reply: &Reply) -> HubError {
    HubError::new(ErrorCode::ServerError, "An internal error occurred.").because(format!("unexpected reply {reply:?}"))
}
