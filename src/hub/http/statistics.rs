//! `/statistics`: counts (REST.md 8.5). Unlike the service's own they neither lag nor confuse the split.

use axum::extract::State;
use axum::response::Response;
use serde_json::json;

use super::HttpState;
use super::answer;
use super::error::Refusal;
use crate::hub::store::Snapshot;

// conformance-deviation: REST.md 8.5: counts are exact at once; on the service they lag
/// `GET /statistics/devices`.
pub(super) async fn devices(State(hub): State<HttpState>) -> Result<Response, Refusal> {
    let counts = hub.read(Snapshot::counts).await?;
    Ok(answer::ok(&json!({
        "totalDeviceCount": counts.devices,
        "enabledDeviceCount": counts.enabled,
        "disabledDeviceCount": counts.disabled,
    })))
}

/// `GET /statistics/service`.
pub(super) async fn service(State(hub): State<HttpState>) -> Result<Response, Refusal> {
    let counts = hub.read(Snapshot::counts).await?;
    Ok(answer::ok(&json!({"connectedDeviceCount": counts.connected})))
}
