//! Whether a client certificate proves an identity: by thumbprint or by a trusted CA (DEVICE.md 1.4).

use jiff::Timestamp;

use crate::model::{TwinId, X509Thumbprints};
use crate::tls::{ClientCas, ClientCertificate, UnreadableCertificate, UntrustedClient};

/// Why a certificate proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CertificateRefusal {
    /// The handshake carried none.
    #[error("it proves itself with an X.509 certificate, and the TLS handshake carried none")]
    Missing,
    /// A password besides the certificate.
    #[error("it proves itself with an X.509 certificate, and its CONNECT has a password as well")]
    Password,
    /// The registry has no thumbprint to compare with.
    #[error("neither of its thumbprints is registered, so no certificate fits")]
    NoThumbprint,
    /// Neither of the registered thumbprints.
    #[error("its certificate is not a registered one: the thumbprint is {sha1} (SHA-1) or {sha256} (SHA-256)")]
    Thumbprint {
        /// Of the certificate that was sent.
        sha1: String,
        /// Of the certificate that was sent.
        sha256: String,
    },
    /// No CA stands behind it.
    #[error("its certificate is not trusted: {0}")]
    Untrusted(#[from] UntrustedClient),
    /// Issued for somebody else.
    #[error("its certificate is for the common name `{found}`, which is not its id")]
    CommonName {
        /// What the certificate says.
        found: String,
    },
    /// Not X.509.
    #[error(transparent)]
    Unreadable(#[from] UnreadableCertificate),
}

/// What a certificate is to prove itself by.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expected<'e> {
    /// One of these thumbprints.
    Thumbprint(&'e X509Thumbprints),
    /// A CA, and the identity's id as common name.
    Authority(&'e ClientCas),
}

/// Checks a certificate; gives a word for the log when it is good and still worth one.
///
/// # Errors
/// [`CertificateRefusal`] with the reason.
pub(crate) fn check(
    certificate: Option<&ClientCertificate<'_>>,
    expected: Expected<'_>,
    id: &TwinId,
    now: Timestamp,
) -> Result<Option<String>, CertificateRefusal> {
    let certificate = certificate.ok_or(CertificateRefusal::Missing)?;
    match expected {
        Expected::Thumbprint(registered) => {
            check_thumbprint(certificate, registered)?;
            // conformance-choice: DEVICE.md 1.4: a certificate known by its thumbprint is let in when it has expired, with a warning in the log
            Ok(certificate.content().ok().filter(|content| content.is_out_of_time(now)).map(|content| {
                format!("its certificate is valid from {} to {} only", content.not_before, content.not_after)
            }))
        }
        Expected::Authority(cas) => {
            cas.verify(certificate, now)?;
            check_common_name(certificate, id)?;
            Ok(None)
        }
    }
}

fn check_thumbprint(
    certificate: &ClientCertificate<'_>,
    registered: &X509Thumbprints,
) -> Result<(), CertificateRefusal> {
    let both = [&registered.primary_thumbprint, &registered.secondary_thumbprint];
    let mut registered = both.into_iter().flatten().peekable();
    if registered.peek().is_none() {
        return Err(CertificateRefusal::NoThumbprint);
    }
    let [sha1, sha256] = certificate.thumbprints();
    if registered.any(|text| text.eq_ignore_ascii_case(&sha1) || text.eq_ignore_ascii_case(&sha256)) {
        return Ok(());
    }
    Err(CertificateRefusal::Thumbprint { sha1, sha256 })
}

fn check_common_name(certificate: &ClientCertificate<'_>, id: &TwinId) -> Result<(), CertificateRefusal> {
    let names = certificate.content()?.common_names;
    // conformance-choice: DEVICE.md 1.4: the certificate of a module carries deviceId/moduleId as its common name
    if names.iter().any(|name| *name == id.to_string()) {
        return Ok(());
    }
    Err(CertificateRefusal::CommonName { found: names.join("`, `") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::CertificateDer;
    use crate::tls::certificates_for_tests::{TestCa, now, self_signed};

    fn id(text: &str) -> TwinId {
        match text.split_once('/') {
            Some((device, module)) => TwinId::module(device.parse().unwrap(), module.parse().unwrap()),
            None => TwinId::device(text.parse().unwrap()),
        }
    }

    fn verdict(sent: &CertificateDer<'static>, expected: Expected<'_>, own: &str) -> Result<(), CertificateRefusal> {
        let sent = std::slice::from_ref(sent);
        let certificate = ClientCertificate::of_handshake(Some(sent));
        check(certificate.as_ref(), expected, &id(own), now()).map(|_| ())
    }

    #[test]
    fn either_digest_in_either_place_and_any_case_is_the_thumbprint() {
        let (sent, other) = (self_signed("any"), self_signed("any"));
        let both = ClientCertificate::of_handshake(Some(std::slice::from_ref(&sent))).unwrap().thumbprints();
        for text in both.iter().flat_map(|text| [text.clone(), text.to_lowercase()]) {
            for registered in [
                X509Thumbprints { primary_thumbprint: Some(text.clone()), secondary_thumbprint: None },
                X509Thumbprints { primary_thumbprint: Some("00".repeat(20)), secondary_thumbprint: Some(text.clone()) },
            ] {
                assert_eq!(verdict(&sent, Expected::Thumbprint(&registered), "d"), Ok(()));
                let refused = verdict(&other, Expected::Thumbprint(&registered), "d");
                assert!(matches!(refused, Err(CertificateRefusal::Thumbprint { .. })), "{refused:?}");
            }
        }
        let none = X509Thumbprints::default();
        assert_eq!(verdict(&sent, Expected::Thumbprint(&none), "d"), Err(CertificateRefusal::NoThumbprint));
    }

    #[test]
    fn a_ca_vouches_for_the_id_in_the_common_name_and_no_other() {
        let ca = TestCa::new("ca");
        let cas = ca.cas();
        for (common_name, own, verdict_expected) in [
            ("d", "d", Ok(())),
            ("d/m", "d/m", Ok(())),
            ("d", "d/m", Err(CertificateRefusal::CommonName { found: "d".to_owned() })),
            ("D", "d", Err(CertificateRefusal::CommonName { found: "D".to_owned() })),
        ] {
            assert_eq!(verdict(&ca.issue(common_name), Expected::Authority(&cas), own), verdict_expected);
        }
        let untrusted = verdict(&self_signed("d"), Expected::Authority(&cas), "d");
        assert_eq!(untrusted, Err(CertificateRefusal::Untrusted(UntrustedClient::Issuer)));
    }

    #[test]
    fn an_expired_certificate_of_a_known_thumbprint_is_remarked_upon() {
        let sent = [self_signed("d")];
        let certificate = ClientCertificate::of_handshake(Some(&sent)).unwrap();
        let [sha1, _] = certificate.thumbprints();
        let registered = X509Thumbprints { primary_thumbprint: Some(sha1), secondary_thumbprint: None };
        let remark = |now| check(Some(&certificate), Expected::Thumbprint(&registered), &id("d"), now).unwrap();
        assert_eq!(remark(now()), None);
        assert!(remark(Timestamp::MAX).unwrap().contains("2027-01-01"));
    }
}
