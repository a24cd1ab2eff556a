//! A twin as the service shows it: identity, content and connection in one object (REST.md 6.2).

use serde_json::{Value, json};

use super::Presence;
use crate::hub::registry::{Authentication, Identity};
use crate::model::{AuthenticationType, JsonObject, Twin, X509Thumbprints};

/// Puts the whole document together; members that are null or empty in the service's are left out as there.
#[must_use]
pub fn twin_document(identity: &Identity, twin: &Twin, presence: &Presence) -> Value {
    let (authentication, thumbprints) = authentication(&identity.authentication);
    let mut document = JsonObject::new();
    let mut put = |key: &str, value: Value| {
        document.insert(key.to_owned(), value);
    };
    put("deviceId", json!(identity.id.device));
    if let Some(module) = &identity.id.module {
        put("moduleId", json!(module));
    }
    put("etag", twin.etag_text().into());
    put("deviceEtag", identity.etag_text().into());
    put("status", json!(identity.status));
    if let Some(reason) = &identity.status_reason {
        put("statusReason", json!(reason));
    }
    put("statusUpdateTime", json!(identity.status_updated));
    put("connectionState", json!(presence.state));
    put("lastActivityTime", json!(presence.last_activity));
    put("cloudToDeviceMessageCount", 0.into());
    put("authenticationType", json!(authentication));
    put("x509Thumbprint", json!(thumbprints));
    // conformance-deviation: REST.md 6.2: modelId is there and empty whatever the api-version and the device say
    put("modelId", "".into());
    put("version", twin.version.into());
    if !twin.tags.is_empty() {
        put("tags", Value::Object(twin.tags.clone()));
    }
    put("properties", json!({"desired": twin.desired.document(), "reported": twin.reported.document()}));
    put("capabilities", json!({"iotEdge": identity.iot_edge}));
    if let Some(scope) = &identity.device_scope {
        put("deviceScope", json!(scope));
    }
    if !identity.parent_scopes.is_empty() {
        put("parentScopes", json!(identity.parent_scopes));
    }
    Value::Object(document)
}

fn authentication(authentication: &Authentication) -> (AuthenticationType, X509Thumbprints) {
    match authentication {
        Authentication::Sas(_) => (AuthenticationType::Sas, X509Thumbprints::default()),
        Authentication::SelfSigned(thumbprints) => (AuthenticationType::SelfSigned, thumbprints.clone()),
        Authentication::CertificateAuthority => (AuthenticationType::CertificateAuthority, X509Thumbprints::default()),
        Authentication::None => (AuthenticationType::None, X509Thumbprints::default()),
    }
}
