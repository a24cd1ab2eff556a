//! What a device does between CONNACK and the end of the connection.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use super::DeviceConfig;
use super::event::{DesiredOrigin, DeviceEventKind, LossReason};
use super::machine::{Effects, Now, TokenLife};
use super::method_rule::{Answer, Call};
use super::template::Individual;
use crate::model::limits::{DEVICE_ANSWER_S_MAX, DEVICE_CALLS_MAX};
use crate::model::{IdentitySeed, JsonObject, merge};
use crate::mqtt::{
    ClientPacket, Delivery, Downstream, PacketId, PacketIds, Publish, QoS, RequestedSubscription, ServerPacket,
    SubAckCode, Subscription, Upstream,
};

/// What a device subscribes to; the hub sends all three at quality 0 whatever is asked for (DEVICE.md 2.3).
const SUBSCRIPTIONS: [Subscription; 3] =
    [Subscription::TwinResponses, Subscription::Methods, Subscription::DesiredPatches];

/// Wait before a twin read that the hub was too busy for is tried again.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(5);
/// How long a renewal waits at a time for calls that are still being answered.
const RENEWAL_PAUSE: Duration = Duration::from_secs(5);

/// What a device knows from one connection to the next.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Whether the hub holds our subscriptions.
    pub(super) subscribed: bool,
    /// The last version of the desired properties that was told.
    desired_version: Option<u64>,
    /// Request ids are never used twice, so that a late reply of an earlier connection fits nothing.
    last_rid: u32,
    /// Calls taken so far.
    calls: u64,
}

impl Known {
    fn next_call(&mut self) -> u64 {
        self.calls += 1;
        self.calls
    }

    fn next_rid(&mut self) -> String {
        self.last_rid = self.last_rid.wrapping_add(1);
        format!("{:x}", self.last_rid)
    }
}

/// What one input is handled with.
pub(super) struct Turn<'t> {
    pub(super) config: &'t DeviceConfig,
    pub(super) seed: IdentitySeed,
    pub(super) known: &'t mut Known,
    pub(super) now: Now,
    pub(super) effects: &'t mut Effects,
}

impl Turn<'_> {
    fn individual(&self) -> Individual<'_> {
        Individual { seed: self.seed, id: &self.config.id, number: self.config.number }
    }
}

/// One accepted connection.
#[derive(Debug)]
pub(super) struct Session {
    packet_ids: PacketIds,
    setup: Setup,
    read: TwinRead,
    report: Option<Awaited<String>>,
    calls: Vec<PendingCall>,
    ping: Ping,
    ping_every: Duration,
    /// None for a device with a certificate.
    token: Option<TokenLife>,
    /// The newest version that the hub notified of while a read was under way.
    notified_version: u64,
}

#[derive(Debug)]
enum Setup {
    Subscribing(Awaited<Vec<PacketId>>),
    Reading,
    Done,
}

#[derive(Debug)]
enum TwinRead {
    None,
    Waiting(Awaited<String>),
    Again { at: Duration },
}

#[derive(Debug)]
struct Awaited<T> {
    what: T,
    until: Duration,
}

#[derive(Debug)]
enum Ping {
    Due(Duration),
    Awaited(Duration),
}

#[derive(Debug)]
struct PendingCall {
    due: Duration,
    rid: String,
    name: String,
    status: i64,
    payload: Bytes,
}

impl Session {
    /// Subscribes, or goes straight to reading the twin when the subscriptions live on.
    pub(super) fn start(turn: &mut Turn<'_>, token: Option<TokenLife>) -> Self {
        // Three quarters, so that a ping that is slow on its way still comes within the interval.
        let ping_every = Duration::from_secs(turn.config.endpoint.keep_alive.seconds().into()) * 3 / 4;
        let mut session = Self {
            packet_ids: PacketIds::default(),
            setup: Setup::Reading,
            read: TwinRead::None,
            report: None,
            calls: Vec::new(),
            ping: Ping::Due(turn.now.monotonic + ping_every),
            ping_every,
            token,
            notified_version: 0,
        };
        if turn.known.subscribed {
            session.read_twin(turn);
        } else {
            session.subscribe(turn);
        }
        session
    }

