//! One request on the wire and its answer: URL, headers, time-outs, body limit, and what a failure on the way means.

use std::error::Error as StdError;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Response};
use serde::de::DeserializeOwned;
use tokio_rustls::rustls::{self, CertificateError};

use super::envelope;
use super::error::{BadAnswer, ClientError, ErrorKind, SetupError, Unreached};
use super::operation::Operation;
use super::retry::Repeat;
use super::token::TokenSource;
use crate::auth::HubHost;
use crate::model::limits::{CONNECT_S, HTTP_BODY_BYTES_MAX};
use crate::model::{Clock, ErrorCode, Rng};

/// The version that all of Microsoft's current SDKs ask for (REST.md 1.1).
const API_VERSION: &str = "2021-04-12";
const USER_AGENT: &str = concat!("iotjob/", env!("CARGO_PKG_VERSION"));
/// Well below the minutes after which the service drops idle connections: a stale one costs a lost answer.
const IDLE_CONNECTION: Duration = Duration::from_secs(30);
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
    http: reqwest::Client,
    host: String,
    tokens: TokenSource,
    clock: Clock,
    rng: Rng,
    request_timeout: Duration,
}

impl Transport {
    pub(super) fn new(
        host: &HubHost,
        tls: &rustls::ClientConfig,
        tokens: TokenSource,
        (clock, rng): (Clock, Rng),
        request: Duration,
    ) -> Result<Self, SetupError> {
        let connect_timeout = Duration::from_secs(CONNECT_S).min(request);
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .https_only(true)
            .http1_only()
            .user_agent(USER_AGENT)
            .connect_timeout(connect_timeout)
            .pool_idle_timeout(IDLE_CONNECTION)
            // Both are ours to decide: what may be sent twice is known per call, and a hub does not redirect.
            .retry(reqwest::retry::never())
            .redirect(reqwest::redirect::Policy::none());
        if is_loopback(&host.name) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| SetupError::Http(innermost(&error)))?;
        // The total covers connecting too: the sum keeps the two time-outs apart, so that it is known which one struck.
        Ok(Self { http, host: host.to_string(), tokens, clock, rng, request_timeout: connect_timeout + request })
    }

    /// Host and port, as the connection string writes them.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Sends the call once.
    pub(super) async fn send_once(&self, call: &Call) -> Result<Answer, ClientError> {
        let authorization = self.tokens.header().await.map_err(|error| ClientError::new(call.operation, error))?;
        let mut request = self
            .http
            .request(call.method.clone(), format!("https://{}{}", self.host, call.target))
            .headers(call.headers.clone())
            .header(ACCEPT, "application/json")
            .header(AUTHORIZATION, authorization)
            .header(CLIENT_REQUEST_ID, self.rng.uuid().to_string())
            .timeout(self.request_timeout + call.held_open);
        if let Some(body) = &call.body {
            request = request.body(body.clone());
        }
        tracing::debug!(method = %call.method, target = %call.target, "request");
        let response = request.send().await.map_err(|error| self.failure(call, error))?;
        let status = response.status().as_u16();
        tracing::debug!(status, target = %call.target, "answer");
        let headers = response.headers().clone();
        let body = self.read_body(call, response).await?;
        let answer = Answer { operation: call.operation, host: self.host.clone(), status, headers, body };
        match status {
            200..=299 => Ok(answer),
            400 if is_bulk_result(&answer) => Ok(answer),
            400..=599 => Err(self.service_error(&answer)),
            _ => Err(answer.bad(BadAnswer::Status(status))),
        }
    }

    async fn read_body(&self, call: &Call, mut response: Response) -> Result<Bytes, ClientError> {
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failure(call, error))? {
            if body.len() + chunk.len() > HTTP_BODY_BYTES_MAX {
                let problem = BadAnswer::TooLarge(HTTP_BODY_BYTES_MAX);
                let kind = ErrorKind::BadAnswer { host: self.host.clone(), problem };
                return Err(ClientError::new(call.operation, kind));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
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

    /// Says how far a request came: not out of the house, or out and not back.
    fn failure(&self, call: &Call, error: reqwest::Error) -> ClientError {
        let error = error.without_url();
        let (host, detail) = (self.host.clone(), innermost(&error));
        let kind = if error.is_connect() {
            ErrorKind::NotReached { host, cause: unreached(&error), detail }
        } else {
            ErrorKind::Lost { host, detail }
        };
        tracing::debug!(target = %call.target, %kind, "no answer");
        ClientError::new(call.operation, kind)
    }
}

/// A bulk call says which items failed in a 400 of a form of its own: to the caller a normal answer (REST.md 8.4).
fn is_bulk_result(answer: &Answer) -> bool {
    answer.headers.get(ERROR_CODE).is_some_and(|code| code == ErrorCode::BulkRegistryOperationFailure.name())
}

fn is_loopback(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The words of the innermost cause: the outer ones only say that something failed.
fn innermost(error: &reqwest::Error) -> String {
    causes(error).last().map(|cause| without_manual(&cause.to_string())).unwrap_or_default()
}

/// Some errors end with the page of a library's manual: nothing for those who use this program.
fn without_manual(words: &str) -> String {
    words.split_once(": https://").map_or(words, |(words, _)| words).to_owned()
}

/// An error and what caused it, from the outside in. An [`io::Error`] hides what it wraps from `source`.
fn causes<'e>(error: &'e (dyn StdError + 'static)) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    fn cause<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e (dyn StdError + 'static)> {
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        }
    }
    std::iter::successors(Some(error), |error| cause(*error))
}

fn unreached(error: &reqwest::Error) -> Unreached {
    if error.is_timeout() {
        return Unreached::TimedOut;
    }
    if error.is_dns() {
        return Unreached::UnknownName;
    }
    for cause in causes(error) {
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return unreached_by_tls(tls);
        }
        if cause.downcast_ref::<io::Error>().is_some_and(|io| io.kind() == io::ErrorKind::ConnectionRefused) {
            return Unreached::Refused;
        }
    }
    Unreached::Network
}

fn unreached_by_tls(error: &rustls::Error) -> Unreached {
    match error {
        // Two CAs of one name, as two local hubs have, show as a signature that does not fit.
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            Unreached::UnknownCa
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => Unreached::WrongName,
        rustls::Error::InvalidCertificate(_) => Unreached::BadCertificate,
        _ => Unreached::Tls,
    }
}
