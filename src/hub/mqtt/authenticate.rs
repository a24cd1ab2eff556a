//! Who may connect: client id, user name, token and certificate of a CONNECT against the registry and the policies.
//!
//! Pure. The real hub says nothing but a return code; here every refusal has a reason for the log.

use std::fmt;

use jiff::Timestamp;

use super::certificate::{self, CertificateRefusal, Expected};
use crate::auth::{AcceptedHosts, HubHost, ParsedSas, Resource, Right, SasError};
use crate::hub::policies::Policies;
use crate::hub::registry::{Authentication, Identity};
use crate::model::{IdentityStatus, SymmetricKeyPair, TwinId};
use crate::mqtt::{Connect, InvalidUserName, TopicError, Upstream, UserName};
use crate::tls::{ClientCas, ClientCertificate};

/// What a hub checks credentials against.
#[derive(Clone, Copy)]
pub(crate) struct Gate<'h> {
    /// The hub's policies.
    pub(crate) policies: &'h Policies,
    /// The names it answers to.
    pub(crate) hosts: &'h AcceptedHosts,
    /// The CAs that may vouch for devices.
    pub(crate) client_cas: &'h ClientCas,
    /// The time of day.
    pub(crate) now: Timestamp,
}

/// A device that may connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Admission {
    /// Who it is.
    pub(crate) id: TwinId,
    /// When its token stops being good, grace included; never, when it proved itself otherwise.
    pub(crate) refused_from: Timestamp,
    /// What the log should say although all is well.
    pub(crate) remark: Option<String>,
    /// What SDK it is, when it said so.
    pub(crate) client_type: Option<String>,
}

/// Why a device may not connect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// No user name at all.
    #[error("the CONNECT has no user name")]
    NoUserName,
    /// The user name cannot be read.
    #[error(transparent)]
    UserName(#[from] InvalidUserName),
    /// Client id and user name speak of different identities. Compared as written: ids are never decoded.
    #[error("the client id is `{client_id}`, but the user name speaks of `{id}`")]
    ClientId {
        /// As received.
        client_id: String,
        /// Whom the user name names.
        id: TwinId,
    },
    /// A will that is not the identity's own telemetry (DEVICE.md 1.8).
    #[error("the will of `{id}` cannot be sent as its telemetry")]
    Will {
        /// Who.
        id: TwinId,
        /// What is wrong with the will's topic, when it is none of the hub's.
        #[source]
        source: Option<TopicError>,
    },
    /// A hub of another name.
    #[error("the user name speaks of the host `{host}`, which this hub does not answer to")]
    UnknownHost {
        /// As written.
        host: String,
    },
    /// Not in the registry.
    #[error("`{id}` is not registered")]
    NotRegistered {
        /// Who.
        id: TwinId,
    },
    /// Registered and shut out.
    #[error("`{id}` is disabled")]
    Disabled {
        /// Who.
        id: TwinId,
    },
    /// A certificate that proves nothing, or none.
    #[error("`{id}`: {source}")]
    Certificate {
        /// Who.
        id: TwinId,
        /// Why.
        source: CertificateRefusal,
    },
    /// Cannot connect by nature.
    #[error("`{id}` has no credentials to connect with")]
    NoCredentials {
        /// Who.
        id: TwinId,
    },
    /// No password.
    #[error("the CONNECT of `{id}` has no token as password")]
    NoToken {
        /// Who.
        id: TwinId,
    },
    /// A token that proves nothing.
    #[error("the token of `{id}`: {source}")]
    Token {
        /// Who.
        id: TwinId,
        /// Why.
        source: SasError,
    },
    /// A token for something else.
    #[error("the token of `{id}` is for `{resource}`, which does not cover it")]
    Scope {
        /// Who.
        id: TwinId,
        /// What the token is for.
        resource: String,
    },
    /// A policy that the hub does not have.
    #[error("the token of `{id}` names the policy `{policy}`, which this hub does not have")]
    UnknownPolicy {
        /// Who.
        id: TwinId,
        /// The policy.
        policy: String,
    },
    /// A policy without DeviceConnect.
    #[error("the policy `{policy}` in the token of `{id}` lacks the right DeviceConnect")]
    MissingRight {
        /// Who.
        id: TwinId,
        /// The policy.
        policy: String,
    },
    /// The registry could not be asked.
    #[error("the registry could not be read: {reason}")]
    Registry {
        /// Why.
        reason: String,
    },
}

