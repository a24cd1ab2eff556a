//! The accept loop that the service API and MQTT share: TCP, TLS, and a task for each connection.
//!
//! It knows no protocol. A connection that cannot be taken, for want of file descriptors for instance, costs a pause
//! and a word in the log, never the loop.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::server::Acceptor;
use tokio_rustls::rustls::{self, AlertDescription, ServerConfig};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::model::limits::{ACCEPT_PAUSE_MS, CONNECT_PACKET_S_MAX, DRAIN_S_MAX, HANDSHAKE_SLOT_MS, HANDSHAKES_MAX};

/// A connection after its handshake. In a box, since a task keeps room for each place that a value passes through, and
/// this one has a kilobyte.
pub type Accepted = Box<TlsStream<TcpStream>>;

/// Accepts TLS connections on every socket and runs `serve` for each, until `stop`.
///
/// At most [`HANDSHAKES_MAX`] handshakes run at a time. A connection takes part in that once its whole ClientHello is
/// there, for [`HANDSHAKE_SLOT_MS`] milliseconds at most, so that those who fall silent keep nobody out. Each has [`CONNECT_PACKET_S_MAX`] seconds for its ClientHello
/// and as many for the rest. After `stop` no connection is taken any more; `serve` is to watch the same token
/// and end by itself, and what is left after [`DRAIN_S_MAX`] seconds is dropped. Returns when nothing runs any more.
pub async fn serve_tls<S, F>(sockets: Vec<TcpListener>, config: Arc<ServerConfig>, stop: CancellationToken, serve: S)
where
    S: Fn(Accepted, SocketAddr) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    let mut loops = JoinSet::new();
    for socket in sockets {
        loops.spawn(accept_loop(socket, Arc::clone(&config), Arc::clone(&slots), stop.clone(), serve.clone()));
    }
    while let Some(ended) = loops.join_next().await {
        report(ended);
    }
}

/// Accepts on one socket until `stop`, then waits for its connections.
async fn accept_loop<S, F>(
    socket: TcpListener,
    config: Arc<ServerConfig>,
    slots: Arc<Semaphore>,
    stop: CancellationToken,
    serve: S,
) where
    S: Fn(Accepted, SocketAddr) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    let mut warned = false;
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(ended) = connections.join_next() => {
                report(ended);
                continue;
            }
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((tcp, peer)) => {
                warned = false;
                let (config, slots) = (Arc::clone(&config), Arc::clone(&slots));
                let (stop, serve) = (stop.clone(), serve.clone());
                connections.spawn(async move {
                    // On the heap, and gone with the handshake: the rest of a task is there as long as its connection.
                    let handshake = Box::pin(shake_hands(config, tcp, peer, slots));
                    let stream = tokio::select! {
                        biased;
                        stream = handshake => stream,
                        () = stop.cancelled() => None,
                    };
                    if let Some(stream) = stream {
                        serve(stream, peer).await;
                    }
                });
            }
            Err(error) if concerns_one_connection(&error) => {
                tracing::debug!(%error, "a connection was gone before it was accepted");
            }
            Err(error) => {
                // Once, and not four times a second for as long as it lasts.
                if !std::mem::replace(&mut warned, true) {
                    tracing::warn!(%error, "cannot accept connections, trying again shortly{}", remedy(&error));
                }
                tokio::select! {
                    biased;
                    () = stop.cancelled() => break,
                    () = sleep(Duration::from_millis(ACCEPT_PAUSE_MS)) => {}
                }
            }
        }
    }
    drop(socket);
    drain(connections).await;
}

/// Errors of accept(2) that say something about one peer and nothing about the socket.
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// What to do about an error of accept(2) that lasts. EMFILE and WSAEMFILE: each connection is a file of this process.
fn remedy(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(24 | 10_024) => {
            "; this process has as many files open as it may: let devices go, or raise its limit, with `ulimit -n` \
             for instance, and start it again"
        }
        _ => "",
    }
}

/// Does the TLS handshake in bounded time; a failure is logged with its likely cause.
async fn shake_hands(
    config: Arc<ServerConfig>,
    tcp: TcpStream,
    peer: SocketAddr,
    slots: Arc<Semaphore>,
) -> Option<Accepted> {
    // Requests and answers are small and wait for each other: Nagle's algorithm would add 40 ms to each.
    if let Err(error) = tcp.set_nodelay(true) {
        tracing::debug!(%peer, %error, "cannot switch Nagle's algorithm off");
    }
    let patience = Duration::from_secs(CONNECT_PACKET_S_MAX);
    let hello = timeout(patience, LazyConfigAcceptor::new(Acceptor::default(), tcp)).await;
    let outcome = match hello {
        Ok(Ok(hello)) => {
            let mut rest = std::pin::pin!(hello.into_stream(config));
            let slot = slots.acquire().await.expect("the semaphore is never closed");
            match timeout(Duration::from_millis(HANDSHAKE_SLOT_MS), &mut rest).await {
                Ok(outcome) => Ok(outcome),
                // What costs work is done by now; who keeps the hub waiting waits without a slot.
                Err(_) => {
                    drop(slot);
                    timeout(patience, rest).await
                }
            }
        }
        Ok(Err(error)) => Ok(Err(error)),
        Err(late) => Err(late),
    };
    match outcome {
        Ok(Ok(stream)) => Some(Box::new(stream)),
        Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
            tracing::debug!(%peer, "the peer closed the connection during the TLS handshake");
            None
        }
        Ok(Err(error)) => {
            tracing::info!(%peer, %error, "TLS handshake failed: {}", likely_cause(&error));
            None
        }
        Err(_) => {
            tracing::info!(%peer, "TLS handshake failed: it took more than {CONNECT_PACKET_S_MAX} s");
            None
        }
    }
}

/// Says what a failed handshake most likely means, in words of the person who set the client up.
fn likely_cause(error: &io::Error) -> &'static str {
    use AlertDescription as Alert;
    use rustls::Error as Tls;
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Tls>());
    match tls {
        Some(Tls::AlertReceived(Alert::UnknownCA)) => {
            "the client does not trust this hub's CA; give it the CA file that `iotjob hub env` names"
        }
        Some(Tls::AlertReceived(Alert::BadCertificate | Alert::CertificateUnknown)) => {
            "the client refused this hub's certificate: its CA is not trusted, or the host name is not in it"
        }
        Some(Tls::AlertReceived(Alert::CertificateExpired)) => "the client takes this hub's certificate for expired",
        Some(Tls::AlertReceived(Alert::ProtocolVersion) | Tls::PeerIncompatible(_)) => {
            "client and hub have no TLS version or cipher suite in common; the hub speaks TLS 1.2 and 1.3"
        }
        Some(Tls::AlertReceived(_)) => "the client gave up",
        Some(Tls::InvalidMessage(_)) => "the client does not speak TLS; use https, or MQTT over TLS",
        Some(Tls::InvalidCertificate(_) | Tls::NoCertificatesPresented) => "the client's certificate was refused",
        Some(_) => "the client broke the TLS protocol",
        None => "the connection broke",
    }
}

/// Gives connections time to end by themselves, then drops them.
async fn drain(mut connections: JoinSet<()>) {
    let all_ended = async {
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    };
    if timeout(Duration::from_secs(DRAIN_S_MAX), all_ended).await.is_err() {
        tracing::info!(connections = connections.len(), "dropping connections that did not end in {DRAIN_S_MAX} s");
        connections.shutdown().await;
    }
}

/// Logs a task that panicked: one connection dies of it, the hub does not.
fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a connection's task panicked");
    }
}
