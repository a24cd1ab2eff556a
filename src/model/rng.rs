//! The one source of chance besides keys: seeded, so that a failure can be replayed.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// A shared, seeded generator. Clones draw from the same sequence.
#[derive(Clone)]
pub struct Rng(Arc<Mutex<fastrand::Rng>>);

impl Rng {
    /// The generator of a seed: the same seed gives the same sequence.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(fastrand::Rng::with_seed(seed))))
    }

    /// A generator whose seed the machine chose.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that draws a seed")]
    pub fn from_entropy() -> Self {
        Self::seeded(fastrand::u64(..))
    }

    fn with<T>(&self, draw: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        // A poisoned generator is still a generator: nothing in it can be half done.
        draw(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The next 64 bits.
    #[must_use]
    pub fn next_u64(&self) -> u64 {
        self.with(|rng| rng.u64(..))
    }

    /// A fraction in `[0, 1)`.
    #[must_use]
    pub fn fraction(&self) -> f64 {
        self.with(fastrand::Rng::f64)
    }

    /// A version 4 UUID from the sequence, for request and tracking ids.
    #[must_use]
    pub fn uuid(&self) -> uuid::Uuid {
        let mut bytes = [0_u8; 16];
        self.with(|rng| rng.fill(&mut bytes));
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}

impl fmt::Debug for Rng {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rng")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_replays() {
        let (a, b) = (Rng::seeded(7), Rng::seeded(7));
        assert_eq!(a.next_u64(), b.next_u64());
        assert_eq!(a.uuid(), b.uuid());
    }
}
