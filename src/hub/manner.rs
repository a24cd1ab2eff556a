//! How a hub treats whoever asks: what both of its edges share beyond their protocols.

use tokio_util::sync::CancellationToken;

use super::Fidelity;
use super::metrics::Metrics;
use super::throttle::Throttle;
use crate::model::Clock;
use crate::query::Strictness;

/// How a hub treats whoever asks; cheap to clone.
#[derive(Clone)]
pub struct Manner {
    /// What the tier allows.
    pub throttle: Throttle,
    /// Whether what nobody has confirmed is refused.
    pub strictness: Strictness,
    /// Where what happens is counted.
    pub metrics: Metrics,
}

impl Manner {
    /// As `fidelity` says; who waits for a turn at `stop` is sent away.
    #[must_use]
    pub fn of(fidelity: &Fidelity, clock: &Clock, stop: &CancellationToken) -> Self {
        let metrics = Metrics::default();
        let throttle = match fidelity.tier {
            Some(tier) => Throttle::of(tier, clock.clone(), stop.clone()).counted(metrics.clone()),
            None => Throttle::off(),
        };
        Self { throttle, strictness: fidelity.strictness, metrics }
    }

    /// Without limits, and lenient.
    #[must_use]
    pub fn instant() -> Self {
        Self { throttle: Throttle::off(), strictness: Strictness::Lenient, metrics: Metrics::default() }
    }
}
