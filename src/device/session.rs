//! What a device does between CONNACK and the end of the connection.

mod calls;
mod reading;
mod reports;
mod sending;

use std::time::Duration;

use self::calls::Calls;
use self::reading::Reading;
use super::DeviceConfig;
use super::event::{DeviceEventKind, LossReason};
use super::machine::{Effects, Now, TokenLife};
use super::template::Individual;
use crate::model::IdentitySeed;
use crate::model::limits::DEVICE_ANSWER_S_MAX;
use crate::mqtt::{
    ClientPacket, Delivery, Downstream, PacketId, PacketIds, Publish, QoS, RequestedSubscription, ServerPacket,
    SubAckCode, Subscription,
};

pub(super) use reports::Reports;
pub(super) use sending::Sending;

/// What a device subscribes to; the hub sends all three at quality 0 whatever is asked for (DEVICE.md 2.3).
const SUBSCRIPTIONS: [Subscription; 3] =
    [Subscription::TwinResponses, Subscription::Methods, Subscription::DesiredPatches];

/// Wait before something that the hub was too busy for is tried again.
const BUSY_PAUSE: Duration = Duration::from_secs(5);
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
    pub(super) reports: Reports,
    sending: Sending,
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

impl<'t> Turn<'t> {
    fn individual(&self) -> Individual<'t> {
        Individual { seed: self.seed, id: &self.config.id, number: self.config.number }
    }
}

/// One accepted connection.
#[derive(Debug)]
pub(super) struct Session {
    packet_ids: PacketIds,
    /// Whether the hub kept what it knew of the connection before.
    resumed: bool,
    setup: Setup,
    reading: Reading,
    calls: Calls,
    ping: Ping,
    ping_every: Duration,
    /// None for a device with a certificate.
    token: Option<TokenLife>,
}

#[derive(Debug)]
enum Setup {
    Subscribing(Awaited<Vec<PacketId>>),
    Reading,
    Done,
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

impl Session {
    /// Subscribes, or goes straight to reading the twin when the subscriptions live on.
    pub(super) fn start(turn: &mut Turn<'_>, token: Option<TokenLife>, resumed: bool) -> Self {
        // Three quarters, so that a ping that is slow on its way still comes within the interval.
        let ping_every = Duration::from_secs(turn.config.endpoint.keep_alive.seconds().into()) * 3 / 4;
        let mut session = Self {
            packet_ids: PacketIds::default(),
            resumed,
            setup: Setup::Reading,
            reading: Reading::default(),
            calls: Calls::default(),
            ping: Ping::Due(turn.now.monotonic + ping_every),
            ping_every,
            token,
        };
        if resumed {
            turn.known.sending.reserve(&mut session.packet_ids);
        }
        // Subscriptions live on only in a session that lives on (DEVICE.md 1.6).
        turn.known.subscribed &= resumed;
        if turn.known.subscribed {
            session.reading.ask(turn);
        } else {
            session.subscribe(turn);
        }
        session
    }

    /// One SUBSCRIBE for each filter, as every SDK does it.
    fn subscribe(&mut self, turn: &mut Turn<'_>) {
        let mut waiting = Vec::with_capacity(SUBSCRIPTIONS.len());
        for subscription in SUBSCRIPTIONS {
            let id = self.packet_ids.allocate().expect("the window holds telemetry's messages and more than three");
            let filter = RequestedSubscription { filter: subscription.filter(&turn.config.id), qos: QoS::AtMostOnce };
            turn.effects.packets.push(ClientPacket::Subscribe { id, filters: vec![filter] });
            waiting.push(id);
        }
        self.setup = Setup::Subscribing(Awaited { what: waiting, until: after_s(turn.now, DEVICE_ANSWER_S_MAX.0) });
    }

    /// The earliest moment at which [`Session::on_woken`] has something to do.
    pub(super) fn deadline(&self, known: &Known) -> Duration {
        let ping = match self.ping {
            Ping::Due(at) | Ping::Awaited(at) => at,
        };
        let subscribed = match &self.setup {
            Setup::Subscribing(awaited) => Some(awaited.until),
            Setup::Reading | Setup::Done => None,
        };
        let is_done = matches!(self.setup, Setup::Done);
        let work = [known.reports.deadline(), known.sending.deadline()].into_iter().flatten().filter(|_| is_done);
        let renewal = self.token.map(|token| token.renew_at);
        let others = [subscribed, self.reading.deadline(), self.calls.deadline(), renewal].into_iter().flatten();
        others.chain(work).fold(ping, Duration::min)
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
            ServerPacket::PubAck(id) => {
                self.packet_ids.release(id);
                Sending::on_puback(id, turn);
                Ok(())
            }
            // Nothing is unsubscribed; an acknowledgement too many does no harm.
            ServerPacket::UnsubAck(_) => Ok(()),
            ServerPacket::ConnAck { .. } => Err(LossReason::Protocol("a second CONNACK".to_owned())),
        }
    }

