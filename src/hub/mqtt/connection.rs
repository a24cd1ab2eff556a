//! One device connection: CONNECT, then packets, notices and deadlines until something ends it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::authenticate::{Admission, Gate, authenticate};
use super::ending::Ending;
use super::error_body::error_body;
use super::session::{Action, Session, TwinReply};
use super::stream::DeviceStream;
use super::telemetry::{Telemetry, TelemetryMessage};
use crate::auth::AcceptedHosts;
use crate::hub::HubError;
use crate::hub::engine::{EngineHandle, SessionKind};
use crate::hub::notice::{ConnectionId, Notice};
use crate::hub::policies::Policies;
use crate::hub::store::StoreError;
use crate::model::limits::{
    CONNECT_PACKET_S_MAX, CONNECTION_QUEUE_MAX, DEVICE_FAREWELL_S_MAX, DEVICE_WRITE_S_MAX, KEEP_ALIVE_S_CAP,
};
use crate::model::{Clock, ErrorCode, Rng, TwinId};
use crate::mqtt::{
    ClientPacket, ConnAckCode, Connect, PacketStream, PropertyBag, QoS, ServerPacket, StreamError, Upstream, Will,
};

/// What all device connections of a hub share.
pub struct DeviceEdge {
    /// The engine.
    pub engine: EngineHandle,
    /// The policies that tokens may name.
    pub policies: Arc<Policies>,
    /// The names that user names and tokens may use.
    pub hosts: Arc<AcceptedHosts>,
    /// The one clock.
    pub clock: Clock,
    /// For tracking ids.
    pub rng: Rng,
    /// Where device-to-cloud messages go.
    pub telemetry: Arc<Telemetry>,
    /// Numbers connections; starts at 1.
    pub next_connection: AtomicU64,
}

/// Speaks with one device until it ends. Returns when the socket is closed and the engine knows.
pub async fn serve<S: DeviceStream>(stream: S, peer: SocketAddr, edge: Arc<DeviceEdge>, stop: CancellationToken) {
    let mut stream = PacketStream::new(stream);
    // Boxed like everything that is rare: what an idle connection costs is what its task holds.
    let Some(mut live) = Box::pin(open(&mut stream, peer, &edge, &stop)).await else { return };
    let ending = live.run(&mut stream, &edge, &stop).await;
    Box::pin(live.close(&mut stream, &edge, peer, &ending)).await;
}

/// A device that was let in.
struct Live {
    id: TwinId,
    connection: ConnectionId,
    session: Session,
    mailbox: mpsc::Receiver<Notice>,
    /// How long the device may be silent.
    silence_max: Duration,
    /// When its token stops being good.
    refused_from: Timestamp,
    will: Option<Box<Will>>,
}

/// Waits for CONNECT and answers it; nothing when the device was not let in.
async fn open<S: DeviceStream>(
    stream: &mut PacketStream<S>,
    peer: SocketAddr,
    edge: &DeviceEdge,
    stop: &CancellationToken,
) -> Option<Live> {
    let first = tokio::select! {
        () = stop.cancelled() => return None,
        first = timeout(Duration::from_secs(CONNECT_PACKET_S_MAX), stream.read_client_packet()) => first,
    };
    let connect = match first {
        Ok(Ok(Some(ClientPacket::Connect(connect)))) => connect,
        Ok(Ok(Some(_))) => {
            tracing::warn!(target: LOG, %peer, "closed: the first packet must be CONNECT");
            return None;
        }
        // Port scanners and health checks do that.
        Ok(Ok(None)) => {
            tracing::debug!(target: LOG, %peer, "closed by the peer before CONNECT");
            return None;
        }
        Ok(Err(error)) => {
            tracing::warn!(target: LOG, %peer, %error, "closed: no CONNECT that could be read");
            if let StreamError::Frame(frame) = &error
                && let Some(code) = frame.connack()
            {
                refuse(stream, code).await;
            }
            return None;
        }
        Err(_) => {
            tracing::warn!(target: LOG, %peer, "closed: no CONNECT within {CONNECT_PACKET_S_MAX} s");
            return None;
        }
    };
    stream.io().acknowledge_at_once();
    match admit(*connect, peer, edge, stop).await {
        Ok((live, session_present)) => {
            let connack = ServerPacket::ConnAck { session_present, code: ConnAckCode::Accepted };
            if let Err(ending) = write(stream, &[connack]).await {
                let mut live = live;
                live.close(stream, edge, peer, &ending).await;
                return None;
            }
            Some(live)
        }
        Err(code) => {
            refuse(stream, code).await;
            None
        }
    }
}

