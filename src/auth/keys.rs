//! New keys, drawn from the machine's own randomness and never from the seed.

use ring::rand::{SecureRandom, SystemRandom};

use crate::model::{SymmetricKey, SymmetricKeyPair};

/// Bytes of a key that we make: what the service itself generates (REST.md 8.1).
const KEY_BYTES: usize = 32;

/// Says that the machine gave no randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the machine has no source of randomness for a key")]
pub struct NoRandomness;

/// Draws a key of 32 bytes.
///
/// # Errors
/// [`NoRandomness`] when the system's generator fails.
pub fn generate_key() -> Result<SymmetricKey, NoRandomness> {
    let mut bytes = vec![0_u8; KEY_BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(SymmetricKey::from_bytes(bytes).expect("32 bytes lie within a key's bounds"))
}

/// Draws the two keys of an identity or policy.
///
/// # Errors
/// [`NoRandomness`] when the system's generator fails.
pub fn generate_key_pair() -> Result<SymmetricKeyPair, NoRandomness> {
    Ok(SymmetricKeyPair { primary_key: generate_key()?, secondary_key: generate_key()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_keys_differ() {
        let pair = generate_key_pair().unwrap();
        assert_ne!(pair.primary_key, pair.secondary_key);
        assert_eq!(pair.primary_key.expose_bytes().len(), 32);
    }
}
