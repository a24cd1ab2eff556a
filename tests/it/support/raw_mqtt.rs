//! Devices that speak MQTT in bytes written by hand, over real TLS: a fault in the codec cannot hide on both sides.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use iotjob::auth::{Resource, SasToken, parse_device};
use iotjob::hub::{CaPlace, Fidelity, Hub, HubConfig, Listen};
use iotjob::model::{Clock, Rng, SymmetricKey};
use iotjob::tls::{ClientConfig, ServerName, TrustAnchors, client_config};
use jiff::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::process::Ready;

/// How long anything may take before a test says that it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// PINGREQ and PINGRESP.
pub(crate) const PING: &[u8] = &[0xC0, 0];
pub(crate) const PONG: &[u8] = &[0xD0, 0];
pub(crate) const DISCONNECT: &[u8] = &[0xE0, 0];

/// CONNACK 0 without and with a session that was there before.
pub(crate) const FRESH: &[u8] = &[0x20, 2, 0, 0];
pub(crate) const RESUMED: &[u8] = &[0x20, 2, 1, 0];

/// A CONNACK that refuses.
pub(crate) fn refused(code: u8) -> [u8; 4] {
    [0x20, 2, 0, code]
}

/// The settings of a hub in memory on free ports, with these devices.
pub(crate) fn hub_config(devices: &[&str]) -> HubConfig {
    HubConfig {
        host_name: "localhost".to_owned(),
        https_port: 0,
        mqtt_port: 0,
        listen: Listen::Loopback,
        data: None,
        ca: CaPlace::Memory,
        trust_cas: Vec::new(),
        telemetry_tap: None,
        entra: None,
        policies: Vec::new(),
        devices: devices.iter().map(|id| id.parse().expect("a device id")).collect(),
        fidelity: Fidelity::INSTANT,
        metrics: None,
        clock: Clock::system(),
        rng: Rng::seeded(1),
    }
}

/// A hub in this process, in memory, with these devices.
pub(crate) async fn start_hub(devices: &[&str]) -> Hub {
    Hub::start(hub_config(devices)).await.expect("the hub starts")
}

/// What the hub printed for a device that proves itself with a key.
pub(crate) struct DeviceString {
    pub(crate) key: SymmetricKey,
}

/// The connection string that the hub printed for a device.
pub(crate) fn connection_string(hub: &Hub, device: &str) -> DeviceString {
    let string = parse_device(&hub.ready().devices[device]).expect("the hub prints what it reads").value;
    DeviceString { key: string.proof.key().expect("a device with a key").clone() }
}

/// The hub's own CA, to be trusted alone.
pub(crate) fn trust(hub: &Hub) -> TrustAnchors {
    TrustAnchors::Pem(hub.ca_pem().as_bytes().to_vec())
}

/// A token of the device, good for an hour.
pub(crate) fn token(hub: &Hub, device: &str) -> String {
    sign(&format!("localhost/devices/{device}"), &connection_string(hub, device).key, None, 3_600)
}

/// A token for `resource` that ends `seconds` from now.
pub(crate) fn sign(resource: &str, key: &SymmetricKey, policy: Option<&str>, seconds: i64) -> String {
    let now = Clock::system().now().as_second();
    let expiry = Timestamp::from_second(now + seconds).expect("a time");
    SasToken::sign(&Resource::parse(resource), key, policy, expiry).expose().to_owned()
}

/// A CONNECT with every part under the test's control.
pub(crate) struct ConnectBytes<'t> {
    pub(crate) protocol: &'t str,
    pub(crate) level: u8,
    pub(crate) flags: u8,
    pub(crate) keep_alive_s: u16,
    pub(crate) client_id: &'t str,
    pub(crate) will: Option<(&'t str, &'t str)>,
    pub(crate) user_name: &'t str,
    pub(crate) password: &'t str,
}

/// Flags: user name and password, clean session 0, as the SDKs send it.
const LOGIN: u8 = 0xC0;
const PASSWORD: u8 = 0x40;
const CLEAN: u8 = 0x02;
const WILL_QOS_1: u8 = 0x0C;

impl<'t> ConnectBytes<'t> {
    pub(crate) fn new(client_id: &'t str, user_name: &'t str, password: &'t str) -> Self {
        let (protocol, will) = ("MQTT", None);
        Self { protocol, level: 4, flags: LOGIN, keep_alive_s: 60, client_id, will, user_name, password }
    }

