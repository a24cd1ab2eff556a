//! How long a device waits before it dials again.

use std::time::Duration;

use super::config::ReconnectSpans;
use crate::model::IdentitySeed;

/// Exponential waits with full jitter: each lies anywhere within a span that doubles up to a limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Backoff {
    attempts: u32,
    /// Waits drawn so far, so that no two are the same decision.
    drawn: u32,
}

impl Backoff {
    /// The next wait. The jitter keeps a fleet that lost its hub from coming back as one.
    pub(super) fn next(&mut self, spans: ReconnectSpans, seed: IdentitySeed) -> Duration {
        let span = spans.first.saturating_mul(1 << self.attempts.min(16)).min(spans.most);
        self.attempts = self.attempts.saturating_add(1);
        self.drawn = self.drawn.wrapping_add(1);
        span.mul_f64(seed.draw("reconnect", self.drawn.into()).fraction())
    }

    /// Starts over after a connection that lasted.
    pub(super) fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Seed;

    #[test]
    fn spans_double_to_a_limit_and_waits_lie_anywhere_in_them() {
        let spans = ReconnectSpans::default();
        let mut seconds = vec![Vec::new(); 12];
        for device in 0..1_000 {
            let (mut backoff, seed) = (Backoff::default(), Seed::new(1).of(&format!("d{device}")));
            for waits in &mut seconds {
                waits.push(backoff.next(spans, seed).as_secs_f64());
            }
            backoff.reset();
            assert!(backoff.next(spans, seed) <= spans.first);
        }
        for (attempt, waits) in seconds.iter().enumerate() {
            let span = (0.5 * f64::from(1 << attempt)).min(60.0);
            let below = |part: f64| waits.iter().filter(|wait| **wait < span * part).count();
            assert_eq!(below(1.0), 1_000, "attempt {attempt}");
            for tenth in 1..10 {
                let expected = 100 * tenth;
                assert!(below(tenth as f64 / 10.0).abs_diff(expected) < 50, "attempt {attempt}, tenth {tenth}");
            }
        }
    }
}
