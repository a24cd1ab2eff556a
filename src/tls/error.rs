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