    pub(crate) fn clean(mut self) -> Self {
        self.flags |= CLEAN;
        self
    }

    /// Names the user and leaves the password out, as a device with a certificate does.
    pub(crate) fn without_password(mut self) -> Self {
        self.flags &= !PASSWORD;
        self
    }

    pub(crate) fn will(mut self, topic: &'t str, payload: &'t str) -> Self {
        self.flags |= WILL_QOS_1;
        self.will = Some((topic, payload));
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut body = text(self.protocol);
        body.extend([self.level, self.flags]);
        body.extend(self.keep_alive_s.to_be_bytes());
        body.extend(text(self.client_id));
        if let Some((topic, payload)) = self.will {
            body.extend(text(topic));
            body.extend(text(payload));
        }
        body.extend(text(self.user_name));
        if self.flags & PASSWORD != 0 {
            body.extend(text(self.password));
        }
        packet(0x10, &body)
    }
}

/// A string with its length in front.
fn text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("short texts only");
    [&length.to_be_bytes()[..], text.as_bytes()].concat()
}

/// A packet with its fixed header.
pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut left = body.len();
    loop {
        let low = u8::try_from(left % 128).expect("it is below 128");
        left /= 128;
        bytes.push(if left > 0 { low | 0x80 } else { low });
        if left == 0 {
            break;
        }
    }
    bytes.extend(body);
    bytes
}

/// SUBSCRIBE with filters and the quality asked for.
pub(crate) fn subscribe(id: u16, filters: &[(&str, u8)]) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    for (filter, qos) in filters {
        body.extend(text(filter));
        body.push(*qos);
    }
    packet(0x82, &body)
}

/// SUBACK with its codes.
pub(crate) fn suback(id: u16, codes: &[u8]) -> Vec<u8> {
    packet(0x90, &[&id.to_be_bytes()[..], codes].concat())
}

/// UNSUBSCRIBE of one filter.
pub(crate) fn unsubscribe(id: u16, filter: &str) -> Vec<u8> {
    packet(0xA2, &[&id.to_be_bytes()[..], &text(filter)].concat())
}

/// A packet that carries nothing but an identifier.
fn acknowledgement(first: u8, id: u16) -> Vec<u8> {
    packet(first, &id.to_be_bytes())
}

pub(crate) fn puback(id: u16) -> Vec<u8> {
    acknowledgement(0x40, id)
}

pub(crate) fn unsuback(id: u16) -> Vec<u8> {
    acknowledgement(0xB0, id)
}

/// PUBLISH at QoS 0.
pub(crate) fn publish(topic: &str, payload: &str) -> Vec<u8> {
    packet(0x30, &[&text(topic)[..], payload.as_bytes()].concat())
}

/// PUBLISH at QoS 1.
pub(crate) fn publish_1(id: u16, topic: &str, payload: &str) -> Vec<u8> {
    packet(0x32, &[&text(topic)[..], &id.to_be_bytes(), payload.as_bytes()].concat())
}

/// One end of a TLS connection to a hub's MQTT port.
pub(crate) struct RawDevice {
    stream: TlsStream<TcpStream>,
}

impl RawDevice {
    /// Dials the hub; no byte of MQTT is sent.
    pub(crate) async fn dial(hub: &Hub) -> Self {
        Self::dial_at(hub, SocketAddr::from(([127, 0, 0, 1], hub.ready().mqtt_port))).await
    }

    /// Dials the hub at one of its addresses.
    pub(crate) async fn dial_at(hub: &Hub, address: SocketAddr) -> Self {
        Self::dial_with(hub.ca_pem().as_bytes().to_vec(), address).await
    }

    /// Dials an address with these TLS settings.
    pub(crate) async fn dial_as(address: SocketAddr, config: ClientConfig) -> Self {
        let connector = TlsConnector::from(Arc::new(config));
        let tcp = within(TcpStream::connect(address)).await.expect("the hub listens");
        let name = ServerName::try_from("localhost").expect("a name");
        Self { stream: within(connector.connect(name, tcp)).await.expect("TLS") }
    }

    /// TLS to the hub over a connection that the test made.
    pub(crate) async fn over(hub: &Hub, tcp: TcpStream) -> Self {
        Self { stream: shake_hands(hub.ca_pem().as_bytes().to_vec(), tcp).await }
    }

    /// Dials the hub of another process.
    pub(crate) async fn dial_process(ready: &Ready) -> Self {
        let ca = std::fs::read(&ready.ca_file).expect("the CA's file");
        Self::dial_with(ca, SocketAddr::from(([127, 0, 0, 1], ready.mqtt_port))).await
    }