/// Checks a CONNECT and opens its session, or says which code to refuse it with.
async fn admit(
    connect: Connect,
    peer: SocketAddr,
    edge: &DeviceEdge,
    stop: &CancellationToken,
) -> Result<(Live, bool), ConnAckCode> {
    let client_id = &connect.client_id;
    if stop.is_cancelled() {
        tracing::info!(target: LOG, client_id, %peer, "refused: the hub is stopping");
        return Err(ConnAckCode::ServerUnavailable);
    }
    let gate = Gate { policies: &edge.policies, hosts: &edge.hosts, now: edge.clock.now() };
    let look_up = |id: &TwinId| edge.engine.snapshot()?.identity(id);
    let Admission { id, refused_from, client_type } =
        authenticate::<StoreError>(&connect, gate, look_up).map_err(|refusal| {
            let code = if refusal.is_transient() { ConnAckCode::ServerUnavailable } else { ConnAckCode::NotAuthorized };
            tracing::warn!(target: LOG, client_id, %peer, reason = %refusal, "refused: {code}");
            code
        })?;
    let connection = ConnectionId(edge.next_connection.fetch_add(1, Ordering::Relaxed));
    let (sender, mailbox) = mpsc::channel(CONNECTION_QUEUE_MAX);
    let kind = if connect.clean_session { SessionKind::Clean } else { SessionKind::Persistent };
    let opened = edge.engine.connect(id.clone(), connection, kind, sender).await.map_err(|error| {
        let gone =
            matches!(error.code, ErrorCode::DeviceNotFound | ErrorCode::ModuleNotFound | ErrorCode::DeviceDisabled);
        let code = if gone { ConnAckCode::NotAuthorized } else { ConnAckCode::ServerUnavailable };
        tracing::warn!(target: LOG, client_id, %peer, reason = %error, "refused: {code}");
        code
    })?;
    tracing::info!(
        target: LOG,
        device = %id,
        %peer,
        client = client_type.as_deref().unwrap_or("unknown"),
        session_present = opened.session_present,
        "connected"
    );
    let restored = opened.subscriptions.into_iter().map(|(subscription, qos)| (subscription, quality(qos))).collect();
    let live = Live {
        session: Session::new(id.clone(), restored),
        id,
        connection,
        mailbox,
        silence_max: silence_max(connect.keep_alive_s),
        refused_from,
        will: connect.will.map(Box::new),
    };
    Ok((live, opened.session_present))
}

impl Live {
    /// Runs the conversation until something ends it.
    async fn run<S: DeviceStream>(
        &mut self,
        stream: &mut PacketStream<S>,
        edge: &DeviceEdge,
        stop: &CancellationToken,
    ) -> Ending {
        let mut heard = edge.clock.monotonic();
        loop {
            let left = match self.time_left(heard, edge) {
                Ok(left) => left,
                Err(ending) => return ending,
            };
            let actions = tokio::select! {
                () = stop.cancelled() => return Ending::HubStops,
                () = sleep(left) => continue,
                notice = self.mailbox.recv() => match notice {
                    Some(notice) => self.session.on_notice(notice),
                    None => return Ending::Dropped,
                },
                packet = stream.read_client_packet() => match packet {
                    Ok(Some(packet)) => {
                        heard = edge.clock.monotonic();
                        stream.io().acknowledge_at_once();
                        self.session.on_packet(packet)
                    }
                    Ok(None) => return Ending::LinkLost,
                    Err(error) => return Ending::Stream(error),
                },
            };
            if let Err(ending) = Box::pin(self.perform(actions, stream, edge)).await {
                return ending;
            }
        }
    }

