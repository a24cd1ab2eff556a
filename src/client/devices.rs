//! The identity registry, a device at a time (REST.md 8.1).

use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use super::error::ClientError;
use super::hub_client::HubClient;
use super::operation::Operation;
use super::retry::Repeat;
use super::transport::Call;
use crate::model::{AuthenticationType, ConnectionState, DeviceId, IdentityStatus, SymmetricKeyPair, X509Thumbprints};

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
    /// Why it has that status, in somebody's words.
    #[serde(default)]
    pub status_reason: Option<String>,
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

impl HubClient {
    /// Reads a device's identity, keys included.
    ///
    /// # Errors
    /// [`ClientError`]; `is_not_found` for an unknown device.
    pub async fn device(&self, id: &DeviceId) -> Result<DeviceIdentity, ClientError> {
        let call = Call::new(Operation::ReadDevice, Repeat::Freely, Method::GET, &["devices", id.as_str()])?;
        self.send(&call).await?.json("a device")
    }
}
