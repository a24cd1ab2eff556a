//! One request and its answer: URL, headers, time-outs, and what a failure means to a call.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Request, Url};
use serde::de::DeserializeOwned;
use tokio_rustls::rustls;

use super::envelope;
use super::error::{BadAnswer, ClientError, ErrorKind, SetupError, Unreached};
use super::operation::Operation;
use super::retry::Repeat;
use super::token::TokenSource;
use super::wire::{Https, NoAnswer, Wire, WireAnswer};
use crate::auth::HubHost;
use crate::model::limits::{CONNECT_S, HTTP_BODY_BYTES_MAX};
use crate::model::{Clock, ErrorCode, Rng};

/// The version that all of Microsoft's current SDKs ask for (REST.md 1.1).
const API_VERSION: &str = "2021-04-12";
/// What a path segment or query value escapes: everything but RFC 3986's unreserved characters.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");
const ERROR_CODE: HeaderName = HeaderName::from_static("iothub-errorcode");

/// A call, ready to be sent as often as its [`Repeat`] allows.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) operation: Operation,
    pub(super) repeat: Repeat,
    method: Method,
    /// Escaped path, with its query after `?` and the api-version.
    target: String,
    headers: HeaderMap,
    body: Option<Bytes>,
    /// Added to the time-out of one request, for calls that the hub holds open.
    pub(super) held_open: Duration,
}

impl Call {
    /// A call of `path`, given by its unescaped segments.
    pub(super) fn new(
        operation: Operation,
        repeat: Repeat,
        method: Method,
        path: &[&str],
    ) -> Result<Self, ClientError> {
        let mut target = String::new();
        for segment in path {
            // A URL drops such segments, escaped or not, and would then name something else.
            if matches!(*segment, "" | "." | "..") {
                let kind = ErrorKind::Unaddressable { id: (*segment).to_owned() };
                return Err(ClientError::new(operation, kind));
            }
            target.push('/');
            target.extend(utf8_percent_encode(segment, ESCAPED));
        }
        target.push_str("?api-version=");
        target.push_str(API_VERSION);
        Ok(Self { operation, repeat, method, target, headers: HeaderMap::new(), body: None, held_open: Duration::ZERO })
    }

    /// Adds a query parameter.
    pub(super) fn parameter(mut self, name: &str, value: &str) -> Self {
        self.target.push('&');
        self.target.push_str(name);
        self.target.push('=');
        self.target.extend(utf8_percent_encode(value, ESCAPED));
        self
    }

    /// Sets a header.
    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Sets the body.
    pub(super) fn json(mut self, body: &impl serde::Serialize) -> Self {
        let bytes = serde_json::to_vec(body).expect("a request is made of text keys and JSON values");
        self.body = Some(bytes.into());
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        self
    }
}

/// A successful answer, read to its end.
pub(super) struct Answer {
    operation: Operation,
    host: String,
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    /// Reads the body as JSON.
    pub(super) fn json<T: DeserializeOwned>(&self, expected: &'static str) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body).map_err(|error| self.bad_body(expected, &error))
    }

    pub(super) fn bad_body(&self, expected: &'static str, error: &serde_json::Error) -> ClientError {
        self.bad(BadAnswer::Body { expected, detail: error.to_string() })
    }

    pub(super) fn bad(&self, problem: BadAnswer) -> ClientError {
        ClientError::new(self.operation, ErrorKind::BadAnswer { host: self.host.clone(), problem })
    }
}

/// The way to one hub.
pub(super) struct Transport {
    wire: Arc<dyn Wire>,
    host: String,
    tokens: TokenSource,
    clock: Clock,
    rng: Rng,
    request_timeout: Duration,
}

