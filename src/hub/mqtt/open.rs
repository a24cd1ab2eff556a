//! The beginning of a connection: CONNECT within its time, who it is, its session, and CONNACK.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::authenticate::{Admission, Gate, authenticate};
use super::connection::{Live, write};
use super::edge::{DeviceEdge, LOG};
use super::session::Session;
use super::stream::DeviceStream;
use crate::hub::engine::SessionKind;
use crate::hub::notice::ConnectionId;
use crate::hub::store::StoreError;
use crate::hub::throttle::Operation;
use crate::model::limits::{CONNECT_PACKET_S_MAX, CONNECTION_QUEUE_MAX, DEVICE_FAREWELL_S_MAX, KEEP_ALIVE_S_CAP};
use crate::model::{ErrorCode, TwinId};
use crate::mqtt::{ClientPacket, ConnAckCode, Connect, PacketStream, QoS, ServerPacket, StreamError};
use crate::tls::ClientCertificate;

/// Waits for CONNECT and answers it; nothing when the device was not let in.
pub(super) async fn open<S: DeviceStream>(
    stream: &mut PacketStream<S>,
    peer: SocketAddr,
    edge: &DeviceEdge,
    stop: &CancellationToken,
) -> Option<Live> {
    let connect = tokio::select! {
        biased;
        () = stop.cancelled() => return None,
        connect = read_connect(stream, peer) => connect?,
    };
    stream.io().acknowledge_at_once();
    // conformance-choice: DEVICE.md 1.10: above the connect rate CONNACK comes late, then the connection is closed without one
    if let Err(error) = edge.manner.throttle.admit(Operation::Connection, 0).await {
        edge.manner.metrics.device_refused("throttled");
        let reason = error.reason.as_deref().unwrap_or_default();
        tracing::warn!(target: LOG, client_id = connect.client_id, %peer, reason, "closed without CONNACK: throttled");
        return None;
    }
    let certificate = ClientCertificate::of_handshake(stream.io().client_certificates());
    let (mut live, session_present) = match admit(connect, certificate, peer, edge, stop).await {
        Ok(admitted) => admitted,
        Err(code) => {
            edge.manner.metrics.device_refused(match code {
                ConnAckCode::NotAuthorized => "not_authorized",
                _ => "unavailable",
            });
            refuse(stream, code).await;
            return None;
        }
    };
    let connack = ServerPacket::ConnAck { session_present, code: ConnAckCode::Accepted };
    if let Err(ending) = write(stream, &[connack]).await {
        live.close(stream, edge, peer, &ending).await;
        return None;
    }
    Some(live)
}

/// The first packet must be CONNECT, and come in time; everything else closes.
async fn read_connect<S: DeviceStream>(stream: &mut PacketStream<S>, peer: SocketAddr) -> Option<Connect> {
    match timeout(Duration::from_secs(CONNECT_PACKET_S_MAX), stream.read_client_packet()).await {
        Ok(Ok(Some(ClientPacket::Connect(connect)))) => return Some(*connect),
        Ok(Ok(Some(_))) => tracing::warn!(target: LOG, %peer, "closed: the first packet must be CONNECT"),
        // Port scanners and health checks do that.
        Ok(Ok(None)) => tracing::debug!(target: LOG, %peer, "closed by the peer before CONNECT"),
        Ok(Err(error)) => {
            tracing::warn!(target: LOG, %peer, %error, "closed: no CONNECT that could be read");
            if let StreamError::Frame(frame) = &error
                && let Some(code) = frame.connack()
            {
                refuse(stream, code).await;
            }
        }
        Err(_) => tracing::warn!(target: LOG, %peer, "closed: no CONNECT within {CONNECT_PACKET_S_MAX} s"),
    }
    None
}

/// Checks a CONNECT and opens its session, or says which code to refuse it with.
async fn admit(
    connect: Connect,
    certificate: Option<ClientCertificate<'_>>,
    peer: SocketAddr,
    edge: &DeviceEdge,
    stop: &CancellationToken,
) -> Result<(Live, bool), ConnAckCode> {
    let client_id = &connect.client_id;
    if stop.is_cancelled() {
        tracing::info!(target: LOG, client_id, %peer, "refused: the hub is stopping");
        return Err(ConnAckCode::ServerUnavailable);
    }
    let gate =
        Gate { policies: &edge.policies, hosts: &edge.hosts, client_cas: &edge.client_cas, now: edge.clock.now() };
    let look_up = |id: &TwinId| edge.engine.snapshot()?.identity(id);
    let Admission { id, refused_from, remark, client_type } =
        authenticate::<StoreError>(&connect, certificate.as_ref(), gate, look_up).map_err(|refusal| {
            let code = if refusal.is_transient() { ConnAckCode::ServerUnavailable } else { ConnAckCode::NotAuthorized };
            tracing::warn!(target: LOG, client_id, %peer, reason = %refusal, "refused: {code}");
            code
        })?;
    if let Some(remark) = remark {
        tracing::warn!(target: LOG, device = %id, %peer, "let in, but {remark}");
    }
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
        session: Session::new(id.clone(), restored).with_strictness(edge.manner.strictness),
        id,
        connection,
        mailbox,
        silence_max: silence_max(connect.keep_alive_s),
        refused_from,
        will: connect.will.map(Box::new),
    };
    Ok((live, opened.session_present))
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

fn quality(number: u8) -> QoS {
    if number == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce }
}
