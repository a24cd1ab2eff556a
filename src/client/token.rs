//! The SAS token of the connection string: signed when needed, kept until shortly before it ends.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::HeaderValue;

use crate::auth::{Resource, SasToken, ServiceConnectionString};
use crate::model::Clock;
use crate::model::limits::{SAS_LIFETIME_S, SAS_RENEW_BEFORE_S};

/// Gives the `Authorization` header.
pub(super) struct TokenSource {
    connection: ServiceConnectionString,
    clock: Clock,
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    header: HeaderValue,
    signed_at: Timestamp,
    renew_at: Timestamp,
}

impl TokenSource {
    pub(super) fn new(connection: ServiceConnectionString, clock: Clock) -> Self {
        Self { connection, clock, kept: Mutex::new(None) }
    }

    /// The header of a token that is valid for at least [`SAS_RENEW_BEFORE_S`] more.
    pub(super) fn header(&self) -> HeaderValue {
        let now = self.clock.now();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back makes the kept token one of the future: signed anew, it is right again.
        if let Some(token) = kept.as_ref().filter(|token| (token.signed_at..token.renew_at).contains(&now)) {
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
        Kept { header, signed_at: now, renew_at: after(SAS_LIFETIME_S - SAS_RENEW_BEFORE_S) }
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
        let tokens = TokenSource::new(connection, clock.clone());
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
