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
    #[error("{key} in a connection string is not supported; use SharedAccessKey")]
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

/// What a device or module uses.
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceConnectionString {
    /// The hub: the identity's namespace. A port is that of MQTT.
    pub host: HubHost,
    /// The device.
    pub device: DeviceId,
    /// The module, when it is a module's string.
    pub module: Option<ModuleId>,
    /// The policy whose key this is; without one the key is the identity's own.
    pub policy: Option<String>,
    /// The key.
    pub key: SymmetricKey,
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
        self.text(&self.key.expose_base64())
    }

    fn text(&self, key: &str) -> String {
        let optional = |name: &str, value: Option<&dyn fmt::Display>| match value {
            Some(value) => format!(";{name}={value}"),
            None => String::new(),
        };
        let module = optional("ModuleId", self.module.as_ref().map(|module| module as &dyn fmt::Display));
        let policy = optional("SharedAccessKeyName", self.policy.as_ref().map(|policy| policy as &dyn fmt::Display));
        let gateway = optional("GatewayHostName", self.gateway.as_ref().map(|gateway| gateway as &dyn fmt::Display));
        format!("HostName={};DeviceId={}{module}{policy};SharedAccessKey={key}{gateway}", self.host, self.device)
    }
}

impl fmt::Debug for DeviceConnectionString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text("***"))
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

/// The shared access key, once it is sure that it is the only credential.
fn shared_access_key(known: &Known<'_>) -> Result<SymmetricKey, ConnectionStringError> {
    let x509 = known[Field::X509 as usize].filter(|value| value.eq_ignore_ascii_case("true"));
    let others = [(x509, "x509=true"), (known[Field::SharedAccessSignature as usize], "SharedAccessSignature")];
    let mut present = others.into_iter().filter(|(value, _)| value.is_some()).map(|(_, name)| name);
    let key = known[Field::SharedAccessKey as usize];
    match (key, present.next(), present.next()) {
        (Some(_), Some(second), _) => Err(ConnectionStringError::MixedCredentials { first: "SharedAccessKey", second }),
        (None, Some(first), Some(second)) => Err(ConnectionStringError::MixedCredentials { first, second }),
        (None, Some(key), None) => Err(ConnectionStringError::Unsupported { key }),
        (None, None, _) => Err(ConnectionStringError::Missing { key: "SharedAccessKey" }),
        (Some(key), None, _) => key.parse().map_err(|source| ConnectionStringError::Key { source }),
    }
}

fn service(known: &Known<'_>) -> Result<ServiceConnectionString, ConnectionStringError> {
    Ok(ServiceConnectionString {
        host: host(Field::HostName, required(known, Field::HostName)?)?,
        policy: required(known, Field::SharedAccessKeyName)?.to_owned(),
        key: shared_access_key(known)?,
    })
}

fn device(known: &Known<'_>) -> Result<DeviceConnectionString, ConnectionStringError> {
    let id_error = |key| move |source| ConnectionStringError::Id { key, source };
    let module = known[Field::ModuleId as usize].map(str::parse::<ModuleId>).transpose();
    Ok(DeviceConnectionString {
        host: host(Field::HostName, required(known, Field::HostName)?)?,
        device: required(known, Field::DeviceId)?.parse().map_err(id_error("DeviceId"))?,
        module: module.map_err(id_error("ModuleId"))?,
        policy: known[Field::SharedAccessKeyName as usize].map(str::to_owned),
        key: shared_access_key(known)?,
        gateway: known[Field::GatewayHostName as usize].map(|text| host(Field::GatewayHostName, text)).transpose()?,
    })
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
            ("HostName=h;DeviceId=d;x509=true", E::Unsupported { key: "x509=true" }),
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
