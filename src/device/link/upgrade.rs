//! A WebSocket's handshake, from the side that asks for it (DEVICE.md 1.1).

use std::io;

use data_encoding::BASE64;
use hyper::body::Incoming;
use hyper::header::{
    CONNECTION, HOST, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::mqtt::{WEBSOCKET_KEY_SUFFIX, WEBSOCKET_PATH, WEBSOCKET_SUBPROTOCOL, WebSocketBytes};
use crate::tls::sha1;

/// Asks for the upgrade and takes the connection over when the hub agrees.
pub(super) async fn websocket<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    host: &str,
    port: u16,
    nonce: [u8; 16],
) -> io::Result<WebSocketBytes<S>> {
    let key = BASE64.encode(&nonce);
    let request = Request::get(WEBSOCKET_PATH)
        .header(HOST, format!("{host}:{port}"))
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_VERSION, "13")
        .header(SEC_WEBSOCKET_PROTOCOL, WEBSOCKET_SUBPROTOCOL)
        .header(SEC_WEBSOCKET_KEY, &key)
        .body(String::new())
        .map_err(io::Error::other)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    // The connection ends with the answer 101, and gives back what it ran over.
    let agreed = async { check(&sender.send_request(request).await.map_err(io::Error::other)?, &key) };
    let over = async { connection.without_shutdown().await.map_err(io::Error::other) };
    let ((), parts) = tokio::try_join!(agreed, over)?;
    Ok(WebSocketBytes::of_client(parts.io.into_inner(), parts.read_buf).await)
}

/// Whether the answer is what RFC 6455, 4.1 asks for.
fn check(answer: &Response<Incoming>, key: &str) -> io::Result<()> {
    let refused = |what: String| Err(io::Error::new(io::ErrorKind::InvalidData, format!("no WebSocket: {what}")));
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return refused(format!("the hub answered {}", answer.status()));
    }
    let has = |name, value: &str| answer.headers().get(name).is_some_and(|found| found.as_bytes() == value.as_bytes());
    let accept = BASE64.encode(&sha1(format!("{key}{WEBSOCKET_KEY_SUFFIX}").as_bytes()));
    if !has(SEC_WEBSOCKET_ACCEPT, &accept) {
        return refused("the hub's answer does not fit the request".to_owned());
    }
    if !has(SEC_WEBSOCKET_PROTOCOL, WEBSOCKET_SUBPROTOCOL) {
        return refused(format!("the hub does not speak the subprotocol `{WEBSOCKET_SUBPROTOCOL}`"));
    }
    Ok(())
}
