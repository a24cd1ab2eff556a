//! Telemetry of one device: sent at quality 1, at most a window of messages unacknowledged, across connections.

use std::time::Duration;

use super::{Turn, after_s};
use crate::device::event::{DeviceEventKind, LossReason};
use crate::model::limits::{DEVICE_PUBACK_S_MAX, DEVICE_TELEMETRY_UNACKED_MAX};
use crate::mqtt::{ClientPacket, Delivery, PacketId, PacketIds, Publish, Upstream};

/// How far the messages of a device are. One that sends none holds nothing.
#[derive(Debug, Default)]
pub(in crate::device) struct Sending(Option<Box<Progress>>);

#[derive(Debug)]
struct Progress {
    /// Messages made so far.
    count: u64,
    /// When the next is due; `None` while the window is full, or nobody is connected.
    next_at: Option<Duration>,
    unacked: Vec<Unacked>,
}

/// A message on its way. Its content is made again from its number when it must be sent again.
#[derive(Debug, Clone, Copy)]
struct Unacked {
    id: PacketId,
    count: u64,
    until: Duration,
}

impl Sending {
    /// Keeps identifiers free that the hub's session still knows.
    pub(super) fn reserve(&self, ids: &mut PacketIds) {
        for unacked in self.0.iter().flat_map(|progress| &progress.unacked) {
            ids.reserve(unacked.id);
        }
    }

    /// The device is ready: sends again what was not acknowledged, and goes on.
    pub(super) fn start(resumed: bool, ids: &mut PacketIds, turn: &mut Turn<'_>) {
        let Some(telemetry) = &turn.config.behaviour.telemetry else { return };
        let fresh = || Box::new(Progress { count: 0, next_at: None, unacked: Vec::new() });
        let progress = turn.known.sending.0.get_or_insert_with(fresh);
        progress.next_at = Some(turn.now.monotonic + telemetry.pause_before(turn.seed, progress.count + 1));
        let unacked = std::mem::take(&mut progress.unacked);
        for earlier in unacked {
            // In a session that lives on it is the same message [MQTT-4.4.0-1]; in a new one it is new.
            let id = if resumed { Some(earlier.id) } else { ids.allocate() };
            let id = id.expect("the window of identifiers is larger than that of telemetry");
            Self::send(earlier.count, id, resumed, turn);
        }
    }

    fn send(count: u64, id: PacketId, dup: bool, turn: &mut Turn<'_>) {
        let Some(telemetry) = &turn.config.behaviour.telemetry else { return };
        let body = telemetry.body(&turn.individual(), count).to_string();
        let topic = Upstream::Telemetry { bag: telemetry.properties().clone() }.format(&turn.config.id);
        let mut publish = Publish::at_least_once(topic, body, id);
        publish.delivery = Delivery::AtLeastOnce { id, dup };
        turn.effects.packets.push(ClientPacket::Publish(publish));
        let until = after_s(turn.now, DEVICE_PUBACK_S_MAX);
        if let Some(progress) = &mut turn.known.sending.0 {
            progress.unacked.push(Unacked { id, count, until });
        }
    }

    /// When there is something to do.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let progress = self.0.as_ref()?;
        let owed = progress.unacked.first().map(|unacked| unacked.until);
        [progress.next_at, owed].into_iter().flatten().min()
    }

    /// Sends the message that is due, unless too many are unacknowledged; says when the hub owes a PUBACK.
    pub(super) fn on_woken(ids: &mut PacketIds, turn: &mut Turn<'_>) -> Result<(), LossReason> {
        let now = turn.now.monotonic;
        let (Some(progress), Some(telemetry)) = (&mut turn.known.sending.0, &turn.config.behaviour.telemetry) else {
            return Ok(());
        };
        if progress.unacked.first().is_some_and(|unacked| unacked.until <= now) {
            return Err(LossReason::NoAnswer("a telemetry message"));
        }
        if progress.next_at.take_if(|at| *at <= now).is_none() {
            return Ok(());
        }
        if progress.unacked.len() >= DEVICE_TELEMETRY_UNACKED_MAX {
            return Ok(());
        }
        progress.count += 1;
        let count = progress.count;
        progress.next_at = Some(now + telemetry.pause_before(turn.seed, count + 1));
        let id = ids.allocate().expect("the window of identifiers is larger than that of telemetry");
        Self::send(count, id, false, turn);
        Ok(())
    }

    /// Takes a PUBACK; a message that waited for room is due at once.
    pub(super) fn on_puback(id: PacketId, turn: &mut Turn<'_>) {
        let Some(progress) = &mut turn.known.sending.0 else { return };
        let Some(at) = progress.unacked.iter().position(|unacked| unacked.id == id) else { return };
        let Unacked { count, .. } = progress.unacked.remove(at);
        progress.next_at.get_or_insert(turn.now.monotonic);
        turn.effects.events.push(DeviceEventKind::TelemetrySent { count });
    }
}