    fn on_suback(&mut self, id: PacketId, codes: &[SubAckCode], turn: &mut Turn<'_>) -> Result<(), LossReason> {
        let Setup::Subscribing(awaited) = &mut self.setup else { return Ok(()) };
        if codes.contains(&SubAckCode::Failure) {
            return Err(LossReason::Protocol("a subscription was refused".to_owned()));
        }
        if let Some(at) = awaited.what.iter().position(|waiting| *waiting == id) {
            awaited.what.remove(at);
            self.packet_ids.release(id);
        }
        if awaited.what.is_empty() {
            turn.known.subscribed = true;
            self.setup = Setup::Reading;
            self.reading.ask(turn);
        }
        Ok(())
    }

    fn on_publish(&mut self, publish: Publish, turn: &mut Turn<'_>) -> Result<(), LossReason> {
        let Publish { topic, payload, delivery, .. } = publish;
        let message = Downstream::parse(&topic, &turn.config.id);
        let acknowledge = |turn: &mut Turn<'_>| {
            if let Delivery::AtLeastOnce { id, .. } = delivery {
                turn.effects.packets.push(ClientPacket::PubAck(id));
            }
        };
        match message {
            // A message is the device's once it is acknowledged, and so it is dealt with first (DEVICE.md 10.2).
            Ok(Downstream::CloudToDevice { .. } | Downstream::ModuleInput { .. }) => {
                tracing::debug!(device = %turn.config.id, topic, "a message that nothing here waits for");
                acknowledge(turn);
                Ok(())
            }
            Ok(message) => {
                acknowledge(turn);
                self.on_message(message, &payload, turn)
            }
            Err(error) => {
                tracing::debug!(device = %turn.config.id, %error, "an unknown message was passed over");
                acknowledge(turn);
                Ok(())
            }
        }
    }

    fn on_message(&mut self, message: Downstream, payload: &[u8], turn: &mut Turn<'_>) -> Result<(), LossReason> {
        match message {
            Downstream::MethodRequest { name, rid } => self.calls.on_call(name, rid, payload, turn),
            Downstream::TwinResponse { status, rid, version } => {
                if !Reports::on_response(&rid, status, version, payload, turn)
                    && let Some(twin) = self.reading.on_response(&rid, status, payload, turn)?
                {
                    self.on_twin(twin, turn);
                }
            }
            Downstream::DesiredPatch { version } => {
                let is_done = matches!(self.setup, Setup::Done);
                self.reading.on_notified(version, payload, is_done, turn)?;
                self.send_reports(turn);
            }
            Downstream::CloudToDevice { .. } | Downstream::ModuleInput { .. } => {}
        }
        Ok(())
    }

    /// Takes the twin. The first of a connection makes the device ready.
    fn on_twin(&mut self, twin: reading::Twin, turn: &mut Turn<'_>) {
        let version = twin.version;
        let is_first = matches!(self.setup, Setup::Reading);
        if is_first {
            reading::report(&twin.reported, turn);
        }
        twin.tell(turn);
        if is_first {
            self.setup = Setup::Done;
            turn.effects.events.push(DeviceEventKind::Ready { desired_version: version });
            Sending::start(self.resumed, &mut self.packet_ids, turn);
        }
        self.send_reports(turn);
    }

    fn send_reports(&self, turn: &mut Turn<'_>) {
        if matches!(self.setup, Setup::Done) {
            Reports::send_due(turn);
        }
    }

    /// Does what is due: answers, pings, reads again; says when the hub is silent or the token old.
    pub(super) fn on_woken(&mut self, turn: &mut Turn<'_>) -> Result<(), LossReason> {
        let is_due = |at: Duration| at <= turn.now.monotonic;
        if matches!(&self.setup, Setup::Subscribing(awaited) if is_due(awaited.until)) {
            return Err(LossReason::NoAnswer("SUBSCRIBE"));
        }
        if matches!(self.ping, Ping::Awaited(until) if is_due(until)) {
            return Err(LossReason::NoAnswer("PINGREQ"));
        }
        let must_ping = matches!(self.ping, Ping::Due(at) if is_due(at));
        self.calls.on_woken(turn);
        self.reading.on_woken(turn)?;
        if matches!(self.setup, Setup::Done) {
            turn.known.reports.check(turn.now.monotonic)?;
            Reports::send_due(turn);
            Sending::on_woken(&mut self.packet_ids, turn)?;
        }
        // Whatever else is sent is as good a sign of life.
        if must_ping && turn.effects.packets.is_empty() {
            turn.effects.packets.push(ClientPacket::PingReq);
            self.ping = Ping::Awaited(after_s(turn.now, DEVICE_ANSWER_S_MAX.2));
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

fn after_s(now: Now, seconds: u64) -> Duration {
    now.monotonic + Duration::from_secs(seconds)
}
