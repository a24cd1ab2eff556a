//! HTTP in text written by hand, over real TLS, for what a client library would hide.

use std::fmt::Write as _;

use iotjob::auth::parse_service;
use iotjob::tls::{ServerName, TrustAnchors, client_config};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::process::Ready;
use super::raw_mqtt::sign;

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct RawAnswer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl RawAnswer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Sends one request as `iothubowner` on a connection of its own and reads until the hub closes.
pub(crate) async fn ask(ready: &Ready, verb: &str, path: &str, body: &str) -> RawAnswer {
    let ca = std::fs::read(&ready.ca_file).expect("the hub's CA");
    let config = client_config(&TrustAnchors::Pem(ca)).expect("a TLS set-up");
    let tcp = TcpStream::connect(("127.0.0.1", ready.https_port)).await.expect("the hub listens");
    let name = ServerName::try_from("localhost").expect("a name");
    let mut stream = TlsConnector::from(std::sync::Arc::new(config)).connect(name, tcp).await.expect("a handshake");

    let key = parse_service(ready.policy("iothubowner")).expect("the hub prints what it reads").value.key;
    let token = sign("localhost", &key, Some("iothubowner"), 3_600);
    let separator = if path.contains('?') { '&' } else { '?' };
    let mut request = format!("{verb} {path}{separator}api-version=2021-04-12 HTTP/1.1\r\nHost: localhost\r\n");
    let length = body.len();
    write!(request, "Authorization: {token}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
        .expect("texts take texts");
    stream.write_all(request.as_bytes()).await.expect("the hub reads");
    parse(&read_to_end(stream).await)
}

/// A plain GET without TLS and credentials.
pub(crate) async fn get_plain(address: &str, path: &str) -> RawAnswer {
    let mut stream = TcpStream::connect(address).await.expect("somebody listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("it reads");
    parse(&read_to_end(stream).await)
}

async fn read_to_end(mut stream: impl AsyncReadExt + Unpin) -> String {
    let mut bytes = Vec::new();
    // A hub may end TLS without a goodbye; what came counts.
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8(bytes).expect("the answer is text")
}

fn parse(text: &str) -> RawAnswer {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP answer: {text:?}"));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
    let headers = lines.filter_map(|line| line.split_once(": ")).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    RawAnswer { status: status.expect("a status"), headers, body: body.to_owned() }
}
