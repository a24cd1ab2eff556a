//! Certificates of devices, in files: self-signed, and issued by a CA of the test's own.

use std::path::{Path, PathBuf};

use iotjob::hub::Hub;
use iotjob::hub::registry::Authentication;
use iotjob::model::X509Thumbprints;
use iotjob::tls::{ClientConfig, ClientIdentity, client_config_with_identity};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

use super::raw_mqtt::trust;

/// A certificate and its key, in files.
pub(crate) struct Pair {
    /// The certificate's file.
    pub(crate) cert: PathBuf,
    /// The key's file.
    pub(crate) key: PathBuf,
    /// The certificate's bytes.
    pub(crate) der: Vec<u8>,
}

impl Pair {
    fn write(folder: &Path, name: &str, certificate: &rcgen::Certificate, key: &KeyPair) -> Self {
        let (cert, key_file) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        std::fs::write(&cert, certificate.pem()).expect("a file");
        std::fs::write(&key_file, key.serialize_pem()).expect("a file");
        Self { cert, key: key_file, der: certificate.der().to_vec() }
    }

    /// The pair that was written under a name before.
    pub(crate) fn at(folder: &Path, name: &str) -> Self {
        let (cert, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        let pem = std::fs::read(&cert).expect("it was written");
        let (_, pem) = x509_parser::pem::parse_x509_pem(&pem).expect("a certificate");
        Self { cert, key, der: pem.contents }
    }

    /// A certificate that only its owner vouches for.
    pub(crate) fn self_signed(folder: &Path, name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        Self::write(folder, name, &params(name).self_signed(&key).expect("a certificate"), &key)
    }

    /// TLS settings that offer the certificate.
    pub(crate) fn offered_to(&self, hub: &Hub) -> ClientConfig {
        let identity = ClientIdentity::from_pem_files(&self.cert, &self.key).expect("a pair");
        client_config_with_identity(&trust(hub), identity).expect("TLS settings")
    }
}

/// What a certificate with that CN says.
pub(crate) fn params(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

/// A CA of devices.
pub(crate) struct Authority {
    params: CertificateParams,
    key: KeyPair,
}

impl Authority {
    /// A CA with that CN.
    pub(crate) fn new(name: &str) -> Self {
        let mut params = params(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self { params, key: KeyPair::generate().expect("a key") }
    }

    /// Writes its certificate.
    pub(crate) fn file(&self, folder: &Path) -> PathBuf {
        let file = folder.join("ca.pem");
        std::fs::write(&file, self.params.self_signed(&self.key).expect("a certificate").pem()).expect("a file");
        file
    }

    /// Issues a certificate for a client.
    pub(crate) fn issue(&self, folder: &Path, name: &str, mut params: CertificateParams) -> Pair {
        let key = KeyPair::generate().expect("a key");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &Issuer::from_params(&self.params, &self.key)).expect("a certificate");
        Pair::write(folder, name, &certificate, &key)
    }
}

/// Lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An identity that is known by either of two thumbprints.
pub(crate) fn thumbprints(primary: Option<String>, secondary: Option<String>) -> Authentication {
    Authentication::SelfSigned(X509Thumbprints { primary_thumbprint: primary, secondary_thumbprint: secondary })
}
