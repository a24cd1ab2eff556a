//! An issuer of Entra ID's kind of tokens, with a key of its own.

use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::BASE64URL_NOPAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

/// Who the tokens say made them.
pub(crate) const ISSUER: &str = "https://login.test/tenant/v2.0";

/// A key that signs tokens.
pub(crate) struct Issuer {
    key: EcdsaKeyPair,
    random: SystemRandom,
}

fn encode(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

impl Issuer {
    pub(crate) fn new() -> Self {
        let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
        let key = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).expect("the key");
        Self { key, random }
    }

    /// The key set that a hub is told.
    pub(crate) fn key_set(&self) -> Value {
        let (x, y) = self.key.public_key().as_ref()[1..].split_at(32);
        json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "k", "use": "sig", "x": encode(x), "y": encode(y)}]})
    }

    /// A token of a principal, good for an hour.
    pub(crate) fn token(&self, principal: &str) -> String {
        #[expect(clippy::disallowed_methods, reason = "the hub under test runs by the machine's clock")]
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is past 1970").as_secs();
        let claims = json!({
            "iss": ISSUER, "aud": "https://iothubs.azure.net", "oid": principal, "nbf": now, "exp": now + 3_600,
        });
        let header = json!({"alg": "ES256", "kid": "k"});
        let signed = format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
        let signature = self.key.sign(&self.random, signed.as_bytes()).expect("a signature");
        format!("{signed}.{}", encode(signature.as_ref()))
    }
}
