//! Certificates of clients: what they say, and whether a trusted CA stands behind them (DEVICE.md 1.4).

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXUPPER;
use jiff::Timestamp;
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::{self, CertificateError, RootCertStore};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::TlsError;
use super::client::read_certificates;
use super::provider::{provider, sha1, sha256};

/// A certificate whose key the client holds, as its handshake showed, and what the client sent to lead to its CA.
#[derive(Debug, Clone, Copy)]
pub struct ClientCertificate<'c> {
    leaf: &'c CertificateDer<'static>,
    intermediates: &'c [CertificateDer<'static>],
}

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateContent {
    /// The common names (CN) of its subject; mostly one.
    pub common_names: Vec<String>,
    /// The first moment of its validity.
    pub not_before: Timestamp,
    /// The last moment of its validity.
    pub not_after: Timestamp,
}

/// Says that a certificate is not one of X.509.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the certificate cannot be read: {reason}")]
pub struct UnreadableCertificate {
    reason: String,
}

impl<'c> ClientCertificate<'c> {
    /// The certificate of a handshake; nothing when the client sent none.
    #[must_use]
    pub fn of_handshake(sent: Option<&'c [CertificateDer<'static>]>) -> Option<Self> {
        let (leaf, intermediates) = sent?.split_first()?;
        Some(Self { leaf, intermediates })
    }

    /// SHA-1 and SHA-256 of the leaf, as upper-case hex.
    #[must_use]
    pub fn thumbprints(&self) -> [String; 2] {
        [HEXUPPER.encode(&sha1(self.leaf)), HEXUPPER.encode(&sha256(self.leaf))]
    }

    /// What the leaf says.
    ///
    /// # Errors
    /// [`UnreadableCertificate`] when it is none.
    pub fn content(&self) -> Result<CertificateContent, UnreadableCertificate> {
        let unreadable = |reason: String| UnreadableCertificate { reason };
        let (_, certificate) = X509Certificate::from_der(self.leaf).map_err(|error| unreadable(error.to_string()))?;
        let time = |seconds: i64| Timestamp::from_second(seconds).map_err(|error| unreadable(error.to_string()));
        let names = certificate.subject().iter_common_name();
        Ok(CertificateContent {
            common_names: names.filter_map(|name| name.as_str().ok().map(str::to_owned)).collect(),
            not_before: time(certificate.validity().not_before.timestamp())?,
            not_after: time(certificate.validity().not_after.timestamp())?,
        })
    }
}

impl CertificateContent {
    /// Whether its time is over, or has not begun.
    #[must_use]
    pub fn is_out_of_time(&self, now: Timestamp) -> bool {
        now < self.not_before || self.not_after < now
    }
}

/// Why no trusted CA stands behind a client's certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UntrustedClient {
    /// There are no CAs.
    #[error("this hub trusts no CA of devices; name one with --trust-ca")]
    NoCa,
    /// None of the CAs issued it, as far as what the client sent shows.
    #[error("no CA of --trust-ca issued it; if one did, the device must send the certificates between the two as well")]
    Issuer,
    /// Its time is over, or that of a certificate on the way to its CA.
    #[error("it, or a certificate between it and its CA, expired at {not_after}")]
    Expired {
        /// The end of its time.
        not_after: String,
    },
    /// Its time has not begun, or that of a certificate on the way to its CA.
    #[error("it, or a certificate between it and its CA, is not valid before {not_before}")]
    NotYetValid {
        /// The beginning of its time.
        not_before: String,
    },
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl UntrustedClient {
    fn of(error: rustls::Error) -> Self {
        let text = |time: UnixTime| {
            let time = i64::try_from(time.as_secs()).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
            time.unwrap_or(Timestamp::MAX).to_string()
        };
        match error {
            rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => Self::Issuer,
            rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. }) => {
                Self::Expired { not_after: text(not_after) }
            }
            rustls::Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. }) => {
                Self::NotYetValid { not_before: text(not_before) }
            }
            error => Self::Other(error.to_string()),
        }
    }
}

/// The CAs whose word on clients counts.
#[derive(Clone, Default)]
pub struct ClientCas(Option<Arc<dyn ClientCertVerifier>>);

impl ClientCas {
    /// Reads the CAs of PEM files; each file may hold several, roots or intermediates alike.
    ///
    /// # Errors
    /// [`TlsError`] for a file that cannot be read or holds no certificate of a CA.
    pub fn from_pem_files(files: &[PathBuf]) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for file in files {
            for certificate in read_certificates(file)? {
                let bad = |_| TlsError::BadCertificate { origin: file.display().to_string() };
                roots.add(certificate).map_err(bad)?;
            }
        }
        if roots.is_empty() {
            return Ok(Self::default());
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build();
        let verifier = verifier.map_err(|error| TlsError::Setup(rustls::Error::General(error.to_string())))?;
        Ok(Self(Some(verifier)))
    }

    /// Checks the whole way from the certificate to one of the CAs, at a moment.
    ///
    /// # Errors
    /// [`UntrustedClient`] with the reason.
    pub fn verify(&self, certificate: &ClientCertificate<'_>, now: Timestamp) -> Result<(), UntrustedClient> {
        let verifier = self.0.as_ref().ok_or(UntrustedClient::NoCa)?;
        let now = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now.as_second()).unwrap_or(0)));
        verifier
            .verify_client_cert(certificate.leaf, certificate.intermediates, now)
            .map(|_| ())
            .map_err(UntrustedClient::of)
    }
}

