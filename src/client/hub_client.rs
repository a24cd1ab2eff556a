//! The client itself: what it needs, and the loop that sends a call until it is answered or patience ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::entra::{EntraSignIn, TokenHttp};
use super::error::{BadAnswer, ClientError, ErrorKind, SetupError};
use super::operation::Operation;
use super::retry::{Contact, Failures, Notify, Patience, Waiting};
use super::token::{EntraTokens, SasTokens, TokenSource};
use super::transport::{Answer, Call, Transport};
use super::wire::Wire;
use crate::auth::{HubHost, ServiceConnectionString};
use crate::model::{Clock, Rng};
use crate::tls::{TrustAnchors, client_config};

/// What a client needs.
pub struct HubClientConfig {
    /// Which hub, and who asks it.
    pub access: HubAccess,
    /// Whose certificates are believed.
    pub trust: TrustAnchors,
    /// The time.
    pub clock: Clock,
    /// Chance, for request ids and the jitter of pauses.
    pub rng: Rng,
    /// How long to keep trying.
    pub patience: Patience,
    /// Told before each pause, so that somebody can say why nothing happens.
    pub notify: Option<Notify>,
}

/// Which hub a client asks, and how it proves who it is.
#[derive(Debug)]
pub enum HubAccess {
    /// By the key of a policy.
    Policy(ServiceConnectionString),
    /// By Entra ID.
    Entra {
        /// The hub.
        host: HubHost,
        /// How to sign in.
        sign_in: EntraSignIn,
    },
}

/// Asks one hub over HTTPS. Cheap to clone; clones share connections, token and what is known of the hub.
#[derive(Clone)]
pub struct HubClient(Arc<Shared>);

struct Shared {
    transport: Transport,
    clock: Clock,
    rng: Rng,
    patience: Patience,
    notify: Option<Notify>,
    reached: AtomicBool,
}

impl HubClient {
    /// Makes a client; nothing is sent yet.
    ///
    /// # Errors
    /// [`SetupError`] when the trusted certificates cannot be used.
    pub fn new(config: HubClientConfig) -> Result<Self, ClientError> {
        Self::build(config, None).map_err(|error| ClientError::new(Operation::Connect, error))
    }

    /// Makes a client that asks over another wire than HTTPS; a sign-in still goes its own way.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn over(wire: Arc<dyn Wire>, config: HubClientConfig) -> Result<Self, ClientError> {
        Self::build(config, Some(wire)).map_err(|error| ClientError::new(Operation::Connect, error))
    }

    fn build(config: HubClientConfig, wire: Option<Arc<dyn Wire>>) -> Result<Self, SetupError> {
        let HubClientConfig { access, trust, clock, rng, patience, notify } = config;
        let tls = client_config(&trust)?;
        let (host, tokens) = match access {
            HubAccess::Policy(connection) => {
                (connection.host.clone(), TokenSource::Sas(SasTokens::new(connection, clock.clone())))
            }
            HubAccess::Entra { host, sign_in } => {
                let tokens = EntraTokens::new(sign_in, TokenHttp::new(&tls)?, clock.clone());
                (host, TokenSource::Entra(Box::new(tokens)))
            }
        };
        let transport = Transport::new(&host, (&tls, wire), tokens, (clock.clone(), rng.clone()), patience.request)?;
        Ok(Self(Arc::new(Shared { transport, clock, rng, patience, notify, reached: AtomicBool::new(false) })))
    }

    /// The hub's host, with its port when the connection string has one.
    #[must_use]
    pub fn host_name(&self) -> &str {
        self.0.transport.host()
    }

    /// A row of a listing that is not what the listing holds.
    pub(super) fn bad_row(
        &self,
        operation: Operation,
        expected: &'static str,
        error: &serde_json::Error,
    ) -> ClientError {
        let problem = BadAnswer::Body { expected, detail: error.to_string() };
        ClientError::new(operation, ErrorKind::BadAnswer { host: self.host_name().to_owned(), problem })
    }

    /// Sends a call until it is answered, must not be repeated, or patience ends.
    pub(super) async fn send(&self, call: &Call) -> Result<Answer, ClientError> {
        let shared = &*self.0;
        let began = shared.clock.monotonic();
        let mut failures = Failures::new(&shared.patience, &shared.rng, call.repeat);
        loop {
            let error = match shared.transport.send_once(call).await {
                Ok(answer) => {
                    shared.reached.store(true, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(error) => error,
            };
            if !error.is_without_contact() {
                shared.reached.store(true, Ordering::Relaxed);
            }
            let contact = if shared.reached.load(Ordering::Relaxed) { Contact::Made } else { Contact::Never };
            let elapsed = shared.clock.monotonic().saturating_sub(began);
            let Some(delay) = failures.next_pause(&error, contact, elapsed) else { return Err(error) };
            tracing::info!(%error, ?delay, "trying again");
            if let Some(notify) = &shared.notify {
                notify(&Waiting { error: &error, delay });
            }
            tokio::time::sleep(delay).await;
        }
    }
}

impl std::fmt::Debug for HubClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HubClient({})", self.host_name())
    }
}
