//! The way to a hub: TCP, then TLS, then packets.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::config::Endpoint;
use super::event::LossReason;
use crate::model::limits::CONNECT_PACKET_S_MAX;
use crate::mqtt::PacketStream;
use crate::tls::{CertificateTrouble, ServerName};

/// Packets over TLS over TCP.
pub(super) type Link = PacketStream<TlsStream<TcpStream>>;

/// Dials and shakes hands, within [`CONNECT_PACKET_S_MAX`]. The link is in a box, since a task keeps room for each place
/// that a value passes through, and a link has a kilobyte.
pub(super) async fn open(endpoint: &Endpoint) -> Result<Box<Link>, LossReason> {
    let patience = Duration::from_secs(CONNECT_PACKET_S_MAX);
    match timeout(patience, dial(endpoint)).await {
        Ok(opened) => opened,
        Err(_) => Err(unreachable(endpoint, &io::ErrorKind::TimedOut.into())),
    }
}

async fn dial(endpoint: &Endpoint) -> Result<Box<Link>, LossReason> {
    let name = ServerName::try_from(endpoint.dial_host.clone())
        .map_err(|_| LossReason::Untrusted(format!("`{}` is no name that a certificate holds", endpoint.dial_host)))?;
    let tcp = TcpStream::connect((endpoint.dial_host.as_str(), endpoint.dial_port))
        .await
        .map_err(|error| unreachable(endpoint, &error))?;
    // Packets are small and wait for answers; a socket that refuses the option still works.
    let _ = tcp.set_nodelay(true);
    let tls = TlsConnector::from(Arc::clone(&endpoint.tls)).connect(name, tcp).await.map_err(|error| {
        match CertificateTrouble::of(&error) {
            Some(trouble) => LossReason::Untrusted(trouble.to_string()),
            None => unreachable(endpoint, &error),
        }
    })?;
    Ok(Box::new(PacketStream::new(tls)))
}

fn unreachable(endpoint: &Endpoint, error: &io::Error) -> LossReason {
    LossReason::Unreachable(format!("{}:{}: {error}", endpoint.dial_host, endpoint.dial_port))
}
