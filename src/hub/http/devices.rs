//! `/devices`: device identities one by one, and the list (REST.md 8.1).

use axum::extract::State;
use axum::http::header::ETAG;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::HttpState;
use super::answer;
use super::error::Refusal;
use super::extract::{Parameters, Precondition, Target};
use super::identity_body::IdentityBody;
use super::identity_document::{Never, document};
use super::json::JsonBody;
use crate::hub::HubError;
use crate::hub::registry::{Identity, IfMatch};
use crate::hub::store::IdentityScope;
use crate::model::limits::DEVICE_LIST_MAX;
use crate::model::{ErrorCode, TwinId};

/// `PUT /devices/{device}`: creates without a precondition, replaces with one.
pub(super) async fn put(
    State(hub): State<HttpState>,
    Target(id): Target,
    Precondition(if_match): Precondition,
    body: JsonBody,
) -> Result<Response, Refusal> {
    let draft = body.read::<IdentityBody>()?.draft(id)?;
    let (identity, never) = match if_match {
        IfMatch::Absent => (hub.engine.create_identity(draft).await?, Never::WithoutZone),
        some => (hub.engine.replace_identity(draft, some).await?, Never::WithZone),
    };
    let presence = hub.read({
        let id = identity.id.clone();
        move |snapshot| Ok(snapshot.presence(&id))
    });
    Ok(tagged(&identity, answer::ok(&document(&identity, &presence.await?, never))))
}

/// `GET /devices/{device}`.
pub(super) async fn get(State(hub): State<HttpState>, Target(id): Target) -> Result<Response, Refusal> {
    let unknown = not_found(&id);
    let found = hub.read(move |snapshot| {
        Ok(snapshot.identity(&id)?.map(|identity| {
            let presence = snapshot.presence(&id);
            (identity, presence)
        }))
    });
    let (identity, presence) = found.await?.ok_or(unknown)?;
    Ok(tagged(&identity, answer::ok(&document(&identity, &presence, Never::WithZone))))
}

/// `DELETE /devices/{device}`, with its modules and twins; wants a precondition.
pub(super) async fn delete(
    State(hub): State<HttpState>,
    Target(id): Target,
    Precondition(if_match): Precondition,
) -> Result<Response, Refusal> {
    hub.engine.delete_identity(id, if_match).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Deserialize)]
pub(super) struct Top {
    top: Option<String>,
}

/// `GET /devices?top=n`: 1 to 1,000, anything else means 1,000.
pub(super) async fn list(
    State(hub): State<HttpState>,
    Parameters(Top { top }): Parameters<Top>,
) -> Result<Response, Refusal> {
    let limit = top
        .and_then(|text| text.parse::<usize>().ok())
        .filter(|top| (1..=DEVICE_LIST_MAX).contains(top))
        .unwrap_or(DEVICE_LIST_MAX);
    documents(&hub, IdentityScope::Devices, limit).await
}

/// The documents of a scope as an array.
pub(super) async fn documents(hub: &HttpState, scope: IdentityScope, limit: usize) -> Result<Response, Refusal> {
    let documents = hub.read(move |snapshot| {
        let identities = snapshot.identities(&scope, None, limit)?;
        let write = |identity: &Identity| document(identity, &snapshot.presence(&identity.id), Never::WithZone);
        Ok(identities.iter().map(write).collect::<Vec<_>>())
    });
    Ok(answer::ok(&documents.await?))
}

/// What the service says of a device that is not there: the text is the id (REST.md 3.3).
pub(super) fn not_found(id: &TwinId) -> Refusal {
    HubError::new(ErrorCode::DeviceNotFound, id.device.as_str()).because(format!("`{id}` is not registered")).into()
}

/// Adds the `ETag` header, which devices have and modules do not (REST.md 1.3).
fn tagged(identity: &Identity, mut response: Response) -> Response {
    if let Ok(etag) = HeaderValue::from_str(&format!("\"{}\"", identity.etag_text())) {
        response.headers_mut().insert(ETAG, etag);
    }
    response
}
