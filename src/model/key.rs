//! Symmetric keys, which never show in a `Debug` print, a log or an error.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// Says that a text is not a usable key, without repeating it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// Not base64.
    #[error("the key is not base64")]
    NotBase64,
    /// Decodes to a length that the service refuses.
    #[error("the key has {bytes} bytes after base64 decoding; the service takes 16 to 64")]
    Length {
        /// Bytes after decoding.
        bytes: usize,
    },
}

/// A shared access key: 16–64 bytes, written as base64 (REST.md 8.1), zeroed when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct SymmetricKey(Zeroizing<Vec<u8>>);

impl SymmetricKey {
    /// Takes raw bytes.
    ///
    /// # Errors
    /// [`InvalidKey::Length`] outside 16–64 bytes.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, InvalidKey> {
        let bytes = Zeroizing::new(bytes);
        if !(16..=64).contains(&bytes.len()) {
            return Err(InvalidKey::Length { bytes: bytes.len() });
        }
        Ok(Self(bytes))
    }

    /// The raw bytes, for signing.
    #[must_use]
    pub fn expose_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The base64 text, for the places that must show it: connection strings and registry answers.
    #[must_use]
    pub fn expose_base64(&self) -> String {
        BASE64.encode(&self.0)
    }
}

impl FromStr for SymmetricKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        Self::from_bytes(BASE64.decode(text.as_bytes()).map_err(|_| InvalidKey::NotBase64)?)
    }
}

impl fmt::Debug for SymmetricKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SymmetricKey(***)")
    }
}

impl Serialize for SymmetricKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.expose_base64())
    }
}

impl<'de> Deserialize<'de> for SymmetricKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_the_key() {
        let key: SymmetricKey = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=".parse().unwrap();
        assert_eq!(format!("{key:?}"), "SymmetricKey(***)");
    }

    #[test]
    fn short_keys_and_garbage_are_refused() {
        assert_eq!("AAAA".parse::<SymmetricKey>(), Err(InvalidKey::Length { bytes: 3 }));
        assert_eq!("not base64!".parse::<SymmetricKey>(), Err(InvalidKey::NotBase64));
    }
}
