//! The way to a hub: TCP, then TLS, then packets, or a WebSocket with packets in it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use self::carrier::Carrier;
use super::DeviceConfig;
use super::config::{Credentials, Endpoint, Transport};
use super::event::LossReason;
use crate::model::limits::CONNECT_PACKET_S_MAX;
use crate::mqtt::PacketStream;
use crate::tls::{CertificateTrouble, ClientConfig, ServerName};

mod carrier;
mod source;
mod upgrade;

pub(super) use source::LoopbackSources;

/// Packets over whatever carries them.
pub(super) type Link = PacketStream<Carrier>;

/// Dials and shakes hands, within [`CONNECT_PACKET_S_MAX`]. The link is in a box, since a task keeps room for each place
/// that a value passes through, and a link has a kilobyte. `nonce` is what a WebSocket's handshake needs.
pub(super) async fn open(config: &DeviceConfig, nonce: [u8; 16]) -> Result<Box<Link>, LossReason> {
    let patience = Duration::from_secs(CONNECT_PACKET_S_MAX);
    match timeout(patience, dial(config, nonce)).await {
        Ok(opened) => opened,
        Err(_) => Err(unreachable(&config.endpoint, &io::ErrorKind::TimedOut.into())),
    }
}

async fn dial(config: &DeviceConfig, nonce: [u8; 16]) -> Result<Box<Link>, LossReason> {
    let endpoint = &*config.endpoint;
    let name = ServerName::try_from(endpoint.dial_host.clone())
        .map_err(|_| LossReason::Untrusted(format!("`{}` is no name that a certificate holds", endpoint.dial_host)))?;
    let tcp = endpoint
        .sources
        .connect(&endpoint.dial_host, endpoint.dial_port)
        .await
        .map_err(|error| unreachable(endpoint, &error))?;
    // Packets are small and wait for answers; a socket that refuses the option still works.
    let _ = tcp.set_nodelay(true);
    let tls =
        TlsConnector::from(tls(config)).connect(name, tcp).await.map_err(|error| {
            match CertificateTrouble::of(&error) {
                Some(trouble) => LossReason::Untrusted(trouble.to_string()),
                None => unreachable(endpoint, &error),
            }
        })?;
    let carrier = match endpoint.transport {
        Transport::Mqtt => Carrier::Tls(tls),
        Transport::WebSocket => {
            let opened = upgrade::websocket(tls, &endpoint.dial_host, endpoint.dial_port, nonce).await;
            Carrier::WebSocket(Box::new(opened.map_err(|error| unreachable(endpoint, &error))?))
        }
    };
    Ok(Box::new(PacketStream::new(carrier)))
}

/// The fleet's TLS settings, with the device's certificate on top if it has one.
fn tls(config: &DeviceConfig) -> Arc<ClientConfig> {
    match &config.credentials {
        Credentials::OwnCertificate(identity) => Arc::new(identity.on(&config.endpoint.tls)),
        Credentials::IdentityKey(_) | Credentials::PolicyKey { .. } | Credentials::Certificate => {
            Arc::clone(&config.endpoint.tls)
        }
    }
}

fn unreachable(endpoint: &Endpoint, error: &io::Error) -> LossReason {
    LossReason::Unreachable(format!("{}:{}: {error}", endpoint.dial_host, endpoint.dial_port))
}
