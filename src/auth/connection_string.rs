//! Connection strings of services and devices (DEVICE.md 5, REST.md 2.1).
//!
//! More tolerant than the SDKs in what means nothing (case of keys, a trailing `;`), stricter in what would be guessed
//! (double keys, two kinds of credentials). No error repeats a value that may be secret.

use std::fmt;

use super::{HubHost, InvalidHost};
use crate::model::{DeviceId, InvalidId, InvalidKey, ModuleId, SymmetricKey, TwinId};

/// Says what is wrong with a connection string.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionStringError {
    /// Nothing was given.
    #[error("the connection string is empty")]
    Empty,
    /// A part without `=`. Its text is kept back: it may be a piece of a key.
    #[error("part {position} of the connection string is not of the form Key=Value")]
    NotAPair {
        /// Its position, from 1.
        position: usize,
    },
    /// A key that must be there.
    #[error("the connection string has no {key}")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// A key that is there twice.
    #[error("the connection string has {key} more than once")]
    Duplicate {
        /// The key.
        key: &'static str,
    },
    /// Two kinds of credentials at once.
    #[error("the connection string has both {first} and {second}; keep one")]
    MixedCredentials {
        /// The first kind.
        first: &'static str,
        /// The second kind.
        second: &'static str,
    },
    /// A kind of credentials that iotjob does not take.
    #[error("{key} in this connection string is not supported; use SharedAccessKey")]
    Unsupported {
        /// The key.
        key: &'static str,
    },
    /// A device's string where a service's belongs.
    #[error(
        "this is a device's connection string (it has DeviceId); a service's is needed here, \
         as in HostName=...;SharedAccessKeyName=...;SharedAccessKey=..."
    )]
    DeviceInsteadOfService,
    /// A service's string where a device's belongs.
    #[error(
        "this is a service's connection string (it has no DeviceId); a device's is needed here, \
         as in HostName=...;DeviceId=...;SharedAccessKey=..."
    )]
    ServiceInsteadOfDevice,
    /// The host cannot be read.
    #[error("{key}: {source}")]
    Host {
        /// `HostName` or `GatewayHostName`.
        key: &'static str,
        /// Why not.
        source: InvalidHost,
    },
    /// An id cannot be read.
    #[error("{key}: {source}")]
    Id {
        /// `DeviceId` or `ModuleId`.
        key: &'static str,
        /// Why not.
        source: InvalidId,
    },
    /// The key cannot be used.
    #[error("SharedAccessKey: {source}")]
    Key {
        /// Why not.
        source: InvalidKey,
    },
}

/// A connection string that was read, and the keys in it that mean nothing to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed<T> {
    /// What it says.
    pub value: T,
    /// Keys that were passed over; worth a warning each.
    pub unknown_keys: Vec<String>,
}

/// What a service uses: a policy of the hub and its key.
#[derive(Clone, PartialEq, Eq)]
pub struct ServiceConnectionString {
    /// The hub. A port is that of HTTPS.
    pub host: HubHost,
    /// The policy's name.
    pub policy: String,
    /// The policy's key.
    pub key: SymmetricKey,
}

/// How a device or module proves itself, as far as its connection string says.
#[derive(Clone, PartialEq, Eq)]
pub enum DeviceProof {
    /// With a key of its own.
    Key(SymmetricKey),
    /// With the key of a policy of the hub.
    PolicyKey {
        /// The policy's name.
        policy: String,
        /// The policy's key.
        key: SymmetricKey,
    },
    /// With an X.509 certificate, which the string does not carry: `x509=true`.
    Certificate,
}

impl DeviceProof {
    /// The key, when there is one.
    #[must_use]
    pub fn key(&self) -> Option<&SymmetricKey> {
        match self {
            Self::Key(key) | Self::PolicyKey { key, .. } => Some(key),
            Self::Certificate => None,
        }
    }
}

/// What a device or module uses.
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceConnectionString {
    /// The hub: the identity's namespace. A port is that of MQTT.
    pub host: HubHost,
    /// The device.
    pub device: DeviceId,
    /// The module, when it is a module's string.
    pub module: Option<ModuleId>,
    /// How the identity proves itself.
    pub proof: DeviceProof,
    /// Where to dial instead of `host`.
    pub gateway: Option<HubHost>,
}

/// Either kind of connection string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionString {
    /// A service's.
    Service(ServiceConnectionString),
    /// A device's or module's.
    Device(DeviceConnectionString),
}

impl ServiceConnectionString {
    /// The whole string, key included, for the places that exist to show it. No trailing `;`.
    #[must_use]
    pub fn expose(&self) -> String {
        let Self { host, policy, key } = self;
        format!("HostName={host};SharedAccessKeyName={policy};SharedAccessKey={}", key.expose_base64())
    }
}