impl Refusal {
    // conformance-choice: DEVICE.md 1.10: a client id that is not that of the user name is CONNACK 5
    /// Whether a later try may succeed without anybody's doing: then the device must not be told to give up (DEVICE.md 1.10).
    pub(crate) fn is_transient(&self) -> bool {
        // An unknown host is not transient, but the service answers the same code for it.
        matches!(self, Self::Registry { .. } | Self::UnknownHost { .. })
    }
}

/// Checks a CONNECT and the certificate of its handshake; `look_up` reads the registry.
///
/// # Errors
/// [`Refusal`] with the reason.
pub(crate) fn authenticate<E: fmt::Display>(
    connect: &Connect,
    certificate: Option<&ClientCertificate<'_>>,
    gate: Gate<'_>,
    look_up: impl Fn(&TwinId) -> Result<Option<Identity>, E>,
) -> Result<Admission, Refusal> {
    let login = connect.login.as_ref().ok_or(Refusal::NoUserName)?;
    let user_name = UserName::parse(&login.user_name)?;
    let client_type = user_name.get("DeviceClientType").map(str::to_owned);
    let UserName { host, id, .. } = user_name;
    if id.to_string() != connect.client_id {
        return Err(Refusal::ClientId { client_id: connect.client_id.clone(), id });
    }
    if !gate.hosts.accepts(&host) {
        return Err(Refusal::UnknownHost { host });
    }
    let registered = |id: &TwinId| match look_up(id) {
        Err(error) => Err(Refusal::Registry { reason: error.to_string() }),
        Ok(None) => Err(Refusal::NotRegistered { id: id.clone() }),
        Ok(Some(identity)) if identity.status == IdentityStatus::Disabled => Err(Refusal::Disabled { id: id.clone() }),
        Ok(Some(identity)) => Ok(identity),
    };
    if id.module.is_some() {
        // A module is as disabled as its device.
        registered(&TwinId::device(id.device.clone()))?;
    }
    let by_certificate = |expected| {
        let source = match &login.password {
            // No password and an empty one are the same: SDKs differ (DEVICE.md 1.4).
            Some(password) if !password.expose().is_empty() => CertificateRefusal::Password,
            _ => match certificate::check(certificate, expected, &id, gate.now) {
                Ok(remark) => return Ok((Timestamp::MAX, remark)),
                Err(source) => source,
            },
        };
        Err(Refusal::Certificate { id: id.clone(), source })
    };
    let (refused_from, remark) = match registered(&id)?.authentication {
        Authentication::Sas(own_keys) => {
            let token = login.password.as_ref().ok_or_else(|| Refusal::NoToken { id: id.clone() })?;
            (check_token(token.expose(), &id, &own_keys, gate)?, None)
        }
        Authentication::SelfSigned(thumbprints) => by_certificate(Expected::Thumbprint(&thumbprints))?,
        Authentication::CertificateAuthority => by_certificate(Expected::Authority(gate.client_cas))?,
        Authentication::None => return Err(Refusal::NoCredentials { id }),
    };
    if let Some(will) = &connect.will {
        match Upstream::parse(&will.topic, &id) {
            Ok(Upstream::Telemetry { .. }) => {}
            Ok(_) => return Err(Refusal::Will { id, source: None }),
            Err(source) => return Err(Refusal::Will { id, source: Some(source) }),
        }
    }
    Ok(Admission { id, refused_from, remark, client_type })
}

