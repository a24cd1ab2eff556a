//! The same router behind real sockets and TLS, asked with bytes written by hand.

use std::net::SocketAddr;

use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::hub::http::serve;
use crate::tls::{DevCa, TrustAnchors, client_config, server_config};

pub(super) struct Served {
    pub(super) hub: TestHub,
    pub(super) address: SocketAddr,
    ca: DevCa,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

pub(super) async fn served() -> Served {
    let hub = TestHub::start();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let ca = DevCa::in_memory(&["localhost".to_owned()], Clock::system().now()).unwrap();
    let stop = CancellationToken::new();
    let tls = server_config(&ca).unwrap();
    let running = tokio::spawn(serve(vec![listener], tls, hub.router.clone(), no_websocket, stop.clone()));
    Served { hub, address, ca, stop, running }
}

/// These tests are about HTTP alone.
async fn no_websocket(_: crate::hub::accept::Accepted, _: bytes::Bytes, _: SocketAddr) {}

impl Served {
    pub(super) async fn connect(&self) -> TlsStream<TcpStream> {
        self.connect_naming(&[]).await
    }

    /// Connects, and names these protocols in TLS.
    async fn connect_naming(&self, alpn: &[&str]) -> TlsStream<TcpStream> {
        let mut config = client_config(&TrustAnchors::Pem(self.ca.ca_pem().as_bytes().to_vec())).unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let tcp = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap()
    }

    /// Sends one request on a connection and reads the head and body of its answer.
    async fn exchange(&self, stream: &mut TlsStream<TcpStream>, line: &str) -> String {
        self.exchange_with(stream, line, "").await
    }

    /// The same with further headers, each with its line end.
    async fn exchange_with(&self, stream: &mut TlsStream<TcpStream>, line: &str, headers: &str) -> String {
        let token = self.hub.token("iothubowner");
        let request = format!("{line} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {token}\r\n{headers}\r\n");
        self.exchange_after(stream, request.as_bytes()).await
    }

    /// Sends bytes that make a request whole, and reads the head and body of its answer.
    pub(super) async fn exchange_after(&self, stream: &mut TlsStream<TcpStream>, bytes: &[u8]) -> String {
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        loop {
            let mut byte = [0_u8];
            stream.read_exact(&mut byte).await.unwrap();
            answer.push(byte[0]);
            if answer.ends_with(b"\r\n\r\n") {
                break;
            }
        }
        let head = String::from_utf8(answer).unwrap();
        let length = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(|n| n.parse().unwrap()))
            .unwrap_or(0);
        let mut body = vec![0_u8; length];
        stream.read_exact(&mut body).await.unwrap();
        format!("{head}{}", String::from_utf8(body).unwrap())
    }
}

// conformance: REST.md 1.3: connections are kept alive, and answers are dated
#[tokio::test]
async fn a_connection_is_kept_for_the_next_request_and_closed_at_the_end() {
    let served = served().await;
    let mut stream = served.connect().await;
    for _ in 0..2 {
        let answer = served.exchange(&mut stream, "GET /devices?api-version=2021-04-12").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with("[]"), "{answer}");
        assert!(answer.contains("\r\ndate: "), "{answer}");
    }
    served.stop.cancel();
    assert_eq!(stream.read(&mut [0_u8; 16]).await.unwrap(), 0, "an idle connection is closed at once");
    served.running.await.unwrap();
}

