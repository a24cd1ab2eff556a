//! `POST /devices`: up to a hundred identities in one call (REST.md 8.4).
//!
//! Each item is carried out for itself: one that fails does not undo the others. Items of one device keep their order;
//! those of different devices do not wait for each other, so that a hundred of them cost a commit or two.

use std::collections::HashMap;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::{Value, json};

use super::HttpState;
use super::answer::{self, ERROR_CODE};
use super::error::Refusal;
use super::extract::{bad_id, etag};
use super::identity_body::IdentityBody;
use super::json::{JsonBody, read};
use super::twin_body::{self, NullSection};
use crate::hub::HubError;
use crate::hub::registry::IfMatch;
use crate::model::limits::BULK_ITEMS_MAX;
use crate::model::{ErrorCode, TwinId, TwinPatch};

/// What the registry's caller wants done with an item; texts are compared without case (CLIENTS.md 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ImportMode {
    Create,
    CreateOrUpdate,
    Update,
    UpdateIfMatchEtag,
    Delete,
    DeleteIfMatchEtag,
    UpdateTwin,
    UpdateTwinIfMatchEtag,
}

/// The members of an item that are not the identity's own.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ItemBody {
    id: Option<String>,
    module_id: Option<String>,
    import_mode: Option<String>,
    #[serde(rename = "eTag", alias = "etag", alias = "ETag")]
    etag: Option<String>,
    #[serde(rename = "twinETag", alias = "twinEtag")]
    twin_etag: Option<String>,
}

/// Carries the items out; any failure makes the whole answer a 400 that lists it.
pub(super) async fn post(State(hub): State<HttpState>, JsonBody(body): JsonBody) -> Result<Response, Refusal> {
    let Value::Array(items) = body else {
        return Err(Refusal::unreadable(ErrorCode::ArgumentInvalid, "a bulk call's body must be an array"));
    };
    if items.len() > BULK_ITEMS_MAX {
        return Err(Refusal::new(
            ErrorCode::TooManyDevices,
            format!("A bulk call takes at most {BULK_ITEMS_MAX} devices, not {}.", items.len()),
        ));
    }
    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    for Done { device, module, outcome } in carry_out_all(&hub, items).await {
        match outcome {
            Ok(None) => {}
            Ok(Some(warning)) => {
                warnings.push(entry(&device, module, "warning", "DeviceRegisteredWithoutTwin", &warning));
            }
            Err(Refusal { error, .. }) => {
                let why = error.reason.as_deref().unwrap_or(&error.message);
                tracing::info!(device, code = error.code.name(), "an item of a bulk call was refused: {why}");
                errors.push(entry(&device, module, "error", error.code.name(), &error.message));
            }
        }
    }
    let body = json!({"isSuccessful": errors.is_empty(), "errors": errors, "warnings": warnings});
    if errors.is_empty() {
        return Ok(answer::ok(&body));
    }
    let mut response = answer::json(StatusCode::BAD_REQUEST, &body);
    let name = ErrorCode::BulkRegistryOperationFailure.name();
    response.headers_mut().insert(ERROR_CODE, HeaderValue::from_static(name));
    Ok(response)
}

/// What became of one item.
struct Done {
    device: String,
    module: Option<String>,
    outcome: Result<Option<String>, Refusal>,
}

// conformance-choice: REST.md 8.4: good items are carried out when others fail, modes may be mixed, and errorCode is a name
/// Carries items out; the outcomes are in the items' order.
async fn carry_out_all(hub: &HttpState, items: Vec<Value>) -> Vec<Done> {
    let one_by_one = |group: Vec<(usize, Value)>| async move {
        let mut done = Vec::with_capacity(group.len());
        for (place, item) in group {
            let (device, module) = (text(&item, "id").unwrap_or_default(), text(&item, "moduleId"));
            done.push((place, Done { device, module, outcome: carry_out(hub, item).await }));
        }
        done
    };
    let mut done: Vec<(usize, Done)> =
        join_all(by_device(items).into_iter().map(one_by_one)).await.into_iter().flatten().collect();
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, done)| done).collect()
}

/// The items of each device with their places, in the order in which the devices are first named.
fn by_device(items: Vec<Value>) -> Vec<Vec<(usize, Value)>> {
    let mut groups: Vec<Vec<(usize, Value)>> = Vec::new();
    let mut group_of = HashMap::new();
    for (place, item) in items.into_iter().enumerate() {
        let group = *group_of.entry(text(&item, "id")).or_insert(groups.len());
        if group == groups.len() {
            groups.push(Vec::new());
        }
        groups[group].push((place, item));
    }
    groups
}

fn text(item: &Value, member: &str) -> Option<String> {
    item.get(member).and_then(Value::as_str).map(str::to_owned)
}

/// One line of the answer; `kind` is `error` or `warning`.
fn entry(device: &str, module: Option<String>, kind: &str, code: &str, status: &str) -> Value {
    let mut entry = json!({"deviceId": device});
    if let Some(module) = module {
        entry["moduleId"] = json!(module);
    }
    entry[format!("{kind}Code")] = json!(code);
    entry[format!("{kind}Status")] = json!(status);
    entry
}

