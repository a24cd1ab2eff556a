//! The crypto provider. Only this file and `auth` name ring.

use std::sync::Arc;

use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::server::ProducesTickets;

use super::TlsError;

/// The provider of every TLS setting in the program.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Seals session tickets with a key that lives in memory and rotates.
pub(super) fn ticketer() -> Result<Arc<dyn ProducesTickets>, TlsError> {
    Ok(ring::Ticketer::new()?)
}
