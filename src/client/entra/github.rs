//! The token of a GitHub Actions job, as proof of who it is.

use std::fmt;

use async_trait::async_trait;
use azure_core::error::{Error, ErrorKind};
use azure_core::http::ClientMethodOptions;
use azure_identity::ClientAssertion;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::http::TokenHttp;

/// Whom the token is meant for: Entra ID's exchange of tokens for tokens.
const AUDIENCE: &str = "api%3A%2F%2FAzureADTokenExchange";

/// Asks GitHub for the job's token, anew each time, since it lives for minutes.
pub(super) struct GithubToken {
    url: String,
    bearer: Zeroizing<String>,
    http: TokenHttp,
}

impl GithubToken {
    /// `url` and `bearer` are what GitHub puts into `ACTIONS_ID_TOKEN_REQUEST_URL` and `_TOKEN`.
    pub(super) fn new(url: &str, bearer: String, http: TokenHttp) -> Self {
        let separator = if url.contains('?') { '&' } else { '?' };
        Self { url: format!("{url}{separator}audience={AUDIENCE}"), bearer: Zeroizing::new(bearer), http }
    }
}

impl fmt::Debug for GithubToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GithubToken")
    }
}

#[derive(Deserialize)]
struct Answer {
    value: String,
}

#[async_trait]
impl ClientAssertion for GithubToken {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        let (status, body) = self.http.get(&self.url, &self.bearer).await?;
        if status != 200 {
            let message =
                format!("GitHub gave no token: status {status}; the job needs `permissions: id-token: write`");
            return Err(Error::with_message(ErrorKind::Credential, message));
        }
        let unreadable = |_| Error::with_message(ErrorKind::Credential, "GitHub's answer holds no token");
        Ok(serde_json::from_str::<Answer>(&body).map_err(unreadable)?.value)
    }
}
