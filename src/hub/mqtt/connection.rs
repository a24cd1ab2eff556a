//! A connection that was let in: packets, notices and deadlines until something ends it.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::edge::{DeviceEdge, LOG};
use super::ending::Ending;
use super::error_body::error_body;
use super::session::{Action, Closing, Session, TwinReply};
use super::stream::DeviceStream;
use super::telemetry::{MessageProperties, TelemetryMessage};
use crate::hub::HubError;
use crate::hub::engine::EngineHandle;
use crate::hub::notice::{CallId, ConnectionId, Notice};
use crate::hub::store::StoreError;
use crate::hub::throttle::Operation;
use crate::model::limits::{DEVICE_FAREWELL_S_MAX, DEVICE_WRITE_S_MAX, TAKEOVERS_OF_A_FIGHT, TAKEOVERS_WINDOW_S};
use crate::model::{ErrorCode, MethodResponse, TwinId};
use crate::mqtt::{ClientPacket, PacketStream, QoS, ServerPacket, StreamError, Will};

/// A device that was let in.
pub(super) struct Live {
    pub(super) id: TwinId,
    pub(super) connection: ConnectionId,
    pub(super) session: Session,
    /// Boxes, since a channel makes room for 32 of its items at once.
    pub(super) mailbox: mpsc::Receiver<Box<Notice>>,
    /// How long the device may be silent.
    pub(super) silence_max: Duration,
    /// When its token stops being good.
    pub(super) refused_from: Timestamp,
    pub(super) will: Option<Box<Will>>,
}

impl Live {
    /// Runs the conversation until something ends it.
    pub(super) async fn run<S: DeviceStream>(
        &mut self,
        stream: &mut PacketStream<S>,
        edge: &DeviceEdge,
        stop: &CancellationToken,
    ) -> Ending {
        let mut now = edge.clock.monotonic();
        let mut heard = now;
        // Where both wait, each gets its turn: neither can starve the other.
        let mut notices_first = true;
        // The connection is accepted all the same (DEVICE.md 1.10).
        if let Err(error) = edge.manner.throttle.check_quota() {
            return Ending::Throttled(error);
        }
        // Deadlines only ever move away: a timer that is set anew once it has rung costs a packet nothing.
        let mut alarm = pin!(sleep(Duration::ZERO));
        loop {
            let left = match self.time_left(now.saturating_sub(heard), edge) {
                Ok(left) => left,
                Err(ending) => return ending,
            };
            if alarm.is_elapsed() {
                alarm.set(sleep(left));
            }
            let news = tokio::select! {
                biased;
                () = stop.cancelled() => return Ending::HubStops,
                news = next(&mut self.mailbox, stream, notices_first) => news,
                () = &mut alarm => {
                    now = edge.clock.monotonic();
                    continue;
                }
            };
            let began = edge.clock.monotonic();
            let actions = match news {
                News::Notice(Some(notice)) => {
                    notices_first = false;
                    self.session.on_notice(*notice)
                }
                News::Notice(None) => return Ending::Dropped,
                News::Packet(Ok(Some(packet))) => {
                    notices_first = true;
                    heard = began;
                    self.session.on_packet(packet)
                }
                News::Packet(Ok(None)) => return Ending::LinkLost,
                News::Packet(Err(error)) => return Ending::Stream(error),
            };
            let done = match plain(actions) {
                Plain::Packets(packets) => write(stream, &packets).await,
                Plain::Answer(call, response) => {
                    edge.engine.take_answer(self.connection, call, response).await;
                    Ok(())
                }
                Plain::Not(actions) => {
                    // What is written at once carries the acknowledgement; this may take its time.
                    stream.io().acknowledge_at_once();
                    // On the heap while it lasts: what an idle connection costs is what its task holds.
                    Box::pin(self.perform(actions, stream, edge)).await
                }
            };
            if let Err(ending) = done {
                return ending;
            }
            // Nobody is silent while nobody listens: a throttled packet may take its time.
            now = edge.clock.monotonic();
            heard += now.saturating_sub(began);
        }
    }

