//! What can go wrong before the first handshake.

use std::io;
use std::path::PathBuf;

use tokio_rustls::rustls;

/// Says why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The TLS library refuses the settings; mostly because the machine has no usable CA store.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
    /// A file cannot be read or written.
    #[error("cannot {verb} {}: {source}", path.display())]
    File {
        /// What was tried.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// PEM text without a certificate.
    #[error("{origin} holds no PEM certificate")]
    NoCertificate {
        /// Where the text came from.
        origin: String,
    },
    /// PEM text that cannot be read.
    #[error("{origin} holds a certificate that cannot be read")]
    BadCertificate {
        /// Where the text came from.
        origin: String,
    },
    /// PEM text without a private key.
    #[error("{origin} holds no PEM private key, or an encrypted one, which iotjob does not take")]
    NoPrivateKey {
        /// Where the text came from.
        origin: String,
    },
    /// A certificate and a key that make no identity.
    #[error("{} and {} make no identity: {source}", certificate.display(), key.display())]
    ClientIdentity {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
    /// The CA's own files do not fit each other.
    #[error("{} and {} do not belong together; delete both, and iotjob makes a new CA", certificate.display(), key.display())]
    BrokenCa {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// A name that no certificate can hold.
    #[error("`{name}` is neither a DNS name nor an address")]
    Name {
        /// The name.
        name: String,
    },
    /// The CA cannot make a certificate.
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
}

/// A certificate that verification refused: not a fault that passes, unlike a broken connection.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CertificateTrouble {
    /// No trusted CA issued it.
    #[error("its CA is unknown; name the CA with --ca-file or SSL_CERT_FILE")]
    UnknownIssuer,
    /// It is valid for other names.
    #[error("it is valid for other names than the one that was dialled")]
    WrongName,
    /// Its time is over, or has not begun.
    #[error("it has expired or is not valid yet")]
    WrongTime,
    /// Anything else.
    #[error("{0}")]
    Other(rustls::CertificateError),
}

impl CertificateTrouble {
    /// Finds out whether a certificate made a handshake or a request fail.
    #[must_use]
    pub fn of(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            // An `io::Error` hides what it wraps from `source` and shows it by `get_ref`.
            let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            let inner: &(dyn std::error::Error + 'static) = match wrapped {
                Some(wrapped) => wrapped,
                None => error,
            };
            if let Some(rustls::Error::InvalidCertificate(error)) = inner.downcast_ref() {
                return Some(Self::from(error.clone()));
            }
            cause = inner.source();
        }
        None
    }
}

impl From<rustls::CertificateError> for CertificateTrouble {
    fn from(error: rustls::CertificateError) -> Self {
        use rustls::CertificateError as E;
        match error {
            E::UnknownIssuer => Self::UnknownIssuer,
            E::NotValidForName | E::NotValidForNameContext { .. } => Self::WrongName,
            E::Expired | E::ExpiredContext { .. } | E::NotValidYet | E::NotValidYetContext { .. } => Self::WrongTime,
            error => Self::Other(error),
        }
    }
}
