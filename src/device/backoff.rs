//! How long a device waits before it dials again.

use std::time::Duration;

use crate::model::Rng;
use crate::model::limits::{RECONNECT_MS_MAX, RECONNECT_MS_MIN};

/// Exponential waits with jitter: each lies in the upper half of a span that doubles up to [`RECONNECT_MS_MAX`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// The next wait. The jitter keeps a fleet that lost its hub from coming back as one.
    pub(super) fn next(&mut self, rng: &Rng) -> Duration {
        let span_ms = RECONNECT_MS_MIN.saturating_mul(1 << self.attempts.min(16)).min(RECONNECT_MS_MAX);
        self.attempts = self.attempts.saturating_add(1);
        Duration::from_millis(span_ms).mul_f64(0.5 + rng.fraction() / 2.0)
    }

    /// Starts over after a connection that lasted.
    pub(super) fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_a_limit_and_differ() {
        let (mut backoff, rng) = (Backoff::default(), Rng::seeded(1));
        let waits: Vec<u64> = (0..40).map(|_| u64::try_from(backoff.next(&rng).as_millis()).unwrap()).collect();
        for (attempt, wait) in waits.iter().enumerate() {
            let span = (RECONNECT_MS_MIN << attempt.min(16)).min(RECONNECT_MS_MAX);
            assert!((span / 2..=span).contains(wait), "wait {attempt} is {wait} ms");
        }
        assert_ne!(waits[38], waits[39]);
        backoff.reset();
        assert!(backoff.next(&rng) <= Duration::from_millis(RECONNECT_MS_MIN));
    }
}