    /// How long nothing may happen; an error once a deadline is over.
    fn time_left(&self, silence: Duration, edge: &DeviceEdge) -> Result<Duration, Ending> {
        let quiet_left = self.silence_max.saturating_sub(silence);
        if quiet_left.is_zero() {
            return Err(Ending::Silent { silence });
        }
        let token_left = edge.clock.now().duration_until(self.refused_from);
        match Duration::try_from(token_left) {
            Ok(token_left) if !token_left.is_zero() => Ok(quiet_left.min(token_left)),
            _ => Err(Ending::TokenExpired),
        }
    }

    /// Runs actions in order; packets go out together at the end.
    async fn perform<S: DeviceStream>(
        &mut self,
        actions: Vec<Action>,
        stream: &mut PacketStream<S>,
        edge: &DeviceEdge,
    ) -> Result<(), Ending> {
        let mut packets = Vec::with_capacity(actions.len());
        for action in actions {
            match action {
                Action::Send(packet) => packets.push(packet),
                Action::Subscribe(wanted) => {
                    let wanted = wanted.into_iter().map(|(subscription, qos)| (subscription, number(qos))).collect();
                    edge.engine.subscribe(self.connection, wanted).await.map_err(Ending::Engine)?;
                }
                Action::Unsubscribe(ended) => {
                    edge.engine.unsubscribe(self.connection, ended).await.map_err(Ending::Engine)?;
                }
                Action::ReadTwin { rid } => {
                    edge.engine.active(&self.id);
                    let read = match edge.manner.throttle.admit(Operation::TwinRead, 0).await {
                        Ok(()) => read_twin(&edge.engine, &self.id).map(TwinReply::Read),
                        Err(error) => Err(error),
                    };
                    let reply = self.reply(edge, read);
                    packets.extend(self.session.twin_reply(rid, reply));
                }
                Action::Report { rid, patch, base_version } => {
                    let reported = match edge.manner.throttle.admit(Operation::TwinUpdate, 0).await {
                        Ok(()) => edge.engine.report(self.id.clone(), patch, base_version).await,
                        Err(error) => Err(error),
                    };
                    let reply = self.reply(edge, reported.map(TwinReply::Patched));
                    packets.extend(self.session.twin_reply(rid, reply));
                }
                Action::Refuse { rid, error } => {
                    let reply = self.reply(edge, Err(error));
                    packets.extend(self.session.twin_reply(rid, reply));
                }
                // Its acknowledgement follows, and must not come before it is durable.
                Action::Answer { call, response } => {
                    edge.engine.method_answered(self.connection, call, response).await;
                }
                Action::Receive { properties, body } => {
                    // Its PUBACK waits with it.
                    edge.manner.throttle.admit(Operation::Message, body.len()).await.map_err(Ending::Throttled)?;
                    self.receive(edge, properties, body).await;
                }
                Action::Remark(remark) => tracing::info!(target: LOG, device = %self.id, "ignored: {remark}"),
                Action::Close(closing) => return Err(Ending::Session(closing)),
            }
        }
        write(stream, &packets).await
    }

    fn reply(&self, edge: &DeviceEdge, outcome: Result<TwinReply, HubError>) -> TwinReply {
        outcome.unwrap_or_else(|error| {
            let reason = error.reason.as_deref();
            tracing::warn!(target: LOG, device = %self.id, %error, reason, "a twin request is refused");
            TwinReply::Refused { status: error.code.http_status(), body: error_body(&error, &edge.clock, &edge.rng) }
        })
    }

    async fn receive(&self, edge: &DeviceEdge, properties: MessageProperties, body: bytes::Bytes) {
        edge.manner.metrics.message(body.len());
        edge.engine.active(&self.id);
        let MessageProperties { bag, text } = properties;
        let message = TelemetryMessage {
            from: self.id.clone(),
            enqueued: edge.clock.now(),
            properties: bag.iter().map(|(key, value)| (key.to_owned(), value.map(str::to_owned))).collect(),
            bag: text,
            body,
        };
        edge.telemetry.receive(message).await;
    }

