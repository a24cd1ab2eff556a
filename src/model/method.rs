//! Direct methods: what is asked of a device and what it answers.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A direct-method call, checked: time-outs lie within the service's ranges (REST.md 7).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MethodRequest {
    /// The method's name, as the caller wrote it.
    pub method_name: String,
    /// Any JSON value; `null` when there is none.
    #[serde(default)]
    pub payload: Value,
    /// How long the device may take to answer, in seconds: 5–300.
    pub response_timeout_in_seconds: u64,
    /// How long to wait for an offline device to come, in seconds: 0–300, at most the response time-out.
    pub connect_timeout_in_seconds: u64,
}

/// A device's answer to a direct method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MethodResponse {
    /// Any integer of the device's choosing; 2xx means success by convention.
    pub status: i64,
    /// Any JSON value; `null` when the device sent none.
    #[serde(default)]
    pub payload: Value,
}
