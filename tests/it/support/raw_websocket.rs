//! A device on a WebSocket, handshake and frames written by hand, over real TLS.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use iotjob::hub::Hub;
use iotjob::tls::{ClientConfig, ServerName, client_config};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::raw_mqtt::{trust, within};

/// The mask of every frame: any will do, this one is no identity.
const MASK: [u8; 4] = [0x11, 0x22, 0x33, 0x44];

pub(crate) const BINARY: u8 = 0x82;
pub(crate) const CLOSE: u8 = 0x88;

/// One end of a TLS connection to a hub's HTTPS port.
pub(crate) struct RawWebSocket {
    stream: TlsStream<TcpStream>,
}

impl RawWebSocket {
    /// Dials the hub's HTTPS port and names these protocols in TLS.
    pub(crate) async fn dial(hub: &Hub, alpn: &[&str]) -> Self {
        let mut config = client_config(&trust(hub)).expect("the hub's CA is one");
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Self::dial_with(hub, config).await
    }

    /// Dials the hub's HTTPS port with these TLS settings.
    pub(crate) async fn dial_with(hub: &Hub, config: ClientConfig) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, hub.ready().https_port));
        let tcp = within(TcpStream::connect(address)).await.expect("the hub listens");
        let name = ServerName::try_from("localhost").expect("a name");
        let stream = within(TlsConnector::from(Arc::new(config)).connect(name, tcp)).await.expect("TLS");
        Self { stream }
    }

    /// Dials and upgrades as the Node SDK does.
    pub(crate) async fn open(hub: &Hub) -> Self {
        let mut raw = Self::dial(hub, &[]).await;
        raw.upgrade("/$iothub/websocket").await;
        raw
    }

    /// Upgrades, and expects the hub to agree.
    pub(crate) async fn upgrade(&mut self, path: &str) {
        let head = self.ask(path, "Sec-WebSocket-Protocol: mqtt\r\n").await;
        assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
        assert!(head.contains("\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
        assert!(head.contains("\r\nsec-websocket-protocol: mqtt\r\n"), "{head}");
        assert!(!head.contains("sec-websocket-extensions"), "permessage-deflate is declined: {head}");
    }

    /// Asks for an upgrade and gives the head of the answer.
    pub(crate) async fn ask(&mut self, path: &str, headers: &str) -> String {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n{headers}\r\n"
        );
        within(self.stream.write_all(request.as_bytes())).await.expect("the hub takes bytes");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(within(self.stream.read_u8()).await.expect("a head"));
        }
        String::from_utf8(head).expect("text")
    }

    /// Sends one frame.
    pub(crate) async fn send_frame(&mut self, first: u8, payload: &[u8]) {
        let mut frame = vec![first];
        match u16::try_from(payload.len()) {
            Ok(length @ 0..126) => frame.push(0x80 | length as u8),
            Ok(length) => {
                frame.push(0x80 | 126);
                frame.extend(length.to_be_bytes());
            }
            Err(_) => {
                frame.push(0x80 | 127);
                frame.extend((payload.len() as u64).to_be_bytes());
            }
        }
        frame.extend(MASK);
        frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        // The hub may close on it before it has read it all.
        drop(within(self.stream.write_all(&frame)).await.and(within(self.stream.flush()).await));
    }

    /// Sends bytes of MQTT as one binary frame.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.send_frame(BINARY, bytes).await;
    }

    /// Reads one frame, which the hub never masks.
    pub(crate) async fn receive(&mut self) -> Option<(u8, Vec<u8>)> {
        let first = within(self.stream.read_u8()).await.ok()?;
        let length = match within(self.stream.read_u8()).await.expect("a length") {
            short @ 0..126 => usize::from(short),
            126 => usize::from(within(self.stream.read_u16()).await.expect("a length")),
            byte => panic!("the hub sends neither masked nor huge frames: {byte:#x}"),
        };
        let mut payload = vec![0; length];
        within(self.stream.read_exact(&mut payload)).await.expect("the whole frame");
        Some((first, payload))
    }

    /// Expects these bytes of MQTT as one binary frame.
    pub(crate) async fn expect(&mut self, bytes: &[u8]) {
        let frame = self.receive().await;
        assert_eq!(frame, Some((BINARY, bytes.to_vec())), "instead of {bytes:02x?}");
    }

    /// Expects the hub to close: with a close frame, or by the end of TLS alone.
    pub(crate) async fn expect_closed(&mut self) {
        match self.receive().await {
            None => {}
            Some((first, _)) => {
                assert_eq!(first, CLOSE, "nothing is said before the close");
                assert_eq!(self.receive().await, None, "nothing comes after the close");
            }
        }
    }
}
