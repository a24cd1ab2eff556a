//! An engine on a store, and short words for what tests ask of it.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::hub::engine::{Command, Completion, Effects, Engine, Reply, SessionKind, SessionOpened, Ticket};
use crate::hub::notice::{CallId, ConnectionId, Notice};
use crate::hub::registry::{Authentication, IdentityDraft, IfMatch};
use crate::hub::store::{Snapshot, Store};
use crate::hub::{Fidelity, HubError};
use crate::model::{
    ErrorCode, JobId, JobResponse, JsonObject, MethodRequest, MethodResponse, Rng, SymmetricKey, SymmetricKeyPair,
    TwinId, TwinPatch,
};
use crate::mqtt::Subscription;

pub(super) const START: Timestamp = Timestamp::constant(1_780_000_000, 0);

pub(super) struct Rig {
    pub(super) store: Store,
    pub(super) engine: Engine,
    pub(super) now: Timestamp,
    pub(super) notices: Vec<(ConnectionId, Notice)>,
    pub(super) completions: Vec<Completion>,
}

impl Rig {
    pub(super) fn new() -> Self {
        Self::on(Store::in_memory().unwrap(), START)
    }

    /// A hub of a tier.
    pub(super) fn of_tier(tier: &str) -> Self {
        let mut rig = Self::new();
        rig.engine = rig.engine.with_fidelity(Fidelity { tier: Some(tier.parse().unwrap()), ..Fidelity::INSTANT });
        rig
    }

    pub(super) fn on(store: Store, now: Timestamp) -> Self {
        let batch = store.begin().unwrap();
        let engine = Engine::restore(Rng::seeded(7), &mut batch.tables(&store).unwrap(), now).unwrap();
        batch.commit().unwrap();
        Self { store, engine, now, notices: Vec::new(), completions: Vec::new() }
    }

    /// The same store with a new engine, as after a crash.
    pub(super) fn restarted(self) -> Self {
        Self::on(self.store, self.now)
    }

    pub(super) fn apply(&mut self, command: Command) -> Result<Reply, HubError> {
        let batch = self.store.begin().unwrap();
        let applied = {
            let mut tables = batch.tables(&self.store).unwrap();
            let applied = self.engine.apply(command, &mut tables, self.now).unwrap();
            self.engine.flush(&mut tables).unwrap();
            applied
        };
        batch.commit().unwrap();
        self.keep(applied.effects);
        applied.reply
    }

    /// Many commands in one transaction, all of which succeed.
    pub(super) fn apply_all(&mut self, commands: impl IntoIterator<Item = Command>) {
        let batch = self.store.begin().unwrap();
        let mut effects = Vec::new();
        {
            let mut tables = batch.tables(&self.store).unwrap();
            for command in commands {
                let applied = self.engine.apply(command, &mut tables, self.now).unwrap();
                applied.reply.unwrap();
                effects.push(applied.effects);
            }
            self.engine.flush(&mut tables).unwrap();
        }
        batch.commit().unwrap();
        effects.into_iter().for_each(|effects| self.keep(effects));
    }

    /// One turn without a command.
    pub(super) fn advance(&mut self) {
        let batch = self.store.begin().unwrap();
        let effects = {
            let mut tables = batch.tables(&self.store).unwrap();
            let effects = self.engine.advance(&mut tables, self.now).unwrap();
            self.engine.flush(&mut tables).unwrap();
            effects
        };
        batch.commit().unwrap();
        self.keep(effects);
    }

    fn keep(&mut self, effects: Effects) {
        self.notices.extend(effects.notices);
        self.completions.extend(effects.completions);
    }

    /// Lets the engine do all that is due.
    pub(super) fn settle(&mut self) {
        while self.engine.has_work(self.now) {
            self.advance();
        }
    }

