//! TLS settings of whoever dials.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls_platform_verifier::Verifier;
use tokio_rustls::rustls::client::WantsClientCert;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use zeroize::Zeroizing;

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

/// The certificate with which a client proves who it is, and its key.
pub struct ClientIdentity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl ClientIdentity {
    /// Reads a certificate, with what leads to its CA if there is more, and its private key, from PEM files.
    ///
    /// # Errors
    /// [`TlsError`] when a file cannot be read, or the two do not belong together.
    pub fn from_pem_files(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let chain = read_certificates(certificate)?;
        let pem = Zeroizing::new(read("read the key file", key)?);
        let no_key = |_| TlsError::NoPrivateKey { origin: key.display().to_string() };
        let key_der = PrivateKeyDer::from_pem_slice(&pem).map_err(no_key)?;
        CertifiedKey::from_der(chain.clone(), key_der.clone_key(), &provider()).map_err(|source| {
            TlsError::ClientIdentity { certificate: certificate.to_owned(), key: key.to_owned(), source }
        })?;
        Ok(Self { chain, key: key_der })
    }

    pub(super) fn new(certificate: CertificateDer<'static>, key: PrivateKeyDer<'static>) -> Self {
        Self { chain: vec![certificate], key }
    }

    pub(super) fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    pub(super) fn into_parts(self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        (self.chain, self.key)
    }
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientIdentity({} certificates, key ***)", self.chain.len())
    }
}

/// Makes the settings of clients, with session resumption; clients of one kind share one of them behind an `Arc`.
///
/// # Errors
/// [`TlsError`] when a file or the machine's store cannot be read, or holds no certificate.
pub fn client_config(anchors: &TrustAnchors) -> Result<ClientConfig, TlsError> {
    Ok(verified_by(anchors)?.with_no_client_auth())
}

/// The same for a client that proves who it is by a certificate.
///
/// # Errors
/// As [`client_config`].
pub fn client_config_with_identity(anchors: &TrustAnchors, identity: ClientIdentity) -> Result<ClientConfig, TlsError> {
    Ok(verified_by(anchors)?.with_client_auth_cert(identity.chain, identity.key)?)
}

fn verified_by(anchors: &TrustAnchors) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    match anchors {
        TrustAnchors::Platform => verified_by_platform(builder, Vec::new()),
        TrustAnchors::PemFile(path) => {
            let pem = read("read the CA file", path)?;
            verified_by_platform(builder, certificates(&pem, &path.display().to_string())?)
        }
        TrustAnchors::Pem(pem) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(pem, "the CA text")? {
                roots.add(certificate)?;
            }
            Ok(builder.with_root_certificates(roots))
        }
    }
}

fn verified_by_platform(
    builder: ConfigBuilder<ClientConfig, WantsVerifier>,
    extra: Vec<CertificateDer<'static>>,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, TlsError> {
    let verifier = Verifier::new_with_extra_roots(extra, provider())?;
    // rustls calls every verifier of one's own dangerous; this one is the operating system's.
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)))
}

/// The certificates of a PEM file, at least one.
pub(super) fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    certificates(&read("read the certificate file", path)?, &path.display().to_string())
}

fn read(verb: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::File { verb, path: path.to_owned(), source })
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
    fn an_identity_is_a_certificate_and_the_key_that_belongs_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let (key, other) = (rcgen::KeyPair::generate().unwrap(), rcgen::KeyPair::generate().unwrap());
        let pem = rcgen::CertificateParams::new(vec!["d".to_owned()]).unwrap().self_signed(&key).unwrap().pem();
        let certificate = write("cert.pem", &pem);
        let read = |key: PathBuf| ClientIdentity::from_pem_files(&certificate, &key);
        let identity = read(write("key.pem", &key.serialize_pem())).unwrap();
        assert!(!format!("{identity:?}").contains("PRIVATE"));
        let mismatch = read(write("other.pem", &other.serialize_pem())).unwrap_err();
        assert!(matches!(mismatch, TlsError::ClientIdentity { .. }), "{mismatch}");
        let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let no_key = read(write("encrypted.pem", encrypted)).unwrap_err();
        assert!(matches!(no_key, TlsError::NoPrivateKey { .. }), "{no_key}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = client_config(&TrustAnchors::PemFile("/no/such/ca.pem".into())).unwrap_err();
        assert!(error.to_string().contains("/no/such/ca.pem"), "{error}");
    }
}
