//! JSON Web Tokens as Entra ID signs them: RS256 and ES256 against a key set that somebody trusts (RFC 7515, 7517, 7518).
//!
//! Says who signed what; the claims themselves are for the caller to judge.

use data_encoding::BASE64URL_NOPAD;
use ring::signature::{ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::Value;

use crate::model::JsonObject;
use crate::model::limits::BEARER_BYTES_MAX;

/// Public keys that tokens may be signed with. Only RSA and P-256 keys are kept; others sign nothing that is read here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySet(Vec<TrustedKey>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct TrustedKey {
    kid: Option<String>,
    key: PublicKey,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum PublicKey {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// The point, uncompressed.
    P256(Vec<u8>),
}

/// Says why a text is no key set.
#[derive(Debug, thiserror::Error)]
pub enum KeySetError {
    /// Not the JSON of a key set.
    #[error("this is no JSON Web Key Set: {0}")]
    Json(#[from] serde_json::Error),
    /// A key whose numbers cannot be read.
    #[error("key {number} of the set has no readable `{member}`")]
    Member {
        /// Its place, from 1.
        number: usize,
        /// Which member.
        member: &'static str,
    },
    /// Nothing to check a signature with.
    #[error("the set holds no RSA and no P-256 key for signatures")]
    Empty,
}

/// Says why a token proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// Longer than anything that is a token.
    #[error("it has more than {BEARER_BYTES_MAX} bytes")]
    TooLong,
    /// Not three parts of base64url, or not JSON inside.
    #[error("it is no JSON Web Token: {what}")]
    Unreadable {
        /// Which part.
        what: &'static str,
    },
    /// An algorithm that is not checked, `none` among them.
    #[error("its algorithm is `{algorithm}`; RS256 and ES256 are checked")]
    Algorithm {
        /// As written.
        algorithm: String,
    },
    /// No key of the set fits its header.
    #[error("the key set has no {algorithm} key `{kid}`")]
    UnknownKey {
        /// The algorithm.
        algorithm: &'static str,
        /// The `kid` of the header.
        kid: String,
    },
    /// Signed by somebody else, or changed since.
    #[error("its signature fits no key of the set")]
    Signature,
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
}

#[derive(Clone, Copy)]
enum Algorithm {
    Rs256,
    Es256,
}

impl KeySet {
    /// Reads a JSON Web Key Set, as an issuer's `jwks_uri` serves it.
    ///
    /// # Errors
    /// [`KeySetError`].
    pub fn parse(text: &str) -> Result<Self, KeySetError> {
        let set: Jwks = serde_json::from_str(text)?;
        let mut keys = Vec::new();
        for (index, jwk) in set.keys.into_iter().enumerate() {
            if jwk.usage.as_deref().is_some_and(|usage| usage != "sig") {
                continue;
            }
            if let Some(key) = jwk.public_key(index + 1)? {
                keys.push(TrustedKey { kid: jwk.kid, key });
            }
        }
        if keys.is_empty() { Err(KeySetError::Empty) } else { Ok(Self(keys)) }
    }

    /// The claims of a token that one of these keys signed.
    ///
    /// # Errors
    /// [`JwtError`].
    pub fn claims(&self, token: &str) -> Result<JsonObject, JwtError> {
        if token.len() > BEARER_BYTES_MAX {
            return Err(JwtError::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(JwtError::Unreadable { what: "it has no parts" })?;
        let (header, payload) = signed.split_once('.').ok_or(JwtError::Unreadable { what: "it has two parts" })?;
        let header: Header = serde_json::from_value(part(header, "the header")?)
            .map_err(|_| JwtError::Unreadable { what: "the header names no algorithm" })?;
        let algorithm = Algorithm::of(&header.alg)?;
        let signature = BASE64URL_NOPAD
            .decode(signature.as_bytes())
            .map_err(|_| JwtError::Unreadable { what: "the signature is not base64url" })?;

        let mut candidates =
            self.0.iter().filter(|key| algorithm.is_of(&key.key) && key.answers_to(&header)).peekable();
        if candidates.peek().is_none() {
            let kid = header.kid.unwrap_or_default();
            return Err(JwtError::UnknownKey { algorithm: algorithm.name(), kid });
        }
        if !candidates.any(|key| key.key.signed(signed.as_bytes(), &signature)) {
            return Err(JwtError::Signature);
        }
        match part(payload, "the payload")? {
            Value::Object(claims) => Ok(claims),
            _ => Err(JwtError::Unreadable { what: "the payload is no object" }),
        }
    }
}

fn part(text: &str, what: &'static str) -> Result<Value, JwtError> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| JwtError::Unreadable { what })?;
    serde_json::from_slice(&bytes).map_err(|_| JwtError::Unreadable { what })
}

impl Jwk {
    /// The key, or nothing for a kind that signs neither RS256 nor ES256.
    fn public_key(&self, number: usize) -> Result<Option<PublicKey>, KeySetError> {
        let bytes = |member: &'static str, text: &Option<String>| {
            let decoded = text.as_ref().and_then(|text| BASE64URL_NOPAD.decode(text.as_bytes()).ok());
            decoded.filter(|bytes| !bytes.is_empty()).ok_or(KeySetError::Member { number, member })
        };
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => Ok(Some(PublicKey::Rsa { n: bytes("n", &self.n)?, e: bytes("e", &self.e)? })),
            ("EC", Some("P-256")) => {
                let mut point = vec![4_u8];
                point.extend(bytes("x", &self.x)?);
                point.extend(bytes("y", &self.y)?);
                Ok(Some(PublicKey::P256(point)))
            }
            _ => Ok(None),
        }
    }
}

impl TrustedKey {
    /// A header without `kid` may mean any key, and so may a key without one.
    fn answers_to(&self, header: &Header) -> bool {
        match (&self.kid, &header.kid) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => true,
        }
    }
}