impl fmt::Debug for ServiceConnectionString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostName={};SharedAccessKeyName={};SharedAccessKey=***", self.host, self.policy)
    }
}

impl DeviceConnectionString {
    /// Whose string it is.
    #[must_use]
    pub fn twin_id(&self) -> TwinId {
        TwinId { device: self.device.clone(), module: self.module.clone() }
    }

    /// The whole string, key included, for the places that exist to show it. No trailing `;`.
    #[must_use]
    pub fn expose(&self) -> String {
        self.text(SymmetricKey::expose_base64)
    }

    fn text<K: fmt::Display>(&self, key_text: impl Fn(&SymmetricKey) -> K) -> String {
        let optional = |name: &str, value: Option<&dyn fmt::Display>| match value {
            Some(value) => format!(";{name}={value}"),
            None => String::new(),
        };
        let module = optional("ModuleId", self.module.as_ref().map(|module| module as &dyn fmt::Display));
        let gateway = optional("GatewayHostName", self.gateway.as_ref().map(|gateway| gateway as &dyn fmt::Display));
        let proof = match &self.proof {
            DeviceProof::Key(key) => format!("SharedAccessKey={}", key_text(key)),
            DeviceProof::PolicyKey { policy, key } => {
                format!("SharedAccessKeyName={policy};SharedAccessKey={}", key_text(key))
            }
            DeviceProof::Certificate => "x509=true".to_owned(),
        };
        format!("HostName={};DeviceId={}{module};{proof}{gateway}", self.host, self.device)
    }
}

impl fmt::Debug for DeviceConnectionString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(|_| "***"))
    }
}

/// Reads a connection string of either kind; one with `DeviceId` is a device's.
///
/// # Errors
/// [`ConnectionStringError`], which never repeats the key.
pub fn parse(text: &str) -> Result<Parsed<ConnectionString>, ConnectionStringError> {
    let Fields { known, unknown_keys } = Fields::read(text)?;
    let value = if known[Field::DeviceId as usize].is_some() {
        ConnectionString::Device(device(&known)?)
    } else {
        ConnectionString::Service(service(&known)?)
    };
    Ok(Parsed { value, unknown_keys })
}

/// Reads a service's connection string.
///
/// # Errors
/// [`ConnectionStringError::DeviceInsteadOfService`] for a device's string, else what is wrong.
pub fn parse_service(text: &str) -> Result<Parsed<ServiceConnectionString>, ConnectionStringError> {
    let Fields { known, unknown_keys } = Fields::read(text)?;
    if known[Field::DeviceId as usize].is_some() {
        return Err(ConnectionStringError::DeviceInsteadOfService);
    }
    Ok(Parsed { value: service(&known)?, unknown_keys })
}

/// Reads a device's or module's connection string.
///
/// # Errors
/// [`ConnectionStringError::ServiceInsteadOfDevice`] for a service's string, else what is wrong.
pub fn parse_device(text: &str) -> Result<Parsed<DeviceConnectionString>, ConnectionStringError> {
    let Fields { known, unknown_keys } = Fields::read(text)?;
    if known[Field::DeviceId as usize].is_none() && known[Field::SharedAccessKeyName as usize].is_some() {
        return Err(ConnectionStringError::ServiceInsteadOfDevice);
    }
    Ok(Parsed { value: device(&known)?, unknown_keys })
}

/// How texts name the two credentials that are no key.
const X509_TRUE: &str = "x509=true";
const SIGNATURE: &str = "SharedAccessSignature";

/// The keys that mean something (DEVICE.md 5).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    HostName,
    DeviceId,
    ModuleId,
    SharedAccessKeyName,
    SharedAccessKey,
    SharedAccessSignature,
    GatewayHostName,
    X509,
}

impl Field {
    const ALL: [(Self, &'static str); 8] = [
        (Self::HostName, "HostName"),
        (Self::DeviceId, "DeviceId"),
        (Self::ModuleId, "ModuleId"),
        (Self::SharedAccessKeyName, "SharedAccessKeyName"),
        (Self::SharedAccessKey, "SharedAccessKey"),
        (Self::SharedAccessSignature, "SharedAccessSignature"),
        (Self::GatewayHostName, "GatewayHostName"),
        (Self::X509, "x509"),
    ];
}

type Known<'t> = [Option<&'t str>; Field::ALL.len()];

struct Fields<'t> {
    known: Known<'t>,
    unknown_keys: Vec<String>,
}

