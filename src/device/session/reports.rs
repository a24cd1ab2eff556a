//! Reported properties on their way to the hub: one patch at a time, in order, across connections.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::Value;

use super::{Awaited, BUSY_PAUSE, Turn, after_s};
use crate::device::event::{DeviceEventKind, LossReason};
use crate::model::JsonObject;
use crate::model::limits::{DEVICE_ANSWER_S_MAX, DEVICE_REPORTS_MAX};
use crate::mqtt::{ClientPacket, Publish, Upstream};

/// Patches that the hub has not taken yet. A device that has none holds nothing.
#[derive(Debug, Default)]
pub(in crate::device) struct Reports(Option<Box<Open>>);

#[derive(Debug, Default)]
struct Open {
    /// Patches, each with the time to send it; times never go down.
    waiting: VecDeque<(Duration, JsonObject)>,
    under_way: Option<(Awaited<String>, JsonObject)>,
}

impl Reports {
    /// Puts a patch on its way, not before `at`, and never before an earlier one: the newest value is to be the last.
    pub(super) fn add(&mut self, at: Duration, patch: JsonObject) {
        let open = self.0.get_or_insert_default();
        let is_full = open.waiting.len() >= DEVICE_REPORTS_MAX;
        match open.waiting.back_mut() {
            Some((_, last)) if *last == patch => {}
            Some((_, last)) if is_full => join(last, patch),
            last => {
                let earliest = last.map_or(at, |(last_at, _)| *last_at);
                open.waiting.push_back((at.max(earliest), patch));
            }
        }
    }

    /// The connection is over: what was under way may not have arrived, and is sent again on the next.
    pub(in crate::device) fn on_over(&mut self) {
        if let Some(open) = &mut self.0
            && let Some((_, patch)) = open.under_way.take()
        {
            open.waiting.push_front((Duration::ZERO, patch));
        }
    }

    /// When there is something to do on a connection that is ready.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let open = self.0.as_ref()?;
        match &open.under_way {
            Some((awaited, _)) => Some(awaited.until),
            None => open.waiting.front().map(|(at, _)| *at),
        }
    }

    /// Sends the next patch, if its time has come and none is under way.
    pub(super) fn send_due(turn: &mut Turn<'_>) {
        let now = turn.now;
        let Some(open) = turn.known.reports.0.as_mut().filter(|open| open.under_way.is_none()) else { return };
        let Some((_, patch)) = open.waiting.pop_front_if(|(at, _)| *at <= now.monotonic) else { return };
        let body = Value::Object(patch.clone()).to_string();
        let rid = turn.known.next_rid();
        let topic = Upstream::ReportedPatch { rid: rid.clone(), base_version: None }.format(&turn.config.id);
        turn.effects.packets.push(ClientPacket::Publish(Publish::at_most_once(topic, body)));
        if let Some(open) = &mut turn.known.reports.0 {
            open.under_way = Some((Awaited { what: rid, until: after_s(now, DEVICE_ANSWER_S_MAX.1) }, patch));
        }
    }

    /// Takes the answer to the patch under way; false when it is the answer to something else.
    pub(super) fn on_response(rid: &str, status: u16, version: Option<u64>, body: &[u8], turn: &mut Turn<'_>) -> bool {
        let Some(open) = &mut turn.known.reports.0 else { return false };
        let Some((_, patch)) = open.under_way.take_if(|(awaited, _)| awaited.what == rid) else { return false };
        if matches!(status, 429 | 500..) {
            // Throttled or in trouble: the properties are still to be reported.
            open.waiting.push_front((turn.now.monotonic + BUSY_PAUSE, patch));
        }
        if open.waiting.is_empty() {
            turn.known.reports.0 = None;
        }
        turn.effects.events.push(match status {
            200..=299 => DeviceEventKind::Reported { version },
            _ => DeviceEventKind::ReportRefused { status, body: String::from_utf8_lossy(body).into_owned() },
        });
        Self::send_due(turn);
        true
    }

    /// Says when the hub owes an answer.
    pub(super) fn check(&self, now: Duration) -> Result<(), LossReason> {
        let under_way = self.0.as_ref().and_then(|open| open.under_way.as_ref());
        match under_way {
            Some((awaited, _)) if awaited.until <= now => Err(LossReason::NoAnswer("a twin report")),
            _ => Ok(()),
        }
    }
}

/// Makes two patches one; members of the later one count.
fn join(earlier: &mut JsonObject, later: JsonObject) {
    for (key, value) in later {
        match (earlier.get_mut(&key), value) {
            (Some(Value::Object(earlier)), Value::Object(later)) => join(earlier, later),
            (_, value) => {
                earlier.insert(key, value);
            }
        }
    }
}
