//! Holds the place of `tls` until it is merged.
#![expect(missing_docs, reason = "goes away with the merge of `tls`")]
use tokio_rustls::rustls;

#[derive(Debug, Clone)]
pub struct TrustAnchors;

#[derive(Debug, thiserror::Error)]
#[error("tls")]
pub struct TlsError;

pub fn client_config(_: &TrustAnchors) -> Result<rustls::ClientConfig, TlsError> {
    Err(TlsError)
}