impl PublicKey {
    fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Rsa { n, e } => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok()
            }
            Self::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature).is_ok()
            }
        }
    }
}

impl Algorithm {
    fn of(name: &str) -> Result<Self, JwtError> {
        match name {
            "RS256" => Ok(Self::Rs256),
            "ES256" => Ok(Self::Es256),
            other => Err(JwtError::Algorithm { algorithm: other.to_owned() }),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }

    const fn is_of(self, key: &PublicKey) -> bool {
        matches!((self, key), (Self::Rs256, PublicKey::Rsa { .. }) | (Self::Es256, PublicKey::P256(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7515, appendix A.3: an ES256 token and its key.
    const ES256_KEY: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
    const ES256_TOKEN: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    /// RFC 7515, appendix A.2: an RS256 token and its key.
    const RS256_KEY: &str = r#"{"kty":"RSA","kid":"a2","use":"sig","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}"#;
    const RS256_TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";

    fn set(keys: &[&str]) -> KeySet {
        KeySet::parse(&format!(r#"{{"keys":[{}]}}"#, keys.join(","))).unwrap()
    }

    #[test]
    fn tokens_of_the_standard_are_verified() {
        for token in [ES256_TOKEN, RS256_TOKEN] {
            let claims = set(&[ES256_KEY, RS256_KEY]).claims(token).unwrap();
            assert_eq!((&claims["iss"], &claims["exp"]), (&"joe".into(), &1_300_819_380_u64.into()));
        }
    }

    #[test]
    fn what_was_changed_or_signed_by_others_proves_nothing() {
        let keys = set(&[RS256_KEY]);
        let (signed, signature) = RS256_TOKEN.rsplit_once('.').unwrap();
        let (header, payload) = signed.split_once('.').unwrap();
        let other = BASE64URL_NOPAD.encode(br#"{"iss":"joe","admin":true}"#);
        assert_eq!(keys.claims(&format!("{header}.{other}.{signature}")), Err(JwtError::Signature));
        assert_eq!(keys.claims(ES256_TOKEN), Err(JwtError::UnknownKey { algorithm: "ES256", kid: String::new() }));
        let with_header = |json: &str| format!("{}.{payload}.{signature}", BASE64URL_NOPAD.encode(json.as_bytes()));
        for algorithm in ["none", "HS256", "rs256"] {
            assert_eq!(
                keys.claims(&with_header(&format!(r#"{{"alg":"{algorithm}"}}"#))),
                Err(JwtError::Algorithm { algorithm: algorithm.to_owned() })
            );
        }
        assert_eq!(
            keys.claims(&with_header(r#"{"alg":"RS256","kid":"b"}"#)),
            Err(JwtError::UnknownKey { algorithm: "RS256", kid: "b".to_owned() })
        );
        // An RSA key's token that calls itself ES256 is not checked with that key.
        assert!(matches!(keys.claims(&with_header(r#"{"alg":"ES256"}"#)), Err(JwtError::UnknownKey { .. })));
    }

    #[test]
    fn garbage_is_named_and_nothing_breaks() {
        let keys = set(&[ES256_KEY]);
        for token in ["", ".", "..", "a.b.c", "e30.e30.", "e30.e30", &"x".repeat(BEARER_BYTES_MAX)] {
            assert!(matches!(keys.claims(token), Err(JwtError::Unreadable { .. })), "{token}");
        }
        assert_eq!(keys.claims(&"x".repeat(BEARER_BYTES_MAX + 1)), Err(JwtError::TooLong));
    }

    #[test]
    fn a_set_needs_a_key_that_can_be_used() {
        for (text, want) in [
            ("[]", "this is no JSON Web Key Set"),
            (r#"{"keys":[]}"#, "no RSA and no P-256 key"),
            (r#"{"keys":[{"kty":"oct","k":"AA"},{"kty":"RSA","use":"enc"}]}"#, "no RSA and no P-256 key"),
            (r#"{"keys":[{"kty":"RSA","e":"AQAB"}]}"#, "key 1 of the set has no readable `n`"),
            (r#"{"keys":[{"kty":"EC","crv":"P-256","x":"!"}]}"#, "key 1 of the set has no readable `x`"),
        ] {
            let error = KeySet::parse(text).unwrap_err().to_string();
            assert!(error.contains(want), "{text}: {error}");
        }
    }
}