#[tokio::test]
async fn what_speaks_no_tls_is_dropped_and_harms_nobody() {
    let served = served().await;
    let mut plain = TcpStream::connect(served.address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    // A TLS alert or a reset, and then the end; never an answer.
    let _ended = plain.read_to_end(&mut rest).await;
    assert!(!rest.starts_with(b"HTTP"), "{rest:?}");
    drop(TcpStream::connect(served.address).await.unwrap());
    let mut stream = served.connect().await;
    assert!(served.exchange(&mut stream, "GET /healthz").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_client_that_does_not_trust_the_ca_harms_nobody() {
    let served = served().await;
    let stranger = DevCa::in_memory(&["localhost".to_owned()], Clock::system().now()).unwrap();
    let config = client_config(&TrustAnchors::Pem(stranger.ca_pem().as_bytes().to_vec())).unwrap();
    let tcp = TcpStream::connect(served.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    assert!(TlsConnector::from(Arc::new(config)).connect(name, tcp).await.is_err());
    let mut stream = served.connect().await;
    assert!(served.exchange(&mut stream, "GET /healthz").await.starts_with("HTTP/1.1 200"));
}

// conformance: REST.md 1.3: a 204 has no body and no content type
#[tokio::test]
async fn a_204_ends_with_its_head_and_the_connection_goes_on() {
    let served = served().await;
    assert_eq!(served.hub.ask(Method::PUT, "/devices/d1", "{}").await.status, 200);
    let mut stream = served.connect().await;
    let line = "DELETE /devices/d1?api-version=2021-04-12";
    let answer = served.exchange_with(&mut stream, line, "If-Match: \"*\"\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 204 No Content\r\n"), "{answer}");
    assert!(!answer.contains("content-type"), "{answer}");
    assert!(served.exchange(&mut stream, "GET /devices?api-version=2021-04-12").await.ends_with("[]"));
}

type Http2 = hyper::client::conn::http2::SendRequest<Body>;

/// A connection of HTTP/2, and the task that carries it.
async fn http2(served: &Served) -> (Http2, JoinHandle<hyper::Result<()>>) {
    let stream = served.connect_naming(&["h2", "http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (send, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    (send, tokio::spawn(connection))
}

async fn ask_http2(hub: &TestHub, send: &Http2, method: Method, path: &str, body: &'static str) -> (u16, String) {
    let request = Request::builder()
        .method(method)
        .uri(format!("https://localhost{path}"))
        .header("Authorization", hub.token("iothubowner"))
        .body(Body::from(body))
        .unwrap();
    let response = send.clone().send_request(request).await.unwrap();
    assert_eq!(response.version(), axum::http::Version::HTTP_2);
    let (parts, body) = response.into_parts();
    let body = to_bytes(Body::new(body), usize::MAX).await.unwrap();
    (parts.status.as_u16(), String::from_utf8(body.to_vec()).unwrap())
}

// conformance: REST.md 1.1: HTTP/2 is spoken to clients that name h2 in TLS (ALPN), HTTP/1.1 to all others
#[tokio::test]
async fn http_2_carries_requests_side_by_side_and_ends_in_good_order() {
    let served = served().await;
    let (send, connection) = http2(&served).await;
    let put = ask_http2(&served.hub, &send, Method::PUT, "/devices/d1?api-version=2021-04-12", "{}").await;
    assert_eq!(put.0, 200, "{}", put.1);
    let list = || ask_http2(&served.hub, &send, Method::GET, "/devices?api-version=2021-04-12", "");
    let many = tokio::join!(list(), list(), list());
    for (status, body) in [many.0, many.1, many.2] {
        assert_eq!(status, 200);
        assert!(body.contains("\"deviceId\":\"d1\""), "{body}");
    }
    let websocket = ask_http2(&served.hub, &send, Method::GET, "/$iothub/websocket", "").await;
    assert_eq!(websocket.0, 426, "a WebSocket starts with HTTP/1.1");
    served.stop.cancel();
    connection.await.unwrap().unwrap();
    served.running.await.unwrap();
}

#[tokio::test]
async fn a_call_under_way_on_http_2_is_answered_although_the_hub_stops() {
    let served = served().await;
    assert_eq!(served.hub.ask(Method::PUT, "/devices/d1", "{}").await.status, 200);
    let (send, connection) = http2(&served).await;
    // The body comes late, so that the stop comes first.
    let (sender, receiver) = tokio::sync::oneshot::channel::<bytes::Bytes>();
    let body = Body::from_stream(futures_util::stream::once(receiver));
    let request = Request::builder()
        .method(Method::PATCH)
        .uri("https://localhost/twins/d1?api-version=2021-04-12")
        .header("Authorization", served.hub.token("iothubowner"))
        .body(body)
        .unwrap();
    let answer = tokio::spawn(send.clone().send_request(request));
    // An answer on a second stream shows that the first has arrived.
    let list = ask_http2(&served.hub, &send, Method::GET, "/devices?api-version=2021-04-12", "").await;
    assert_eq!(list.0, 200);
    served.stop.cancel();
    sender.send(bytes::Bytes::from_static(br#"{"tags":{"a":1}}"#)).unwrap();
    assert_eq!(answer.await.unwrap().unwrap().status(), 200);
    drop(send);
    connection.await.unwrap().unwrap();
    served.running.await.unwrap();
}

#[tokio::test]
async fn http_1_1_is_there_for_all_who_do_not_name_http_2() {
    let served = served().await;
    for alpn in [&[][..], &["http/1.1"], &["http/1.1", "http/1.0"]] {
        let mut stream = served.connect_naming(alpn).await;
        let answer = served.exchange(&mut stream, "GET /healthz").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
}
