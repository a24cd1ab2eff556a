//! TLS settings of the local hub.

use std::sync::Arc;

use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::{DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme};

use super::provider::{provider, ticketer};
use super::{DevCa, TlsError};

/// Makes the settings of a hub's listeners: the CA's leaf, client certificates asked for and none required.
///
/// No ALPN is set, since MQTT has none; the HTTPS listener clones the settings and adds its own.
///
/// # Errors
/// [`TlsError::Setup`] when the machine gives no randomness for the tickets' key.
pub fn server_config(ca: &DevCa) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = provider();
    let verifier = AnyClientCertificate { algorithms: provider.signature_verification_algorithms };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_single_cert(ca.leaf_chain(), ca.leaf_key())?;
    // Sealed tickets and no session store: resumption works for any number of devices and costs the hub no memory.
    config.ticketer = ticketer()?;
    config.send_tls13_tickets = 1;
    Ok(Arc::new(config))
}

/// Lets any client certificate in, expired and self-signed ones too, as long as the client holds its key: whose it is, CONNECT
/// decides by thumbprint or CA (DEVICE.md 1.4).
#[derive(Debug)]
struct AnyClientCertificate {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for AnyClientCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use tokio::io::duplex;
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    use tokio_rustls::rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
    use tokio_rustls::rustls::version::{TLS12, TLS13};
    use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::*;
    use crate::model::Clock;
    use crate::tls::{TrustAnchors, client_config};

    async fn handshake(ca: &DevCa, trusted: &DevCa, name: &str) -> std::io::Result<()> {
        let (near, far) = duplex(16 * 1024);
        let server = server_config(ca).unwrap();
        let client = client_config(&TrustAnchors::Pem(trusted.ca_pem().as_bytes().to_vec())).unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let connector = TlsConnector::from(Arc::new(client));
        let (accepted, connected) =
            tokio::join!(Box::pin(TlsAcceptor::from(server).accept(far)), Box::pin(connector.connect(name, near)));
        connected?;
        accepted.map(|_| ())
    }

    fn now() -> Timestamp {
        Clock::system().now()
    }

    /// What the server learns of a client that offers a certificate which expired long ago, under one TLS version.
    async fn certificate_seen(version: &'static SupportedProtocolVersion) -> Option<usize> {
        let ca = DevCa::in_memory(&[], now()).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["dev1".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(1990, 1, 1);
        let certificate = params.self_signed(&key).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ca.ca_pem().as_bytes()).unwrap()).unwrap();
        let client = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![certificate.into()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
            .unwrap();
        let (near, far) = duplex(16 * 1024);
        let connector = TlsConnector::from(Arc::new(client));
        let acceptor = TlsAcceptor::from(server_config(&ca).unwrap());
        let name = ServerName::try_from("localhost").unwrap();
        let (accepted, connected) =
            tokio::join!(Box::pin(acceptor.accept(far)), Box::pin(connector.connect(name, near)));
        connected.unwrap();
        accepted.unwrap().get_ref().1.peer_certificates().map(<[_]>::len)
    }

    // conformance: DEVICE.md 4: TLS 1.2 and 1.3; a client certificate is asked for and none is demanded
    #[tokio::test]
    async fn any_client_certificate_is_let_in_and_shown_to_the_hub_under_both_versions() {
        assert_eq!(certificate_seen(&TLS12).await, Some(1));
        assert_eq!(certificate_seen(&TLS13).await, Some(1));
    }

    // conformance: DEVICE.md 4: the certificate of the hub names every address that is dialled
    #[tokio::test]
    async fn a_client_that_trusts_the_ca_gets_in_under_every_name() {
        let ca = DevCa::in_memory(&["hub.test".to_owned()], now()).unwrap();
        for name in ["localhost", "127.0.0.1", "::1", "hub.test"] {
            handshake(&ca, &ca, name).await.unwrap();
        }
    }

    #[tokio::test]
    async fn other_names_and_other_cas_are_refused() {
        let (ca, other) = (DevCa::in_memory(&[], now()).unwrap(), DevCa::in_memory(&[], now()).unwrap());
        assert!(handshake(&ca, &ca, "hub.test").await.is_err());
        assert!(handshake(&ca, &other, "localhost").await.is_err());
    }
}
