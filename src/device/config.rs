//! Who a device is, where it dials and how it behaves.

use std::sync::Arc;
use std::time::Duration;

use crate::auth::{DeviceConnectionString, DeviceProof, HubHost};
use crate::model::limits::{HTTPS_PORT, KEEP_ALIVE_S_MAX, MQTT_PORT, RECONNECT_MS_MAX, RECONNECT_MS_MIN};
use crate::model::{SymmetricKey, TwinId};
use crate::tls::{ClientConfig, OfferedIdentity};

use super::link::LoopbackSources;
use super::{Behaviour, FleetStats};

/// Seconds between signs of life when nobody says otherwise: what the C SDKs use (DEVICE.md 1.5).
const KEEP_ALIVE_S_DEFAULT: u16 = 240;

/// How many seconds may pass without a packet: 1 to [`KEEP_ALIVE_S_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepAlive(u16);

impl KeepAlive {
    /// The interval, brought into the useful range (DEVICE.md 1.5).
    #[must_use]
    pub fn of_seconds(seconds: u16) -> Self {
        Self(seconds.clamp(1, KEEP_ALIVE_S_MAX))
    }

    /// The interval in seconds.
    #[must_use]
    pub fn seconds(self) -> u16 {
        self.0
    }
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self(KEEP_ALIVE_S_DEFAULT)
    }
}

/// What carries MQTT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    /// TLS, on a port of its own.
    #[default]
    Mqtt,
    /// A WebSocket on the HTTPS port (DEVICE.md 1.1), for networks that let nothing else through.
    WebSocket,
}

impl Transport {
    /// The port that IoT Hub has for it.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Mqtt => MQTT_PORT,
            Self::WebSocket => HTTPS_PORT,
        }
    }
}

/// How long devices wait before they dial again: somewhere within a span that doubles from the first to the largest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReconnectSpans {
    /// The span after the first loss. In a large fleet, the time in which it may come back as a whole.
    pub first: Duration,
    /// The largest.
    pub most: Duration,
}

impl Default for ReconnectSpans {
    fn default() -> Self {
        Self { first: Duration::from_millis(RECONNECT_MS_MIN), most: Duration::from_millis(RECONNECT_MS_MAX) }
    }
}

/// A hub's MQTT endpoint; a fleet shares one.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The name to dial, and the one that the server's certificate must hold.
    pub dial_host: String,
    /// The port to dial.
    pub dial_port: u16,
    /// The hub's own name: it goes into user names and tokens, whatever is dialled (DEVICE.md 1.3).
    pub hub_name: HubHost,
    /// TLS settings, shared so that sessions are resumed.
    pub tls: Arc<ClientConfig>,
    /// The keep-alive that devices ask for.
    pub keep_alive: KeepAlive,
    /// What carries MQTT.
    pub transport: Transport,
    /// How long devices wait before they dial again.
    pub reconnect: ReconnectSpans,
    pub(super) sources: Arc<LoopbackSources>,
}

impl Endpoint {
    /// The endpoint of a hub under its own name; the port is the transport's.
    #[must_use]
    pub fn of_hub(host: &HubHost, transport: Transport, port: u16, tls: Arc<ClientConfig>) -> Self {
        Self {
            dial_host: host.name.clone(),
            dial_port: port,
            // A port is where to dial and no part of the hub's name.
            hub_name: HubHost { name: host.name.clone(), port: None },
            tls,
            keep_alive: KeepAlive::default(),
            transport,
            reconnect: ReconnectSpans::default(),
            sources: Arc::default(),
        }
    }

    /// The endpoint that a device's connection string names: its gateway, else its host; a port there is the transport's
    /// (product.md 4).
    #[must_use]
    pub fn of_connection_string(string: &DeviceConnectionString, transport: Transport, tls: Arc<ClientConfig>) -> Self {
        let dialled = string.gateway.as_ref().unwrap_or(&string.host);
        let port = dialled.port.unwrap_or(transport.default_port());
        let endpoint = Self::of_hub(&string.host, transport, port, tls);
        Self { dial_host: dialled.name.clone(), ..endpoint }
    }
}

/// How a device proves who it is.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// A key of its own.
    IdentityKey(SymmetricKey),
    /// The key of a hub policy with DeviceConnect.
    PolicyKey {
        /// The policy's name.
        policy: Arc<str>,
        /// The policy's key, shared by the fleet.
        key: Arc<SymmetricKey>,
    },
    /// The certificate of the endpoint's TLS settings: no token is sent.
    Certificate,
    /// A certificate of its own, on top of the endpoint's TLS settings: no token is sent.
    OwnCertificate(OfferedIdentity),
}

impl Credentials {
    /// The key that tokens are signed with, and the policy whose it is.
    #[must_use]
    pub fn key_and_policy(&self) -> Option<(&SymmetricKey, Option<&str>)> {
        match self {
            Self::IdentityKey(key) => Some((key, None)),
            Self::PolicyKey { policy, key } => Some((key, Some(policy))),
            Self::Certificate | Self::OwnCertificate(_) => None,
        }
    }
}

/// Says that an identity cannot connect over MQTT.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{id}` cannot connect: `#` and `+` are wildcards in MQTT topics")]
pub struct UnfitForMqtt {
    /// The identity.
    pub id: String,
}

