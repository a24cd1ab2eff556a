//! Shared access signatures: signing and checking (REST.md 2.2, DEVICE.md 1.3).

use std::fmt;
use std::time::Duration;

use data_encoding::BASE64;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use ring::hmac;
use zeroize::Zeroizing;

use super::Resource;
use crate::model::SymmetricKey;
use crate::model::limits::SAS_SKEW_S;

/// What a token's fields escape: everything but RFC 3986's unreserved characters.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const SCHEME: &str = "SharedAccessSignature";

/// A signed token, ready to be sent; it is a secret until it expires.
#[derive(Clone, PartialEq, Eq)]
pub struct SasToken(Zeroizing<String>);

impl SasToken {
    /// Signs `resource` until `expiry` (whole seconds) with a policy's key, or with the identity's own when there is no `policy`.
    #[must_use]
    pub fn sign(resource: &Resource, key: &SymmetricKey, policy: Option<&str>, expiry: Timestamp) -> Self {
        let sr = utf8_percent_encode(&resource.to_string(), ESCAPED).to_string();
        let se = expiry.as_second();
        let tag = hmac::sign(&hmac_key(key), format!("{sr}\n{se}").as_bytes());
        let sig = BASE64.encode(tag.as_ref());
        let mut token = Zeroizing::new(format!("{SCHEME} sr={sr}&sig={}&se={se}", utf8_percent_encode(&sig, ESCAPED)));
        if let Some(policy) = policy {
            token.push_str("&skn=");
            token.extend(utf8_percent_encode(policy, ESCAPED));
        }
        Self(token)
    }

    /// The token's text, for the header or packet that carries it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SasToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SasToken(***)")
    }
}

/// Says why a token proves nothing. No text of it repeats the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SasError {
    /// Does not begin with `SharedAccessSignature `.
    #[error("the token does not begin with `SharedAccessSignature `")]
    Scheme,
    /// A field is not there.
    #[error("the token has no `{field}`")]
    Missing {
        /// `sr`, `sig` or `se`.
        field: &'static str,
    },
    /// A field is there twice.
    #[error("the token has more than one `{field}`")]
    Duplicate {
        /// `sr`, `sig`, `se` or `skn`.
        field: &'static str,
    },
    /// A field cannot be read.
    #[error("the token's `{field}` cannot be read")]
    Malformed {
        /// `sr`, `sig`, `se` or `skn`.
        field: &'static str,
    },
    /// Signed with another key.
    #[error("the token's signature fits none of the keys")]
    Signature,
    /// Its time is over, and the grace too.
    #[error("the token expired at {expiry}")]
    Expired {
        /// When it expired.
        expiry: Timestamp,
    },
}

/// A token that somebody presented: taken apart, nothing believed yet.
#[derive(Clone, PartialEq, Eq)]
pub struct ParsedSas {
    /// `sr` exactly as received: SDKs differ in how they escape it, and they sign what they send.
    sr: String,
    se: String,
    signature: Vec<u8>,
    resource: Resource,
    expiry: Timestamp,
    policy: Option<String>,
}

impl ParsedSas {
    /// Takes a token apart. Fields come in any order; unknown ones mean nothing; `sr` and `sig` may be escaped or raw.
    ///
    /// # Errors
    /// [`SasError`] naming the field that is missing, double or unreadable.
    pub fn parse(text: &str) -> Result<Self, SasError> {
        let fields = text.trim().strip_prefix(SCHEME).filter(|rest| rest.starts_with(' ')).ok_or(SasError::Scheme)?;
        let (mut sr, mut sig, mut se, mut skn) = (None, None, None, None);
        for (name, value) in fields.trim().split('&').filter_map(|pair| pair.split_once('=')) {
            let (slot, field) = match name {
                "sr" => (&mut sr, "sr"),
                "sig" => (&mut sig, "sig"),
                "se" => (&mut se, "se"),
                "skn" => (&mut skn, "skn"),
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return Err(SasError::Duplicate { field });
            }
        }
        let sr = sr.ok_or(SasError::Missing { field: "sr" })?;
        let sig = sig.ok_or(SasError::Missing { field: "sig" })?;
        let se = se.ok_or(SasError::Missing { field: "se" })?;
        let seconds = se.parse::<i64>().map_err(|_| SasError::Malformed { field: "se" })?;
        let policy = skn.filter(|policy| !policy.is_empty()).map(|policy| decoded(policy, "skn")).transpose()?;
        Ok(Self {
            signature: BASE64
                .decode(decoded(sig, "sig")?.as_bytes())
                .map_err(|_| SasError::Malformed { field: "sig" })?,
            resource: Resource::parse(&decoded(sr, "sr")?),
            // Some clients mint tokens for ever; what lies beyond the calendar is its last day.
            expiry: Timestamp::from_second(seconds).unwrap_or(if seconds > 0 {
                Timestamp::MAX
            } else {
                Timestamp::MIN
            }),
            policy,
            sr: sr.to_owned(),
            se: se.to_owned(),
        })
    }