    async fn dial_with(ca_pem: Vec<u8>, address: SocketAddr) -> Self {
        Self { stream: dial_tls(ca_pem, address).await }
    }

    /// Dials, connects with a good token and a persistent session, and expects `connack`.
    pub(crate) async fn connect(hub: &Hub, device: &str, connack: &[u8]) -> Self {
        let user_name = format!("localhost/{device}/?api-version=2021-04-12");
        let token = token(hub, device);
        let mut raw = Self::dial(hub).await;
        raw.send(&ConnectBytes::new(device, &user_name, &token).bytes()).await;
        raw.expect(connack).await;
        raw
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        within(self.stream.write_all(bytes)).await.expect("the hub takes bytes");
        within(self.stream.flush()).await.expect("the hub takes bytes");
    }

    /// Sends what the hub may close on before it has read it all.
    pub(crate) async fn send_in_vain(&mut self, bytes: &[u8]) {
        let sent = within(self.stream.write_all(bytes)).await.and(within(self.stream.flush()).await);
        drop(sent);
    }

    /// Reads exactly these bytes.
    pub(crate) async fn expect(&mut self, bytes: &[u8]) {
        let mut found = vec![0; bytes.len()];
        let read = within(self.stream.read_exact(&mut found)).await;
        assert!(read.is_ok(), "the hub closed instead of sending {bytes:02x?}: {read:?}");
        assert_eq!(found, bytes, "found {found:02x?} instead of {bytes:02x?}");
    }

    /// Reads a CONNACK without a session and gives its code.
    pub(crate) async fn connack(&mut self) -> u8 {
        let mut found = [0; 4];
        within(self.stream.read_exact(&mut found)).await.expect("a CONNACK");
        assert_eq!(found[..3], FRESH[..3], "{found:02x?}");
        found[3]
    }

    /// Reads a PUBLISH of QoS 0 and gives topic and payload.
    pub(crate) async fn expect_publish(&mut self) -> (String, String) {
        let mut header = [0; 1];
        within(self.stream.read_exact(&mut header)).await.expect("a packet");
        assert_eq!(header[0], 0x30, "PUBLISH, QoS 0, not retained");
        let mut length = 0;
        for shift in 0..4 {
            let byte = within(self.stream.read_u8()).await.expect("a length");
            length |= usize::from(byte & 0x7F) << (7 * shift);
            if byte & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        within(self.stream.read_exact(&mut body)).await.expect("a body");
        let topic_length = usize::from(u16::from_be_bytes([body[0], body[1]]));
        let payload = body.split_off(2 + topic_length);
        (String::from_utf8(body.split_off(2)).expect("a topic"), String::from_utf8(payload).expect("text"))
    }

    /// Sends a ping and expects nothing but its answer: what came before is done, and nothing else was said.
    pub(crate) async fn expect_silence(&mut self) {
        self.send(PING).await;
        self.expect(PONG).await;
    }

    /// Expects the hub to close without another byte.
    pub(crate) async fn expect_closed(&mut self) {
        self.expect_closed_after("").await;
    }

    /// The same, for one case of many.
    pub(crate) async fn expect_closed_after(&mut self, what: &str) {
        let mut rest = Vec::new();
        // A reset is a close too: the hub need not read what it closes on.
        let _ = within(self.stream.read_to_end(&mut rest)).await;
        assert_eq!(rest, [0; 0], "nothing is said before the close {what}");
    }
}

/// TLS to a hub, verified against its CA.
pub(crate) async fn dial_tls(ca_pem: Vec<u8>, address: SocketAddr) -> TlsStream<TcpStream> {
    shake_hands(ca_pem, within(TcpStream::connect(address)).await.expect("the hub listens")).await
}

async fn shake_hands(ca_pem: Vec<u8>, tcp: TcpStream) -> TlsStream<TcpStream> {
    let trust = TrustAnchors::Pem(ca_pem);
    let connector = TlsConnector::from(Arc::new(client_config(&trust).expect("the hub's CA is one")));
    let name = ServerName::try_from("localhost").expect("a name");
    within(connector.connect(name, tcp)).await.expect("TLS")
}

/// Waits for an event, but not for ever.
pub(crate) async fn within<T>(event: impl Future<Output = T>) -> T {
    timeout(PATIENCE, event).await.expect("it happens before patience ends")
}