impl fmt::Debug for ClientCas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "ClientCas(some)" } else { "ClientCas(none)" })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

    use super::*;

    /// A moment within the validity of every certificate here.
    pub(crate) fn now() -> Timestamp {
        "2026-06-01T00:00:00Z".parse().unwrap()
    }

    fn params(common_name: &str) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2027, 1, 1);
        params
    }

    /// A CA, and how to issue with it.
    pub(crate) struct TestCa {
        params: CertificateParams,
        key: KeyPair,
    }

    impl TestCa {
        pub(crate) fn new(name: &str) -> Self {
            let mut params = params(name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            Self { params, key: KeyPair::generate().unwrap() }
        }

        pub(crate) fn cas(&self) -> ClientCas {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), self.params.self_signed(&self.key).unwrap().pem()).unwrap();
            ClientCas::from_pem_files(&[file.path().to_owned()]).unwrap()
        }

        pub(crate) fn issue(&self, common_name: &str) -> CertificateDer<'static> {
            let mut params = params(common_name);
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            self.sign(&params, &KeyPair::generate().unwrap())
        }

        fn sign(&self, params: &CertificateParams, key: &KeyPair) -> CertificateDer<'static> {
            params.signed_by(key, &Issuer::from_params(&self.params, &self.key)).unwrap().into()
        }
    }

    /// A certificate that signs itself.
    pub(crate) fn self_signed(common_name: &str) -> CertificateDer<'static> {
        params(common_name).self_signed(&KeyPair::generate().unwrap()).unwrap().into()
    }

    fn verdict(cas: &ClientCas, sent: &[CertificateDer<'static>], now: Timestamp) -> Result<(), UntrustedClient> {
        cas.verify(&ClientCertificate::of_handshake(Some(sent)).unwrap(), now)
    }

    #[test]
    fn a_certificate_is_read() {
        let sent = [self_signed("dev1/cam")];
        let certificate = ClientCertificate::of_handshake(Some(&sent)).unwrap();
        let content = certificate.content().unwrap();
        assert_eq!(content.common_names, ["dev1/cam"]);
        assert_eq!(content.not_after.to_string(), "2027-01-01T00:00:00Z");
        assert!(!content.is_out_of_time(now()));
        assert!(content.is_out_of_time("2027-01-01T00:00:01Z".parse().unwrap()));
        assert_eq!(certificate.thumbprints().map(|text| text.len()), [40, 64]);
        let junk = [CertificateDer::from(b"junk".to_vec())];
        assert!(ClientCertificate::of_handshake(Some(&junk)).unwrap().content().is_err());
        assert!(ClientCertificate::of_handshake(Some(&[])).is_none());
    }

    #[test]
    fn thumbprints_are_the_digests_of_the_leaf() {
        let sent = [CertificateDer::from(b"abc".to_vec())];
        let [sha1, sha256] = ClientCertificate::of_handshake(Some(&sent)).unwrap().thumbprints();
        assert_eq!(sha1, "A9993E364706816ABA3E25717850C26C9CD0D89D");
        assert_eq!(sha256, "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD");
    }

    #[test]
    fn only_certificates_of_the_cas_are_trusted_and_only_in_their_time() {
        let (ca, other) = (TestCa::new("ca"), TestCa::new("other"));
        let cas = ca.cas();
        assert_eq!(verdict(&cas, &[ca.issue("d")], now()), Ok(()));
        assert_eq!(verdict(&cas, &[other.issue("d")], now()), Err(UntrustedClient::Issuer));
        assert_eq!(verdict(&ClientCas::default(), &[ca.issue("d")], now()), Err(UntrustedClient::NoCa));
        let late = verdict(&cas, &[ca.issue("d")], "2027-03-01T00:00:00Z".parse().unwrap());
        assert_eq!(late, Err(UntrustedClient::Expired { not_after: "2027-01-01T00:00:00Z".to_owned() }));
        let early = verdict(&cas, &[ca.issue("d")], Timestamp::UNIX_EPOCH);
        assert_eq!(early, Err(UntrustedClient::NotYetValid { not_before: "2026-01-01T00:00:00Z".to_owned() }));
    }

    #[test]
    fn the_way_to_the_ca_may_have_steps_if_the_client_sends_them() {
        let root = TestCa::new("root");
        let step = TestCa::new("step");
        let step_certificate = root.sign(&step.params, &step.key);
        let leaf = step.issue("d");
        assert_eq!(verdict(&root.cas(), &[leaf.clone(), step_certificate], now()), Ok(()));
        assert_eq!(verdict(&root.cas(), std::slice::from_ref(&leaf), now()), Err(UntrustedClient::Issuer));
        assert_eq!(verdict(&step.cas(), &[leaf], now()), Ok(()), "a CA in the middle may be the one that is trusted");
    }

    #[test]
    fn a_file_without_certificates_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = ClientCas::from_pem_files(&[file.path().to_owned()]).unwrap_err();
        assert!(error.to_string().contains(&file.path().display().to_string()), "{error}");
    }
}
