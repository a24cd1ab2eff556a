//! `/devices/{device}/modules`: module identities (REST.md 8.2).

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::HttpState;
use super::answer;
use super::authorize::{Caller, unauthorized};
use super::devices;
use super::error::{Envelope, Refusal};
use super::extract::{Precondition, Target};
use super::identity_body::IdentityBody;
use super::identity_document::{Never, document};
use super::json::JsonBody;
use crate::hub::HubError;
use crate::hub::registry::IfMatch;
use crate::hub::store::IdentityScope;
use crate::model::limits::DEVICE_LIST_MAX;
use crate::model::{ErrorCode, IdentityStatus, TwinId};

/// `PUT .../modules/{module}`: creates without a precondition, replaces with one.
pub(super) async fn put(
    State(hub): State<HttpState>,
    Extension(caller): Extension<Caller>,
    Target(id): Target,
    Precondition(if_match): Precondition,
    body: JsonBody,
) -> Result<Response, Refusal> {
    parent_opens(&hub, caller, &id).await?;
    let draft = body.read::<IdentityBody>()?.draft(id)?;
    let (identity, never) = match if_match {
        IfMatch::Absent => {
            let created = hub.engine.create_identity(draft).await;
            (created.map_err(creation_refused)?, Never::WithoutZone)
        }
        some => (hub.engine.replace_identity(draft, some).await?, Never::WithZone),
    };
    let id = identity.id.clone();
    let presence = hub.read(move |snapshot| Ok(snapshot.presence(&id))).await?;
    Ok(answer::ok(&document(&identity, &presence, never)))
}

/// A module that is there already is refused in flat members (REST.md 3.3).
fn creation_refused(error: HubError) -> Refusal {
    let refusal = Refusal::from(error);
    match refusal.error.code {
        ErrorCode::ModuleAlreadyExistsOnDevice => refusal.said_by(Envelope::Flat),
        _ => refusal,
    }
}

/// `GET .../modules/{module}`.
pub(super) async fn get(
    State(hub): State<HttpState>,
    Extension(caller): Extension<Caller>,
    Target(id): Target,
) -> Result<Response, Refusal> {
    parent_opens(&hub, caller, &id).await?;
    let unknown = not_found(&id);
    let found = hub.read(move |snapshot| {
        Ok(snapshot.identity(&id)?.map(|identity| document(&identity, &snapshot.presence(&id), Never::WithZone)))
    });
    Ok(answer::ok(&found.await?.ok_or(unknown)?))
}

/// `DELETE .../modules/{module}`; wants a precondition.
pub(super) async fn delete(
    State(hub): State<HttpState>,
    Extension(caller): Extension<Caller>,
    Target(id): Target,
    Precondition(if_match): Precondition,
) -> Result<Response, Refusal> {
    parent_opens(&hub, caller, &id).await?;
    hub.engine.delete_identity(id, if_match).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `GET .../modules`.
pub(super) async fn list(
    State(hub): State<HttpState>,
    Extension(caller): Extension<Caller>,
    Target(id): Target,
) -> Result<Response, Refusal> {
    parent_opens(&hub, caller, &id).await?;
    devices::documents(&hub, IdentityScope::ModulesOf(id.device), DEVICE_LIST_MAX).await
}

/// Answers 401 when the module's device is not there or is disabled, as the service does for SAS only (REST.md 2.5).
async fn parent_opens(hub: &HttpState, caller: Caller, id: &TwinId) -> Result<(), Refusal> {
    let device = TwinId::device(id.device.clone());
    let parent = hub.read(move |snapshot| snapshot.identity(&device)).await?;
    match parent.map(|device| device.status) {
        Some(IdentityStatus::Enabled) => Ok(()),
        Some(IdentityStatus::Disabled) if caller == Caller::Principal => Ok(()),
        None if caller == Caller::Principal => Err(devices::not_found(id)),
        Some(IdentityStatus::Disabled) => Err(unauthorized(format!(
            "device `{}` is disabled; module identities then answer 401 as on the service",
            id.device
        ))),
        None => Err(unauthorized(format!(
            "device `{}` is not registered; module identities then answer 401 as on the service",
            id.device
        ))),
    }
}

fn not_found(id: &TwinId) -> Refusal {
    HubError::new(ErrorCode::ModuleNotFound, id.to_string()).because(format!("`{id}` is not registered")).into()
}