    /// One SUBSCRIBE for each filter, as every SDK does it.
    fn subscribe(&mut self, turn: &mut Turn<'_>) {
        let mut waiting = Vec::with_capacity(SUBSCRIPTIONS.len());
        for subscription in SUBSCRIPTIONS {
            let id = self.packet_ids.allocate().expect("the window holds more than three");
            let filter = RequestedSubscription { filter: subscription.filter(&turn.config.id), qos: QoS::AtMostOnce };
            turn.effects.packets.push(ClientPacket::Subscribe { id, filters: vec![filter] });
            waiting.push(id);
        }
        self.setup = Setup::Subscribing(Awaited { what: waiting, until: after_s(turn.now, DEVICE_ANSWER_S_MAX.0) });
    }

    fn read_twin(&mut self, turn: &mut Turn<'_>) {
        let rid = turn.known.next_rid();
        let topic = Upstream::TwinGet { rid: rid.clone() }.format(&turn.config.id);
        turn.effects.packets.push(ClientPacket::Publish(Publish::at_most_once(topic, Bytes::new())));
        self.read = TwinRead::Waiting(Awaited { what: rid, until: after_s(turn.now, DEVICE_ANSWER_S_MAX.1) });
    }

    /// The earliest moment at which [`Session::on_woken`] has something to do.
    pub(super) fn deadline(&self) -> Duration {
        let ping = match self.ping {
            Ping::Due(at) | Ping::Awaited(at) => at,
        };
        let setup = match &self.setup {
            Setup::Subscribing(awaited) => Some(awaited.until),
            Setup::Reading | Setup::Done => None,
        };
        let read = match &self.read {
            TwinRead::Waiting(awaited) => Some(awaited.until),
            TwinRead::Again { at } => Some(*at),
            TwinRead::None => None,
        };
        let report = self.report.as_ref().map(|awaited| awaited.until);
        let call = self.calls.iter().map(|call| call.due).min();
        let renewal = self.token.map(|token| token.renew_at);
        let others = [setup, read, report, call, renewal].into_iter().flatten();
        others.fold(ping, Duration::min)
    }

    /// Moves the next ping: any packet is a sign of life [MQTT-3.1.2-23].
    pub(super) fn note_sent(&mut self, packets: &[ClientPacket], now: Now) {
        if !packets.is_empty() && matches!(self.ping, Ping::Due(_)) {
            self.ping = Ping::Due(now.monotonic + self.ping_every);
        }
    }

    pub(super) fn on_packet(&mut self, packet: ServerPacket, turn: &mut Turn<'_>) -> Result<(), LossReason> {
        match packet {
            ServerPacket::Publish(publish) => self.on_publish(publish, turn),
            ServerPacket::SubAck { id, codes } => self.on_suback(id, &codes, turn),
            ServerPacket::PingResp => {
                self.ping = Ping::Due(turn.now.monotonic + self.ping_every);
                Ok(())
            }
            // Nothing of quality 1 is sent and nothing is unsubscribed; an acknowledgement too many does no harm.
            ServerPacket::PubAck(_) | ServerPacket::UnsubAck(_) => Ok(()),
            ServerPacket::ConnAck { .. } => Err(LossReason::Protocol("a second CONNACK".to_owned())),
        }
    }

    fn on_suback(&mut self, id: PacketId, codes: &[SubAckCode], turn: &mut Turn<'_>) -> Result<(), LossReason> {
        self.packet_ids.release(id);
        let Setup::Subscribing(awaited) = &mut self.setup else { return Ok(()) };
        if codes.contains(&SubAckCode::Failure) {
            return Err(LossReason::Protocol("a subscription was refused".to_owned()));
        }
        awaited.what.retain(|&waiting| waiting != id);
        if awaited.what.is_empty() {
            turn.known.subscribed = true;
            self.setup = Setup::Reading;
            self.read_twin(turn);
        }
        Ok(())
    }

    fn on_publish(&mut self, publish: Publish, turn: &mut Turn<'_>) -> Result<(), LossReason> {
        if let Delivery::AtLeastOnce { id, .. } = publish.delivery {
            turn.effects.packets.push(ClientPacket::PubAck(id));
        }
        match Downstream::parse(&publish.topic, &turn.config.id) {
            Ok(Downstream::MethodRequest { name, rid }) => {
                self.on_call(name, rid, &publish.payload, turn);
                Ok(())
            }
            Ok(Downstream::TwinResponse { status, rid, version }) => {
                self.on_twin_response(&rid, status, version, &publish.payload, turn)
            }
            Ok(Downstream::DesiredPatch { version }) => self.on_desired(version, &publish.payload, turn),
            Ok(Downstream::CloudToDevice { .. } | Downstream::ModuleInput { .. }) => {
                tracing::debug!(device = %turn.config.id, topic = publish.topic, "a message that nothing here waits for");
                Ok(())
            }
            Err(error) => {
                tracing::debug!(device = %turn.config.id, %error, "an unknown message was passed over");
                Ok(())
            }
        }
    }

