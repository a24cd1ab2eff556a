//! What carries a request to a hub and its answer back: HTTPS, or what a simulation puts in its place.

use std::error::Error as StdError;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use reqwest::header::HeaderMap;
use reqwest::{Request, Response};
use tokio_rustls::rustls::{self, CertificateError};

use super::error::{SetupError, Unreached};
use crate::auth::HubHost;
use crate::model::limits::HTTP_BODY_BYTES_MAX;

const USER_AGENT: &str = concat!("iotjob/", env!("CARGO_PKG_VERSION"));
/// Well below the minutes after which the service drops idle connections: a stale one costs a lost answer.
const IDLE_CONNECTION: Duration = Duration::from_secs(30);

/// Carries requests to a hub, each once; see [`HubClient::over`](super::HubClient::over).
#[async_trait]
pub trait Wire: Send + Sync {
    /// Sends a request and reads its answer to the end, within the request's time-out.
    ///
    /// # Errors
    /// [`NoAnswer`] says how far it came.
    async fn carry(&self, request: Request) -> Result<WireAnswer, NoAnswer>;
}

/// An answer, whatever its status.
#[derive(Debug, Clone)]
pub struct WireAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, at most [`HTTP_BODY_BYTES_MAX`].
    pub body: Bytes,
}

/// How far a request came that has no answer.
#[derive(Debug, Clone)]
pub enum NoAnswer {
    /// Not out of the house: it was surely not carried out.
    NotReached {
        /// Why.
        cause: Unreached,
        /// The innermost error's words.
        detail: String,
    },
    /// Out and not back: it may have been carried out.
    Lost {
        /// The innermost error's words.
        detail: String,
    },
    /// The answer's body is larger than any of the service's.
    TooLarge,
}

/// HTTPS, as the service wants it.
pub(super) struct Https(reqwest::Client);

impl Https {
    pub(super) fn new(
        host: &HubHost,
        tls: &rustls::ClientConfig,
        connect_timeout: Duration,
    ) -> Result<Self, SetupError> {
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
        builder.build().map(Self).map_err(|error| SetupError::Http(innermost(&error)))
    }
}

#[async_trait]
impl Wire for Https {
    async fn carry(&self, request: Request) -> Result<WireAnswer, NoAnswer> {
        let mut response = self.0.execute(request).await.map_err(failure)?;
        let (status, headers) = (response.status().as_u16(), std::mem::take(response.headers_mut()));
        Ok(WireAnswer { status, headers, body: read_body(response).await? })
    }
}

async fn read_body(mut response: Response) -> Result<Bytes, NoAnswer> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(failure)? {
        if body.len() + chunk.len() > HTTP_BODY_BYTES_MAX {
            return Err(NoAnswer::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Says how far a request came: not out of the house, or out and not back.
fn failure(error: reqwest::Error) -> NoAnswer {
    let error = error.without_url();
    let detail = innermost(&error);
    if error.is_connect() {
        NoAnswer::NotReached { cause: unreached(&error), detail }
    } else {
        NoAnswer::Lost { detail }
    }
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
