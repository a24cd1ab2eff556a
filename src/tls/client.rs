//! TLS settings of whoever dials.

use std::path::PathBuf;

use rustls_platform_verifier::Verifier;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::TlsError;
use super::provider::provider;

/// Whom a client trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustAnchors {
    /// The machine's own store.
    Platform,
    /// The machine's own store and a file of PEM certificates: `--ca-file`, `SSL_CERT_FILE`.
    PemFile(PathBuf),
    /// These PEM certificates and nobody else: the CA of an embedded hub.
    Pem(Vec<u8>),
}

/// Makes the settings of clients, with session resumption; clients of one kind share one of them behind an `Arc`.
///
/// # Errors
/// [`TlsError`] when a file or the machine's store cannot be read, or holds no certificate.
pub fn client_config(anchors: &TrustAnchors) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let config = match anchors {
        TrustAnchors::Platform => verified_by_platform(builder, Vec::new())?,
        TrustAnchors::PemFile(path) => {
            let pem = std::fs::read(path).map_err(|source| TlsError::File {
                verb: "read the CA file",
                path: path.clone(),
                source,
            })?;
            verified_by_platform(builder, certificates(&pem, &path.display().to_string())?)?
        }
        TrustAnchors::Pem(pem) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(pem, "the CA text")? {
                roots.add(certificate)?;
            }
            builder.with_root_certificates(roots).with_no_client_auth()
        }
    };
    Ok(config)
}

type Builder = tokio_rustls::rustls::ConfigBuilder<ClientConfig, tokio_rustls::rustls::WantsVerifier>;

fn verified_by_platform(builder: Builder, extra: Vec<CertificateDer<'static>>) -> Result<ClientConfig, TlsError> {
    let verifier = Verifier::new_with_extra_roots(extra, provider())?;
    // rustls calls every verifier of one's own dangerous; this one is the operating system's.
    Ok(builder.dangerous().with_custom_certificate_verifier(std::sync::Arc::new(verifier)).with_no_client_auth())
}

fn certificates(pem: &[u8], origin: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err(TlsError::NoCertificate { origin: origin.to_owned() }),
        Ok(certificates) => Ok(certificates),
        Err(_) => Err(TlsError::BadCertificate { origin: origin.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_without_a_certificate_is_refused() {
        let no_certificate = client_config(&TrustAnchors::Pem(b"hello".to_vec()));
        assert!(matches!(no_certificate, Err(TlsError::NoCertificate { .. })));
        let broken = b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n".to_vec();
        assert!(matches!(client_config(&TrustAnchors::Pem(broken)), Err(TlsError::BadCertificate { .. })));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = client_config(&TrustAnchors::PemFile("/no/such/ca.pem".into())).unwrap_err();
        assert!(error.to_string().contains("/no/such/ca.pem"), "{error}");
    }
}
