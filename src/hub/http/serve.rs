//! HTTP over the TLS connections of the accept loop, with keep-alive, bounds, and an end that lets answers finish.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;

use crate::hub::accept::serve_tls;
use crate::model::limits::HTTP_HEAD_S_MAX;

/// Serves `router` on every socket until `stop`, and names HTTP/1.1 to clients that ask; answers under way are finished within the accept loop's drain time.
pub async fn serve(sockets: Vec<TcpListener>, tls: Arc<ServerConfig>, router: Router, stop: CancellationToken) {
    let mut tls = ServerConfig::clone(&tls);
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let connection_stop = stop.clone();
    serve_tls(sockets, Arc::new(tls), stop, move |stream, peer| {
        serve_connection(stream, peer, router.clone(), connection_stop.clone())
    })
    .await;
}

/// Serves one connection until the peer leaves, idles too long, or `stop`.
async fn serve_connection<S>(stream: S, peer: SocketAddr, router: Router, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HTTP_HEAD_S_MAX))
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "an HTTP connection broke off");
    }
}
