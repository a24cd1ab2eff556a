//! Signing in with Entra ID: Azure's own identity library, which knows the flows, over our HTTP client.

mod choice;
mod github;
mod http;

use std::error::Error as StdError;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::{Secret, TokenCredential};
use azure_core::error::ErrorKind;
use azure_identity::{
    AzureCliCredential, AzurePipelinesCredential, AzurePipelinesCredentialOptions, ClientAssertionCredential,
    ClientAssertionCredentialOptions, ClientSecretCredential, ClientSecretCredentialOptions, ManagedIdentityCredential,
    ManagedIdentityCredentialOptions, UserAssignedId, WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};
use jiff::Timestamp;
use tokio::net::TcpStream;
use tokio::time::timeout;
use zeroize::Zeroizing;

pub use choice::{SignIn, UnknownSignIn};

use self::github::GithubToken;
pub(super) use self::http::TokenHttp;
use crate::model::limits::IMDS_PROBE_MS;

/// What a token for IoT Hub is asked for (REST.md 2.4).
const SCOPE: &str = "https://iothubs.azure.net/.default";

/// Where virtual machines of Azure find their identity.
const IMDS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(169, 254, 169, 254)), 80);

/// Reads an environment variable; nothing for one that is empty.
pub type ReadVariable = dyn Fn(&str) -> Option<String> + Send + Sync;

/// How a client signs in with Entra ID.
#[derive(Clone)]
pub struct EntraSignIn {
    /// The way that was asked for; else the environment decides.
    pub way: Option<SignIn>,
    /// The environment.
    pub variables: Arc<ReadVariable>,
}

impl fmt::Debug for EntraSignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EntraSignIn({:?})", self.way)
    }
}

/// Says why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignInError {
    /// Nothing in the environment says how.
    #[error("nothing says how to sign in with Entra ID")]
    NoWay,
    /// Some of what a way needs is missing.
    #[error("signing in by {way} needs {}", variables.join(" and "))]
    Missing {
        /// Which way.
        way: SignIn,
        /// The variables that are not set.
        variables: Vec<&'static str>,
    },
    /// A certificate instead of a secret.
    #[error("signing in with a certificate (AZURE_CLIENT_CERTIFICATE_PATH) is not supported")]
    Certificate,
    /// The token service, or what stands in for it, said no.
    #[error("signing in by {way} failed: {detail}")]
    Refused {
        /// Which way.
        way: SignIn,
        /// Its words.
        detail: String,
    },
    /// The token service was not reached.
    #[error("signing in by {way} failed, since the token service cannot be reached: {detail}")]
    Unreached {
        /// Which way.
        way: SignIn,
        /// The machine's own words.
        detail: String,
    },
}

impl SignInError {
    /// What to do about it, in a sentence.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::NoWay | Self::Certificate => "run `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and one of \
                 AZURE_CLIENT_SECRET and AZURE_FEDERATED_TOKEN_FILE; on GitHub Actions grant `id-token: write`"
                .to_owned(),
            Self::Missing { .. } => "set what is missing, or choose another way with --entra-sign-in".to_owned(),
            Self::Refused { way: SignIn::AzureCli, .. } => "run `az login` first".to_owned(),
            Self::Refused { .. } => {
                "check the tenant, the client id and what its federated credentials or secrets allow".to_owned()
            }
            Self::Unreached { .. } => {
                "check the network, AZURE_AUTHORITY_HOST, and the CA file if a proxy stands in between".to_owned()
            }
        }
    }
}

/// A token for IoT Hub.
pub(super) struct EntraToken {
    pub(super) secret: Zeroizing<String>,
    pub(super) expires: Timestamp,
}

/// A way to sign in, ready to be used.
pub(super) struct EntraCredential {
    way: SignIn,
    credential: Arc<dyn TokenCredential>,
}

impl EntraCredential {
    /// Prepares the way that was asked for, or the one that the environment is set up for; asks outside only when
    /// nothing else tells.
    pub(super) async fn choose(sign_in: &EntraSignIn, http: &TokenHttp) -> Result<Self, SignInError> {
        let variable = |name: &str| (sign_in.variables)(name);
        let is_set = |name: &str| variable(name).is_some();
        let way = match sign_in.way.or_else(|| SignIn::of_environment(is_set)) {
            Some(way) => way,
            None if is_set("AZURE_CLIENT_CERTIFICATE_PATH") => return Err(SignInError::Certificate),
            None if is_on_azure().await => SignIn::ManagedIdentity,
            None => SignIn::AzureCli,
        };
        let missing = way.missing(is_set);
        if !missing.is_empty() {
            return Err(SignInError::Missing { way, variables: missing });
        }
        tracing::debug!(%way, "signs in with Entra ID");
        let prepared = credential(way, &variable, http);
        prepared.map(|credential| Self { way, credential }).map_err(|error| refusal(way, &error))
    }

