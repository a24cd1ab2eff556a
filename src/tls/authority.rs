//! A CA of our own: made once, and kept in a folder or in memory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

use super::TlsError;
use super::provider::provider;

/// What tells our CAs apart.
pub(super) struct AuthorityKind {
    /// What it calls itself; a fingerprint of its key follows.
    pub(super) name: &'static str,
    /// What its files' names begin with.
    pub(super) stem: &'static str,
}

impl AuthorityKind {
    fn certificate_file(&self) -> String {
        format!("{}.pem", self.stem)
    }

    fn key_file(&self) -> String {
        format!("{}-key.pem", self.stem)
    }

    fn lock_file(&self) -> String {
        format!("{}.lock", self.stem)
    }

    /// The certificate's content. Fixed but for the key, so that a CA read from its files issues exactly as on its first
    /// day.
    fn params(&self, key: &KeyPair) -> CertificateParams {
        let mut params = CertificateParams::default();
        let fingerprint = data_encoding::HEXLOWER.encode(&params.key_identifier(key)[..4]);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, format!("{} {fingerprint}", self.name));
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2049, 12, 31);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
    }
}

/// A CA's certificate and key.
pub(super) struct Authority {
    params: CertificateParams,
    certificate_pem: String,
    key: KeyPair,
}

impl Authority {
    /// Makes a CA.
    pub(super) fn generate(kind: &AuthorityKind) -> Result<Self, TlsError> {
        let key = KeyPair::generate()?;
        let params = kind.params(&key);
        let certificate_pem = params.self_signed(&key)?.pem();
        Ok(Self { params, certificate_pem, key })
    }

    /// Takes the CA that lies in a folder, or makes it there, and gives its certificate's file; safe when several
    /// processes do so at once.
    pub(super) fn load_or_create(dir: &Path, kind: &AuthorityKind) -> Result<(Self, PathBuf), TlsError> {
        let failed = |verb| move |source| TlsError::File { verb, path: dir.to_owned(), source };
        create_private_dir(dir).map_err(failed("create the folder"))?;
        let lock = File::create(dir.join(kind.lock_file())).map_err(failed("create a lock in"))?;
        lock.lock().map_err(failed("lock"))?;
        let authority = match Self::load(dir, kind)? {
            Some(authority) => authority,
            None => Self::generate(kind)?.store(dir, kind)?,
        };
        drop(lock);
        let file = std::path::absolute(dir.join(kind.certificate_file())).map_err(failed("find"))?;
        Ok((authority, file))
    }

    /// Its certificate.
    pub(super) fn pem(&self) -> &str {
        &self.certificate_pem
    }

    /// What signs certificates for it.
    pub(super) fn issuer(&self) -> Issuer<'_, &KeyPair> {
        Issuer::from_params(&self.params, &self.key)
    }

    /// Reads the CA of a folder; `None` when it was never finished there.
    fn load(dir: &Path, kind: &AuthorityKind) -> Result<Option<Self>, TlsError> {
        let (certificate_path, key_path) = (dir.join(kind.certificate_file()), dir.join(kind.key_file()));
        let (Some(certificate_pem), Some(key_pem)) = (read_text(&certificate_path)?, read_text(&key_path)?) else {
            return Ok(None);
        };
        let key_pem = Zeroizing::new(key_pem);
        let usable = || {
            let key = KeyPair::from_pem(&key_pem).ok()?;
            let certificate = CertificateDer::from_pem_slice(certificate_pem.as_bytes()).ok()?;
            let der = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
            CertifiedKey::from_der(vec![certificate], der, &provider()).ok()?;
            Some(key)
        };
        let key = usable().ok_or(TlsError::BrokenCa { certificate: certificate_path, key: key_path })?;
        Ok(Some(Self { params: kind.params(&key), certificate_pem, key }))
    }

    /// Writes the CA; the certificate last, because its presence says that the CA is complete.
    fn store(self, dir: &Path, kind: &AuthorityKind) -> Result<Self, TlsError> {
        let key_pem = Zeroizing::new(self.key.serialize_pem());
        write_whole(dir, &kind.key_file(), &key_pem, Access::OwnerOnly)?;
        write_whole(dir, &kind.certificate_file(), &self.certificate_pem, Access::Everybody)?;
        Ok(self)
    }
}

#[derive(Clone, Copy)]
enum Access {
    OwnerOnly,
    Everybody,
}

/// Writes a file under another name and moves it into place, so that nobody ever reads half of it.
fn write_whole(dir: &Path, name: &str, content: &str, access: Access) -> Result<(), TlsError> {
    let (path, unfinished) = (dir.join(name), dir.join(format!("{name}.new")));
    let write = || -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(match access {
                Access::OwnerOnly => 0o600,
                Access::Everybody => 0o644,
            });
        }
        // Elsewhere the folder's own rights protect the key.
        #[cfg(not(unix))]
        let _ = access;
        let mut file = options.open(&unfinished)?;
        file.write_all(content.as_bytes())?;
        file.sync_all()?;
        fs::rename(&unfinished, &path)
    };
    write().map_err(|source| TlsError::File { verb: "write", path: path.clone(), source })
}

fn create_private_dir(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(dir)
}

fn read_text(path: &Path) -> Result<Option<String>, TlsError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(TlsError::File { verb: "read", path: path.to_owned(), source }),
    }
}