    /// How long nothing may happen; an error once a deadline is over.
    fn time_left(&self, heard: Duration, edge: &DeviceEdge) -> Result<Duration, Ending> {
        let silence = edge.clock.monotonic().saturating_sub(heard);
        let quiet_left = self.silence_max.saturating_sub(silence);
        if quiet_left.is_zero() {
            return Err(Ending::Silent { seconds: silence.as_secs() });
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
                    let reply = self.reply(edge, read_twin(&edge.engine, &self.id).map(TwinReply::Read));
                    packets.extend(self.session.twin_reply(rid, reply));
                }
                Action::Report { rid, patch, base_version } => {
                    let reported = edge.engine.report(self.id.clone(), patch, base_version).await;
                    let reply = self.reply(edge, reported.map(TwinReply::Patched));
                    packets.extend(self.session.twin_reply(rid, reply));
                }
                Action::Refuse { rid, error } => {
                    let reply = self.reply(edge, Err(error));
                    packets.extend(self.session.twin_reply(rid, reply));
                }
                Action::Answer { call, response } => {
                    edge.engine.method_answered(self.connection, call, response).await;
                }
                Action::Receive { bag, body } => self.receive(edge, &bag, body),
                Action::Remark(remark) => tracing::info!(target: LOG, device = %self.id, "ignored: {remark}"),
                Action::Close(closing) => return Err(Ending::Session(closing)),
            }
        }
        write(stream, &packets).await
    }

    fn reply(&self, edge: &DeviceEdge, outcome: Result<TwinReply, HubError>) -> TwinReply {
        outcome.unwrap_or_else(|error| {
            let reason = error.reason.as_deref().unwrap_or_default();
            tracing::warn!(target: LOG, device = %self.id, %error, reason, "a twin request is refused");
            TwinReply::Refused { status: error.code.http_status(), body: error_body(&error, &edge.clock, &edge.rng) }
        })
    }

    fn receive(&self, edge: &DeviceEdge, bag: &PropertyBag, body: bytes::Bytes) {
        edge.engine.active(&self.id);
        edge.telemetry.receive(TelemetryMessage {
            from: self.id.clone(),
            enqueued: edge.clock.now(),
            properties: bag.iter().map(|(key, value)| (key.to_owned(), value.map(str::to_owned))).collect(),
            body,
        });
    }

    /// Tells the engine, sends the will and closes the socket.
    async fn close<S: DeviceStream>(
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
        edge.engine.disconnect(self.connection).await;
        if ending.sends_will()
            && let Some(will) = self.will.take()
            && let Ok(Upstream::Telemetry { mut bag }) = Upstream::parse(&will.topic, &self.id)
        {
            bag.set("iothub-MessageType", Some("Will"));
            self.receive(edge, &bag, will.payload);
        }
        // Whether the farewell arrives is the device's business: the connection is over either way.
        let _ = timeout(Duration::from_secs(DEVICE_FAREWELL_S_MAX), stream.shutdown()).await;
    }
}

/// The log target that product.md promises.
const LOG: &str = "iotjob::hub::mqtt";

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

async fn write<S: DeviceStream>(stream: &mut PacketStream<S>, packets: &[ServerPacket]) -> Result<(), Ending> {
    if packets.is_empty() {
        return Ok(());
    }
    match timeout(Duration::from_secs(DEVICE_WRITE_S_MAX), stream.write(packets)).await {
        Ok(written) => written.map_err(Ending::Stream),
        Err(_) => Err(Ending::Slow),
    }
}

/// Answers a CONNECT with a refusal and closes.
async fn refuse<S: DeviceStream>(stream: &mut PacketStream<S>, code: ConnAckCode) {
    let farewell = async {
        stream.write(&[ServerPacket::ConnAck { session_present: false, code }]).await?;
        stream.shutdown().await?;
        // Closing on unread input would reset the connection, and the device might never see the code.
        while stream.read_client_packet().await?.is_some() {}
        Ok::<(), StreamError>(())
    };
    // A device that is gone already does not miss its answer.
    let _ = timeout(Duration::from_secs(DEVICE_FAREWELL_S_MAX), farewell).await;
}

/// One and a half times the interval of the device, within the service's cap (DEVICE.md 1.5).
fn silence_max(keep_alive_s: u16) -> Duration {
    let cap = Duration::from_secs(KEEP_ALIVE_S_CAP);
    if keep_alive_s == 0 { cap } else { (Duration::from_secs(keep_alive_s.into()) * 3 / 2).min(cap) }
}

fn number(qos: QoS) -> u8 {
    match qos {
        QoS::AtMostOnce => 0,
        QoS::AtLeastOnce | QoS::ExactlyOnce => 1,
    }
}

fn quality(number: u8) -> QoS {
    if number == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce }
}
