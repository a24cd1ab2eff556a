//! How much of the real service's slowness and narrowness a hub shows.

use std::time::Duration;

use super::throttle::Tier;

/// What a hub takes over from the real service beyond its answers. Nothing of it exists unless it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fidelity {
    /// Job slots, throttles and the daily quota of this tier; without one the hub is as fast as the machine.
    pub tier: Option<Tier>,
    /// How late queries and job targeting see twins; zero is at once (REST.md 9).
    pub query_lag: Duration,
    /// How late `connectionState` is seen; zero is at once (DEVICE.md 6.2).
    pub state_lag: Duration,
}

impl Fidelity {
    /// As fast as the machine, at once, and lenient.
    pub const INSTANT: Self = Self { tier: None, query_lag: Duration::ZERO, state_lag: Duration::ZERO };
}
