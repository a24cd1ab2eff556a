//! What stands in the `Authorization` header: made when needed, kept until shortly before it ends.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::HeaderValue;
use zeroize::Zeroizing;

use super::asker::Asker;
use super::entra::{EntraCredential, EntraSignIn, SignInError, TokenHttp};
use crate::auth::{Resource, SasToken, ServiceConnectionString};
use crate::model::Clock;
use crate::model::limits::{ENTRA_RENEW_BEFORE_S, SAS_LIFETIME_S, SAS_RENEW_BEFORE_S};

/// Gives the `Authorization` header.
pub(super) enum TokenSource {
    /// Tokens signed with a policy's key.
    Sas(SasTokens),
    /// Tokens of Entra ID.
    Entra(Box<EntraTokens>),
}

impl TokenSource {
    /// Whose tokens they are.
    pub(super) fn asker(&self) -> Asker {
        match self {
            Self::Sas(tokens) => Asker::Policy(tokens.connection.policy.clone()),
            Self::Entra(_) => Asker::Principal,
        }
    }

    /// The header of a token that is valid for some minutes more.
    pub(super) async fn header(&self) -> Result<HeaderValue, SignInError> {
        match self {
            Self::Sas(tokens) => Ok(tokens.header()),
            Self::Entra(tokens) => tokens.header().await,
        }
    }
}

/// Signs with the key of a connection string.
pub(super) struct SasTokens {
    connection: ServiceConnectionString,
    clock: Clock,
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    header: HeaderValue,
    made_at: Timestamp,
    renew_at: Timestamp,
}

impl Kept {
    /// A clock that was set back makes the kept token one of the future: made anew, it is right again.
    fn is_good(&self, now: Timestamp) -> bool {
        (self.made_at..self.renew_at).contains(&now)
    }
}

impl SasTokens {
    pub(super) fn new(connection: ServiceConnectionString, clock: Clock) -> Self {
        Self { connection, clock, kept: Mutex::new(None) }
    }

    /// The header of a token that is valid for at least [`SAS_RENEW_BEFORE_S`] more.
    fn header(&self) -> HeaderValue {
        let now = self.clock.now();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = kept.as_ref().filter(|token| token.is_good(now)) {
            return token.header.clone();
        }
        let fresh = self.sign(now);
        let header = fresh.header.clone();
        *kept = Some(fresh);
        header
    }

    fn sign(&self, now: Timestamp) -> Kept {
        let ServiceConnectionString { host, policy, key } = &self.connection;
        let after =
            |seconds: i64| now.saturating_add(Duration::from_secs(seconds.unsigned_abs())).unwrap_or(Timestamp::MAX);
        let token = SasToken::sign(&Resource::hub(host), key, Some(policy), after(SAS_LIFETIME_S));
        let mut header = HeaderValue::from_str(token.expose()).expect("a token's fields are percent-encoded ASCII");
        header.set_sensitive(true);
        Kept { header, made_at: now, renew_at: after(SAS_LIFETIME_S - SAS_RENEW_BEFORE_S) }
    }
}

/// Signs in with Entra ID, once for all who ask at the same time.
pub(super) struct EntraTokens {
    sign_in: EntraSignIn,
    http: TokenHttp,
    clock: Clock,
    state: tokio::sync::Mutex<EntraState>,
}

#[derive(Default)]
struct EntraState {
    credential: Option<EntraCredential>,
    kept: Option<Kept>,
}

impl EntraTokens {
    pub(super) fn new(sign_in: EntraSignIn, http: TokenHttp, clock: Clock) -> Self {
        Self { sign_in, http, clock, state: tokio::sync::Mutex::default() }
    }

    /// The header of a token that is valid for at least [`ENTRA_RENEW_BEFORE_S`] more, or as long as the service gave it.
    async fn header(&self) -> Result<HeaderValue, SignInError> {
        let mut state = self.state.lock().await;
        let now = self.clock.now();
        if let Some(token) = state.kept.as_ref().filter(|token| token.is_good(now)) {
            return Ok(token.header.clone());
        }
        if state.credential.is_none() {
            state.credential = Some(EntraCredential::choose(&self.sign_in, &self.http).await?);
        }
        let credential = state.credential.as_ref().expect("it was chosen just now");
        let token = credential.token().await?;
        let text = Zeroizing::new(format!("Bearer {}", token.secret.as_str()));
        let mut header = HeaderValue::from_str(&text).map_err(|_| credential.answered_no_token())?;
        header.set_sensitive(true);
        let early = Duration::from_secs(ENTRA_RENEW_BEFORE_S);
        let renew_at = token.expires.saturating_sub(early).unwrap_or(token.expires);
        state.kept = Some(Kept { header: header.clone(), made_at: now, renew_at });
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::auth::{ParsedSas, parse_service};

    const CONNECTION: &str = "HostName=localhost:8443;SharedAccessKeyName=iothubowner;SharedAccessKey=MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

    #[test]
    fn a_token_is_kept_until_shortly_before_its_end() {
        let seconds = Arc::new(AtomicU64::new(0));
        let driver = Arc::clone(&seconds);
        let clock = Clock::driven(Timestamp::UNIX_EPOCH, move || Duration::from_secs(driver.load(Ordering::SeqCst)));
        let connection = parse_service(CONNECTION).unwrap().value;
        let key = connection.key.clone();
        let tokens = SasTokens::new(connection, clock.clone());
        let mut ends = Vec::new();
        for second in [0, 3_299, 3_300, 3_301, 100] {
            seconds.store(second, Ordering::SeqCst);
            let header = tokens.header();
            assert!(header.is_sensitive());
            let token = ParsedSas::parse(header.to_str().unwrap()).unwrap();
            token.verify([&key], clock.now()).unwrap();
            ends.push(token.expiry().as_second());
        }
        assert_eq!(ends, [3_600, 3_600, 6_900, 6_900, 3_700], "renewed 300 s early, and after the clock was set back");
    }
}
