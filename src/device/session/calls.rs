//! Method calls of one connection, from their arrival to their answer.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use super::Turn;
use crate::device::event::DeviceEventKind;
use crate::device::method_rule::{Answer, Call};
use crate::model::limits::DEVICE_CALLS_MAX;
use crate::mqtt::{ClientPacket, Publish, Upstream};

/// Calls that are yet to be answered. They end with their connection: a request id means nothing on the next.
#[derive(Debug, Default)]
pub(super) struct Calls(Vec<PendingCall>);

#[derive(Debug)]
struct PendingCall {
    due: Duration,
    rid: String,
    name: String,
    status: i64,
    payload: Bytes,
}

impl Calls {
    /// Takes a call, and answers it if its time is now.
    pub(super) fn on_call(&mut self, name: String, rid: String, payload: &[u8], turn: &mut Turn<'_>) {
        let payload = method_payload(payload);
        let count = turn.known.next_call();
        let call = Call { individual: &turn.individual(), name: &name, payload: &payload, count };
        let answer = turn.config.behaviour.answer(&call);
        turn.effects.events.push(DeviceEventKind::MethodCalled { name: name.clone(), payload });
        let Answer::Given { status, payload, after } = answer else {
            turn.effects.events.push(DeviceEventKind::MethodHung { name });
            return;
        };
        let mut call = PendingCall { due: turn.now.monotonic + after, rid, name, status, payload };
        if self.0.len() >= DEVICE_CALLS_MAX {
            call.due = turn.now.monotonic;
            call.status = 503;
            call.payload = Bytes::from_static(br#"{"error":"too many calls at once"}"#);
        }
        if call.due <= turn.now.monotonic {
            call.answer(turn);
        } else {
            self.0.push(call);
        }
    }

    /// When the next answer is due.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.0.iter().map(|call| call.due).min()
    }

    /// Whether none is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives the answers that are due.
    pub(super) fn on_woken(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now.monotonic;
        for call in self.0.extract_if(.., |call| call.due <= now) {
            call.answer(turn);
        }
        if self.0.is_empty() {
            // An idle device holds no buffer.
            self.0 = Vec::new();
        }
    }
}

impl PendingCall {
    fn answer(self, turn: &mut Turn<'_>) {
        let topic = Upstream::MethodResponse { status: self.status, rid: self.rid }.format(&turn.config.id);
        turn.effects.packets.push(ClientPacket::Publish(Publish::at_most_once(topic, self.payload)));
        turn.effects.events.push(DeviceEventKind::MethodAnswered { name: self.name, status: self.status });
    }
}

/// A method's payload: nothing is `null`, and what is no JSON is a string.
fn method_payload(bytes: &[u8]) -> Value {
    if bytes.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(bytes).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned()))
}
