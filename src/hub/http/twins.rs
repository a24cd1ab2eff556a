//! `/twins`: twins of devices and modules (REST.md 6).

use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::response::Response;

use super::HttpState;
use super::answer;
use super::devices::not_found;
use super::error::{Envelope, Refusal};
use super::extract::{Precondition, Target};
use super::json::JsonBody;
use super::router::not_supported;
use super::twin_body::{self, NullSection};
use crate::hub::HubError;

/// The verb that a client could not send itself: the Java SDK patches by POST (REST.md 1.1).
const METHOD_OVERRIDE: &str = "x-http-method-override";

/// `GET /twins/...`. A missing module is a missing device here (REST.md 6.1).
pub(super) async fn get(State(hub): State<HttpState>, Target(id): Target) -> Result<Response, Refusal> {
    let unknown = not_found(&id);
    let document = hub.read(move |snapshot| snapshot.twin_document(&id)).await?;
    Ok(answer::ok(&document.ok_or(unknown)?))
}

/// `PATCH /twins/...`: merges.
pub(super) async fn patch(
    State(hub): State<HttpState>,
    Target(id): Target,
    Precondition(if_match): Precondition,
    JsonBody(body): JsonBody,
) -> Result<Response, Refusal> {
    let patch = twin_body::patch(&body, NullSection::Clears)?;
    let twin = hub.engine.patch_twin(id, patch, if_match).await.map_err(of_the_twin_store)?;
    Ok(answer::ok(&twin))
}

/// `PUT /twins/...`: replaces tags and desired properties as a whole.
pub(super) async fn put(
    State(hub): State<HttpState>,
    Target(id): Target,
    Precondition(if_match): Precondition,
    JsonBody(body): JsonBody,
) -> Result<Response, Refusal> {
    let content = twin_body::patch(&body, NullSection::IsAbsent)?;
    let twin = hub.engine.replace_twin(id, content, if_match).await.map_err(of_the_twin_store)?;
    Ok(answer::ok(&twin))
}

/// `POST /twins/...` with `X-HTTP-Method-Override`: whatever that header says.
pub(super) async fn post(
    hub: State<HttpState>,
    target: Target,
    precondition: Precondition,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, Refusal> {
    let verb = headers.get(METHOD_OVERRIDE).map_or(&b""[..], |verb| verb.as_bytes()).to_ascii_uppercase();
    match verb.as_slice() {
        b"PATCH" => patch(hub, target, precondition, body).await,
        b"PUT" => put(hub, target, precondition, body).await,
        _ => Err(not_supported(&Method::POST)),
    }
}

fn of_the_twin_store(error: HubError) -> Refusal {
    Refusal::from(error).said_by(Envelope::TwinStore)
}