    /// Tells the engine, sends the will and closes the socket.
    pub(super) async fn close<S: DeviceStream>(
        &mut self,
        stream: &mut PacketStream<S>,
        edge: &DeviceEdge,
        peer: SocketAddr,
        ending: &Ending,
    ) {
        if ending.is_misbehaviour() {
            tracing::warn!(target: LOG, device = %self.id, %peer, reason = %ending, "closed");
        } else {
            tracing::info!(target: LOG, device = %self.id, %peer, reason = %ending, "closed");
        }
        if matches!(ending, Ending::Session(Closing::Ordered(_)))
            && edge.takeovers.note(&self.id, edge.clock.monotonic())
        {
            tracing::warn!(
                target: LOG,
                device = %self.id,
                "the hub took {TAKEOVERS_OF_A_FIGHT} connections of this identity away within {TAKEOVERS_WINDOW_S} s; \
                 do two clients use its credentials?"
            );
        }
        edge.engine.disconnect(self.connection).await;
        if ending.sends_will()
            && let Some(will) = self.will.take()
            && let Ok(mut properties) = MessageProperties::of_topic(&will.topic, &self.id)
        {
            properties.add("iothub-MessageType", "Will");
            // conformance-choice: DEVICE.md 1.8: the retain flag of a will becomes mqtt-retain=true, as that of any other message
            if will.retain {
                properties.add("mqtt-retain", "true");
            }
            self.receive(edge, properties, will.payload).await;
        }
        // Whether the farewell arrives is the device's business: the connection is over either way.
        let _ = timeout(Duration::from_secs(DEVICE_FAREWELL_S_MAX), stream.shutdown()).await;
    }
}

/// What a connection waits for.
enum News {
    /// A notice of the engine; none once the mailbox has ended.
    Notice(Option<Box<Notice>>),
    /// A packet of the device, or how its stream ended.
    Packet(Result<Option<ClientPacket>, StreamError>),
}

/// Waits for a notice or a packet. Nothing is lost when the wait is dropped.
async fn next<S: DeviceStream>(
    mailbox: &mut mpsc::Receiver<Box<Notice>>,
    stream: &mut PacketStream<S>,
    notices_first: bool,
) -> News {
    let mut packet = pin!(stream.read_client_packet());
    poll_fn(|cx| {
        if notices_first && let Poll::Ready(notice) = mailbox.poll_recv(cx) {
            return Poll::Ready(News::Notice(notice));
        }
        if let Poll::Ready(packet) = packet.as_mut().poll(cx) {
            return Poll::Ready(News::Packet(packet));
        }
        if notices_first { Poll::Pending } else { mailbox.poll_recv(cx).map(News::Notice) }
    })
    .await
}

/// What most packets and notices lead to: large fleets spend their time with these.
enum Plain {
    /// Packets to write and nothing else.
    Packets(Vec<ServerPacket>),
    /// A method's answer that nothing acknowledges.
    Answer(CallId, MethodResponse),
    /// More than that.
    Not(Vec<Action>),
}

fn plain(mut actions: Vec<Action>) -> Plain {
    if actions.iter().all(|action| matches!(action, Action::Send(_))) {
        let packet = |action| match action {
            Action::Send(packet) => Some(packet),
            _ => None,
        };
        return Plain::Packets(actions.into_iter().filter_map(packet).collect());
    }
    match (actions.pop(), actions.is_empty()) {
        (Some(Action::Answer { call, response }), true) => Plain::Answer(call, response),
        (last, _) => {
            actions.extend(last);
            Plain::Not(actions)
        }
    }
}

fn read_twin(engine: &EngineHandle, id: &TwinId) -> Result<serde_json::Value, HubError> {
    let failed = |error: StoreError| {
        HubError::new(ErrorCode::ServerError, "the twin could not be read").because(error.to_string())
    };
    let twin = engine.snapshot().map_err(failed)?.twin(id).map_err(failed)?;
    twin.map(|twin| twin.device_view()).ok_or_else(|| {
        let code = if id.module.is_some() { ErrorCode::ModuleNotFound } else { ErrorCode::DeviceNotFound };
        HubError::new(code, "the identity was deleted")
    })
}

/// Writes packets together, in bounded time.
pub(super) async fn write<S: DeviceStream>(
    stream: &mut PacketStream<S>,
    packets: &[ServerPacket],
) -> Result<(), Ending> {
    if packets.is_empty() {
        return Ok(());
    }
    match timeout(Duration::from_secs(DEVICE_WRITE_S_MAX), stream.write(packets)).await {
        Ok(written) => written.map_err(Ending::Stream),
        Err(_) => Err(Ending::Slow),
    }
}

fn number(qos: QoS) -> u8 {
    match qos {
        QoS::AtMostOnce => 0,
        QoS::AtLeastOnce | QoS::ExactlyOnce => 1,
    }
}