    fn on_call(&mut self, name: String, rid: String, payload: &[u8], turn: &mut Turn<'_>) {
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
        if self.calls.len() >= DEVICE_CALLS_MAX {
            call.due = turn.now.monotonic;
            call.status = 503;
            call.payload = Bytes::from_static(br#"{"error":"too many calls at once"}"#);
        }
        if call.due <= turn.now.monotonic {
            answer_call(call, turn);
        } else {
            self.calls.push(call);
        }
    }
    fn on_twin_response(
        &mut self,
        rid: &str,
        status: u16,
        version: Option<u64>,
        body: &[u8],
        turn: &mut Turn<'_>,
    ) -> Result<(), LossReason> {
        if self.report.as_ref().is_some_and(|awaited| awaited.what == rid) {
            self.report = None;
            turn.effects.events.push(match status {
                200..=299 => DeviceEventKind::Reported { version },
                _ => DeviceEventKind::ReportRefused { status, body: String::from_utf8_lossy(body).into_owned() },
            });
            return Ok(());
        }
        if !matches!(&self.read, TwinRead::Waiting(awaited) if awaited.what == rid) {
            return Ok(());
        }
        match status {
            200 => self.on_twin(body, turn),
            // Throttled or in trouble: the twin is still wanted, and hammering helps nobody.
            429 | 500.. => {
                self.read = TwinRead::Again { at: turn.now.monotonic + READ_AGAIN_AFTER };
                Ok(())
            }
            _ => Err(LossReason::Protocol(format!("the twin read was answered with {status}"))),
        }
    }

    /// Takes the twin: tells desired properties that are news, and what is to be reported.
    fn on_twin(&mut self, body: &[u8], turn: &mut Turn<'_>) -> Result<(), LossReason> {
        let unreadable = || LossReason::Protocol("the twin cannot be read".to_owned());
        let mut twin: Value = serde_json::from_slice(body).map_err(|_| unreadable())?;
        let (version, desired) = take_versioned(twin["desired"].take()).ok_or_else(unreadable)?;
        if version < self.notified_version {
            // A change overtook the reply. Forgotten here, so that one notification costs one more read at most.
            self.notified_version = 0;
            self.read_twin(turn);
            return Ok(());
        }
        self.read = TwinRead::None;
        // A fresh twin is at version 1 and empty: no news. A lower version than known means that the hub starts afresh.
        if version != turn.known.desired_version.unwrap_or(1) {
            turn.effects.events.push(DeviceEventKind::DesiredPatch {
                version,
                patch: desired,
                origin: DesiredOrigin::Read,
            });
        }
        turn.known.desired_version = Some(version);
        if matches!(self.setup, Setup::Reading) {
            self.setup = Setup::Done;
            turn.effects.events.push(DeviceEventKind::Ready { desired_version: version });
            self.report(twin["reported"].as_object(), turn);
        }
        Ok(())
    }

    /// Reports the properties that the behaviour names, unless the twin holds them already.
    fn report(&mut self, reported: Option<&JsonObject>, turn: &mut Turn<'_>) {
        let Some(template) = &turn.config.behaviour.reported else { return };
        let wanted = &template.fill(&turn.individual(), "reported");
        let before = reported.cloned().unwrap_or_default();
        let mut after = before.clone();
        merge(&mut after, wanted);
        if after == before {
            return;
        }
        let rid = turn.known.next_rid();
        let topic = Upstream::ReportedPatch { rid: rid.clone(), base_version: None }.format(&turn.config.id);
        let body = Value::Object(wanted.clone()).to_string();
        turn.effects.packets.push(ClientPacket::Publish(Publish::at_most_once(topic, body)));
        self.report = Some(Awaited { what: rid, until: after_s(turn.now, DEVICE_ANSWER_S_MAX.1) });
    }

    /// Takes a notification: the next version is told, an old one passed over, and after a gap the twin is read (DEVICE.md 2.9).
    fn on_desired(&mut self, version: u64, body: &[u8], turn: &mut Turn<'_>) -> Result<(), LossReason> {
        let last = turn.known.desired_version.unwrap_or(0);
        if version <= last {
            return Ok(());
        }
        if matches!(self.read, TwinRead::None) && version == last + 1 {
            let patch: Value = serde_json::from_slice(body)
                .map_err(|_| LossReason::Protocol("a desired patch cannot be read".to_owned()))?;
            let Value::Object(mut patch) = patch else {
                return Err(LossReason::Protocol("a desired patch is no object".to_owned()));
            };
            patch.shift_remove("$version");
            turn.known.desired_version = Some(version);
            let origin = DesiredOrigin::Notification;
            turn.effects.events.push(DeviceEventKind::DesiredPatch { version, patch, origin });
            return Ok(());
        }
        self.notified_version = self.notified_version.max(version);
        if matches!(self.read, TwinRead::None) && matches!(self.setup, Setup::Done) {
            self.read_twin(turn);
        }
        Ok(())
    }

    /// Does what is due: answers, pings, reads again; says when the hub is silent or the token old.
    pub(super) fn on_woken(&mut self, turn: &mut Turn<'_>) -> Result<(), LossReason> {
        let now = turn.now.monotonic;
        let is_due = |at: Duration| at <= now;
        for call in self.calls.extract_if(.., |call| is_due(call.due)) {
            answer_call(call, turn);
        }
        if self.calls.is_empty() {
            // An idle device holds no buffer.
            self.calls = Vec::new();
        }
        if matches!(&self.setup, Setup::Subscribing(awaited) if is_due(awaited.until)) {
            return Err(LossReason::NoAnswer("SUBSCRIBE"));
        }
        match &self.read {
            TwinRead::Waiting(awaited) if is_due(awaited.until) => return Err(LossReason::NoAnswer("a twin read")),
            TwinRead::Again { at } if is_due(*at) => self.read_twin(turn),
            TwinRead::Waiting(_) | TwinRead::Again { .. } | TwinRead::None => {}
        }
        if self.report.as_ref().is_some_and(|awaited| is_due(awaited.until)) {
            return Err(LossReason::NoAnswer("a twin report"));
        }
        match self.ping {
            Ping::Awaited(until) if is_due(until) => return Err(LossReason::NoAnswer("PINGREQ")),
            Ping::Due(at) if is_due(at) => {
                turn.effects.packets.push(ClientPacket::PingReq);
                self.ping = Ping::Awaited(after_s(turn.now, DEVICE_ANSWER_S_MAX.2));
            }
            Ping::Awaited(_) | Ping::Due(_) => {}
        }
        self.renew_token(turn.now)
    }

    /// Reconnecting is the only renewal there is; calls under way delay it as long as the token holds.
    fn renew_token(&mut self, now: Now) -> Result<(), LossReason> {
        let Some(token) = self.token.as_mut().filter(|token| token.renew_at <= now.monotonic) else { return Ok(()) };
        if self.calls.is_empty() || token.expires_at <= now.monotonic {
            return Err(LossReason::TokenRenewal);
        }
        token.renew_at = (now.monotonic + RENEWAL_PAUSE).min(token.expires_at);
        Ok(())
    }
}

fn answer_call(call: PendingCall, turn: &mut Turn<'_>) {
    let topic = Upstream::MethodResponse { status: call.status, rid: call.rid }.format(&turn.config.id);
    turn.effects.packets.push(ClientPacket::Publish(Publish::at_most_once(topic, call.payload)));
    turn.effects.events.push(DeviceEventKind::MethodAnswered { name: call.name, status: call.status });
}

/// A method's payload: nothing is `null`, and what is no JSON is a string.
fn method_payload(bytes: &[u8]) -> Value {
    if bytes.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(bytes).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned()))
}

/// Splits `$version` off a section of a twin.
fn take_versioned(section: Value) -> Option<(u64, JsonObject)> {
    let Value::Object(mut section) = section else { return None };
    let version = section.shift_remove("$version")?.as_u64()?;
    Some((version, section))
}

fn after_s(now: Now, seconds: u64) -> Duration {
    now.monotonic + Duration::from_secs(seconds)
}
