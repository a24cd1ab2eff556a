//! The port on which Prometheus finds what a process counts: plain HTTP without credentials, as it expects, hence an
//! address of its own that is best a loopback one.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::model::limits::{ACCEPT_PAUSE_MS, METRICS_CONNECTIONS_MAX, METRICS_S_MAX};

const LOG: &str = "iotjob::metrics";

/// OpenMetrics, which every Prometheus since 2.5 reads.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A socket that is bound for the metrics.
#[derive(Debug)]
pub struct MetricsPort {
    listener: TcpListener,
    address: SocketAddr,
}

/// The address cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for metrics; choose another with --metrics (port 0 takes a free one)")]
pub struct MetricsPortError {
    /// Which.
    pub address: SocketAddr,
    /// Why.
    pub source: io::Error,
}

/// Whoever has something to show.
#[async_trait]
pub trait MetricsSource: Send + Sync + 'static {
    /// The counts of this moment as OpenMetrics text; `None` when they cannot be told, which is logged by then.
    async fn text(&self) -> Option<String>;
}

impl MetricsPort {
    /// Binds an address; port 0 takes a free one.
    ///
    /// # Errors
    /// [`MetricsPortError`] when somebody else has it or the system refuses.
    pub async fn bind(address: SocketAddr) -> Result<Self, MetricsPortError> {
        let refused = |source| MetricsPortError { address, source };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        Ok(Self { listener, address })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves `GET /metrics` until `stop`; further connections wait while [`METRICS_CONNECTIONS_MAX`] are served.
    pub async fn serve(self, source: impl MetricsSource, stop: CancellationToken) {
        let source: Arc<dyn MetricsSource> = Arc::new(source);
        let router = Router::new().route("/metrics", get(scrape)).with_state(source);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept(), if connections.len() < METRICS_CONNECTIONS_MAX => match accepted {
                    Ok((stream, _)) => drop(connections.spawn(answer(stream, router.clone()))),
                    Err(error) => {
                        tracing::debug!(target: LOG, %error, "cannot accept a connection");
                        sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
                    }
                },
            }
        }
    }
}

/// Answers one request in bounded time: Prometheus comes every few seconds and may connect anew.
async fn answer(stream: TcpStream, router: Router) {
    let connection = http1::Builder::new()
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    match timeout(Duration::from_secs(METRICS_S_MAX), connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(target: LOG, %error, "a connection broke off"),
        Err(_) => tracing::debug!(target: LOG, "closed: no request and answer within {METRICS_S_MAX} s"),
    }
}

async fn scrape(State(source): State<Arc<dyn MetricsSource>>) -> Response {
    match source.text().await {
        Some(text) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