    /// Lets time pass, timer by timer.
    pub(super) fn pass(&mut self, seconds: i64) {
        let end = self.now + SignedDuration::from_secs(seconds);
        self.settle();
        while let Some(due) = self.engine.next_timer().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.settle();
        }
        self.now = end;
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.store.snapshot().unwrap()
    }

    pub(super) fn register(&mut self, ids: &[&str]) {
        for id in ids {
            self.apply(Command::CreateIdentity(draft(id))).unwrap();
        }
    }

    pub(super) fn connect(&mut self, id: &str, connection: u64, session: SessionKind) -> SessionOpened {
        let connect = Command::Connect { id: twin_id(id), connection: ConnectionId(connection), session };
        match self.apply(connect).unwrap() {
            Reply::Session(opened) => opened,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn subscribe(&mut self, connection: u64, to: &[Subscription]) {
        let subscriptions = to.iter().map(|&to| (to, 0)).collect();
        self.apply(Command::Subscribe { connection: ConnectionId(connection), subscriptions }).unwrap();
    }

    /// Connects a device that takes methods and desired patches.
    pub(super) fn online(&mut self, id: &str, connection: u64) {
        self.connect(id, connection, SessionKind::Clean);
        self.subscribe(connection, &[Subscription::Methods, Subscription::DesiredPatches]);
    }

    pub(super) fn disconnect(&mut self, connection: u64) {
        self.apply(Command::Disconnect(ConnectionId(connection))).unwrap();
    }

    pub(super) fn patch(&mut self, id: &str, body: Value) -> Result<Value, HubError> {
        self.patch_if(id, body, IfMatch::Absent)
    }

    pub(super) fn patch_if(&mut self, id: &str, body: Value, if_match: IfMatch) -> Result<Value, HubError> {
        match self.apply(Command::PatchTwin { id: twin_id(id), patch: twin_patch(&body), if_match })? {
            Reply::Document(document) => Ok(document),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn report(&mut self, id: &str, patch: Value, base: Option<u64>) -> Result<u64, HubError> {
        match self.apply(Command::Report { id: twin_id(id), patch: object(patch), base_version: base })? {
            Reply::Version(version) => Ok(version),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn invoke(&mut self, id: &str, response_s: u64, connect_s: u64) -> Result<Ticket, HubError> {
        let request = MethodRequest {
            method_name: "reboot".to_owned(),
            payload: json!({"delay": 5}),
            response_timeout_in_seconds: response_s,
            connect_timeout_in_seconds: connect_s,
        };
        match self.apply(Command::InvokeMethod { target: twin_id(id), request })? {
            Reply::Later(ticket) => Ok(ticket),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn answer(&mut self, connection: u64, call: CallId, status: i64) {
        let response = MethodResponse { status, payload: Value::Null };
        let connection = ConnectionId(connection);
        self.apply(Command::MethodAnswered { connection, call, response }).unwrap();
    }

    /// The calls sent since the last look, as (connection, call).
    pub(super) fn calls(&mut self) -> Vec<(u64, CallId)> {
        let notices = std::mem::take(&mut self.notices);
        notices
            .into_iter()
            .filter_map(|(connection, notice)| match notice {
                Notice::Method { call, .. } => Some((connection.0, call)),
                _ => None,
            })
            .collect()
    }

    pub(super) fn create_job(&mut self, body: Value) -> Result<JobResponse, HubError> {
        match self.apply(Command::CreateJob(serde_json::from_value(body).unwrap()))? {
            Reply::Job(job) => Ok(*job),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn cancel(&mut self, id: &str) -> Result<JobResponse, HubError> {
        match self.apply(Command::CancelJob(id.parse().unwrap()))? {
            Reply::Job(job) => Ok(*job),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn job(&self, id: &str) -> Option<JobResponse> {
        self.snapshot().job(&job_id(id)).unwrap()
    }

    /// A job's counts: device, succeeded, failed, running, pending.
    pub(super) fn counts(&self, id: &str) -> [u64; 5] {
        let counts = self.job(id).unwrap().device_job_statistics.expect("the job has started");
        [counts.device_count, counts.succeeded_count, counts.failed_count, counts.running_count, counts.pending_count]
    }

    pub(super) fn rows(&self, id: &str) -> Vec<Value> {
        let mut rows = Vec::new();
        let visit = &mut |_: &_, row| {
            rows.push(row);
            std::ops::ControlFlow::Continue(())
        };
        self.snapshot().scan_rows(Some(&job_id(id)), None, visit).unwrap();
        rows
    }

    /// Per row: device, status and error code.
    pub(super) fn outcomes(&self, id: &str) -> Vec<[String; 3]> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let rows = self.rows(id);
        rows.iter().map(|row| [text(&row["deviceId"]), text(&row["status"]), text(&row["error"]["code"])]).collect()
    }
}

pub(super) fn code<T: std::fmt::Debug>(result: Result<T, HubError>) -> (ErrorCode, String) {
    let error = result.unwrap_err();
    (error.code, error.message)
}

/// `d` or `d/m`.
pub(super) fn twin_id(text: &str) -> TwinId {
    match text.split_once('/') {
        None => TwinId::device(text.parse().unwrap()),
        Some((device, module)) => TwinId::module(device.parse().unwrap(), module.parse().unwrap()),
    }
}

pub(super) fn job_id(text: &str) -> JobId {
    text.parse().unwrap()
}

pub(super) fn object(value: Value) -> JsonObject {
    value.as_object().cloned().unwrap()
}

pub(super) fn twin_patch(body: &Value) -> TwinPatch {
    let section = |value: &Value| match value {
        Value::Object(patch) => Some(patch.clone().into()),
        _ => None,
    };
    TwinPatch { tags: section(&body["tags"]), desired: section(&body["desired"]) }
}

pub(super) fn draft(id: &str) -> IdentityDraft {
    let key = || SymmetricKey::from_bytes(vec![7; 32]).unwrap();
    IdentityDraft::enabled(
        twin_id(id),
        Authentication::Sas(SymmetricKeyPair { primary_key: key(), secondary_key: key() }),
    )
}

pub(super) fn method_job(id: &str, condition: &str, max_s: u64) -> Value {
    json!({
        "jobId": id, "type": "scheduleDeviceMethod", "queryCondition": condition,
        "cloudToDeviceMethod": {"methodName": "reboot", "payload": {"a": 1}, "responseTimeoutInSeconds": 30},
        "maxExecutionTimeInSeconds": max_s,
    })
}

pub(super) fn twin_job(id: &str, condition: &str, update: Value) -> Value {
    json!({
        "jobId": id, "type": "scheduleUpdateTwin", "queryCondition": condition, "updateTwin": update,
        "maxExecutionTimeInSeconds": 60,
    })
}
