//! A twin as the service shows it: identity, content and connection in one object (REST.md 6.2).

use serde_json::{Value, json};

use super::parts::{Parts, Portion};
use super::stored_twin::StoredTwin;
use super::{PresenceBoard, StoreError};
use crate::hub::registry::{Authentication, Identity};
use crate::model::{AuthenticationType, JsonObject, TwinId, X509Thumbprints};

/// What a twin document is made of.
pub(super) struct Ingredients<'a> {
    /// Whose it is, when the ids or the connection are asked for.
    pub(super) id: Option<&'a TwinId>,
    /// What the registry knows, when that is asked for.
    pub(super) identity: Option<&'a Identity>,
    /// The content.
    pub(super) twin: &'a StoredTwin<'a>,
    /// The connections.
    pub(super) presence: &'a PresenceBoard,
}

/// Puts that portion of a document together, in the service's order; members that are null or empty in the service's
/// are left out as there.
pub(super) fn twin_document(from: &Ingredients<'_>, portion: &Portion) -> Result<Value, StoreError> {
    let parts = portion.parts;
    let mut document = JsonObject::new();
    let mut put = |key: &str, value: Value| {
        document.insert(key.to_owned(), value);
    };
    if let Some(id) = from.id.filter(|_| parts.has(Parts::IDS)) {
        put("deviceId", json!(id.device));
        if let Some(module) = &id.module {
            put("moduleId", json!(module));
        }
    }
    let head = parts.has(Parts::HEAD).then(|| from.twin.head());
    if let Some((etag, _)) = &head {
        put("etag", json!(etag));
    }
    if let Some(identity) = from.identity {
        put("deviceEtag", identity.etag_text().into());
        put("status", json!(identity.status));
        if let Some(reason) = &identity.status_reason {
            put("statusReason", json!(reason));
        }
        put("statusUpdateTime", json!(identity.status_updated));
    }
    if let Some(id) = from.id.filter(|_| parts.has(Parts::PRESENCE)) {
        let presence = from.presence.get(id);
        put("connectionState", json!(presence.state));
        put("lastActivityTime", json!(presence.last_activity));
    }
    if let Some(identity) = from.identity {
        let (authentication, thumbprints) = authentication(&identity.authentication);
        put("cloudToDeviceMessageCount", 0.into());
        put("authenticationType", json!(authentication));
        put("x509Thumbprint", json!(thumbprints));
        // conformance-deviation: REST.md 6.2: modelId is there and empty whatever the api-version and the device say
        put("modelId", "".into());
    }
    if let Some((_, version)) = head {
        put("version", version.into());
    }
    if parts.has(Parts::TAGS) {
        let tags = from.twin.tags(portion)?;
        if !tags.is_empty() {
            put("tags", Value::Object(tags));
        }
    }
    if let Some(properties) = from.twin.properties(portion)? {
        put("properties", properties);
    }
    if let Some(identity) = from.identity {
        put("capabilities", json!({"iotEdge": identity.iot_edge}));
        if let Some(scope) = &identity.device_scope {
            put("deviceScope", json!(scope));
        }
        if !identity.parent_scopes.is_empty() {
            put("parentScopes", json!(identity.parent_scopes));
        }
    }
    Ok(Value::Object(document))
}

fn authentication(authentication: &Authentication) -> (AuthenticationType, X509Thumbprints) {
    match authentication {
        Authentication::Sas(_) => (AuthenticationType::Sas, X509Thumbprints::default()),
        Authentication::SelfSigned(thumbprints) => (AuthenticationType::SelfSigned, thumbprints.clone()),
        Authentication::CertificateAuthority => (AuthenticationType::CertificateAuthority, X509Thumbprints::default()),
        Authentication::None => (AuthenticationType::None, X509Thumbprints::default()),
    }
}
