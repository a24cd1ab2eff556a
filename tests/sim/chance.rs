//! The dice of one simulation: everything that a seed decides.

use std::time::Duration;

use iotjob::model::Rng;

/// Draws from the seed's sequence; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Chance(Rng);

impl Chance {
    pub(crate) fn of(seed: u64) -> Self {
        Self(Rng::seeded(seed))
    }

    pub(crate) fn rng(&self) -> Rng {
        self.0.clone()
    }

    /// Another sequence, so that what one part draws does not shift what another does.
    pub(crate) fn branch(&self) -> Self {
        Self::of(self.0.next_u64())
    }

    pub(crate) fn number(&self) -> u64 {
        self.0.next_u64()
    }

    pub(crate) fn hits(&self, share: f64) -> bool {
        share > 0.0 && self.0.fraction() < share
    }

    /// A number from `min` to `max`, both included.
    pub(crate) fn between(&self, min: u64, max: u64) -> u64 {
        min + self.0.next_u64() % (max - min + 1)
    }

    pub(crate) fn ms(&self, min: u64, max: u64) -> Duration {
        Duration::from_millis(self.between(min, max))
    }

    pub(crate) fn pick<'i, T>(&self, items: &'i [T]) -> &'i T {
        &items[usize::try_from(self.between(0, items.len() as u64 - 1)).expect("an index")]
    }
}
