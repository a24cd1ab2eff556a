//! `POST /devices/keys/regenerate`: new keys for up to a hundred devices and modules (CLIENTS.md 2.4).
//!
//! Each item is carried out for itself. Connections stay: the service checks a key when a device connects.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::{Value, json};

use super::HttpState;
use super::answer::{self, ERROR_CODE};
use super::error::Refusal;
use super::extract::bad_id;
use super::json::{JsonBody, Object};
use crate::auth::generate_key;
use crate::hub::engine::NewKeys;
use crate::model::limits::BULK_ITEMS_MAX;
use crate::model::{ErrorCode, SymmetricKey, TwinId};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct RegenerateBody {
    policy_key: Option<String>,
    devices: Option<Vec<Object<Item>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Item {
    id: Option<String>,
    module_id: Option<String>,
}

/// Which of an identity's two keys are made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Primary,
    Secondary,
    Both,
}

/// Makes new keys and answers with them.
pub(super) async fn post(State(hub): State<HttpState>, body: JsonBody) -> Result<Response, Refusal> {
    let body: RegenerateBody = body.read()?;
    let which = Which::read(body.policy_key.as_deref())?;
    let items = body.devices.unwrap_or_default();
    if items.len() > BULK_ITEMS_MAX {
        let text = format!("A bulk call takes at most {BULK_ITEMS_MAX} devices, not {}.", items.len());
        return Err(Refusal::new(ErrorCode::TooManyDevices, text));
    }
    let outcomes = join_all(items.into_iter().map(|Object(item)| rotate(&hub, which, item))).await;
    let (mut rotated, mut errors) = (Vec::new(), Vec::new());
    for outcome in outcomes {
        match outcome {
            Ok(keys) => rotated.push(keys),
            Err(error) => errors.push(error),
        }
    }
    let status = status(rotated.len(), errors.len());
    let body = json!({"policyKey": which.name(), "rotatedKeys": rotated, "errors": errors});
    let mut response = answer::json(status, &body);
    if status == StatusCode::BAD_REQUEST {
        let name = ErrorCode::BulkRegenerateDeviceKeyOperationFailure.name();
        response.headers_mut().insert(ERROR_CODE, HeaderValue::from_static(name));
    }
    Ok(response)
}

/// `az` reads the same body out of 200, 207 and 400.
// conformance-choice: CLIENTS.md 2.4: regenerating keys answers 207 when some items fail and 400 when all do
fn status(rotated: usize, errors: usize) -> StatusCode {
    match (rotated, errors) {
        (_, 0) => StatusCode::OK,
        (0, _) => StatusCode::BAD_REQUEST,
        _ => StatusCode::MULTI_STATUS,
    }
}

/// Rotates one item's keys; both outcomes are entries of the answer.
async fn rotate(hub: &HttpState, which: Which, item: Item) -> Result<Value, Value> {
    let Item { id, module_id } = item;
    match new_keys(hub, which, id.as_deref(), module_id.as_deref()).await {
        Ok(new) => Ok(json!({
            "id": id, "moduleId": module_id, "primaryKey": new.primary, "secondaryKey": new.secondary,
        })),
        Err(Refusal { error, .. }) => {
            let why = error.reason.as_deref().unwrap_or(&error.message);
            tracing::info!(id, code = error.code.name(), "keys were not regenerated: {why}");
            Err(json!({
                "id": id, "moduleId": module_id, "errorCode": error.code.name(), "errorStatus": error.message,
            }))
        }
    }
}

async fn new_keys(
    hub: &HttpState,
    which: Which,
    device: Option<&str>,
    module: Option<&str>,
) -> Result<NewKeys, Refusal> {
    let id = TwinId {
        device: device.unwrap_or_default().parse().map_err(bad_id)?,
        module: module.filter(|id| !id.is_empty()).map(str::parse).transpose().map_err(bad_id)?,
    };
    let make = |wanted: bool| wanted.then(key).transpose();
    let new = NewKeys { primary: make(which != Which::Secondary)?, secondary: make(which != Which::Primary)? };
    hub.engine.regenerate_keys(id, new.clone()).await?;
    Ok(new)
}

fn key() -> Result<SymmetricKey, Refusal> {
    generate_key().map_err(|error| Refusal::internal(error.to_string()))
}

impl Which {
    fn read(text: Option<&str>) -> Result<Self, Refusal> {
        [Self::Primary, Self::Secondary, Self::Both]
            .into_iter()
            .find(|which| text.is_some_and(|text| text.eq_ignore_ascii_case(which.name())))
            .ok_or_else(|| Refusal::argument("policyKey must be 'primaryKey', 'secondaryKey' or 'both'."))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Primary => "primaryKey",
            Self::Secondary => "secondaryKey",
            Self::Both => "both",
        }
    }
}