impl<'t> Fields<'t> {
    fn read(text: &'t str) -> Result<Self, ConnectionStringError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(ConnectionStringError::Empty);
        }
        let mut fields = Self { known: [None; Field::ALL.len()], unknown_keys: Vec::new() };
        for (index, part) in text.strip_suffix(';').unwrap_or(text).split(';').enumerate() {
            let not_a_pair = ConnectionStringError::NotAPair { position: index + 1 };
            let (name, value) = part.split_once('=').ok_or(not_a_pair)?;
            let name = name.trim();
            match Field::ALL.into_iter().find(|(_, known)| known.eq_ignore_ascii_case(name)) {
                None => fields.unknown_keys.push(name.to_owned()),
                Some((key, name)) => {
                    let value = Some(value.trim()).filter(|value| !value.is_empty());
                    if fields.known[key as usize].is_some() {
                        return Err(ConnectionStringError::Duplicate { key: name });
                    }
                    fields.known[key as usize] = value;
                }
            }
        }
        Ok(fields)
    }
}

fn required<'t>(known: &Known<'t>, key: Field) -> Result<&'t str, ConnectionStringError> {
    known[key as usize].ok_or(ConnectionStringError::Missing { key: Field::ALL[key as usize].1 })
}

fn host(key: Field, text: &str) -> Result<HubHost, ConnectionStringError> {
    text.parse().map_err(|source| ConnectionStringError::Host { key: Field::ALL[key as usize].1, source })
}

/// The credentials that are there: exactly one kind (DEVICE.md 5).
enum Credential<'t> {
    Key(&'t str),
    Signature,
    Certificate,
}

fn credential<'t>(known: &Known<'t>) -> Result<Credential<'t>, ConnectionStringError> {
    let x509 = known[Field::X509 as usize].filter(|value| value.eq_ignore_ascii_case("true"));
    let kinds = [
        (known[Field::SharedAccessKey as usize].map(Credential::Key), "SharedAccessKey"),
        (x509.map(|_| Credential::Certificate), X509_TRUE),
        (known[Field::SharedAccessSignature as usize].map(|_| Credential::Signature), SIGNATURE),
    ];
    let mut present = kinds.into_iter().filter_map(|(value, name)| value.map(|value| (value, name)));
    match (present.next(), present.next()) {
        (Some((_, first)), Some((_, second))) => Err(ConnectionStringError::MixedCredentials { first, second }),
        (Some((credential, _)), None) => Ok(credential),
        (None, _) => Err(ConnectionStringError::Missing { key: "SharedAccessKey" }),
    }
}

fn shared_access_key(text: &str) -> Result<SymmetricKey, ConnectionStringError> {
    text.parse().map_err(|source| ConnectionStringError::Key { source })
}

fn service(known: &Known<'_>) -> Result<ServiceConnectionString, ConnectionStringError> {
    let key = match credential(known)? {
        Credential::Key(text) => shared_access_key(text)?,
        Credential::Signature => return Err(ConnectionStringError::Unsupported { key: SIGNATURE }),
        Credential::Certificate => return Err(ConnectionStringError::Unsupported { key: X509_TRUE }),
    };
    Ok(ServiceConnectionString {
        host: host(Field::HostName, required(known, Field::HostName)?)?,
        policy: required(known, Field::SharedAccessKeyName)?.to_owned(),
        key,
    })
}

fn device(known: &Known<'_>) -> Result<DeviceConnectionString, ConnectionStringError> {
    let id_error = |key| move |source| ConnectionStringError::Id { key, source };
    let module = known[Field::ModuleId as usize].map(str::parse::<ModuleId>).transpose();
    Ok(DeviceConnectionString {
        host: host(Field::HostName, required(known, Field::HostName)?)?,
        device: required(known, Field::DeviceId)?.parse().map_err(id_error("DeviceId"))?,
        module: module.map_err(id_error("ModuleId"))?,
        proof: device_proof(known)?,
        gateway: known[Field::GatewayHostName as usize].map(|text| host(Field::GatewayHostName, text)).transpose()?,
    })
}

