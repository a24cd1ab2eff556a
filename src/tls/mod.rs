//! The one crypto provider, client and server TLS settings, and the local hub's own CA.
//!
//! TLS 1.2 and 1.3 everywhere: the Python device SDK speaks nothing newer than 1.2 (CLIENTS.md 1). Nothing here switches
//! verification off.

mod client;
mod dev_ca;
mod error;
mod provider;
mod server;

pub use client::{TrustAnchors, client_config};
pub use dev_ca::DevCa;
pub use error::{CertificateTrouble, TlsError};
pub use provider::{sha1, sha256};
pub use server::server_config;
pub use tokio_rustls::rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName};
pub use tokio_rustls::rustls::{ClientConfig, ServerConfig};
