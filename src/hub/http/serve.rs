//! HTTP over the TLS connections of the accept loop, with keep-alive, bounds, and an end that lets answers finish.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use bytes::Bytes;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;

use super::websocket::Handover;
use crate::hub::accept::{Accepted, serve_tls};
use crate::model::limits::{HTTP_2_PING_S, HTTP_2_PONG_S_MAX, HTTP_2_STREAMS_MAX, HTTP_HEAD_S_MAX};

/// What TLS calls HTTP/2.
const HTTP_2: &[u8] = b"h2";

/// Serves `router` on every socket until `stop`, over HTTP/2 with clients that name it in TLS (ALPN) and HTTP/1.1 with all others; answers under way are finished within the accept loop's drain time.
///
/// A connection that is upgraded goes on as `websocket`, which takes what HTTP read past its own end and is to watch the same `stop`.
pub async fn serve<W, F>(
    sockets: Vec<TcpListener>,
    tls: Arc<ServerConfig>,
    router: Router,
    websocket: W,
    stop: CancellationToken,
) where
    W: Fn(Accepted, Bytes, SocketAddr) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let mut tls = ServerConfig::clone(&tls);
    // In this order of preference; a client that wants a WebSocket names only the second.
    tls.alpn_protocols = vec![HTTP_2.to_vec(), b"http/1.1".to_vec()];
    let connection_stop = stop.clone();
    serve_tls(sockets, Arc::new(tls), stop, move |stream, peer| {
        let (router, websocket, stop) = (router.clone(), websocket.clone(), connection_stop.clone());
        async move {
            if stream.get_ref().1.alpn_protocol() == Some(HTTP_2) {
                return Box::pin(serve_http2(stream, peer, router, stop)).await;
            }
            // Boxed and gone before the second part begins: a device that is connected pays for one of the two.
            let upgraded = Box::pin(serve_http1(stream, peer, router, stop)).await;
            if let Some((stream, read_ahead)) = upgraded {
                websocket(stream, read_ahead, peer).await;
            }
        }
    })
    .await;
}

/// Serves one connection until the peer leaves, idles too long, or `stop`; gives it back when it was upgraded.
async fn serve_http1(
    stream: Accepted,
    peer: SocketAddr,
    router: Router,
    stop: CancellationToken,
) -> Option<(Accepted, Bytes)> {
    let handover = Handover::default();
    let service = with_handover(router, handover.clone());
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HTTP_HEAD_S_MAX))
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "an HTTP connection broke off");
        return None;
    }
    let upgraded = handover.take()?.await.ok()?;
    let parts = upgraded.downcast::<TokioIo<Accepted>>().ok()?;
    Some((parts.io.into_inner(), parts.read_buf))
}

/// Serves one connection of HTTP/2, requests side by side, until the peer leaves or answers no pings, or `stop`.
async fn serve_http2(stream: Accepted, peer: SocketAddr, router: Router, stop: CancellationToken) {
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(HTTP_2_PING_S))
        .keep_alive_timeout(Duration::from_secs(HTTP_2_PONG_S_MAX))
        .max_concurrent_streams(HTTP_2_STREAMS_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "an HTTP/2 connection broke off");
    }
}

/// The router, with the connection's handover within reach of each request.
fn with_handover(
    router: Router,
    handover: Handover,
) -> impl Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send> {
    let router = TowerToHyperService::new(router);
    service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(handover.clone());
        router.call(request)
    })
}
