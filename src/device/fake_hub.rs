//! A hub of hand-written bytes for tests, so that a fault in our codec cannot hide on both sides.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::config::Credentials;
use super::{Behaviour, DeviceConfig, Endpoint};
use crate::model::TwinId;

/// The answer to a twin read of a fresh device.
pub(super) const FRESH_TWIN: &str = r#"{"desired":{"$version":1},"reported":{"$version":1}}"#;

/// The far end of one connection.
pub(super) struct FakeHub<S>(pub(super) S);

impl<S: AsyncRead + AsyncWrite + Unpin> FakeHub<S> {
    /// The next packet's first byte and body; `None` at the end.
    pub(super) async fn receive(&mut self) -> Option<(u8, Vec<u8>)> {
        let first = self.0.read_u8().await.ok()?;
        let (mut length, mut shift) = (0, 0);
        loop {
            let byte = self.0.read_u8().await.unwrap();
            length |= usize::from(byte & 0x7F) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.unwrap();
        Some((first, body))
    }

    /// Waits for a packet and compares it byte by byte.
    pub(super) async fn expect(&mut self, first: u8, body: &[u8]) {
        let (received_first, received) = self.receive().await.expect("the device is still there");
        let texts = (String::from_utf8_lossy(&received), String::from_utf8_lossy(body));
        assert_eq!((received_first, received.as_slice()), (first, body), "{} is not {}", texts.0, texts.1);
    }

    /// Sends raw bytes.
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// Publishes at quality 0.
    pub(super) async fn publish(&mut self, topic: &str, payload: &str) {
        let mut body = text(topic);
        body.extend(payload.bytes());
        assert!(body.len() < 128, "one byte of length is enough for tests");
        self.send(&[&[0x30, body.len() as u8], body.as_slice()].concat()).await;
    }

    /// Accepts a CONNECT, three SUBSCRIBEs and the first twin read; gives CONNECT's body.
    pub(super) async fn welcome(&mut self) -> Vec<u8> {
        let (first, connect) = self.receive().await.expect("a CONNECT");
        assert_eq!(first, 0x10);
        self.send(&[0x20, 2, 0, 0]).await;
        let filters = ["$iothub/twin/res/#", "$iothub/methods/POST/#", "$iothub/twin/PATCH/properties/desired/#"];
        for (id, filter) in (1..).zip(filters) {
            self.expect(0x82, &[&[0, id], text(filter).as_slice(), &[0]].concat()).await;
            self.send(&[0x90, 3, 0, id, 0]).await;
        }
        let (first, get) = self.receive().await.expect("a twin read");
        let topic = String::from_utf8(get[2..].to_vec()).unwrap();
        assert_eq!((first, topic.split('=').next()), (0x30, Some("$iothub/twin/GET/?$rid")));
        self.publish(&topic.replace("GET", "res/200"), FRESH_TWIN).await;
        connect
    }
}

/// An MQTT string.
pub(super) fn text(content: &str) -> Vec<u8> {
    [&(content.len() as u16).to_be_bytes(), content.as_bytes()].concat()
}

/// A device of that endpoint.
pub(super) fn device(endpoint: &Arc<Endpoint>, id: &str) -> DeviceConfig {
    let key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=".parse().unwrap();
    let id = TwinId::device(id.parse().unwrap());
    let behaviour = Arc::new(Behaviour::default());
    DeviceConfig::new(Arc::clone(endpoint), id, Credentials::IdentityKey(key), behaviour).unwrap()
}
