//! Refusals that come while the request's body is still on its way.

use std::sync::atomic::AtomicBool;

use axum::http::Method;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::io::AsyncWriteExt;

use super::wire::served;
use super::*;

/// A body of these pieces, each of which takes a turn of the scheduler to come, and whether it was read to its end.
fn slow_body(pieces: &[&'static [u8]]) -> (Body, Arc<AtomicBool>) {
    let is_read = Arc::new(AtomicBool::new(false));
    let noticed = Arc::clone(&is_read);
    let pieces: Vec<_> = pieces.iter().map(|piece| Bytes::from_static(piece)).collect();
    let pieces = stream::iter(pieces).then(|piece| async move {
        tokio::task::yield_now().await;
        Ok::<_, std::io::Error>(piece)
    });
    let end = stream::poll_fn(move |_| {
        noticed.store(true, Ordering::SeqCst);
        std::task::Poll::Ready(None)
    });
    (Body::from_stream(pieces.chain(end)), is_read)
}

// conformance: REST.md 1.3: a refusal comes after the request's body, so that it reaches the client and the connection goes on
#[tokio::test]
async fn a_refusal_waits_for_the_rest_of_the_body() {
    let hub = TestHub::start();
    for (method, path, verdict) in [
        (Method::PUT, "/devices/a%20b", "400 ArgumentInvalid"),
        (Method::PUT, "/configurations/c1", "404 GenericNotFound"),
        (Method::PATCH, "/devices/d1", "405 -"),
        (Method::PUT, "/devices/d1/modules/m1", "401 IotHubUnauthorizedAccess"),
        (Method::POST, "/jobs/v2/none/cancel", "404 JobNotFound"),
    ] {
        let (body, is_read) = slow_body(&[b"{", b"}"]);
        let answer = hub.ask(method, path, body).await;
        assert_eq!((answer.verdict().as_str(), answer.header("connection")), (verdict, None), "{path}");
        assert!(is_read.load(Ordering::SeqCst), "{path}");
    }
    let (body, is_read) = slow_body(&[b"{}"]);
    let mut nobody = hub.request(Method::PUT, "/devices/d1", body);
    nobody.headers_mut().remove("Authorization");
    assert_eq!(hub.send(nobody).await.verdict(), "401 IotHubUnauthorizedAccess");
    assert!(is_read.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_body_that_is_not_welcome_or_has_no_end_ends_the_connection() {
    let hub = TestHub::start();
    let (body, is_read) = slow_body(&[b"{}"]);
    let mut held_back = hub.request(Method::PUT, "/devices/a%20b", body);
    held_back.headers_mut().insert("Expect", "100-continue".parse().unwrap());
    let answer = hub.send(held_back).await;
    assert_eq!((answer.verdict().as_str(), answer.header("connection")), ("400 ArgumentInvalid", Some("close")));
    assert!(!is_read.load(Ordering::SeqCst), "nobody said that it was welcome");

    let endless = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 65_536])));
    for path in ["/devices/a%20b", "/devices/d1"] {
        let answer = hub.ask(Method::PUT, path, Body::from_stream(endless.clone())).await;
        assert_eq!(answer.header("connection"), Some("close"), "{path}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_caller_that_is_not_let_in_keeps_its_connection_whenever_its_body_comes() {
    let served = served().await;
    let mut stream = served.connect().await;
    let head = "PUT /devices/d1?api-version=2021-04-12 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n";
    for _ in 0..20 {
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        tokio::task::yield_now().await;
        let answer = served.exchange_after(&mut stream, b"{}").await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    }
}
