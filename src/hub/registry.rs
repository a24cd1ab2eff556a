//! Identities as the hub stores them, and the drafts that callers send.

use serde::{Deserialize, Serialize};

use crate::model::{IdentityStatus, SymmetricKeyPair, TwinId, WireTime, X509Thumbprints};

/// How an identity proves itself, with what is needed to check it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Authentication {
    /// Either of two symmetric keys.
    Sas(SymmetricKeyPair),
    /// A certificate with one of two thumbprints.
    SelfSigned(X509Thumbprints),
    /// A certificate of a trusted CA whose subject is the id.
    CertificateAuthority,
    /// Cannot connect: the service's own edge modules.
    None,
}

/// A device or module in the registry (REST.md 8.1, 8.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The device, or the device and module.
    pub id: TwinId,
    /// .NET ticks at creation, 18 digits (REST.md 1.5).
    pub generation_id: u64,
    /// Counter behind the etag; random start, +1 a write (REST.md 1.4).
    pub etag: u64,
    /// May it connect. Modules have none of their own and stay enabled.
    pub status: IdentityStatus,
    /// The operator's words on the status.
    pub status_reason: Option<String>,
    /// When the status last changed.
    pub status_updated: WireTime,
    /// How it proves itself.
    pub authentication: Authentication,
    /// Is it an edge device.
    pub iot_edge: bool,
    /// Scope of an edge device, or of a leaf's parent.
    pub device_scope: Option<String>,
    /// Scopes of the parents.
    pub parent_scopes: Vec<String>,
    /// Who manages a module.
    pub managed_by: Option<String>,
}

impl Identity {
    /// The etag as text: base64 of the decimal counter (REST.md 1.4).
    #[must_use]
    pub fn etag_text(&self) -> String {
        data_encoding::BASE64.encode(self.etag.to_string().as_bytes())
    }
}

/// What a caller asks an identity to be; keys left out are minted by the engine's caller before it gets here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityDraft {
    /// The device, or the device and module.
    pub id: TwinId,
    /// May it connect.
    pub status: IdentityStatus,
    /// Words on the status.
    pub status_reason: Option<String>,
    /// How it proves itself.
    pub authentication: Authentication,
    /// Is it an edge device.
    pub iot_edge: bool,
    /// Scope, echoed by edge devices on every PUT.
    pub device_scope: Option<String>,
    /// Parents.
    pub parent_scopes: Vec<String>,
    /// Who manages a module.
    pub managed_by: Option<String>,
}

impl IdentityDraft {
    /// A device or module that may connect, and of which nothing else is said.
    #[must_use]
    pub fn enabled(id: TwinId, authentication: Authentication) -> Self {
        Self {
            id,
            status: IdentityStatus::Enabled,
            status_reason: None,
            authentication,
            iot_edge: false,
            device_scope: None,
            parent_scopes: Vec::new(),
            managed_by: None,
        }
    }
}

/// The precondition of a write (REST.md 1.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfMatch {
    /// No header, or `""`.
    Absent,
    /// `*` or `"*"`.
    Any,
    /// An etag, without its quotes.
    Etag(String),
}
