//! The door from HTTP to the device side: the upgrade to MQTT over WebSocket (DEVICE.md 1.1).
//!
//! Only the handshake is here. Who the device is, its CONNECT says, as on the MQTT port.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::Request;
use axum::http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};
use axum::response::{IntoResponse, Response};
use data_encoding::BASE64;
use hyper::upgrade::OnUpgrade;

use crate::mqtt::{WEBSOCKET_KEY_SUFFIX, WEBSOCKET_SUBPROTOCOL};
use crate::tls::sha1;

pub(super) use crate::mqtt::WEBSOCKET_PATH as PATH;

/// Where a request leaves word that its connection is to go on as a WebSocket.
#[derive(Debug, Clone, Default)]
pub(super) struct Handover(Arc<Mutex<Option<OnUpgrade>>>);

impl Handover {
    fn leave(&self, upgrade: OnUpgrade) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(upgrade);
    }

    /// What was left, once.
    pub(super) fn take(&self) -> Option<OnUpgrade> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Why a request gets no WebSocket. To the log it is a word of help, to the client the body of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum NoUpgrade {
    #[error("this is where devices speak MQTT over WebSocket; the request asks for no upgrade")]
    NotAsked,
    #[error("a WebSocket starts with HTTP/1.1, which is also what the client must name in TLS (ALPN)")]
    HttpVersion,
    #[error("the hub speaks version 13 of WebSocket")]
    Version,
    #[error("Sec-WebSocket-Key must be the base64 of 16 bytes")]
    Key,
    #[error("the client must offer the WebSocket subprotocol `mqtt`")]
    Subprotocol,
}

impl NoUpgrade {
    fn status(self) -> StatusCode {
        match self {
            Self::NotAsked | Self::HttpVersion | Self::Version => StatusCode::UPGRADE_REQUIRED,
            Self::Key | Self::Subprotocol => StatusCode::BAD_REQUEST,
        }
    }
}

impl IntoResponse for NoUpgrade {
    fn into_response(self) -> Response {
        let mut response = (self.status(), self.to_string()).into_response();
        if self == Self::Version {
            response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        response
    }
}

/// Answers a request for a WebSocket. Extensions like `permessage-deflate` are declined by not naming them.
pub(super) async fn upgrade(mut request: Request) -> Response {
    match switching(&request) {
        Ok(answer) => {
            let handover = request.extensions().get::<Handover>().cloned();
            handover.unwrap_or_default().leave(hyper::upgrade::on(&mut request));
            answer
        }
        Err(refusal) => {
            tracing::warn!(target: "iotjob::hub::mqtt", reason = %refusal, "a WebSocket is refused");
            refusal.into_response()
        }
    }
}

/// The answer 101 to a request that has all it needs.
fn switching(request: &Request) -> Result<Response, NoUpgrade> {
    let headers = request.headers();
    if request.version() != Version::HTTP_11 {
        return Err(NoUpgrade::HttpVersion);
    }
    if !tokens(headers, CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"))
        || !tokens(headers, UPGRADE).any(|token| token.eq_ignore_ascii_case("websocket"))
    {
        return Err(NoUpgrade::NotAsked);
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(NoUpgrade::Version);
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).and_then(|key| key.to_str().ok()).ok_or(NoUpgrade::Key)?;
    if BASE64.decode(key.as_bytes()).map_or(0, |bytes| bytes.len()) != 16 {
        return Err(NoUpgrade::Key);
    }
    // conformance-choice: DEVICE.md 1.1: a WebSocket request that does not offer the subprotocol mqtt is refused with 400
    let subprotocol = tokens(headers, SEC_WEBSOCKET_PROTOCOL)
        .find(|token| token.eq_ignore_ascii_case(WEBSOCKET_SUBPROTOCOL))
        .ok_or(NoUpgrade::Subprotocol)?;
    let accept = BASE64.encode(&sha1(format!("{key}{WEBSOCKET_KEY_SUFFIX}").as_bytes()));
    let answer = [
        (CONNECTION, "Upgrade"),
        (UPGRADE, "websocket"),
        (SEC_WEBSOCKET_ACCEPT, &accept),
        // As the client wrote it: it may compare.
        (SEC_WEBSOCKET_PROTOCOL, subprotocol),
    ];
    Ok((StatusCode::SWITCHING_PROTOCOLS, answer).into_response())
}

/// The members of a list that may be spread over several header lines.
fn tokens(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    const GOOD: [(&str, &str); 5] = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-protocol", "amqp, MQTT"),
    ];

    fn answer(headers: &[(&str, &str)], version: Version) -> Result<Response, NoUpgrade> {
        let mut request = Request::builder().uri(PATH).version(version);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        switching(&request.body(Body::empty()).unwrap())
    }

    #[test]
    fn the_example_of_the_rfc_is_answered_as_there() {
        let answer = answer(&GOOD, Version::HTTP_11).unwrap();
        assert_eq!(answer.status(), 101);
        assert_eq!(answer.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(answer.headers()["sec-websocket-protocol"], "MQTT");
        assert!(!answer.headers().contains_key("sec-websocket-extensions"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let cases = [
            ("connection", "keep-alive", NoUpgrade::NotAsked),
            ("upgrade", "h2c", NoUpgrade::NotAsked),
            ("sec-websocket-version", "8", NoUpgrade::Version),
            ("sec-websocket-key", "c2hvcnQ=", NoUpgrade::Key),
            ("sec-websocket-key", "!", NoUpgrade::Key),
            ("sec-websocket-protocol", "amqp", NoUpgrade::Subprotocol),
        ];
        for (name, value, refusal) in cases {
            let headers = GOOD.map(|(known, good)| (known, if known == name { value } else { good }));
            assert_eq!(answer(&headers, Version::HTTP_11).unwrap_err(), refusal, "{name}: {value}");
        }
        assert_eq!(answer(&GOOD, Version::HTTP_2).unwrap_err(), NoUpgrade::HttpVersion);
    }
}
