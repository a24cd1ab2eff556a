//! Identities as callers write them, and what that means: which keys to make, which combinations to refuse (REST.md 8.1).

use serde::Deserialize;

use super::error::Refusal;
use super::json::object;
use crate::auth::generate_key_pair;
use crate::hub::registry::{Authentication, IdentityDraft};
use crate::model::{AuthenticationType, IdentityStatus, SymmetricKey, SymmetricKeyPair, TwinId, X509Thumbprints};

/// Body of a PUT on a device or module, and the identity half of a bulk item. Every member may be null or missing.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct IdentityBody {
    device_id: Option<String>,
    module_id: Option<String>,
    status: Option<String>,
    status_reason: Option<String>,
    #[serde(deserialize_with = "object")]
    authentication: Option<AuthenticationBody>,
    #[serde(deserialize_with = "object")]
    capabilities: Option<CapabilitiesBody>,
    device_scope: Option<String>,
    parent_scopes: Option<Vec<String>>,
    managed_by: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct AuthenticationBody {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(deserialize_with = "object")]
    symmetric_key: Option<KeysBody>,
    #[serde(deserialize_with = "object")]
    x509_thumbprint: Option<X509Thumbprints>,
}

/// Keys as text, so that an empty one can mean "make one". Has no `Debug`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct KeysBody {
    primary_key: Option<String>,
    secondary_key: Option<String>,
}

impl std::fmt::Debug for KeysBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeysBody(***)")
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct CapabilitiesBody {
    iot_edge: Option<bool>,
}

impl IdentityBody {
    /// What the caller asks `id` to be. Keys that are missing or empty are made here.
    ///
    /// # Errors
    /// `ArgumentInvalid` for ids that differ from `id`, half a key pair, and values outside their sets.
    pub(super) fn draft(self, id: TwinId) -> Result<IdentityDraft, Refusal> {
        agrees("deviceId", self.device_id.as_deref(), Some(id.device.as_str()))?;
        agrees("moduleId", self.module_id.as_deref(), id.module.as_ref().map(AsRef::as_ref))?;
        let status = match &id.module {
            Some(_) => IdentityStatus::Enabled,
            None => status(self.status.as_deref())?,
        };
        Ok(IdentityDraft {
            status,
            status_reason: self.status_reason,
            authentication: self.authentication.unwrap_or_default().resolve(&id)?,
            iot_edge: self.capabilities.and_then(|capabilities| capabilities.iot_edge).unwrap_or(false),
            device_scope: self.device_scope.filter(|scope| !scope.is_empty()),
            parent_scopes: self.parent_scopes.unwrap_or_default(),
            managed_by: self.managed_by.filter(|manager| !manager.is_empty()),
            id,
        })
    }
}

/// Refuses a body that names another id than the path; one that names none agrees.
fn agrees(member: &str, body: Option<&str>, path: Option<&str>) -> Result<(), Refusal> {
    match body.filter(|text| !text.is_empty()) {
        Some(text) if Some(text) != path => {
            Err(Refusal::argument(format!("The {member} '{text}' of the body is not that of the path.")))
        }
        _ => Ok(()),
    }
}

fn status(text: Option<&str>) -> Result<IdentityStatus, Refusal> {
    match text.map(str::to_ascii_lowercase).as_deref() {
        None | Some("" | "enabled") => Ok(IdentityStatus::Enabled),
        Some("disabled") => Ok(IdentityStatus::Disabled),
        Some(other) => Err(Refusal::argument(format!("The status '{other}' is neither 'enabled' nor 'disabled'."))),
    }
}

impl AuthenticationBody {
    fn resolve(self, id: &TwinId) -> Result<Authentication, Refusal> {
        match self.kind()? {
            AuthenticationType::Sas => self.symmetric_key.unwrap_or_default().resolve().map(Authentication::Sas),
            AuthenticationType::SelfSigned => {
                let thumbprints = self.x509_thumbprint.unwrap_or_default();
                Ok(Authentication::SelfSigned(X509Thumbprints {
                    primary_thumbprint: thumbprint(thumbprints.primary_thumbprint)?,
                    secondary_thumbprint: thumbprint(thumbprints.secondary_thumbprint)?,
                }))
            }
            AuthenticationType::CertificateAuthority => Ok(Authentication::CertificateAuthority),
            // The service makes a module of it that signs with keys, and refuses it for devices (REST.md 8.1).
            AuthenticationType::None if id.module.is_some() => {
                self.symmetric_key.unwrap_or_default().resolve().map(Authentication::Sas)
            }
            AuthenticationType::None => {
                Err(Refusal::argument("A device needs an authentication type other than 'none'."))
            }
        }
    }

    /// The type that is written, else what the members suggest.
    fn kind(&self) -> Result<AuthenticationType, Refusal> {
        let Some(text) = self.kind.as_deref().filter(|text| !text.is_empty()) else {
            return Ok(if self.has_thumbprint() { AuthenticationType::SelfSigned } else { AuthenticationType::Sas });
        };
        [
            ("sas", AuthenticationType::Sas),
            ("selfSigned", AuthenticationType::SelfSigned),
            ("certificateAuthority", AuthenticationType::CertificateAuthority),
            ("none", AuthenticationType::None),
        ]
        .into_iter()
        .find_map(|(name, kind)| name.eq_ignore_ascii_case(text).then_some(kind))
        .ok_or_else(|| Refusal::argument(format!("The authentication type '{text}' is not known.")))
    }

    fn has_thumbprint(&self) -> bool {
        let is_given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        self.x509_thumbprint
            .as_ref()
            .is_some_and(|both| is_given(&both.primary_thumbprint) || is_given(&both.secondary_thumbprint))
    }
}

