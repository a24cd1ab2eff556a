//! Certificates for simulated devices: signed by themselves, or issued by a CA of the fleet's own. Only the CA is ever kept.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};
use tokio_rustls::rustls::client::{ResolvesClientCert, Resumption};
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::authority::{Authority, AuthorityKind};
use super::dev_ca::valid_from_yesterday;
use super::provider::provider;
use super::{ClientCertificate, ClientConfig, ClientIdentity, TlsError};

/// How long these certificates are valid, in days: longer than any simulation.
const VALID_DAYS: i64 = 396;
/// Sessions that one device remembers. It dials one hub, so a few tickets are all that it can use.
const SESSIONS_KEPT: usize = 2;

/// The fleet's CA.
const CA: AuthorityKind = AuthorityKind { name: "iotjob fleet CA", stem: "fleet-ca" };

/// A CA that issues the certificates of a fleet.
pub struct FleetCa(Authority);

impl FleetCa {
    /// Makes a CA that lives as long as the value: for a hub that does no longer, either.
    ///
    /// # Errors
    /// [`TlsError`] when the system gives no key.
    pub fn in_memory() -> Result<Self, TlsError> {
        Authority::generate(&CA).map(Self)
    }

    /// Takes the CA that lies in `dir`, or makes it there, and gives its certificate's file; safe when several fleets
    /// start at once.
    ///
    /// # Errors
    /// [`TlsError::File`] and [`TlsError::BrokenCa`] when the files cannot be used.
    pub fn load_or_create(dir: &Path) -> Result<(Self, PathBuf), TlsError> {
        let (authority, file) = Authority::load_or_create(dir, &CA)?;
        Ok((Self(authority), file))
    }

    /// Its certificate as PEM: what a hub must trust, with `--trust-ca` for instance.
    #[must_use]
    pub fn pem(&self) -> &str {
        self.0.pem()
    }

    /// Issues a certificate to the identity of that name: `device`, or `device/module` (DEVICE.md 1.4).
    ///
    /// # Errors
    /// [`TlsError`] when the system gives no key.
    pub fn issue(&self, common_name: &str, now: Timestamp) -> Result<ClientIdentity, TlsError> {
        let key = KeyPair::generate()?;
        let certificate = leaf(common_name, now).signed_by(&key, &self.0.issuer())?;
        Ok(ClientIdentity::new(certificate.into(), PrivatePkcs8KeyDer::from(key.serialize_der()).into()))
    }
}

impl fmt::Debug for FleetCa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FleetCa(key ***)")
    }
}

impl ClientIdentity {
    /// Makes a certificate that signs itself; a hub knows it by its thumbprint.
    ///
    /// # Errors
    /// [`TlsError`] when the system gives no key.
    pub fn self_signed(common_name: &str, now: Timestamp) -> Result<Self, TlsError> {
        let key = KeyPair::generate()?;
        let certificate = leaf(common_name, now).self_signed(&key)?;
        Ok(Self::new(certificate.into(), PrivatePkcs8KeyDer::from(key.serialize_der()).into()))
    }

    /// SHA-1 and SHA-256 of the certificate, as upper-case hex: what a hub registers.
    #[must_use]
    pub fn thumbprints(&self) -> [String; 2] {
        let chain = Some(self.chain());
        ClientCertificate::of_handshake(chain).map(|certificate| certificate.thumbprints()).unwrap_or_default()
    }
}

/// A certificate that one device of many offers: it goes on top of TLS settings that all of them share.
#[derive(Clone)]
pub struct OfferedIdentity {
    resolver: Arc<dyn ResolvesClientCert>,
    /// Its own: the hub remembers with a session whose certificate it saw.
    resumption: Resumption,
}

impl OfferedIdentity {
    /// Makes an identity ready to be offered.
    ///
    /// # Errors
    /// [`TlsError`] when key and certificate do not belong together.
    pub fn new(identity: ClientIdentity) -> Result<Self, TlsError> {
        let (chain, key) = identity.into_parts();
        let certified = CertifiedKey::from_der(chain, key, &provider())?;
        let resolver = Arc::new(SingleCertAndKey::from(certified));
        Ok(Self { resolver, resumption: Resumption::in_memory_sessions(SESSIONS_KEPT) })
    }

    /// The shared settings with this certificate in them.
    #[must_use]
    pub fn on(&self, shared: &ClientConfig) -> ClientConfig {
        let mut own = shared.clone();
        own.client_auth_cert_resolver = Arc::clone(&self.resolver);
        own.resumption = self.resumption.clone();
        own
    }
}

impl fmt::Debug for OfferedIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OfferedIdentity(key ***)")
    }
}

fn named(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

fn leaf(common_name: &str, now: Timestamp) -> CertificateParams {
    let mut params = named(common_name);
    valid_from_yesterday(&mut params, now, VALID_DAYS);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::ClientCas;

    fn now() -> Timestamp {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_ca_in_a_folder_vouches_for_what_it_issues_on_another_day() {
        let dir = tempfile::tempdir().unwrap();
        let (first, file) = FleetCa::load_or_create(dir.path()).unwrap();
        let (second, _) = FleetCa::load_or_create(dir.path()).unwrap();
        assert_eq!(first.pem(), second.pem());
        let cas = ClientCas::from_pem_files(&[file]).unwrap();
        let issued = second.issue("door", now()).unwrap();
        let certificate = ClientCertificate::of_handshake(Some(issued.chain())).unwrap();
        assert_eq!(cas.verify(&certificate, now()), Ok(()));
    }

    #[test]
    fn the_ca_vouches_for_what_it_issued() {
        let (ca, file) = (FleetCa::in_memory().unwrap(), tempfile::NamedTempFile::new().unwrap());
        std::fs::write(file.path(), ca.pem()).unwrap();
        let cas = ClientCas::from_pem_files(&[file.path().to_owned()]).unwrap();
        let issued = ca.issue("door/cam", now()).unwrap();
        let certificate = ClientCertificate::of_handshake(Some(issued.chain())).unwrap();
        assert_eq!(certificate.content().unwrap().common_names, ["door/cam"]);
        assert_eq!(cas.verify(&certificate, now()), Ok(()));
        let stranger = ClientIdentity::self_signed("door/cam", now()).unwrap();
        let certificate = ClientCertificate::of_handshake(Some(stranger.chain())).unwrap();
        assert!(cas.verify(&certificate, now()).is_err());
        assert_eq!(certificate.thumbprints(), stranger.thumbprints());
        assert!(!format!("{:?} {:?}", OfferedIdentity::new(issued).unwrap(), ca).contains("PRIVATE"));
    }
}
