//! The last touch on every answer: the service's headers, the text of refusals, a line in the log (REST.md 1.3).

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, CONTENT_TYPE, SERVER, VARY};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;

use super::HttpState;
use super::error::{Refusal, Tracking};
use crate::model::ErrorCode;

/// The request's id, a UUID with dashes.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-request-id");
/// The name of the error: what clients trust most (REST.md 3.1).
pub(super) const ERROR_CODE: HeaderName = HeaderName::from_static("iothub-errorcode");

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// A JSON answer.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => (status, [(CONTENT_TYPE, JSON)], Body::from(bytes)).into_response(),
        Err(error) => Refusal::internal(format!("an answer cannot be written: {error}")).into_response(),
    }
}

/// A JSON answer with status 200.
pub(super) fn ok(body: &impl Serialize) -> Response {
    json(StatusCode::OK, body)
}

// conformance-deviation: REST.md 1.3: a 204 has no Content-Length: 0, which HTTP forbids there (RFC 9110, 8.6)
/// Fills refusals in, adds the headers of REST.md 1.3 and logs.
pub(super) async fn finish(State(hub): State<HttpState>, request: Request, next: Next) -> Response {
    let request_id = hub.rng.uuid();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let mut response = next.run(request).await;
    if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
        log(&refusal, method.as_str(), &path);
        let tracking = Tracking { request: request_id, back_end: hub.rng.uuid(), now: hub.clock.now() };
        response = render(&refusal, &refusal.body(&tracking));
    } else {
        tracing::debug!(%method, path, status = response.status().as_u16(), "answered");
    }
    let headers = response.headers_mut();
    headers.insert(SERVER, HeaderValue::from_static("Microsoft-HTTPAPI/2.0"));
    headers.insert(VARY, HeaderValue::from_static("Origin"));
    if let Ok(value) = HeaderValue::from_str(&request_id.to_string()) {
        headers.insert(REQUEST_ID, value);
    }
    response
}

fn render(refusal: &Refusal, body: &Value) -> Response {
    let mut response = json(refusal.status(), body);
    if refusal.error.code == ErrorCode::ThrottlingBacklogTimeout {
        // No Retry-After (REST.md 3.3). HTTP/2 knows no such header: there the server leaves it out.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if refusal.is_coded() {
        response.headers_mut().insert(ERROR_CODE, HeaderValue::from_static(refusal.error.code.name()));
    }
    response
}

/// Says what was refused and, which the real hub never does, why.
fn log(refusal: &Refusal, method: &str, path: &str) {
    let status = refusal.status();
    let code = refusal.error.code.name();
    let why = refusal.error.reason.as_deref().unwrap_or(&refusal.error.message);
    if status.is_server_error() && status != StatusCode::GATEWAY_TIMEOUT {
        tracing::error!(method, path, status = status.as_u16(), code, "{why}");
    } else if status == StatusCode::UNAUTHORIZED {
        tracing::warn!(method, path, status = status.as_u16(), code, "{why}");
    } else {
        tracing::info!(method, path, status = status.as_u16(), code, "{why}");
    }
}