    /// The failure of an answer with something else than a token in it.
    pub(super) fn answered_no_token(&self) -> SignInError {
        SignInError::Refused { way: self.way, detail: "what came back is no token".to_owned() }
    }

    /// Asks for a token.
    pub(super) async fn token(&self) -> Result<EntraToken, SignInError> {
        let token = self.credential.get_token(&[SCOPE], None).await.map_err(|error| refusal(self.way, &error))?;
        let expires = Timestamp::from_second(token.expires_on.unix_timestamp()).unwrap_or(Timestamp::MAX);
        Ok(EntraToken { secret: Zeroizing::new(token.token.secret().to_owned()), expires })
    }
}

/// The library's credential for a way whose variables are there.
fn credential(
    way: SignIn,
    variable: &dyn Fn(&str) -> Option<String>,
    http: &TokenHttp,
) -> azure_core::Result<Arc<dyn TokenCredential>> {
    let value = |name: &str| variable(name).unwrap_or_default();
    let assertion_options = || ClientAssertionCredentialOptions { client_options: http.options() };
    Ok(match way {
        SignIn::Environment => ClientSecretCredential::new(
            &value("AZURE_TENANT_ID"),
            value("AZURE_CLIENT_ID"),
            Secret::new(value("AZURE_CLIENT_SECRET")),
            Some(ClientSecretCredentialOptions { client_options: http.options() }),
        )?,
        SignIn::WorkloadIdentity => WorkloadIdentityCredential::new(Some(WorkloadIdentityCredentialOptions {
            credential_options: assertion_options(),
            client_id: variable("AZURE_CLIENT_ID"),
            tenant_id: variable("AZURE_TENANT_ID"),
            token_file_path: variable("AZURE_FEDERATED_TOKEN_FILE").map(Into::into),
        }))?,
        SignIn::GithubActions => ClientAssertionCredential::new(
            value("AZURE_TENANT_ID"),
            value("AZURE_CLIENT_ID"),
            GithubToken::new(
                &value("ACTIONS_ID_TOKEN_REQUEST_URL"),
                value("ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
                http.clone(),
            ),
            Some(assertion_options()),
        )?,
        SignIn::AzurePipelines => AzurePipelinesCredential::new(
            value("AZURESUBSCRIPTION_TENANT_ID"),
            value("AZURESUBSCRIPTION_CLIENT_ID"),
            &value("AZURESUBSCRIPTION_SERVICE_CONNECTION_ID"),
            Secret::new(value("SYSTEM_ACCESSTOKEN")),
            Some(AzurePipelinesCredentialOptions { credential_options: assertion_options() }),
        )?,
        SignIn::ManagedIdentity => ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions {
            user_assigned_id: variable("AZURE_CLIENT_ID").map(UserAssignedId::ClientId),
            client_options: http.options(),
        }))?,
        SignIn::AzureCli => AzureCliCredential::new(None)?,
    })
}

/// Whether somebody answers where a virtual machine of Azure finds its identity.
async fn is_on_azure() -> bool {
    let probe = timeout(Duration::from_millis(IMDS_PROBE_MS), TcpStream::connect(IMDS)).await;
    matches!(probe, Ok(Ok(_)))
}

fn refusal(way: SignIn, error: &azure_core::Error) -> SignInError {
    let detail = one_line(&error.to_string());
    if was_unreached(error) { SignInError::Unreached { way, detail } } else { SignInError::Refused { way, detail } }
}

/// Whether the network is to blame. The library wraps its errors in errors of its own.
fn was_unreached(error: &azure_core::Error) -> bool {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<azure_core::Error>()
            && matches!(error.kind(), ErrorKind::Connection)
        {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The library's words without the page of its manual, on one line.
fn one_line(words: &str) -> String {
    let words = words.split("\nTo troubleshoot").next().unwrap_or_default();
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The words of the innermost cause.
fn innermost(error: &dyn StdError) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
