//! The identity registry: read, create, delete (REST.md 8).

use reqwest::Method;
use reqwest::header::{HeaderValue, IF_MATCH};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::ClientError;
use super::hub_client::HubClient;
use super::operation::Operation;
use super::retry::Repeat;
use super::transport::Call;
use crate::model::limits::BULK_ITEMS_MAX;
use crate::model::{
    AuthenticationType, ConnectionState, DeviceId, ErrorCode, IdentityStatus, JsonObject, SymmetricKeyPair,
    X509Thumbprints,
};

/// A device as the registry shows it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceIdentity {
    /// The id.
    pub device_id: DeviceId,
    /// Changes with every write.
    #[serde(default)]
    pub etag: Option<String>,
    /// Whether it may connect.
    #[serde(default)]
    pub status: IdentityStatus,
    /// Whether it is connected, as far as the registry knows.
    #[serde(default)]
    pub connection_state: ConnectionState,
    /// How it proves itself.
    pub authentication: DeviceAuthentication,
}

/// The `authentication` member of an identity.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceAuthentication {
    /// By key or by certificate.
    #[serde(rename = "type", default)]
    pub kind: AuthenticationType,
    /// The keys; absent, or with null members, for certificates.
    #[serde(default, deserialize_with = "whole_pair")]
    pub symmetric_key: Option<SymmetricKeyPair>,
    /// The thumbprints.
    #[serde(default)]
    pub x509_thumbprint: Option<X509Thumbprints>,
}

/// Both keys or none: devices with certificates carry null keys.
fn whole_pair<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<SymmetricKeyPair>, D::Error> {
    let pair = Value::deserialize(deserializer)?;
    let has = |name: &str| pair.get(name).and_then(Value::as_str).is_some_and(|key| !key.is_empty());
    if !has("primaryKey") || !has("secondaryKey") {
        return Ok(None);
    }
    // Not the parser's own words: they may hold a piece of the key.
    serde_json::from_value(pair)
        .map(Some)
        .map_err(|_| serde::de::Error::custom("a key is not base64 of 16 to 64 bytes"))
}

/// A device to be created, enabled and with keys.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDevice {
    /// The id.
    pub id: DeviceId,
    /// Its keys; `None` lets the hub make them.
    pub keys: Option<SymmetricKeyPair>,
    /// The tags that its twin starts with; only a bulk call carries them.
    pub tags: JsonObject,
}

impl NewDevice {
    fn authentication(&self) -> Value {
        match &self.keys {
            Some(keys) => json!({ "type": "sas", "symmetricKey": keys }),
            None => json!({ "type": "sas", "symmetricKey": {} }),
        }
    }
}

/// One device of a bulk call that was not created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkFailure {
    /// The device.
    pub device_id: String,
    /// The code, when it is one that we know.
    pub code: Option<ErrorCode>,
    /// The code as the service wrote it: a name or a number (REST.md 8.4).
    pub code_text: String,
    /// The service's words.
    pub message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BulkAnswer {
    errors: Vec<BulkError>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BulkError {
    #[serde(default)]
    device_id: String,
    #[serde(default)]
    error_code: Value,
    #[serde(default)]
    error_status: Value,
}

impl From<BulkError> for BulkFailure {
    fn from(error: BulkError) -> Self {
        let text = |value: Value| match value {
            Value::String(text) => text,
            Value::Null => String::new(),
            other => other.to_string(),
        };
        let code = match &error.error_code {
            Value::String(name) => ErrorCode::from_name(name),
            number => number.as_u64().and_then(|n| u32::try_from(n).ok()).and_then(ErrorCode::from_number),
        };
        Self { device_id: error.device_id, code, code_text: text(error.error_code), message: text(error.error_status) }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BulkItem<'d> {
    id: &'d DeviceId,
    import_mode: &'static str,
    status: IdentityStatus,
    authentication: Value,
    #[serde(skip_serializing_if = "JsonObject::is_empty")]
    tags: &'d JsonObject,
}

impl HubClient {
    /// Reads a device's identity, keys included.
    ///
    /// # Errors
    /// [`ClientError`]; `is_not_found` for an unknown device.
    pub async fn device(&self, id: &DeviceId) -> Result<DeviceIdentity, ClientError> {
        let call = Call::new(Operation::ReadDevice, Repeat::Freely, Method::GET, &["devices", id.as_str()])?;
        self.send(&call).await?.json("a device")
    }

    /// Creates a device.
    ///
    /// # Errors
    /// [`ClientError`]; `is_conflict` when it exists.
    pub async fn create_device(&self, device: &NewDevice) -> Result<DeviceIdentity, ClientError> {
        let id = device.id.as_str();
        let body = json!({ "deviceId": id, "status": "enabled", "authentication": device.authentication() });
        let call = Call::new(Operation::CreateDevice, Repeat::IfNotCarriedOut, Method::PUT, &["devices", id])?;
        self.send(&call.json(&body)).await?.json("a device")
    }

    /// Creates devices, 100 a call, and gives those that could not be created.
    ///
    /// # Errors
    /// [`ClientError`] when a whole call failed; the calls before it were carried out.
    pub async fn create_devices(&self, devices: &[NewDevice]) -> Result<Vec<BulkFailure>, ClientError> {
        let mut failures = Vec::new();
        for chunk in devices.chunks(BULK_ITEMS_MAX) {
            failures.extend(self.create_chunk(chunk).await?);
        }
        Ok(failures)
    }

    async fn create_chunk(&self, devices: &[NewDevice]) -> Result<Vec<BulkFailure>, ClientError> {
        let items: Vec<BulkItem<'_>> = devices
            .iter()
            .map(|device| BulkItem {
                id: &device.id,
                import_mode: "create",
                status: IdentityStatus::Enabled,
                authentication: device.authentication(),
                tags: &device.tags,
            })
            .collect();
        let call = Call::new(Operation::CreateDevice, Repeat::IfNotCarriedOut, Method::POST, &["devices"])?;
        let answer = self.send(&call.json(&items)).await?;
        let errors = answer.json::<BulkAnswer>("a bulk result")?.errors;
        Ok(errors.into_iter().map(BulkFailure::from).collect())
    }

    /// Deletes a device whatever its etag.
    ///
    /// # Errors
    /// [`ClientError`]; `is_not_found` for an unknown device.
    pub async fn delete_device(&self, id: &DeviceId) -> Result<(), ClientError> {
        let call =
            Call::new(Operation::DeleteDevice, Repeat::IfNotCarriedOut, Method::DELETE, &["devices", id.as_str()])?
                .header(IF_MATCH, HeaderValue::from_static("\"*\""));
        self.send(&call).await.map(drop)
    }
}
