//! A client that fetches the pages of a query over one connection and throws them away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use iotjob::auth::{Resource, SasToken};
use iotjob::model::Clock;
use iotjob::tls::{TrustAnchors, client_config};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::bare_devices::dial;
use crate::processes::Hub;

/// Fetches every page of a query: how long that took, dialling included, and how many there were.
pub(crate) async fn fetch_and_forget(hub: &Hub, query: &str) -> (Duration, usize) {
    let began = Instant::now();
    let connection = hub.connection();
    let expiry = Clock::system().now() + jiff::SignedDuration::from_hours(1);
    let token = SasToken::sign(&Resource::hub(&connection.host), &connection.key, Some(&connection.policy), expiry);
    let tls = Arc::new(client_config(&TrustAnchors::Pem(hub.ca_pem())).unwrap());
    let mut stream = dial(tls, hub.ready.https_port).await;
    let body = json!({ "query": query }).to_string();
    let (mut continuation, mut buffer, mut pages) = (String::new(), Vec::new(), 0);
    loop {
        let request = format!(
            "POST /devices/query?api-version=2021-04-12 HTTP/1.1\r\nHost: {}\r\nAuthorization: {}\r\n\
             Content-Type: application/json\r\nx-ms-max-item-count: 100\r\n{continuation}Content-Length: {}\r\n\r\n{body}",
            connection.host,
            token.expose(),
            body.len(),
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        let head = read_answer(&mut stream, &mut buffer).await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
        pages += 1;
        match header(&String::from_utf8_lossy(&buffer), "x-ms-continuation") {
            Some(token) => continuation = format!("x-ms-continuation: {token}\r\n"),
            None => return (began.elapsed(), pages),
        }
    }
}

/// Reads an answer into the buffer and gives its head in lower case.
async fn read_answer(stream: &mut TlsStream<TcpStream>, buffer: &mut Vec<u8>) -> String {
    buffer.clear();
    loop {
        assert!(stream.read_buf(buffer).await.unwrap() > 0, "the hub answers");
        let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&buffer[..end]).to_lowercase();
        let length: usize = header(&head, "content-length").expect("a length").parse().unwrap();
        while buffer.len() < end + 4 + length {
            assert!(stream.read_buf(buffer).await.unwrap() > 0, "the hub answers whole");
        }
        return head;
    }
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().take_while(|line| !line.is_empty()).find_map(|line| {
        let (key, value) = line.split_once(": ")?;
        key.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}
