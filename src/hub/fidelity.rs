//! How much of the real service's slowness and narrowness a hub shows.

use std::time::Duration;

use super::throttle::Tier;
use crate::query::Strictness;

/// What a hub takes over from the real service beyond its answers. Nothing of it exists unless it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fidelity {
    /// Job slots, throttles and the daily quota of this tier; without one the hub is as fast as the machine.
    pub tier: Option<Tier>,
    /// How late queries and job targeting see twins; zero is at once (REST.md 9).
    pub query_lag: Duration,
    /// How late `connectionState` is seen; zero is at once (DEVICE.md 6.2).
    pub state_lag: Duration,
    /// Whether what nobody has confirmed, or only one hub has shown, is refused. When strict:
    ///
    /// - job ids are of lower-case letters, digits and dashes (REST.md 4.3);
    /// - a twin job names the etag `*` (REST.md 4.2);
    /// - a job's `startTime` has no numeric offset (REST.md 4.2);
    /// - queries and conditions hold nothing that GRAMMAR.md marks as unconfirmed: a query is refused, a job fails;
    /// - a PUBACK for a packet that the hub never sent closes the connection (DEVICE.md 2.3).
    pub strictness: Strictness,
}

impl Fidelity {
    /// As fast as the machine, at once, and lenient.
    pub const INSTANT: Self =
        Self { tier: None, query_lag: Duration::ZERO, state_lag: Duration::ZERO, strictness: Strictness::Lenient };
}
