//! Identities as the service writes them (REST.md 8.1, 8.2).

use serde_json::{Value, json};

use crate::hub::registry::{Authentication, Identity};
use crate::hub::store::Presence;
use crate::model::WireTime;

/// How times that never were are spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Never {
    /// `0001-01-01T00:00:00Z`.
    WithZone,
    /// `0001-01-01T00:00:00`: so on the answer that creates an identity (REST.md 1.5).
    WithoutZone,
}

impl Never {
    fn write(self, time: WireTime) -> String {
        let text = time.to_string();
        match (self, time) {
            (Self::WithoutZone, WireTime::Never) => text.trim_end_matches('Z').to_owned(),
            _ => text,
        }
    }
}

/// The document of a device or module.
pub(super) fn document(identity: &Identity, presence: &Presence, never: Never) -> Value {
    match &identity.id.module {
        None => device(identity, presence, never),
        Some(module) => json!({
            "moduleId": module,
            "managedBy": identity.managed_by,
            "deviceId": identity.id.device,
            "generationId": identity.generation_id.to_string(),
            "etag": identity.etag_text(),
            "connectionState": presence.state,
            "connectionStateUpdatedTime": never.write(presence.state_updated),
            "lastActivityTime": never.write(presence.last_activity),
            "cloudToDeviceMessageCount": 0,
            "authentication": authentication(&identity.authentication),
        }),
    }
}

fn device(identity: &Identity, presence: &Presence, never: Never) -> Value {
    let mut document = json!({
        "deviceId": identity.id.device,
        "generationId": identity.generation_id.to_string(),
        "etag": identity.etag_text(),
        "connectionState": presence.state,
        "status": identity.status,
        "statusReason": identity.status_reason,
        "connectionStateUpdatedTime": never.write(presence.state_updated),
        "statusUpdatedTime": never.write(identity.status_updated),
        "lastActivityTime": never.write(presence.last_activity),
        "cloudToDeviceMessageCount": 0,
        "authentication": authentication(&identity.authentication),
        "capabilities": {"iotEdge": identity.iot_edge},
    });
    if let Some(scope) = &identity.device_scope {
        document["deviceScope"] = json!(scope);
    }
    if !identity.parent_scopes.is_empty() {
        document["parentScopes"] = json!(identity.parent_scopes);
    }
    document
}

/// All three members always, with nulls for what the type does not have.
fn authentication(authentication: &Authentication) -> Value {
    let (kind, keys, thumbprints) = match authentication {
        Authentication::Sas(keys) => ("sas", Some(keys), None),
        Authentication::SelfSigned(thumbprints) => ("selfSigned", None, Some(thumbprints)),
        Authentication::CertificateAuthority => ("certificateAuthority", None, None),
        Authentication::None => ("none", None, None),
    };
    json!({
        "symmetricKey": {
            "primaryKey": keys.map(|keys| &keys.primary_key),
            "secondaryKey": keys.map(|keys| &keys.secondary_key),
        },
        "x509Thumbprint": {
            "primaryThumbprint": thumbprints.and_then(|both| both.primary_thumbprint.as_deref()),
            "secondaryThumbprint": thumbprints.and_then(|both| both.secondary_thumbprint.as_deref()),
        },
        "type": kind,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ConnectionState, IdentityStatus, SymmetricKey, SymmetricKeyPair, TwinId};

    const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

    fn identity(id: TwinId) -> Identity {
        let key: SymmetricKey = KEY.parse().unwrap();
        Identity {
            id,
            generation_id: 637_345_907_161_634_714,
            etag: 241_791_198,
            status: IdentityStatus::Enabled,
            status_reason: None,
            status_updated: WireTime::Never,
            authentication: Authentication::Sas(SymmetricKeyPair { primary_key: key.clone(), secondary_key: key }),
            iot_edge: false,
            device_scope: None,
            parent_scopes: Vec::new(),
            managed_by: None,
        }
    }

    const NOT_THERE: Presence = Presence {
        state: ConnectionState::Disconnected,
        state_updated: WireTime::Never,
        last_activity: WireTime::Never,
    };

    // conformance: REST.md 8.1: a device identity has the members of the service, in their order
    #[test]
    fn a_device_is_written_to_the_letter() {
        let device = identity(TwinId::device("d1".parse().unwrap()));
        assert_eq!(
            document(&device, &NOT_THERE, Never::WithZone).to_string(),
            format!(
                concat!(
                    r#"{{"deviceId":"d1","generationId":"637345907161634714","etag":"MjQxNzkxMTk4","connectionState":"Disconnected","#,
                    r#""status":"enabled","statusReason":null,"connectionStateUpdatedTime":"0001-01-01T00:00:00Z","#,
                    r#""statusUpdatedTime":"0001-01-01T00:00:00Z","lastActivityTime":"0001-01-01T00:00:00Z","cloudToDeviceMessageCount":0,"#,
                    r#""authentication":{{"symmetricKey":{{"primaryKey":"{0}","secondaryKey":"{0}"}},"#,
                    r#""x509Thumbprint":{{"primaryThumbprint":null,"secondaryThumbprint":null}},"type":"sas"}},"#,
                    r#""capabilities":{{"iotEdge":false}}}}"#
                ),
                KEY
            )
        );
    }

    #[test]
    fn the_answer_that_creates_has_no_zone_on_times_that_never_were() {
        let device = identity(TwinId::device("d1".parse().unwrap()));
        assert_eq!(document(&device, &NOT_THERE, Never::WithoutZone)["lastActivityTime"], "0001-01-01T00:00:00");
    }

    // conformance: REST.md 8.2: a module identity has neither status nor capabilities
    #[test]
    fn a_module_has_no_status_and_no_capabilities() {
        let module = identity(TwinId::module("d1".parse().unwrap(), "m1".parse().unwrap()));
        let document = document(&module, &NOT_THERE, Never::WithZone);
        let members: Vec<_> = document.as_object().unwrap().keys().cloned().collect();
        assert_eq!(
            members,
            [
                "moduleId",
                "managedBy",
                "deviceId",
                "generationId",
                "etag",
                "connectionState",
                "connectionStateUpdatedTime",
                "lastActivityTime",
                "cloudToDeviceMessageCount",
                "authentication",
            ]
        );
    }
}
