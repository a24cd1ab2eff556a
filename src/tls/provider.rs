//! The crypto provider. Only this file and `auth` name ring.

use std::sync::Arc;

use ::ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::server::ProducesTickets;

use super::TlsError;

/// The provider of every TLS setting in the program.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// SHA-1, for the two places of the outside world that are built on it and need no strength of it: WebSocket's handshake and
/// thumbprints of certificates.
#[must_use]
pub fn sha1(bytes: &[u8]) -> [u8; 20] {
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes);
    digest.as_ref().try_into().expect("SHA-1 gives 20 bytes")
}

/// SHA-256.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = digest(&SHA256, bytes);
    digest.as_ref().try_into().expect("SHA-256 gives 32 bytes")
}

/// Seals session tickets with a key that lives in memory and rotates.
pub(super) fn ticketer() -> Result<Arc<dyn ProducesTickets>, TlsError> {
    Ok(ring::Ticketer::new()?)
}
