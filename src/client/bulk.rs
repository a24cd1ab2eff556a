//! Bulk calls of the registry: up to a hundred identities each, every one judged for itself (REST.md 8.4).

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::ClientError;
use super::hub_client::HubClient;
use super::operation::Operation;
use super::retry::Repeat;
use super::transport::Call;
use crate::model::limits::BULK_ITEMS_MAX;
use crate::model::{
    AuthenticationType, DeviceId, ErrorCode, IdentityStatus, JsonObject, ModuleId, TwinId, X509Thumbprints,
};

/// A device or module to be created, enabled.
#[derive(Debug, Clone, PartialEq)]
pub struct NewIdentity {
    /// The id.
    pub id: TwinId,
    /// How it is to prove itself.
    pub authentication: NewAuthentication,
    /// Why it is enabled, in its maker's words; modules have none.
    pub status_reason: Option<String>,
    /// The tags that its twin starts with.
    pub tags: JsonObject,
}

/// How a new identity is to prove itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewAuthentication {
    /// By tokens, signed with keys that the hub makes.
    Sas,
    /// By certificates with these thumbprints.
    SelfSigned(X509Thumbprints),
    /// By a certificate of a CA that the hub trusts.
    CertificateAuthority,
}

impl NewAuthentication {
    /// The registry's word for it.
    #[must_use]
    pub fn kind(&self) -> AuthenticationType {
        match self {
            Self::Sas => AuthenticationType::Sas,
            Self::SelfSigned(_) => AuthenticationType::SelfSigned,
            Self::CertificateAuthority => AuthenticationType::CertificateAuthority,
        }
    }

    fn body(&self) -> Value {
        match self {
            Self::Sas => json!({ "type": "sas", "symmetricKey": {} }),
            Self::SelfSigned(thumbprints) => json!({ "type": "selfSigned", "x509Thumbprint": thumbprints }),
            Self::CertificateAuthority => json!({ "type": "certificateAuthority" }),
        }
    }
}

/// A device as the registry held it at one moment: what its etag names is what may be changed or deleted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistryEntry {
    /// The id.
    #[serde(rename = "deviceId")]
    pub id: DeviceId,
    /// The etag of the identity; twins show it as `deviceEtag`.
    #[serde(rename = "deviceEtag")]
    pub etag: String,
    /// How it proves itself.
    pub authentication_type: AuthenticationType,
}

/// One identity of a bulk call that was not created, changed or deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkFailure {
    /// The device.
    pub device_id: String,
    /// Its module, when it is about one.
    pub module_id: Option<String>,
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
    module_id: Option<String>,
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
        Self {
            device_id: error.device_id,
            module_id: error.module_id.filter(|module| !module.is_empty()),
            code,
            code_text: text(error.error_code),
            message: text(error.error_status),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BulkItem<'d> {
    id: &'d DeviceId,
    #[serde(skip_serializing_if = "Option::is_none")]
    module_id: Option<&'d ModuleId>,
    import_mode: &'static str,
    #[serde(rename = "eTag", skip_serializing_if = "Option::is_none")]
    etag: Option<&'d str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<IdentityStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_reason: Option<&'d str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authentication: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'d JsonObject>,
}

impl<'d> BulkItem<'d> {
    fn create(identity: &'d NewIdentity) -> Self {
        Self {
            id: &identity.id.device,
            module_id: identity.id.module.as_ref(),
            import_mode: "create",
            etag: None,
            // Modules have no status (REST.md 8.2).
            status: identity.id.module.is_none().then_some(IdentityStatus::Enabled),
            status_reason: identity.status_reason.as_deref(),
            authentication: Some(identity.authentication.body()),
            tags: Some(&identity.tags).filter(|tags| !tags.is_empty()),
        }
    }

    fn replace(identity: &'d NewIdentity, etag: Option<&'d str>) -> Self {
        let import_mode = if etag.is_some() { "updateIfMatchETag" } else { "update" };
        Self { import_mode, etag, tags: None, ..Self::create(identity) }
    }

    fn delete(entry: &'d RegistryEntry) -> Self {
        Self {
            id: &entry.id,
            module_id: None,
            import_mode: "deleteIfMatchETag",
            etag: Some(&entry.etag),
            status: None,
            status_reason: None,
            authentication: None,
            tags: None,
        }
    }
}

impl HubClient {
    /// Creates identities, tags and all, a hundred a call, and gives those that could not be created.
    ///
    /// # Errors
    /// [`ClientError`] when a whole call failed; the calls before it were carried out.
    pub async fn create_identities(&self, identities: &[NewIdentity]) -> Result<Vec<BulkFailure>, ClientError> {
        let items: Vec<BulkItem<'_>> = identities.iter().map(BulkItem::create).collect();
        self.bulk(Operation::CreateDevice, &items).await
    }

    /// Replaces identities, those with an etag only if they have not changed since; a hundred a call. Tags stay as they
    /// are. Gives those that could not be replaced.
    ///
    /// # Errors
    /// As [`HubClient::create_identities`].
    pub async fn replace_identities(
        &self,
        identities: &[(NewIdentity, Option<String>)],
    ) -> Result<Vec<BulkFailure>, ClientError> {
        let items: Vec<BulkItem<'_>> =
            identities.iter().map(|(identity, etag)| BulkItem::replace(identity, etag.as_deref())).collect();
        self.bulk(Operation::UpdateDevice, &items).await
    }

    /// Deletes devices that have not changed since they had these etags, a hundred a call, and gives those that could
    /// not be deleted.
    ///
    /// # Errors
    /// As [`HubClient::create_identities`].
    pub async fn delete_devices(&self, entries: &[RegistryEntry]) -> Result<Vec<BulkFailure>, ClientError> {
        let items: Vec<BulkItem<'_>> = entries.iter().map(BulkItem::delete).collect();
        self.bulk(Operation::DeleteDevice, &items).await
    }

    async fn bulk(&self, operation: Operation, items: &[BulkItem<'_>]) -> Result<Vec<BulkFailure>, ClientError> {
        let mut failures = Vec::new();
        for chunk in items.chunks(BULK_ITEMS_MAX) {
            let call = Call::new(operation, Repeat::IfNotCarriedOut, Method::POST, &["devices"])?;
            let answer = self.send(&call.json(&chunk)).await?;
            let errors = answer.json::<BulkAnswer>("a bulk result")?.errors;
            failures.extend(errors.into_iter().map(BulkFailure::from));
        }
        Ok(failures)
    }
}
