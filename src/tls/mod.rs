//! The one crypto provider, client and server TLS settings, and the local hub's own CA.
//!
//! TLS 1.2 and 1.3 everywhere: the Python device SDK speaks nothing newer than 1.2 (CLIENTS.md 1). Nothing here switches
//! verification off.

mod authority;
mod client;
mod client_certificate;
mod dev_ca;
mod error;
mod fleet_identity;
mod provider;
mod server;

pub use client::{ClientIdentity, TrustAnchors, client_config, client_config_with_identity};
pub use client_certificate::{
    CertificateContent, ClientCas, ClientCertificate, UnreadableCertificate, UntrustedClient,
};
pub use dev_ca::DevCa;
pub use error::{CertificateTrouble, TlsError};
pub use fleet_identity::{FleetCa, OfferedIdentity};
pub use provider::{sha1, sha256};
pub use server::server_config;
pub use tokio_rustls::rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName};
pub use tokio_rustls::rustls::{ClientConfig, ServerConfig};

/// Certificates made up for tests of whoever checks them.
#[cfg(test)]
pub(crate) use client_certificate::tests as certificates_for_tests;
