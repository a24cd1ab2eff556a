//! Direct methods: calls under way, calls that wait for their device, and how each ends, once (REST.md 7).

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::command::{Completion, Fault, Reply, Ticket};
use super::timer::{Timer, after_seconds};
use super::{Engine, Turn};
use crate::hub::HubError;
use crate::hub::notice::{CallId, ConnectionId, Notice};
use crate::hub::store::StoreError;
use crate::model::limits::DEVICE_METHODS_MAX;
use crate::model::{ErrorCode, JobId, MethodRequest, MethodResponse, TwinId};
use crate::mqtt::Subscription;

/// Who asked for a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Caller {
    /// A direct method.
    Direct(Ticket),
    /// A job; the row is the device's.
    Job(JobId),
}

/// A call that was sent to a device.
#[derive(Debug)]
pub(super) struct Call {
    target: TwinId,
    connection: ConnectionId,
    caller: Caller,
    due: Timestamp,
}

/// How a call that was sent ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum CallEnd {
    /// The device answered.
    Answered(MethodResponse),
    /// It did not, in time.
    TimedOut,
    /// Its connection ended first; whether it ran is unknown.
    LinkLost,
}

/// What waits for one device to connect and take methods.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    calls: VecDeque<Ticket>,
    /// Jobs with a pending row for it.
    jobs: BTreeSet<JobId>,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.calls.is_empty() && self.jobs.is_empty()
    }
}

/// A direct method that waits for its device.
#[derive(Debug)]
pub(super) struct WaitingCall {
    target: TwinId,
    request: MethodRequest,
    connect_due: Timestamp,
    response_due: Timestamp,
}

impl Engine {
    /// Sends a call at once, lets it wait for the device, or refuses it.
    pub(super) fn invoke_method(
        &mut self,
        target: TwinId,
        request: MethodRequest,
        turn: &mut Turn<'_, '_>,
    ) -> Result<Reply, Fault> {
        if turn.tables.identity(&target)?.is_none() {
            return Err(unknown_target(&target).into());
        }
        if self.methods_of(&target) >= DEVICE_METHODS_MAX {
            let text = format!("The device has {DEVICE_METHODS_MAX} direct methods under way.");
            return Err(HubError::new(ErrorCode::DeviceMaximumInflightMethodExceeded, text).into());
        }
        let response_due = after_seconds(turn.now, request.response_timeout_in_seconds);
        if let Some(connection) = self.subscribed(&target, Subscription::Methods) {
            let ticket = self.next_ticket();
            let call = Call { target, connection, caller: Caller::Direct(ticket), due: response_due };
            self.send_call(call, request.method_name, request.payload);
            return Ok(Reply::Later(ticket));
        }
        if request.connect_timeout_in_seconds == 0 {
            return Err(self.not_online(&target, 0).into());
        }
        let connect_due = after_seconds(turn.now, request.connect_timeout_in_seconds).min(response_due);
        let ticket = self.next_ticket();
        self.waiting.entry(target.clone()).or_default().calls.push_back(ticket);
        self.timers.arm(connect_due, Timer::Connect(ticket));
        self.waiting_calls.insert(ticket, WaitingCall { target, request, connect_due, response_due });
        Ok(Reply::Later(ticket))
    }

    fn next_ticket(&mut self) -> Ticket {
        self.last_ticket += 1;
        Ticket(self.last_ticket)
    }

    fn methods_of(&self, target: &TwinId) -> usize {
        let sent = self.online.get(target).and_then(|connection| self.connections.get(connection));
        let waiting = self.waiting.get(target);
        sent.map_or(0, |connection| connection.calls.len()) + waiting.map_or(0, |waiting| waiting.calls.len())
    }

    /// Starts a call of a job whose row is marked as sent in this very transaction.
    pub(super) fn send_job_call(
        &mut self,
        job: &JobId,
        target: TwinId,
        connection: ConnectionId,
        due: Timestamp,
        method: (String, Value),
    ) -> CallId {
        let call = Call { target, connection, caller: Caller::Job(job.clone()), due };
        self.send_call(call, method.0, method.1)
    }

    // conformance-choice: DEVICE.md 2.7: the rid of a call is a counter in hex
    fn send_call(&mut self, call: Call, name: String, payload: Value) -> CallId {
        self.last_call += 1;
        let id = CallId(self.last_call);
        self.timers.arm(call.due, Timer::Response(id));
        if let Some(connection) = self.connections.get_mut(&call.connection) {
            connection.calls.insert(id);
        }
        self.effects.notices.push((call.connection, Notice::Method { call: id, name, payload }));
        self.calls.insert(id, call);
        id
    }

    /// Takes a device's answer. Another connection's, a late or a second answer is ignored (DEVICE.md 2.7).
    pub(super) fn method_answered(
        &mut self,
        connection: ConnectionId,
        call: CallId,
        response: MethodResponse,
        turn: &mut Turn<'_, '_>,
    ) -> Result<Reply, Fault> {
        if let Some(live) = self.connections.get(&connection) {
            turn.tables.presence().active(&live.id, turn.now);
        }
        if self.calls.get(&call).is_some_and(|sent| sent.connection == connection) {
            self.end_call(call, CallEnd::Answered(response), turn)?;
        }
        Ok(Reply::Done)
    }

