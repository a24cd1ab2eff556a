//! What the registry knows of a device or module besides its id.

use serde::{Deserialize, Serialize};

use super::key::SymmetricKey;

/// Whether an identity may connect (REST.md 6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum IdentityStatus {
    /// May connect.
    #[default]
    Enabled,
    /// May not connect; its twin stays readable.
    Disabled,
}

/// Whether an identity has a live MQTT connection; written `Connected` / `Disconnected` (REST.md 6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ConnectionState {
    /// A connection is open.
    Connected,
    /// None is.
    #[default]
    Disconnected,
}

impl ConnectionState {
    /// As the service writes it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Connected => "Connected",
            Self::Disconnected => "Disconnected",
        }
    }
}

/// How an identity proves itself (REST.md 6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AuthenticationType {
    /// A token signed with a symmetric key.
    #[default]
    Sas,
    /// A certificate known by its thumbprint.
    SelfSigned,
    /// A certificate issued by a trusted CA.
    CertificateAuthority,
    /// Not at all: the service's own edge modules.
    None,
}

/// The two keys of an identity or policy; either is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SymmetricKeyPair {
    /// The key that connection strings show.
    pub primary_key: SymmetricKey,
    /// The other one, for rotation.
    pub secondary_key: SymmetricKey,
}

/// Thumbprints of the certificates of a `selfSigned` identity, as hex without separators.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct X509Thumbprints {
    /// The first.
    #[serde(alias = "PrimaryThumbprint")]
    pub primary_thumbprint: Option<String>,
    /// The second, for rotation.
    #[serde(alias = "SecondaryThumbprint")]
    pub secondary_thumbprint: Option<String>,
}