/// Checks the token with the keys it says it was signed with; gives when it stops being good.
fn check_token(text: &str, id: &TwinId, own_keys: &SymmetricKeyPair, gate: Gate<'_>) -> Result<Timestamp, Refusal> {
    let token = ParsedSas::parse(text).map_err(|source| Refusal::Token { id: id.clone(), source })?;
    let keys = match token.policy() {
        None => own_keys,
        Some(name) => {
            let unknown = || Refusal::UnknownPolicy { id: id.clone(), policy: name.to_owned() };
            let policy = gate.policies.get(name).ok_or_else(unknown)?;
            if !policy.allows(Right::DeviceConnect) {
                return Err(Refusal::MissingRight { id: id.clone(), policy: name.to_owned() });
            }
            &policy.keys
        }
    };
    token
        .verify([&keys.primary_key, &keys.secondary_key], gate.now)
        .map_err(|source| Refusal::Token { id: id.clone(), source })?;
    // Only paths are compared here: hosts have many right spellings, and any accepted one will do.
    let required = Resource::twin(&HubHost { name: String::new(), port: None }, id);
    if !gate.hosts.accepts(token.resource().host()) || !token.resource().covers_path_of(&required) {
        return Err(Refusal::Scope { id: id.clone(), resource: token.resource().to_string() });
    }
    Ok(token.refused_from())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::auth::SasToken;
    use crate::hub::policies::Policy;
    use crate::model::{SymmetricKey, WireTime, X509Thumbprints};
    use crate::mqtt::{Login, Password, QoS, Will};

    fn keys(byte: u8) -> SymmetricKeyPair {
        let key = |byte| SymmetricKey::from_bytes(vec![byte; 32]).unwrap();
        SymmetricKeyPair { primary_key: key(byte), secondary_key: key(byte + 1) }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// A registry of devices `d` and `dm` (with module `m`), a disabled `off` (with module `m`), and `x509`.
    fn look_up(id: &TwinId) -> Result<Option<Identity>, Infallible> {
        let authentication = match id.to_string().as_str() {
            "d" | "dm" | "off" => Authentication::Sas(keys(1)),
            "dm/m" | "off/m" => Authentication::Sas(keys(3)),
            "x509" => Authentication::SelfSigned(X509Thumbprints::default()),
            _ => return Ok(None),
        };
        let disabled = id.to_string() == "off";
        Ok(Some(Identity {
            id: id.clone(),
            generation_id: 1,
            etag: 1,
            status: if disabled { IdentityStatus::Disabled } else { IdentityStatus::Enabled },
            status_reason: None,
            status_updated: WireTime::Never,
            authentication,
            iot_edge: false,
            device_scope: None,
            parent_scopes: Vec::new(),
            managed_by: None,
        }))
    }

    fn token(resource: &str, key: &SymmetricKey, policy: Option<&str>) -> String {
        SasToken::sign(&Resource::parse(resource), key, policy, at(1_000)).expose().to_owned()
    }

    fn packet(client_id: &str, password: Option<&str>) -> Connect {
        Connect {
            client_id: client_id.to_owned(),
            clean_session: false,
            keep_alive_s: 60,
            login: Some(Login {
                user_name: format!("hub.local/{client_id}/?api-version=2021-04-12&DeviceClientType=sdk%2F1"),
                password: password.map(|password| Password::new(password.to_owned())),
            }),
            will: None,
        }
    }

    fn admit(connect: &Connect) -> Result<Admission, Refusal> {
        let policy = |name: &str, rights: &str, byte| Policy {
            name: name.to_owned(),
            rights: rights.parse().unwrap(),
            keys: keys(byte),
        };
        let policies =
            Policies::new(vec![policy("device", "DeviceConnect", 5), policy("service", "ServiceConnect", 7)]);
        let hosts = AcceptedHosts::of(["hub.local"]);
        let client_cas = ClientCas::default();
        let gate = Gate { policies: &policies, hosts: &hosts, client_cas: &client_cas, now: at(0) };
        authenticate(connect, None, gate, look_up)
    }

    fn connect(client_id: &str, password: Option<&str>) -> Result<Admission, Refusal> {
        admit(&packet(client_id, password))
    }

    // conformance: DEVICE.md 1.3: either key of the identity opens, and a policy with DeviceConnect
    #[test]
    fn the_keys_of_the_identity_and_of_a_device_policy_open_the_gate() {
        let cases = [
            ("d", token("hub.local/devices/d", &keys(1).primary_key, None)),
            ("d", token("HUB.local:8883/devices/d", &keys(1).secondary_key, None)),
            ("dm/m", token("hub.local/devices/dm/modules/m", &keys(3).primary_key, None)),
            ("d", token("hub.local", &keys(5).primary_key, Some("device"))),
            ("dm/m", token("hub.local/devices", &keys(5).secondary_key, Some("device"))),
        ];
        for (client_id, password) in cases {
            let admission = connect(client_id, Some(&password)).unwrap();
            assert_eq!((admission.id.to_string().as_str(), admission.refused_from), (client_id, at(1_300)));
        }
    }

    #[test]
    fn everything_else_is_refused_with_its_reason() {
        let good = token("hub.local/devices/d", &keys(1).primary_key, None);
        let id = || TwinId::device("d".parse().unwrap());
        let no_certificate = |source| Refusal::Certificate { id: TwinId::device("x509".parse().unwrap()), source };
        let cases = [
            ("d", None, Refusal::NoToken { id: id() }),
            ("d", Some("junk".to_owned()), Refusal::Token { id: id(), source: SasError::Scheme }),
            (
                "d",
                Some(token("hub.local/devices/d", &keys(9).primary_key, None)),
                Refusal::Token { id: id(), source: SasError::Signature },
            ),
            (
                "d",
                Some(token("hub.local/devices/dm", &keys(1).primary_key, None)),
                Refusal::Scope { id: id(), resource: "hub.local/devices/dm".to_owned() },
            ),
            (
                "d",
                Some(token("other.hub/devices/d", &keys(1).primary_key, None)),
                Refusal::Scope { id: id(), resource: "other.hub/devices/d".to_owned() },
            ),
            (
                "d",
                Some(token("hub.local", &keys(7).primary_key, Some("service"))),
                Refusal::MissingRight { id: id(), policy: "service".to_owned() },
            ),
            (
                "d",
                Some(token("hub.local", &keys(7).primary_key, Some("nobody"))),
                Refusal::UnknownPolicy { id: id(), policy: "nobody".to_owned() },
            ),
            ("nobody", Some(good.clone()), Refusal::NotRegistered { id: TwinId::device("nobody".parse().unwrap()) }),
            ("off", Some(good.clone()), Refusal::Disabled { id: TwinId::device("off".parse().unwrap()) }),
            ("off/m", Some(good.clone()), Refusal::Disabled { id: TwinId::device("off".parse().unwrap()) }),
            ("x509", None, no_certificate(CertificateRefusal::Missing)),
            ("x509", Some(String::new()), no_certificate(CertificateRefusal::Missing)),
            ("x509", Some(good.clone()), no_certificate(CertificateRefusal::Password)),
        ];
        for (client_id, password, refusal) in cases {
            assert_eq!(connect(client_id, password.as_deref()), Err(refusal));
        }
    }

    #[test]
    fn an_expired_token_is_refused() {
        let expired = SasToken::sign(&Resource::parse("hub.local/devices/d"), &keys(1).primary_key, None, at(-300));
        let refusal = connect("d", Some(expired.expose())).unwrap_err();
        assert!(refusal.to_string().contains("expired"), "{refusal}");
    }

    // conformance: DEVICE.md 1.2: client id, user name and will must name one identity
    #[test]
    fn user_name_client_id_and_will_must_agree() {
        let good = token("hub.local/devices/d", &keys(1).primary_key, None);
        let with = |change: fn(&mut Connect)| {
            let mut connect = packet("d", Some(&good));
            change(&mut connect);
            admit(&connect)
        };
        let id = || TwinId::device("d".parse().unwrap());
        assert_eq!(with(|_| {}).unwrap().client_type.as_deref(), Some("sdk/1"));
        assert_eq!(with(|connect| connect.login = None), Err(Refusal::NoUserName));
        let other_id = with(|connect| connect.client_id = "D".to_owned());
        assert_eq!(other_id, Err(Refusal::ClientId { client_id: "D".to_owned(), id: id() }));
        let other_host = with(|connect| connect.login.as_mut().unwrap().user_name = "other/d".to_owned()).unwrap_err();
        assert!(matches!(other_host, Refusal::UnknownHost { .. }) && other_host.is_transient());
        let will = |topic: &str| {
            let mut connect = packet("d", Some(&good));
            let payload = bytes::Bytes::new();
            connect.will = Some(Will { topic: topic.to_owned(), payload, qos: QoS::AtLeastOnce, retain: false });
            admit(&connect)
        };
        assert!(will("devices/d/messages/events/a=b").is_ok());
        assert!(matches!(will("devices/e/messages/events/"), Err(Refusal::Will { source: Some(_), .. })));
        assert!(matches!(will("$iothub/twin/GET/?$rid=1"), Err(Refusal::Will { source: None, .. })));
    }

    #[test]
    fn no_refusal_repeats_the_token() {
        let other = token("hub.local/devices/dm", &keys(1).primary_key, None);
        let text = format!("{:?}", connect("d", Some(&other)).unwrap_err());
        assert!(!text.contains("sig="), "{text}");
    }
}
