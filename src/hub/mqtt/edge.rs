//! The device edge: what its connections share, and the life of one of them from accept to close.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio_util::sync::CancellationToken;

use super::open::open;
use super::stream::DeviceStream;
use super::takeovers::Takeovers;
use super::telemetry::Telemetry;
use crate::auth::AcceptedHosts;
use crate::hub::Manner;
use crate::hub::engine::EngineHandle;
use crate::hub::policies::Policies;
use crate::model::{Clock, Rng};
use crate::mqtt::PacketStream;
use crate::tls::ClientCas;

/// The log target that product.md promises.
pub(super) const LOG: &str = "iotjob::hub::mqtt";

/// What all device connections of a hub share.
pub struct DeviceEdge {
    pub(super) engine: EngineHandle,
    /// The policies that tokens may name.
    pub(super) policies: Arc<Policies>,
    /// The names that user names and tokens may use.
    pub(super) hosts: Arc<AcceptedHosts>,
    /// The CAs that may vouch for devices.
    pub(super) client_cas: Arc<ClientCas>,
    pub(super) clock: Clock,
    /// For tracking ids.
    pub(super) rng: Rng,
    /// Where device-to-cloud messages go.
    pub(super) telemetry: Arc<Telemetry>,
    /// Numbers connections.
    pub(super) next_connection: AtomicU64,
    pub(super) takeovers: Takeovers,
    /// How it treats whoever asks.
    pub(super) manner: Manner,
}

impl DeviceEdge {
    /// An edge without connections.
    #[must_use]
    pub fn new(
        engine: EngineHandle,
        policies: Arc<Policies>,
        hosts: Arc<AcceptedHosts>,
        client_cas: Arc<ClientCas>,
        clock: Clock,
        rng: Rng,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        let (next_connection, takeovers) = (AtomicU64::new(1), Takeovers::default());
        let manner = Manner::instant();
        Self { engine, policies, hosts, client_cas, clock, rng, telemetry, next_connection, takeovers, manner }
    }

    /// The same with another manner.
    #[must_use]
    pub fn with_manner(mut self, manner: Manner) -> Self {
        self.manner = manner;
        self
    }
}

/// Speaks with one device until it ends. Done when the socket is closed and the engine knows.
pub fn serve<S: DeviceStream>(
    stream: S,
    peer: SocketAddr,
    edge: Arc<DeviceEdge>,
    stop: CancellationToken,
) -> impl Future<Output = ()> + Send {
    // Wrapped out here: an async function would keep room for the bare stream as well, for as long as it lives.
    let mut stream = PacketStream::new(stream);
    async move {
        // Boxed like everything that is rare: what an idle connection costs is what its task holds.
        let Some(mut live) = Box::pin(open(&mut stream, peer, &edge, &stop)).await else { return };
        edge.manner.metrics.device_connected();
        let ending = live.run(&mut stream, &edge, &stop).await;
        edge.manner.metrics.device_ended(ending.name());
        Box::pin(live.close(&mut stream, &edge, peer, &ending)).await;
    }
}

#[cfg(test)]
mod tests;
