//! Deadlines of the accept loop and of HTTP, with tokio's time paused: it passes only when nothing else can happen.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::wire::served;
use crate::model::limits::{CONNECT_PACKET_S_MAX, HTTP_BODY_S_MAX, HTTP_HEAD_S_MAX};

/// Reads until the hub closes, and gives what it said and how many seconds went by.
#[expect(clippy::disallowed_methods, reason = "the paused time of tokio is what is measured")]
async fn until_closed(mut stream: impl AsyncRead + Unpin) -> (String, u64) {
    let begin = Instant::now();
    let mut said = Vec::new();
    // A reset is a close too.
    let _ended = stream.read_to_end(&mut said).await;
    let passed = begin.elapsed() + Duration::from_millis(500);
    (String::from_utf8_lossy(&said).into_owned(), passed.as_secs())
}

// conformance: DEVICE.md 8.3: a handshake that never ends is cut off after 30 s
#[tokio::test(start_paused = true)]
async fn a_handshake_that_never_ends_is_cut_off() {
    let served = served().await;
    for hello in [&b""[..], &[0x16, 3, 1, 2, 0, 1]] {
        let mut tcp = TcpStream::connect(served.address).await.unwrap();
        tcp.write_all(hello).await.unwrap();
        assert_eq!(until_closed(tcp).await, (String::new(), CONNECT_PACKET_S_MAX), "{hello:?}");
    }
}

// conformance: REST.md 1.2: a head that does not come whole closes after 120 s
#[tokio::test(start_paused = true)]
async fn a_head_that_never_ends_is_cut_off() {
    let served = served().await;
    let mut stream = served.connect().await;
    stream.write_all(b"GET /devices HTTP/1.1\r\nHost: local").await.unwrap();
    let (said, seconds) = until_closed(stream).await;
    assert!(!said.starts_with("HTTP/1.1 2"), "{said}");
    assert_eq!(seconds, HTTP_HEAD_S_MAX);
}

// conformance: REST.md 1.2: a body that does not come whole is 400 after 60 s
#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_refused() {
    let served = served().await;
    let mut stream = served.connect().await;
    let token = served.hub.token("iothubowner");
    let head = format!(
        "POST /devices?api-version=2021-04-12 HTTP/1.1\r\nHost: localhost\r\nAuthorization: {token}\r\nContent-Length: 9\r\n\r\n["
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let (said, seconds) = until_closed(stream).await;
    assert!(said.starts_with("HTTP/1.1 400 "), "{said}");
    assert_eq!(seconds, HTTP_BODY_S_MAX, "and the connection ends with it");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_waits_for_a_body_no_longer_than_an_endpoint() {
    let served = served().await;
    let mut stream = served.connect().await;
    let head = "POST /devices?api-version=2021-04-12 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n[";
    stream.write_all(head.as_bytes()).await.unwrap();
    let (said, seconds) = until_closed(stream).await;
    assert!(said.starts_with("HTTP/1.1 401 "), "{said}");
    assert_eq!(seconds, HTTP_BODY_S_MAX);
}
