//! How much of the real service's slowness and narrowness a hub shows.

use super::throttle::Tier;

/// What a hub takes over from the real service beyond its answers. Nothing of it exists unless it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fidelity {
    /// Job slots, throttles and the daily quota of this tier; without one the hub is as fast as the machine.
    pub tier: Option<Tier>,
}

impl Fidelity {
    /// As fast as the machine, at once, and lenient.
    pub const INSTANT: Self = Self { tier: None };
}
