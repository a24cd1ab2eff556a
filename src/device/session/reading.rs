//! The twin as a device follows it: read after each connect and each gap, notified in between (DEVICE.md 2.9).

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use super::{Awaited, BUSY_PAUSE, Turn, after_s};
use crate::device::event::{DesiredOrigin, DeviceEventKind, LossReason};
use crate::model::limits::DEVICE_ANSWER_S_MAX;
use crate::model::{JsonObject, merge};
use crate::mqtt::{ClientPacket, Publish, Upstream};

/// Reading the twin.
#[derive(Debug, Default)]
pub(super) struct Reading {
    state: State,
    /// The newest version that the hub notified of while a read was under way.
    notified_version: u64,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    None,
    Waiting(Awaited<String>),
    Again {
        at: Duration,
    },
}

/// A twin that was read.
pub(super) struct Twin {
    pub(super) version: u64,
    pub(super) desired: JsonObject,
    pub(super) reported: JsonObject,
}

impl Reading {
    /// Asks for the twin.
    pub(super) fn ask(&mut self, turn: &mut Turn<'_>) {
        let rid = turn.known.next_rid();
        let topic = Upstream::TwinGet { rid: rid.clone() }.format(&turn.config.id);
        turn.effects.packets.push(ClientPacket::Publish(Publish::at_most_once(topic, Bytes::new())));
        self.state = State::Waiting(Awaited { what: rid, until: after_s(turn.now, DEVICE_ANSWER_S_MAX.1) });
    }

    /// When there is something to do.
    pub(super) fn deadline(&self) -> Option<Duration> {
        match &self.state {
            State::Waiting(awaited) => Some(awaited.until),
            State::Again { at } => Some(*at),
            State::None => None,
        }
    }

    /// Asks again when it is time; says when the hub owes an answer.
    pub(super) fn on_woken(&mut self, turn: &mut Turn<'_>) -> Result<(), LossReason> {
        match &self.state {
            State::Waiting(awaited) if awaited.until <= turn.now.monotonic => Err(LossReason::NoAnswer("a twin read")),
            State::Again { at } if *at <= turn.now.monotonic => {
                self.ask(turn);
                Ok(())
            }
            State::Waiting(_) | State::Again { .. } | State::None => Ok(()),
        }
    }

    /// Takes a response; gives the twin, if this was it and nothing newer is known.
    pub(super) fn on_response(
        &mut self,
        rid: &str,
        status: u16,
        body: &[u8],
        turn: &mut Turn<'_>,
    ) -> Result<Option<Twin>, LossReason> {
        if !matches!(&self.state, State::Waiting(awaited) if awaited.what == rid) {
            return Ok(None);
        }
        match status {
            200 => {}
            // Throttled or in trouble: the twin is still wanted, and hammering helps nobody.
            429 | 500.. => {
                self.state = State::Again { at: turn.now.monotonic + BUSY_PAUSE };
                return Ok(None);
            }
            _ => return Err(LossReason::Protocol(format!("the twin read was answered with {status}"))),
        }
        let twin = Twin::parse(body).ok_or_else(|| LossReason::Protocol("the twin cannot be read".to_owned()))?;
        if twin.version < self.notified_version {
            // A change overtook the reply. Forgotten here, so that one notification costs one more read at most.
            self.notified_version = 0;
            self.ask(turn);
            return Ok(None);
        }
        self.state = State::None;
        Ok(Some(twin))
    }

    /// Takes a notification: the next version is told, an old one passed over, and after a gap the twin is read.
    pub(super) fn on_notified(
        &mut self,
        version: u64,
        body: &[u8],
        may_ask: bool,
        turn: &mut Turn<'_>,
    ) -> Result<(), LossReason> {
        let last = turn.known.desired_version.unwrap_or(0);
        if version <= last {
            return Ok(());
        }
        if matches!(self.state, State::None) && version == last + 1 {
            let patch: Value = serde_json::from_slice(body)
                .map_err(|_| LossReason::Protocol("a desired patch cannot be read".to_owned()))?;
            let Value::Object(mut patch) = patch else {
                return Err(LossReason::Protocol("a desired patch is no object".to_owned()));
            };
            patch.shift_remove("$version");
            turn.known.desired_version = Some(version);
            apply(version, &patch, None, turn);
            let origin = DesiredOrigin::Notification;
            turn.effects.events.push(DeviceEventKind::DesiredPatch { version, patch, origin });
            return Ok(());
        }
        self.notified_version = self.notified_version.max(version);
        if matches!(self.state, State::None) && may_ask {
            self.ask(turn);
        }
        Ok(())
    }
}

impl Twin {
    fn parse(body: &[u8]) -> Option<Self> {
        let mut twin: Value = serde_json::from_slice(body).ok()?;
        let (version, desired) = versioned(twin["desired"].take())?;
        // A twin without reported properties has none.
        let (_, reported) = versioned(twin["reported"].take()).unwrap_or_default();
        Some(Self { version, desired, reported })
    }

    /// Tells desired properties that are news, and does what follows from them.
    pub(super) fn tell(self, turn: &mut Turn<'_>) {
        let Self { version, desired, reported } = self;
        // A fresh twin is at version 1 and empty: no news. A lower version than known means that the hub starts afresh.
        if version != turn.known.desired_version.unwrap_or(1) {
            apply(version, &desired, Some(&reported), turn);
            let origin = DesiredOrigin::Read;
            turn.effects.events.push(DeviceEventKind::DesiredPatch { version, patch: desired, origin });
        }
        turn.known.desired_version = Some(version);
    }
}

/// Reports what the device makes of desired properties, unless the twin is known to hold it.
fn apply(version: u64, desired: &JsonObject, reported: Option<&JsonObject>, turn: &mut Turn<'_>) {
    let Some((report, delay)) = turn.config.behaviour.desired.report(turn.seed, version, desired) else { return };
    if !reported.is_some_and(|reported| holds(reported, &report)) {
        turn.known.reports.add(turn.now.monotonic + delay, report);
    }
}

/// Reports the properties that the behaviour names, unless the twin holds them already.
pub(super) fn report(reported: &JsonObject, turn: &mut Turn<'_>) {
    let Some(template) = &turn.config.behaviour.reported else { return };
    let wanted = template.fill(&turn.individual(), "reported");
    if !holds(reported, &wanted) {
        turn.known.reports.add(turn.now.monotonic, wanted);
    }
}

/// Whether a patch would change nothing.
fn holds(before: &JsonObject, patch: &JsonObject) -> bool {
    let mut after = before.clone();
    merge(&mut after, patch);
    after == *before
}

/// Splits `$version` off a section of a twin.
fn versioned(section: Value) -> Option<(u64, JsonObject)> {
    let Value::Object(mut section) = section else { return None };
    let version = section.shift_remove("$version")?.as_u64()?;
    Some((version, section))
}