/// Carries one item out; gives the warning of an identity that came without its twin's content.
async fn carry_out(hub: &HttpState, item: Value) -> Result<Option<String>, Refusal> {
    if !item.is_object() {
        return Err(Refusal::argument("An item of a bulk call must be a JSON object."));
    }
    let body: ItemBody = read(item.clone())?;
    let id = TwinId {
        device: body.id.as_deref().unwrap_or_default().parse().map_err(bad_id)?,
        module: body.module_id.as_deref().filter(|id| !id.is_empty()).map(str::parse).transpose().map_err(bad_id)?,
    };
    let of_identity = condition(body.etag.as_deref());
    match mode(body.import_mode.as_deref())? {
        ImportMode::Create => create(hub, id, item).await,
        ImportMode::CreateOrUpdate => {
            let known = id.clone();
            match hub.read(move |snapshot| snapshot.identity(&known)).await? {
                Some(_) => replace(hub, id, item, IfMatch::Any).await,
                None => create(hub, id, item).await,
            }
        }
        ImportMode::Update => replace(hub, id, item, IfMatch::Any).await,
        ImportMode::UpdateIfMatchEtag => {
            replace(hub, id, item, of_identity).await.map_err(|refusal| stale(refusal, body.etag.as_deref()))
        }
        ImportMode::Delete => delete(hub, id, IfMatch::Any).await,
        ImportMode::DeleteIfMatchEtag => {
            delete(hub, id, of_identity).await.map_err(|refusal| stale(refusal, body.etag.as_deref()))
        }
        ImportMode::UpdateTwin => patch_twin(hub, id, twin_of(&item)?, IfMatch::Any).await,
        ImportMode::UpdateTwinIfMatchEtag => {
            patch_twin(hub, id, twin_of(&item)?, condition(body.twin_etag.as_deref())).await
        }
    }
}

/// A conditional item without an etag is carried out all the same: the service did so (REST.md 8.4).
fn condition(text: Option<&str>) -> IfMatch {
    match text.map_or(IfMatch::Absent, etag) {
        IfMatch::Absent => IfMatch::Any,
        some => some,
    }
}

/// What a bulk call calls a stale etag (REST.md 3.2).
fn stale(mut refusal: Refusal, etag: Option<&str>) -> Refusal {
    if refusal.error.code == ErrorCode::PreconditionFailed && etag.is_some() {
        refusal.error.code = ErrorCode::EtagDoesNotMatch;
    }
    refusal
}

fn mode(text: Option<&str>) -> Result<ImportMode, Refusal> {
    match text.unwrap_or_default().to_ascii_lowercase().as_str() {
        "create" => Ok(ImportMode::Create),
        "" | "createorupdate" => Ok(ImportMode::CreateOrUpdate),
        "update" => Ok(ImportMode::Update),
        "updateifmatchetag" => Ok(ImportMode::UpdateIfMatchEtag),
        "delete" => Ok(ImportMode::Delete),
        "deleteifmatchetag" => Ok(ImportMode::DeleteIfMatchEtag),
        "updatetwin" => Ok(ImportMode::UpdateTwin),
        "updatetwinifmatchetag" => Ok(ImportMode::UpdateTwinIfMatchEtag),
        other => Err(Refusal::argument(format!("There is no importMode '{other}'."))),
    }
}

// conformance-choice: REST.md 8.4: reported properties of an item are ignored: only its device reports
fn twin_of(item: &Value) -> Result<TwinPatch, Refusal> {
    twin_body::patch(item, NullSection::IsAbsent)
}

/// Creates an identity, then fills its twin in.
async fn create(hub: &HttpState, id: TwinId, item: Value) -> Result<Option<String>, Refusal> {
    let twin = twin_of(&item)?;
    let draft = read::<IdentityBody>(item)?.draft(id.clone())?;
    hub.engine.create_identity(draft).await?;
    if twin == TwinPatch::default() {
        return Ok(None);
    }
    let filled = hub.engine.fill_twin(id, twin).await;
    Ok(filled.err().map(|HubError { message, .. }| message))
}

async fn replace(hub: &HttpState, id: TwinId, item: Value, if_match: IfMatch) -> Result<Option<String>, Refusal> {
    let draft = read::<IdentityBody>(item)?.draft(id)?;
    hub.engine.replace_identity(draft, if_match).await?;
    Ok(None)
}

async fn delete(hub: &HttpState, id: TwinId, if_match: IfMatch) -> Result<Option<String>, Refusal> {
    hub.engine.delete_identity(id, if_match).await?;
    Ok(None)
}

async fn patch_twin(
    hub: &HttpState,
    id: TwinId,
    twin: TwinPatch,
    if_match: IfMatch,
) -> Result<Option<String>, Refusal> {
    hub.engine.patch_twin(id, twin, if_match).await?;
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_read_in_any_case() {
        assert_eq!(mode(Some("Update")), Ok(ImportMode::Update));
        assert_eq!(mode(Some("updateTwinIfMatchETag")), Ok(ImportMode::UpdateTwinIfMatchEtag));
        assert_eq!(mode(None), Ok(ImportMode::CreateOrUpdate));
        assert!(mode(Some("upsert")).is_err());
    }

    // conformance: REST.md 8.4: items of one device are carried out in their order
    #[test]
    fn items_of_one_device_stay_together_and_in_order() {
        let item = |id: &str, n: u64| json!({"id": id, "n": n});
        let groups = by_device(vec![item("b", 0), item("a", 1), json!(null), item("b", 3), item("a", 4)]);
        let places: Vec<Vec<usize>> =
            groups.iter().map(|group| group.iter().map(|(place, _)| *place).collect()).collect();
        assert_eq!(places, [vec![0, 3], vec![1, 4], vec![2]]);
    }

    #[test]
    fn a_conditional_item_without_an_etag_is_unconditional() {
        assert_eq!(condition(None), IfMatch::Any);
        assert_eq!(condition(Some("")), IfMatch::Any);
        assert_eq!(condition(Some("\"MQ==\"")), IfMatch::Etag("MQ==".to_owned()));
    }
}