    /// A device did not answer in time.
    pub(super) fn response_overdue(&mut self, call: CallId, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        self.end_call(call, CallEnd::TimedOut, turn)
    }

    /// Ends a call that was sent: its caller hears of it exactly once.
    pub(super) fn end_call(&mut self, id: CallId, end: CallEnd, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        let Some(call) = self.calls.remove(&id) else { return Ok(()) };
        self.timers.disarm(call.due, Timer::Response(id));
        if let Some(connection) = self.connections.get_mut(&call.connection) {
            connection.calls.remove(&id);
        }
        match call.caller {
            Caller::Direct(ticket) => {
                let result = match end {
                    CallEnd::Answered(response) => Ok(response),
                    CallEnd::TimedOut => Err(HubError::new(ErrorCode::GatewayTimeout, TIMED_OUT)
                        .because(format!("`{}` did not answer in time", call.target))
                        .with_info(json!({}))),
                    CallEnd::LinkLost => Err(HubError::new(ErrorCode::DeviceNotOnline, "Device unavailable")
                        .because(format!("`{}` lost its connection before it answered", call.target))),
                };
                self.effects.completions.push(Completion { ticket, result });
                Ok(())
            }
            Caller::Job(job) => self.job_call_ended(&job, &call.target, id, end, turn),
        }
    }

    /// A device did not come in time.
    pub(super) fn connect_overdue(&mut self, ticket: Ticket) {
        let Some(call) = self.waiting_calls.remove(&ticket) else { return };
        if let Some(waiting) = self.waiting.get_mut(&call.target) {
            waiting.calls.retain(|other| *other != ticket);
            if waiting.is_empty() {
                self.waiting.remove(&call.target);
            }
        }
        let error = self.not_online(&call.target, call.request.connect_timeout_in_seconds);
        self.effects.completions.push(Completion { ticket, result: Err(error) });
    }

    /// Lets a job's row wait for its device.
    pub(super) fn wait_for_device(&mut self, target: TwinId, job: &JobId) {
        self.waiting.entry(target).or_default().jobs.insert(job.clone());
    }

    /// A job's row waits no more.
    pub(super) fn wait_no_more(&mut self, target: &TwinId, job: &JobId) {
        if let Some(waiting) = self.waiting.get_mut(target) {
            waiting.jobs.remove(job);
            if waiting.is_empty() {
                self.waiting.remove(target);
            }
        }
    }

    /// Sends what waited for a device that may take methods now.
    pub(super) fn serve_waiting(&mut self, id: &TwinId, _turn: &mut Turn<'_, '_>) {
        let Some(connection) = self.subscribed(id, Subscription::Methods) else { return };
        let Some(waiting) = self.waiting.remove(id) else { return };
        for ticket in waiting.calls {
            let Some(waited) = self.waiting_calls.remove(&ticket) else { continue };
            self.timers.disarm(waited.connect_due, Timer::Connect(ticket));
            let caller = Caller::Direct(ticket);
            let call = Call { target: waited.target, connection, caller, due: waited.response_due };
            self.send_call(call, waited.request.method_name, waited.request.payload);
        }
        for job in waiting.jobs {
            self.target_came(&job, id);
        }
    }

    /// Ends what waited for an identity that is deleted.
    pub(super) fn abandon_waiting(&mut self, id: &TwinId, turn: &mut Turn<'_, '_>) -> Result<(), StoreError> {
        let Some(waiting) = self.waiting.remove(id) else { return Ok(()) };
        for ticket in waiting.calls {
            if let Some(waited) = self.waiting_calls.remove(&ticket) {
                self.timers.disarm(waited.connect_due, Timer::Connect(ticket));
                self.effects.completions.push(Completion { ticket, result: Err(unknown_target(id)) });
            }
        }
        for job in waiting.jobs {
            self.target_deleted(&job, id, turn)?;
        }
        Ok(())
    }

    fn not_online(&self, target: &TwinId, connect_timeout_s: u64) -> HubError {
        let reason = match self.online.contains_key(target) {
            true => format!("`{target}` is connected but did not subscribe to methods"),
            false => format!("`{target}` is not connected"),
        };
        HubError::new(ErrorCode::DeviceNotOnline, "Timed out waiting for device to connect.")
            .because(reason)
            .with_info(json!({"timeout": clock_face(connect_timeout_s)}))
    }
}

/// The service's words for a call without an answer (REST.md 7).
pub(super) const TIMED_OUT: &str = "Timed out waiting for the response from device.";

/// The error of a method call to nobody: modules have their own code here (REST.md 7).
fn unknown_target(target: &TwinId) -> HubError {
    match &target.module {
        None => HubError::new(ErrorCode::DeviceNotFound, target.device.as_str()),
        Some(_) => HubError::new(ErrorCode::ModuleNotFound, target.to_string()),
    }
}

/// Seconds as `hh:mm:ss` (REST.md 7).
fn clock_face(seconds: u64) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    // conformance: REST.md 7: info.timeout is written hh:mm:ss
    #[test]
    fn a_timeout_is_written_as_on_a_clock() {
        assert_eq!([clock_face(0), clock_face(60), clock_face(300)], ["00:00:00", "00:01:00", "00:05:00"]);
    }
}
