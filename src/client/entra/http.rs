//! Azure's identity library over our own HTTP client, so that one TLS stack is in the tree.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use azure_core::error::{Error, ErrorKind};
use azure_core::http::headers::{HeaderName, HeaderValue, Headers};
use azure_core::http::{
    AsyncRawResponse, Body, ClientOptions, ExponentialRetryOptions, HttpClient, Request, RetryOptions, Transport,
};
use reqwest::redirect::Policy;
use tokio_rustls::rustls::ClientConfig;

use crate::client::error::SetupError;
use crate::model::limits::{CONNECT_S, SIGN_IN_BODY_BYTES_MAX, SIGN_IN_S, SIGN_IN_TRIES_MAX};

/// Sends what the library asks for.
#[derive(Clone)]
pub(in crate::client) struct TokenHttp(reqwest::Client);

impl fmt::Debug for TokenHttp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHttp")
    }
}

impl TokenHttp {
    /// A client that trusts whom the hub's does. Plain HTTP is allowed: the endpoints of managed identities speak it, on
    /// addresses that never leave the machine's host.
    pub(in crate::client) fn new(tls: &ClientConfig) -> Result<Self, SetupError> {
        let built = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .connect_timeout(std::time::Duration::from_secs(CONNECT_S))
            .timeout(std::time::Duration::from_secs(SIGN_IN_S))
            .redirect(Policy::none())
            .build();
        built.map(Self).map_err(|error| SetupError::Http(error.to_string()))
    }

    /// The options with which a credential uses this client.
    pub(super) fn options(&self) -> ClientOptions {
        let retry = ExponentialRetryOptions { max_retries: SIGN_IN_TRIES_MAX - 1, ..Default::default() };
        ClientOptions {
            transport: Some(Transport::new(Arc::new(self.clone()))),
            retry: RetryOptions::exponential(retry),
            ..Default::default()
        }
    }

    /// Sends a request with a bearer token and gives the answer's status and text.
    pub(super) async fn get(&self, url: &str, bearer: &str) -> azure_core::Result<(u16, String)> {
        let sent = self.0.get(url).bearer_auth(bearer).header("accept", "application/json").send().await;
        let answer = sent.map_err(failed)?;
        let status = answer.status().as_u16();
        let body = read(answer).await?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }
}

#[async_trait]
impl HttpClient for TokenHttp {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let Body::Bytes(body) = request.body().clone() else {
            return Err(Error::with_message(ErrorKind::Other, "a request for a token has no stream for a body"));
        };
        let method = reqwest::Method::from_bytes(request.method().as_str().as_bytes())
            .map_err(|error| Error::with_error(ErrorKind::Other, error, "no method of HTTP"))?;
        let mut sending = self.0.request(method, request.url().clone());
        for (name, value) in request.headers().iter() {
            sending = sending.header(name.as_str(), value.as_str());
        }
        let answer = sending.body(body).send().await.map_err(failed)?;
        let status = answer.status().as_u16();
        let headers: HashMap<HeaderName, HeaderValue> = answer
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().to_owned().into(), value.to_str().ok()?.to_owned().into())))
            .collect();
        let body = read(answer).await?;
        Ok(AsyncRawResponse::from_bytes(status.into(), Headers::from(headers), body))
    }
}

/// Reads a body to its end, which for a token is near.
async fn read(mut answer: reqwest::Response) -> azure_core::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > SIGN_IN_BODY_BYTES_MAX {
            let message = format!("the answer has more than {SIGN_IN_BODY_BYTES_MAX} bytes");
            return Err(Error::with_message(ErrorKind::DataConversion, message));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn failed(error: reqwest::Error) -> Error {
    let kind = if error.is_connect() { ErrorKind::Connection } else { ErrorKind::Io };
    // A URL of Entra ID holds no secret, one of a pipeline's token service may.
    let error = error.without_url();
    let words = super::innermost(&error);
    Error::with_error(kind, error, words)
}
