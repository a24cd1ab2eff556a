//! Callers of a hub in this process that write HTTP by hand, over real TLS, side by side with devices.

use std::net::SocketAddr;

use iotjob::hub::Hub;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::raw_mqtt::{dial_tls, within};

/// One end of a TLS connection to a hub's HTTPS port, kept alive from request to request.
pub(crate) struct RawCaller {
    stream: TlsStream<TcpStream>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct CallerAnswer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Value,
}

impl CallerAnswer {
    /// The service's name for an error; empty when there is none.
    pub(crate) fn error_code(&self) -> &str {
        self.header("iothub-errorcode").unwrap_or_default()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

impl RawCaller {
    pub(crate) async fn dial(hub: &Hub) -> Self {
        Self {
            stream: dial_tls(
                hub.ca_pem().as_bytes().to_vec(),
                SocketAddr::from(([127, 0, 0, 1], hub.ready().https_port)),
            )
            .await,
        }
    }

    /// Asks with an Authorization header, or with none, and reads the answer.
    pub(crate) async fn ask(
        &mut self,
        verb: &str,
        path: &str,
        authorization: Option<&str>,
        body: &str,
    ) -> CallerAnswer {
        let authorization = authorization.map(|text| format!("Authorization: {text}\r\n")).unwrap_or_default();
        let length = body.len();
        let request = format!(
            "{verb} {path}?api-version=2021-04-12 HTTP/1.1\r\nHost: localhost\r\n{authorization}\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        self.send(request.as_bytes()).await;
        self.answer().await
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        within(self.stream.write_all(bytes)).await.expect("the hub takes bytes");
        within(self.stream.flush()).await.expect("the hub takes bytes");
    }

    /// Reads one answer.
    pub(crate) async fn answer(&mut self) -> CallerAnswer {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(within(self.stream.read_u8()).await.expect("an answer"));
        }
        let head = String::from_utf8(head).expect("a head is text");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let mut answer = CallerAnswer { status, head, body: Value::Null };
        let length = answer.header("content-length").map_or(0, |length| length.parse().expect("a length"));
        let mut body = vec![0; length];
        within(self.stream.read_exact(&mut body)).await.expect("a body");
        if !body.is_empty() {
            answer.body = serde_json::from_slice(&body).expect("a body is JSON");
        }
        answer
    }
}