fn device_proof(known: &Known<'_>) -> Result<DeviceProof, ConnectionStringError> {
    let policy = known[Field::SharedAccessKeyName as usize];
    match (credential(known)?, policy) {
        (Credential::Key(text), None) => Ok(DeviceProof::Key(shared_access_key(text)?)),
        (Credential::Key(text), Some(policy)) => {
            Ok(DeviceProof::PolicyKey { policy: policy.to_owned(), key: shared_access_key(text)? })
        }
        (Credential::Certificate, None) => Ok(DeviceProof::Certificate),
        (Credential::Certificate, Some(_)) => {
            Err(ConnectionStringError::MixedCredentials { first: "SharedAccessKeyName", second: X509_TRUE })
        }
        (Credential::Signature, _) => Err(ConnectionStringError::Unsupported { key: SIGNATURE }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

    #[test]
    fn both_kinds_survive_a_round_trip() {
        let service = format!("HostName=localhost:8443;SharedAccessKeyName=iothubowner;SharedAccessKey={KEY}");
        assert_eq!(parse_service(&service).unwrap().value.expose(), service);
        let device = format!(
            "HostName=h.net:8883;DeviceId=door=1;ModuleId=m;SharedAccessKeyName=device;SharedAccessKey={KEY};GatewayHostName=gw"
        );
        assert_eq!(parse_device(&device).unwrap().value.expose(), device);
        let certificate = "HostName=h.net;DeviceId=d;ModuleId=m;x509=true";
        let parsed = parse_device(&certificate.replace("true", "TRUE")).unwrap().value;
        assert_eq!((parsed.proof.key(), parsed.expose().as_str()), (None, certificate));
    }

    // conformance: DEVICE.md 5: keys of connection strings are read in any case, and a trailing `;` is let pass
    #[test]
    fn case_and_a_trailing_semicolon_mean_nothing() {
        let text = format!("hostname=h;DEVICEID=d;sharedaccesskey={KEY};");
        let parsed = parse_device(&text).unwrap();
        assert_eq!(parsed.value.twin_id().to_string(), "d");
        assert!(parsed.unknown_keys.is_empty());
    }

    #[test]
    fn unknown_keys_are_handed_back() {
        let text = format!("HostName=h;DeviceId=d;SharedAccessKey={KEY};Colour=red");
        assert_eq!(parse_device(&text).unwrap().unknown_keys, ["Colour"]);
    }

    #[test]
    fn the_wrong_kind_is_named() {
        let service = format!("HostName=h;SharedAccessKeyName=p;SharedAccessKey={KEY}");
        let device = format!("HostName=h;DeviceId=d;SharedAccessKey={KEY}");
        assert_eq!(parse_device(&service).unwrap_err(), ConnectionStringError::ServiceInsteadOfDevice);
        assert_eq!(parse_service(&device).unwrap_err(), ConnectionStringError::DeviceInsteadOfService);
        assert!(matches!(parse(&service).unwrap().value, ConnectionString::Service(_)));
        assert!(matches!(parse(&device).unwrap().value, ConnectionString::Device(_)));
    }

    #[test]
    fn every_mistake_has_its_own_error() {
        use ConnectionStringError as E;
        let cases = [
            ("", E::Empty),
            ("HostName=h;c2VjcmV0", E::NotAPair { position: 2 }),
            ("DeviceId=d;SharedAccessKey=K", E::Missing { key: "HostName" }),
            ("HostName=h", E::Missing { key: "DeviceId" }),
            ("HostName=h;DeviceId=d", E::Missing { key: "SharedAccessKey" }),
            ("HostName=h;DeviceId=d;deviceid=e;SharedAccessKey=K", E::Duplicate { key: "DeviceId" }),
            ("HostName=h;DeviceId=d;x509=false", E::Missing { key: "SharedAccessKey" }),
            ("HostName=h;DeviceId=d;SharedAccessSignature=s", E::Unsupported { key: "SharedAccessSignature" }),
            (
                "HostName=h;DeviceId=d;SharedAccessKeyName=p;x509=true",
                E::MixedCredentials { first: "SharedAccessKeyName", second: "x509=true" },
            ),
            (
                "HostName=h;DeviceId=d;SharedAccessKey=K;x509=true",
                E::MixedCredentials { first: "SharedAccessKey", second: "x509=true" },
            ),
            ("HostName=h;DeviceId=d;SharedAccessKey=c2VjcmV0", E::Key { source: InvalidKey::Length { bytes: 6 } }),
        ];
        for (text, error) in cases {
            assert_eq!(parse_device(&text.replace("=K", &format!("={KEY}"))), Err(error), "{text}");
        }
    }

    #[test]
    fn nothing_shows_the_key() {
        let service = parse_service(&format!("HostName=h;SharedAccessKeyName=p;SharedAccessKey={KEY}")).unwrap();
        let device = parse_device(&format!("HostName=h;DeviceId=d;SharedAccessKey={KEY}")).unwrap();
        assert!(!format!("{service:?}{device:?}").contains(KEY));
        let broken = parse_device("HostName=h;DeviceId=d;SharedAccessKey=topsecret").unwrap_err();
        assert!(!format!("{broken}{broken:?}").contains("topsecret"));
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "((HostName|DeviceId|SharedAccessKey)?=?.{0,8};?){0,6}") {
            let _ = parse(&text);
            let _ = parse_device(&text);
            let _ = parse_service(&text);
        }
    }
}
