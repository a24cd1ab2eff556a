//! Who may call what: shared access signatures of policies and Entra ID tokens, and the rights or data actions that each
//! group of endpoints wants.
//!
//! The caller always reads the same 401 (REST.md 2.5); the log says which of the many reasons it was.

use axum::extract::{Request, State};
use axum::http::Method;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;

use super::HttpState;
use super::api_version;
use super::error::Refusal;
use crate::auth::{ParsedSas, Resource, Right, SasError};
use crate::hub::HubError;
use crate::hub::entra::{BearerError, DataAction};
use crate::model::ErrorCode;

/// Endpoints that want the same rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    /// Identities, read.
    RegistryRead,
    /// Identities, written one by one or in bulk.
    RegistryWrite,
    /// Twins, read and written.
    Twins,
    /// Direct methods.
    Methods,
    /// Jobs v2, all of it.
    Jobs,
    /// Queries.
    Query,
    /// Counts.
    Statistics,
}

impl Group {
    /// The table of REST.md 2.3. Statistics are unconfirmed there; reading the registry is the sensible right.
    pub(super) const fn rights(self) -> &'static [Right] {
        match self {
            // conformance-choice: REST.md 2.3: statistics want RegistryRead
            Self::RegistryRead | Self::Statistics => &[Right::RegistryRead],
            Self::RegistryWrite => &[Right::RegistryWrite],
            Self::Twins | Self::Methods | Self::Query => &[Right::ServiceConnect],
            Self::Jobs => &[Right::RegistryRead, Right::RegistryWrite],
        }
    }

    /// The same table's column for Entra ID, which tells the verbs apart.
    // conformance-choice: REST.md 2.3: regenerating keys wants devices/write and devices/delete, as the other bulk call
    fn data_actions(self, method: &Method) -> &'static [DataAction] {
        use DataAction::{DevicesDelete, DevicesWrite};
        match (self, method) {
            (Self::RegistryRead, _) => &[DataAction::DevicesRead],
            (Self::RegistryWrite, &Method::DELETE) => &[DevicesDelete],
            (Self::RegistryWrite, &Method::POST) => &[DevicesWrite, DevicesDelete],
            (Self::RegistryWrite, _) => &[DevicesWrite],
            (Self::Twins, &Method::GET) | (Self::Query, _) => &[DataAction::TwinsRead],
            (Self::Twins, _) => &[DataAction::TwinsWrite],
            (Self::Methods, _) => &[DataAction::MethodsInvoke],
            (Self::Jobs, &Method::GET) => &[DataAction::JobsRead],
            (Self::Jobs, &Method::PUT) => &[DataAction::JobsWrite],
            (Self::Jobs, _) => &[DataAction::JobsDelete],
            (Self::Statistics, _) => &[DataAction::StatisticsRead],
        }
    }
}

/// By what a caller was let in: the service treats the two kinds differently in places (REST.md 2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// A shared access signature.
    Policy,
    /// An Entra ID token.
    Principal,
}

/// Lets a request through that has the rights of `group` and an api-version.
pub(super) async fn require(
    State((hub, group)): State<(HttpState, Group)>,
    mut request: Request,
    next: Next,
) -> Response {
    let checked = authorize(&hub, group, &request)
        .map_err(|reason| unauthorized(reason.to_string()))
        .and_then(|caller| api_version::check(request.uri()).map(|()| caller));
    match checked {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// The one answer to everything that is not authenticated or not permitted.
pub(super) fn unauthorized(reason: impl Into<Box<str>>) -> Refusal {
    HubError::new(ErrorCode::IotHubUnauthorizedAccess, "Unauthorized").because(reason).into()
}

/// Why a caller is not let in; for the log only.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum Denied {
    #[error("the request has no Authorization header")]
    NoHeader,
    #[error("the Authorization header is not readable text")]
    Unreadable,
    #[error(
        "this hub was not told whose Entra ID tokens to trust: use a connection string, or start it with --entra-issuer and --entra-jwks"
    )]
    NoIssuer,
    #[error(transparent)]
    Bearer(#[from] BearerError),
    #[error("{0}")]
    Token(SasError),
    #[error("the token expired {seconds} s ago")]
    Expired { seconds: i64 },
    #[error("the token is for `{host}`, which is not a name of this hub")]
    OtherHub { host: String },
    #[error("the token reaches `{resource}` only")]
    OutOfScope { resource: String },
    #[error("the token names no policy (`skn`): it is a device's own and opens device endpoints only")]
    DeviceToken,
    #[error("no policy is called `{policy}`")]
    UnknownPolicy { policy: String },
    #[error("the signature fits neither key of policy `{policy}`")]
    Signature { policy: String },
    #[error("policy `{policy}` lacks the right {}", right.name())]
    Right { policy: String, right: Right },
}

fn authorize(hub: &HttpState, group: Group, request: &Request) -> Result<Caller, Denied> {
    let header = request.headers().get(AUTHORIZATION).ok_or(Denied::NoHeader)?;
    let text = header.to_str().map_err(|_| Denied::Unreadable)?;
    match bearer(text) {
        Some(token) => {
            let trust = hub.entra.as_deref().ok_or(Denied::NoIssuer)?;
            trust.authorize(token, group.data_actions(request.method()), hub.clock.now())?;
            Ok(Caller::Principal)
        }
        None => authorize_policy(hub, group, text, request.uri().path()).map(|()| Caller::Policy),
    }
}

/// The token of a `Bearer` header.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn authorize_policy(hub: &HttpState, group: Group, text: &str, path: &str) -> Result<(), Denied> {
    let token = ParsedSas::parse(text).map_err(Denied::Token)?;
    let resource = token.resource();
    if !hub.hosts.accepts(resource.host()) {
        return Err(Denied::OtherHub { host: resource.host().to_owned() });
    }
    let name = token.policy().ok_or(Denied::DeviceToken)?;
    let policy = hub.policies.get(name).ok_or_else(|| Denied::UnknownPolicy { policy: name.to_owned() })?;
    let now = hub.clock.now();
    token
        .verify([&policy.keys.primary_key, &policy.keys.secondary_key], now)
        .map_err(|error| refused(error, name, now))?;
    let path = percent_decode_str(path).decode_utf8_lossy();
    if !resource.covers_path_of(&Resource::parse(&format!("{}{path}", resource.host()))) {
        return Err(Denied::OutOfScope { resource: resource.to_string() });
    }
    match group.rights().iter().find(|&&right| !policy.allows(right)) {
        Some(&right) => Err(Denied::Right { policy: name.to_owned(), right }),
        None => Ok(()),
    }
}

fn refused(error: SasError, policy: &str, now: Timestamp) -> Denied {
    match error {
        SasError::Signature => Denied::Signature { policy: policy.to_owned() },
        SasError::Expired { expiry } => Denied::Expired { seconds: now.as_second().saturating_sub(expiry.as_second()) },
        other => Denied::Token(other),
    }
}