impl KeysBody {
    /// Both keys as given, or two new ones; never half and half.
    fn resolve(self) -> Result<SymmetricKeyPair, Refusal> {
        let given = |key: Option<String>| key.filter(|key| !key.is_empty());
        match (given(self.primary_key), given(self.secondary_key)) {
            (None, None) => generate_key_pair().map_err(|error| Refusal::internal(error.to_string())),
            (Some(primary), Some(secondary)) => Ok(SymmetricKeyPair {
                primary_key: key("primaryKey", &primary)?,
                secondary_key: key("secondaryKey", &secondary)?,
            }),
            _ => Err(Refusal::argument("Give both primaryKey and secondaryKey, or neither.")),
        }
    }
}

fn key(member: &str, text: &str) -> Result<SymmetricKey, Refusal> {
    text.parse().map_err(|error| Refusal::argument(format!("{member}: {error}")))
}

/// A thumbprint as hex without separators, its case kept (REST.md 8.1); an empty one counts as none.
fn thumbprint(text: Option<String>) -> Result<Option<String>, Refusal> {
    match text.filter(|text| !text.is_empty()) {
        Some(text) if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Err(Refusal::argument("A thumbprint is hexadecimal digits without separators."))
        }
        thumbprint => Ok(thumbprint),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::hub::http::json::read;
    use crate::model::ErrorCode;

    const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

    fn draft(body: Value) -> Result<IdentityDraft, Refusal> {
        read::<IdentityBody>(body)?.draft(TwinId::device("d1".parse().unwrap()))
    }

    // conformance: REST.md 8.1: `{}`, `""` and null keys mean that keys are to be made
    #[test]
    fn missing_and_empty_keys_are_made() {
        for authentication in [
            json!(null),
            json!({}),
            json!({"type": "sas"}),
            json!({"type": "sas", "symmetricKey": {}}),
            json!({"type": "sas", "symmetricKey": {"primaryKey": "", "secondaryKey": ""}}),
            json!({"symmetricKey": {"primaryKey": null}, "x509Thumbprint": {"primaryThumbprint": null}}),
        ] {
            let made = draft(json!({"deviceId": "d1", "authentication": authentication})).unwrap().authentication;
            let Authentication::Sas(pair) = made else { panic!("{authentication} gave {made:?}") };
            assert_eq!(pair.primary_key.expose_base64().len(), 44);
            assert_ne!(pair.primary_key, pair.secondary_key);
        }
    }

    // conformance: REST.md 8.1: given keys of 16 to 64 bytes are kept, both or neither
    #[test]
    fn given_keys_are_kept_both_or_neither() {
        let body = |keys: Value| json!({"authentication": {"symmetricKey": keys}});
        let Authentication::Sas(pair) =
            draft(body(json!({"primaryKey": KEY, "secondaryKey": KEY}))).unwrap().authentication
        else {
            panic!("keys make a sas identity")
        };
        assert_eq!(pair.secondary_key.expose_base64(), KEY);
        for keys in [
            json!({"primaryKey": KEY}),
            json!({"secondaryKey": KEY, "primaryKey": ""}),
            json!({"primaryKey": "AAAA", "secondaryKey": KEY}),
            json!({"primaryKey": "not base64", "secondaryKey": KEY}),
        ] {
            assert_eq!(draft(body(keys)).unwrap_err().error.code, ErrorCode::ArgumentInvalid);
        }
    }

    // conformance: REST.md 8.1: the types sas, selfSigned and certificateAuthority are read; none is refused for devices
    #[test]
    fn types_are_read_or_guessed() {
        let authentication = |body: Value| draft(json!({"authentication": body})).map(|draft| draft.authentication);
        let thumbprint = "Aa".repeat(20);
        let signed = Authentication::SelfSigned(X509Thumbprints {
            primary_thumbprint: Some(thumbprint.clone()),
            secondary_thumbprint: None,
        });
        assert_eq!(authentication(json!({"x509Thumbprint": {"primaryThumbprint": thumbprint}})).unwrap(), signed);
        assert_eq!(
            authentication(json!({"type": "SelfSigned"})).unwrap(),
            Authentication::SelfSigned(X509Thumbprints::default())
        );
        assert_eq!(
            authentication(json!({"type": "certificateAuthority"})).unwrap(),
            Authentication::CertificateAuthority
        );
        for bad in [
            json!({"type": "none"}),
            json!({"type": "password"}),
            json!({"type": "selfSigned", "x509Thumbprint": {"primaryThumbprint": "AA:BB"}}),
        ] {
            assert!(authentication(bad).is_err());
        }
    }

    // conformance: REST.md 8.2: a module of type none gets keys
    #[test]
    fn a_module_without_authentication_gets_keys() {
        let id = TwinId::module("d1".parse().unwrap(), "m".parse().unwrap());
        let body: IdentityBody = read(json!({"authentication": {"type": "none"}, "status": "odd"})).unwrap();
        assert!(matches!(body.draft(id).unwrap().authentication, Authentication::Sas(_)));
    }

    // conformance: REST.md 8.1: a status other than enabled and disabled is 400
    #[test]
    fn ids_and_status_must_fit() {
        for bad in [json!({"deviceId": "d2"}), json!({"moduleId": "m"}), json!({"status": "off"})] {
            assert_eq!(draft(bad).unwrap_err().error.code, ErrorCode::ArgumentInvalid);
        }
        assert_eq!(draft(json!({"status": "Disabled"})).unwrap().status, IdentityStatus::Disabled);
    }
}