    /// Checks the signature against each key, in constant time, then the expiry.
    ///
    /// The expiry has a grace of [`SAS_SKEW_S`]: the service refuses tokens when clocks differ by more than about five
    /// minutes (REST.md 2.2) and lets connections live about that long past `se` (DEVICE.md 1.7).
    ///
    /// # Errors
    /// [`SasError::Signature`] when no key fits, else [`SasError::Expired`].
    pub fn verify<'k>(&self, keys: impl IntoIterator<Item = &'k SymmetricKey>, now: Timestamp) -> Result<(), SasError> {
        let signed = format!("{}\n{}", self.sr, self.se);
        let fits = |key: &SymmetricKey| hmac::verify(&hmac_key(key), signed.as_bytes(), &self.signature).is_ok();
        if !keys.into_iter().any(fits) {
            return Err(SasError::Signature);
        }
        if self.refused_from() <= now {
            return Err(SasError::Expired { expiry: self.expiry });
        }
        Ok(())
    }

    /// What the token claims to reach, decoded.
    #[must_use]
    pub fn resource(&self) -> &Resource {
        &self.resource
    }

    /// The policy that it names; without one it is signed with the identity's own key.
    #[must_use]
    pub fn policy(&self) -> Option<&str> {
        self.policy.as_deref()
    }

    /// `se`: when it expires.
    #[must_use]
    pub fn expiry(&self) -> Timestamp {
        self.expiry
    }

    /// `se` and the grace: from then on [`ParsedSas::verify`] refuses it, and a hub ends the connection it opened.
    #[must_use]
    pub fn refused_from(&self) -> Timestamp {
        self.expiry.saturating_add(Duration::from_secs(SAS_SKEW_S.unsigned_abs())).unwrap_or(Timestamp::MAX)
    }
}

impl fmt::Debug for ParsedSas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ParsedSas(sr={}, sig=***, se={}, skn={:?})", self.resource, self.se, self.policy)
    }
}

fn hmac_key(key: &SymmetricKey) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, key.expose_bytes())
}

