//! The local hub's own CA: made once, kept in a folder, and never trusted by anybody who was not told to.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use jiff::{Timestamp, ToSpan, tz::TimeZone};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::TlsError;
use super::authority::{Authority, AuthorityKind};

/// Names that every leaf holds besides those asked for.
const LOOPBACK_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// How long a leaf is valid, in days: clients of Apple's refuse more than 398.
const LEAF_DAYS: i64 = 396;

/// The hub's CA.
const CA: AuthorityKind = AuthorityKind { name: "iotjob local hub CA", stem: "ca" };

/// A CA with a leaf for this hub's names.
///
/// Only the CA is kept in files: a leaf costs less than a millisecond, so each start issues its own, which always has today's
/// names and its whole life before it.
pub struct DevCa {
    ca_pem: String,
    ca_file: Option<PathBuf>,
    leaf: CertificateDer<'static>,
    leaf_key: PrivateKeyDer<'static>,
    leaf_expiry: Timestamp,
}

impl DevCa {
    /// Makes a CA that lives as long as the value. `now` is the machine's time of day, which is what clients will compare with.
    ///
    /// # Errors
    /// [`TlsError::Name`] for a name that no certificate can hold.
    pub fn in_memory(names: &[String], now: Timestamp) -> Result<Self, TlsError> {
        let authority = Authority::generate(&CA)?;
        Self::issue(authority, None, names, now)
    }

    /// Takes the CA that lies in `dir`, or makes it there; safe when several hubs start at once.
    ///
    /// # Errors
    /// [`TlsError::File`] and [`TlsError::BrokenCa`] when the files cannot be used, [`TlsError::Name`] for a bad name.
    pub fn load_or_create(dir: &Path, names: &[String], now: Timestamp) -> Result<Self, TlsError> {
        let (authority, ca_file) = Authority::load_or_create(dir, &CA)?;
        Self::issue(authority, Some(ca_file), names, now)
    }

    fn issue(
        authority: Authority,
        ca_file: Option<PathBuf>,
        names: &[String],
        now: Timestamp,
    ) -> Result<Self, TlsError> {
        let (params, leaf_expiry) = leaf_params(names, now)?;
        let key = KeyPair::generate()?;
        let leaf = params.signed_by(&key, &authority.issuer())?.into();
        let leaf_key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        Ok(Self { ca_pem: authority.pem().to_owned(), ca_file, leaf, leaf_key, leaf_expiry })
    }

    /// The CA's certificate as PEM: what clients must trust.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The file with [`DevCa::ca_pem`], as an absolute path; `None` when the CA lives in memory.
    #[must_use]
    pub fn ca_file(&self) -> Option<&Path> {
        self.ca_file.as_deref()
    }

    /// When the leaf expires.
    #[must_use]
    pub fn leaf_expiry(&self) -> Timestamp {
        self.leaf_expiry
    }

    pub(super) fn leaf_chain(&self) -> Vec<CertificateDer<'static>> {
        vec![self.leaf.clone()]
    }

    pub(super) fn leaf_key(&self) -> PrivateKeyDer<'static> {
        self.leaf_key.clone_key()
    }
}

impl fmt::Debug for DevCa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DevCa")
            .field("ca_file", &self.ca_file)
            .field("leaf_expiry", &self.leaf_expiry)
            .finish_non_exhaustive()
    }
}

// The type is that of rcgen's time library, which nothing else here names.
macro_rules! rcgen_date {
    ($date:expr) => {{
        let date: jiff::civil::Date = $date;
        let part = |number: i8| u8::try_from(number).expect("months and days are positive");
        rcgen::date_time_ymd(i32::from(date.year()), part(date.month()), part(date.day()))
    }};
}

/// Makes a certificate valid from yesterday, for clients whose clock is a little behind, for so many days from today; gives
/// the last of them.
pub(super) fn valid_from_yesterday(params: &mut CertificateParams, now: Timestamp, days: i64) -> jiff::civil::Date {
    let today = now.to_zoned(TimeZone::UTC).date();
    let (first, last) = (today.saturating_sub(1.day()), today.saturating_add(days.days()));
    params.not_before = rcgen_date!(first);
    params.not_after = rcgen_date!(last);
    last
}

fn leaf_params(names: &[String], now: Timestamp) -> Result<(CertificateParams, Timestamp), TlsError> {
    let mut params = CertificateParams::default();
    let mut wanted: Vec<&str> = LOOPBACK_NAMES.to_vec();
    wanted.extend(names.iter().map(String::as_str).filter(|name| !LOOPBACK_NAMES.contains(name)));
    for name in wanted {
        params.subject_alt_names.push(alternative_name(name)?);
    }
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "iotjob local hub");
    let last = valid_from_yesterday(&mut params, now, LEAF_DAYS);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let expiry = last.to_zoned(TimeZone::UTC).map_or(Timestamp::MAX, |zoned| zoned.timestamp());
    Ok((params, expiry))
}

fn alternative_name(name: &str) -> Result<SanType, TlsError> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let bad_name = || TlsError::Name { name: name.to_owned() };
    if name.is_empty() {
        return Err(bad_name());
    }
    Ok(SanType::DnsName(name.try_into().map_err(|_| bad_name())?))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn now() -> Timestamp {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_ca_is_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let first = DevCa::load_or_create(dir.path(), &[], now()).unwrap();
        let second = DevCa::load_or_create(dir.path(), &["hub.test".to_owned()], now()).unwrap();
        assert_eq!(first.ca_pem(), second.ca_pem());
        assert_ne!(first.leaf, second.leaf);
        assert_eq!(fs::read_to_string(second.ca_file().unwrap()).unwrap(), first.ca_pem());
        assert!(second.ca_file().unwrap().is_absolute());
    }

    #[test]
    fn hubs_that_start_together_agree() {
        let dir = tempfile::tempdir().unwrap();
        let start = || DevCa::load_or_create(dir.path(), &[], now()).unwrap().ca_pem().to_owned();
        let all: Vec<String> = std::thread::scope(|scope| {
            let started: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
            started.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(all.iter().all(|pem| *pem == all[0]));
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_reads_the_key() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        DevCa::load_or_create(dir.path(), &[], now()).unwrap();
        let mode = fs::metadata(dir.path().join("ca-key.pem")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn an_unfinished_ca_is_made_again_and_a_broken_one_is_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        let first = DevCa::load_or_create(dir.path(), &[], now()).unwrap();
        fs::remove_file(dir.path().join("ca.pem")).unwrap();
        let second = DevCa::load_or_create(dir.path(), &[], now()).unwrap();
        assert_ne!(first.ca_pem(), second.ca_pem());
        fs::write(dir.path().join("ca.pem"), first.ca_pem()).unwrap();
        let error = DevCa::load_or_create(dir.path(), &[], now()).unwrap_err();
        assert!(matches!(error, TlsError::BrokenCa { .. }), "{error}");
    }

    #[test]
    fn a_leaf_lives_less_than_398_days() {
        let ca = DevCa::in_memory(&[], now()).unwrap();
        assert_eq!(ca.leaf_expiry().to_string(), "2027-12-23T00:00:00Z");
    }

    #[test]
    fn names_that_fit_no_certificate_are_refused() {
        for name in ["", "hüb"] {
            assert!(matches!(DevCa::in_memory(&[name.to_owned()], now()), Err(TlsError::Name { .. })), "{name}");
        }
    }
}