/// One simulated device. What a fleet has in common is shared.
#[derive(Debug, Clone)]
pub struct DeviceConfig {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) id: Arc<TwinId>,
    pub(super) credentials: Credentials,
    pub(super) behaviour: Arc<Behaviour>,
    pub(super) number: u64,
    /// Where it is counted; `None` for where the rest of its fleet is.
    pub(super) stats: Option<Arc<FleetStats>>,
}

impl DeviceConfig {
    /// Puts a device together; its number is 1.
    ///
    /// # Errors
    /// [`UnfitForMqtt`] for an id that topics cannot carry (DEVICE.md 1.2).
    pub fn new(
        endpoint: Arc<Endpoint>,
        id: TwinId,
        credentials: Credentials,
        behaviour: Arc<Behaviour>,
    ) -> Result<Self, UnfitForMqtt> {
        if id.to_string().contains(['#', '+']) {
            return Err(UnfitForMqtt { id: id.to_string() });
        }
        Ok(Self { endpoint, id: Arc::new(id), credentials, behaviour, number: 1, stats: None })
    }

    /// The device with that number in its fleet or group; templates count with it.
    #[must_use]
    pub fn numbered(self, number: u64) -> Self {
        Self { number, ..self }
    }

    /// The device, counted there instead of with the whole fleet: a group's figures, for instance.
    #[must_use]
    pub fn counted_in(self, stats: Arc<FleetStats>) -> Self {
        Self { stats: Some(stats), ..self }
    }

    /// The device of a connection string.
    ///
    /// # Errors
    /// [`UnfitForMqtt`] for an id that topics cannot carry (DEVICE.md 1.2).
    pub fn of_connection_string(
        string: DeviceConnectionString,
        transport: Transport,
        tls: Arc<ClientConfig>,
        behaviour: Arc<Behaviour>,
    ) -> Result<Self, UnfitForMqtt> {
        let endpoint = Arc::new(Endpoint::of_connection_string(&string, transport, tls));
        let id = string.twin_id();
        let credentials = match string.proof {
            DeviceProof::Key(key) => Credentials::IdentityKey(key),
            DeviceProof::PolicyKey { policy, key } => {
                Credentials::PolicyKey { policy: policy.into(), key: Arc::new(key) }
            }
            DeviceProof::Certificate => Credentials::Certificate,
        };
        Self::new(endpoint, id, credentials, behaviour)
    }

    /// Whether it has properties to report.
    #[must_use]
    pub fn reports(&self) -> bool {
        self.behaviour.reported.is_some()
    }

    /// Whose device it is.
    #[must_use]
    pub fn id(&self) -> &Arc<TwinId> {
        &self.id
    }

    /// What it dials, as `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}:{}", self.endpoint.dial_host, self.endpoint.dial_port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::parse_device;
    use crate::tls::{TrustAnchors, client_config};

    const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

    fn device(text: &str) -> Result<DeviceConfig, UnfitForMqtt> {
        device_over(Transport::Mqtt, text)
    }

    fn device_over(transport: Transport, text: &str) -> Result<DeviceConfig, UnfitForMqtt> {
        let ca = crate::tls::DevCa::in_memory(&[], crate::model::Clock::system().now()).unwrap();
        let tls = client_config(&TrustAnchors::Pem(ca.ca_pem().as_bytes().to_vec())).unwrap();
        let string = parse_device(&text.replace("KEY", &format!("SharedAccessKey={KEY}"))).unwrap().value;
        DeviceConfig::of_connection_string(string, transport, Arc::new(tls), Arc::default())
    }

    #[test]
    fn a_port_is_dialled_and_stays_out_of_the_name() {
        let config = device("HostName=localhost:1234;DeviceId=d;KEY").unwrap();
        let endpoint = &config.endpoint;
        assert_eq!((endpoint.dial_host.as_str(), endpoint.dial_port), ("localhost", 1234));
        assert_eq!(endpoint.hub_name.to_string(), "localhost");
    }

    #[test]
    fn a_gateway_is_dialled_and_the_hub_keeps_its_name() {
        let config = device("HostName=hub.net;DeviceId=d;KEY;GatewayHostName=gw:99").unwrap();
        let endpoint = &config.endpoint;
        assert_eq!((endpoint.dial_host.as_str(), endpoint.dial_port), ("gw", 99));
        assert_eq!(endpoint.hub_name.to_string(), "hub.net");
        assert_eq!(device("HostName=hub.net;DeviceId=d;KEY").unwrap().endpoint.dial_port, 8883);
        let websocket = |text| device_over(Transport::WebSocket, text).unwrap().endpoint.dial_port;
        assert_eq!(websocket("HostName=hub.net;DeviceId=d;KEY"), 443);
        assert_eq!(websocket("HostName=hub.net:8443;DeviceId=d;KEY"), 8443);
    }

    #[test]
    fn wildcards_in_ids_are_refused_early() {
        assert!(device("HostName=h;DeviceId=a#b;KEY").is_err());
        assert!(device("HostName=h;DeviceId=a;ModuleId=m+n;KEY").is_err());
    }

    #[test]
    fn keep_alive_stays_in_the_useful_range() {
        assert_eq!(KeepAlive::of_seconds(0).seconds(), 1);
        assert_eq!(KeepAlive::of_seconds(u16::MAX).seconds(), 1_177);
    }
}