fn decoded(text: &str, field: &'static str) -> Result<String, SasError> {
    let text = percent_decode_str(text).decode_utf8().map_err(|_| SasError::Malformed { field })?;
    Ok(text.into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

    fn key() -> SymmetricKey {
        KEY.parse().unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// The vectors of DEVICE.md 1.3: resource, sr, sig, policy.
    const VECTORS: [(&str, &str, &str, Option<&str>); 7] = [
        (
            "hub.local/devices/dev1",
            "hub.local%2Fdevices%2Fdev1",
            "sVu3LU2VqQxJo44xUIopJjhIr2goIehgMldsaI6dH3I%3D",
            None,
        ),
        (
            "hub.local/devices/dev 1/x",
            "hub.local%2Fdevices%2Fdev%201%2Fx",
            "U7h2qKfx7Y24Sc%2FOySRNsANA%2FEeNxM5S1vQ18NL%2FsB4%3D",
            None,
        ),
        (
            "hub.local/devices/dev1/modules/mod1",
            "hub.local%2Fdevices%2Fdev1%2Fmodules%2Fmod1",
            "62DkrypTIX2pyixDc7UNT5Y0OlXO5VXk7Zihd%2FCN0%2FI%3D",
            None,
        ),
        (
            "localhost/devices/dev1",
            "localhost%2Fdevices%2Fdev1",
            "0YabbUKib%2BZ9atmgvXMVYZg%2FugHqoSD0o%2BboUQwythw%3D",
            None,
        ),
        (
            "localhost:8899/devices/dev1",
            "localhost%3A8899%2Fdevices%2Fdev1",
            "vgPt7HX1IP61ZjpaLNzmNxwPBdkoxE0CaMDsg%2BSXFxU%3D",
            None,
        ),
        ("hub.local", "hub.local", "jfJuu45FYAdN0osQ2KTrytfaUE%2BP0bz2Libpz4s00eA%3D", Some("device")),
        (
            "0ne000A247E/registrations/dev1",
            "0ne000A247E%2Fregistrations%2Fdev1",
            "daXI2lVcw27w3ff3yONAum555LJgmE9WgjKX8x18OLk%3D",
            None,
        ),
    ];

    // conformance: DEVICE.md 1.3: signatures agree with the known vectors
    #[test]
    fn signs_the_known_vectors() {
        for (resource, sr, sig, policy) in VECTORS {
            let token = SasToken::sign(&Resource::parse(resource), &key(), policy, at(1_900_000_000));
            let skn = policy.map(|policy| format!("&skn={policy}")).unwrap_or_default();
            assert_eq!(token.expose(), format!("SharedAccessSignature sr={sr}&sig={sig}&se=1900000000{skn}"));
            let parsed = ParsedSas::parse(token.expose()).unwrap();
            assert_eq!(parsed.verify([&key()], at(1_800_000_000)), Ok(()));
            assert_eq!(parsed.resource().to_string(), resource);
            assert_eq!(parsed.policy(), policy);
        }
    }

    // conformance: REST.md 2.2: sr encoded or not, fields in any order, a raw `/` in sig: the signature is checked over sr as received
    #[test]
    fn accepts_what_the_sdks_send() {
        let raw_sr = "SharedAccessSignature sr=0ne000A247E/registrations/dev1&sig=t6eWr5zp9WxNswl%2BpyDOlkiB0KzF31r6sCr6EpEvZM4%3D&se=1900000000";
        let raw_sig = "SharedAccessSignature sig=U7h2qKfx7Y24Sc/OySRNsANA/EeNxM5S1vQ18NL/sB4=&skn=&se=1900000000&sr=hub.local%2Fdevices%2Fdev%201%2Fx";
        let raw_plus = "SharedAccessSignature se=1900000000&new=1&sr=localhost%2Fdevices%2Fdev1&sig=0YabbUKib+Z9atmgvXMVYZg/ugHqoSD0o+boUQwythw=";
        for text in [raw_sr, raw_sig, raw_plus] {
            assert_eq!(ParsedSas::parse(text).unwrap().verify([&key()], at(0)), Ok(()), "{text}");
        }
    }

    #[test]
    fn the_secondary_key_is_as_good_and_a_third_is_not() {
        let token = SasToken::sign(&Resource::parse("h"), &key(), None, at(1_000));
        let parsed = ParsedSas::parse(token.expose()).unwrap();
        let other = SymmetricKey::from_bytes(vec![7; 32]).unwrap();
        assert_eq!(parsed.verify([&other, &key()], at(0)), Ok(()));
        assert_eq!(parsed.verify([&other], at(0)), Err(SasError::Signature));
        assert_eq!(parsed.verify([], at(0)), Err(SasError::Signature));
    }

    #[test]
    fn expiry_has_five_minutes_of_grace() {
        let token = SasToken::sign(&Resource::parse("h"), &key(), None, at(1_000));
        let parsed = ParsedSas::parse(token.expose()).unwrap();
        assert_eq!(parsed.verify([&key()], at(1_299)), Ok(()));
        assert_eq!(parsed.verify([&key()], at(1_300)), Err(SasError::Expired { expiry: at(1_000) }));
    }

    #[test]
    fn what_was_signed_cannot_be_changed() {
        let token = SasToken::sign(&Resource::parse("h/devices/a"), &key(), None, at(1_000));
        for (from, to) in
            [("se=1000", "se=9999"), ("se=1000", "se=01000"), ("devices%2Fa", "devices%2Fb"), ("%2F", "/")]
        {
            let forged = token.expose().replacen(from, to, 1);
            assert_eq!(ParsedSas::parse(&forged).unwrap().verify([&key()], at(0)), Err(SasError::Signature), "{to}");
        }
    }

    #[test]
    fn broken_tokens_are_named() {
        let cases = [
            ("", SasError::Scheme),
            ("Bearer x", SasError::Scheme),
            ("SharedAccessSignature", SasError::Scheme),
            ("SharedAccessSignature sig=AAAA&se=1", SasError::Missing { field: "sr" }),
            ("SharedAccessSignature sr=h&se=1", SasError::Missing { field: "sig" }),
            ("SharedAccessSignature sr=h&sig=AAAA", SasError::Missing { field: "se" }),
            ("SharedAccessSignature sr=h&sig=AAAA&se=soon", SasError::Malformed { field: "se" }),
            ("SharedAccessSignature sr=h&sig=!&se=1", SasError::Malformed { field: "sig" }),
            ("SharedAccessSignature sr=%FF&sig=AAAA&se=1", SasError::Malformed { field: "sr" }),
            ("SharedAccessSignature sr=h&sr=i&sig=AAAA&se=1", SasError::Duplicate { field: "sr" }),
        ];
        for (text, error) in cases {
            assert_eq!(ParsedSas::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn debug_shows_no_signature() {
        let token = SasToken::sign(&Resource::parse("h"), &key(), None, at(1_000));
        assert_eq!(format!("{token:?}"), "SasToken(***)");
        assert!(format!("{:?}", ParsedSas::parse(token.expose()).unwrap()).contains("sig=***"));
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "(SharedAccessSignature )?.{0,60}") {
            let _ = ParsedSas::parse(&text);
        }

        #[test]
        fn every_id_can_be_signed_and_read_back(id in "[A-Za-z0-9:.+%_#*?!(),=@;$'-]{1,40}") {
            let resource = Resource::parse(&format!("hub.local/devices/{id}"));
            let token = SasToken::sign(&resource, &key(), Some("a b&c"), at(1_000));
            let parsed = ParsedSas::parse(token.expose()).unwrap();
            prop_assert_eq!(parsed.verify([&key()], at(0)), Ok(()));
            prop_assert_eq!(parsed.resource(), &resource);
            prop_assert_eq!(parsed.policy(), Some("a b&c"));
        }
    }
}