impl Transport {
    /// A way over `wire`, or over HTTPS when there is none.
    pub(super) fn new(
        host: &HubHost,
        (tls, wire): (&rustls::ClientConfig, Option<Arc<dyn Wire>>),
        tokens: TokenSource,
        (clock, rng): (Clock, Rng),
        request: Duration,
    ) -> Result<Self, SetupError> {
        let connect_timeout = Duration::from_secs(CONNECT_S).min(request);
        let wire = match wire {
            Some(wire) => wire,
            None => Arc::new(Https::new(host, tls, connect_timeout)?),
        };
        // The total covers connecting too: the sum keeps the two time-outs apart, so that it is known which one struck.
        Ok(Self { wire, host: host.to_string(), tokens, clock, rng, request_timeout: connect_timeout + request })
    }

    /// Host and port, as the connection string writes them.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Sends the call once.
    pub(super) async fn send_once(&self, call: &Call) -> Result<Answer, ClientError> {
        let authorization = self.tokens.header().await.map_err(|error| ClientError::new(call.operation, error))?;
        tracing::debug!(method = %call.method, target = %call.target, "request");
        let request = self.request(call, authorization).map_err(|missing| self.without_answer(call, missing))?;
        let WireAnswer { status, headers, body } =
            self.wire.carry(request).await.map_err(|missing| self.without_answer(call, missing))?;
        tracing::debug!(status, target = %call.target, "answer");
        let answer = Answer { operation: call.operation, host: self.host.clone(), status, headers, body };
        match status {
            200..=299 => Ok(answer),
            400 if is_bulk_result(&answer) => Ok(answer),
            400..=599 => Err(self.service_error(&answer)),
            _ => Err(answer.bad(BadAnswer::Status(status))),
        }
    }

    fn request(&self, call: &Call, authorization: HeaderValue) -> Result<Request, NoAnswer> {
        let url = Url::parse(&format!("https://{}{}", self.host, call.target))
            .map_err(|error| NoAnswer::NotReached { cause: Unreached::UnknownName, detail: error.to_string() })?;
        let request_id =
            HeaderValue::from_str(&self.rng.uuid().to_string()).expect("a UUID is of hex digits and dashes");
        let mut request = Request::new(call.method.clone(), url);
        let headers = request.headers_mut();
        headers.clone_from(&call.headers);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(AUTHORIZATION, authorization);
        headers.insert(CLIENT_REQUEST_ID, request_id);
        *request.body_mut() = call.body.clone().map(Into::into);
        *request.timeout_mut() = Some(self.request_timeout + call.held_open);
        Ok(request)
    }

    fn without_answer(&self, call: &Call, missing: NoAnswer) -> ClientError {
        let host = self.host.clone();
        let kind = match missing {
            NoAnswer::NotReached { cause, detail } => ErrorKind::NotReached { host, cause, detail },
            NoAnswer::Lost { detail } => ErrorKind::Lost { host, detail },
            NoAnswer::TooLarge => ErrorKind::BadAnswer { host, problem: BadAnswer::TooLarge(HTTP_BODY_BYTES_MAX) },
        };
        tracing::debug!(target = %call.target, %kind, "no answer");
        ClientError::new(call.operation, kind)
    }

    fn service_error(&self, answer: &Answer) -> ClientError {
        let code = answer.headers.get(ERROR_CODE).and_then(|value| value.to_str().ok());
        let mut error = envelope::read(answer.status, code, &answer.body, self.tokens.asker());
        error.retry_after = answer.headers.get(RETRY_AFTER).and_then(|value| self.retry_after(value));
        ClientError::new(answer.operation, error)
    }

    /// Seconds, or a date in the form of e-mail.
    fn retry_after(&self, value: &HeaderValue) -> Option<Duration> {
        let text = value.to_str().ok()?.trim();
        if let Ok(seconds) = text.parse::<u64>() {
            return Some(Duration::from_secs(seconds));
        }
        let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
        Some(Duration::try_from(at.duration_since(self.clock.now())).unwrap_or_default())
    }
}

/// A bulk call says which items failed in a 400 of a form of its own: to the caller a normal answer (REST.md 8.4).
fn is_bulk_result(answer: &Answer) -> bool {
    answer.headers.get(ERROR_CODE).is_some_and(|code| code == ErrorCode::BulkRegistryOperationFailure.name())
}
