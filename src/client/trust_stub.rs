//! Holds the place of `tls` until it is merged.
use std::sync::Arc;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{self, RootCertStore};

/// x
#[derive(Debug, Clone)]
pub struct TrustAnchors(pub Vec<CertificateDer<'static>>);

/// x
#[derive(Debug, thiserror::Error)]
#[error("tls")]
pub struct TlsError;

pub(super) fn client_config(trust: &TrustAnchors) -> Result<Arc<rustls::ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(trust.0.iter().cloned());
    Ok(Arc::new(rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()))
}
