//! What goes wrong in one simulation, and how often. Each kind of fault is there in some seeds and absent in others: a
//! bug often needs one kind without another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use iotjob::hub::throttle::Tier;

use crate::chance::Chance;

/// The plan of a seed.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) tier: Option<Tier>,
    pub(crate) query_lag: Duration,
    pub(crate) wire: WireFaults,
    pub(crate) line: LineFaults,
    pub(crate) hub_kills: u64,
    /// Runners that carry out the same steps beside each other.
    pub(crate) runners: u64,
    /// Kills of each of them.
    pub(crate) runner_kills: u64,
    switch: Arc<AtomicBool>,
}

/// What happens to HTTP exchanges: shares of them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct WireFaults {
    pub(crate) refused: f64,
    pub(crate) lost_request: f64,
    pub(crate) lost_answer: f64,
    pub(crate) throttled: f64,
    pub(crate) late: f64,
    /// The longest delay of those that are late; more than a client's patience with one request.
    pub(crate) late_ms_max: u64,
}

/// What happens to device connections: shares of them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LineFaults {
    pub(crate) cut: f64,
    pub(crate) half_frames: f64,
    pub(crate) late: f64,
    pub(crate) stalled: f64,
    pub(crate) slow_reader: f64,
    pub(crate) refused: f64,
}

impl Plan {
    pub(crate) fn of(chance: &Chance) -> Self {
        let share = |most: f64| if chance.hits(0.5) { most * (1.0 + chance.between(0, 9) as f64) / 10.0 } else { 0.0 };
        let count = |most| if chance.hits(0.7) { chance.between(1, most) } else { 0 };
        let tier = match chance.between(0, 3) {
            0 => None,
            1 => Some("S2"),
            2 => Some("S3"),
            _ => Some("S1"),
        };
        let wire = WireFaults {
            refused: share(0.1),
            lost_request: share(0.1),
            lost_answer: share(0.25),
            throttled: share(0.15),
            late: share(0.2),
            late_ms_max: *chance.pick(&[50, 2_000, 90_000]),
        };
        let line = LineFaults {
            cut: share(0.6),
            half_frames: share(0.5),
            late: share(0.5),
            stalled: share(0.1),
            slow_reader: share(0.2),
            refused: share(0.2),
        };
        // In a third of the seeds nothing happens to hub and devices: then every outcome is known beforehand.
        let (line, hub_kills) = if chance.hits(0.33) { (LineFaults::default(), 0) } else { (line, count(5)) };
        Self {
            tier: tier.map(|tier| tier.parse().expect("a tier")),
            query_lag: if chance.hits(0.2) { chance.ms(100, 20_000) } else { Duration::ZERO },
            wire,
            line,
            hub_kills,
            runners: chance.between(1, 2),
            runner_kills: count(4),
            switch: Arc::default(),
        }
    }

    /// Whether hub and devices work as if nothing was wrong, so that only asking for the jobs is hard.
    pub(crate) fn spares_devices(&self) -> bool {
        let LineFaults { cut, half_frames, late, stalled, slow_reader, refused } = self.line;
        self.hub_kills == 0 && [cut, half_frames, late, stalled, slow_reader, refused].iter().all(|share| *share == 0.0)
    }

    /// From here on things go wrong, or no longer do.
    pub(crate) fn switch(&self, on: bool) {
        self.switch.store(on, Ordering::Relaxed);
    }

    pub(crate) fn is_on(&self) -> bool {
        self.switch.load(Ordering::Relaxed)
    }

    pub(crate) fn wire_now(&self) -> WireFaults {
        if self.is_on() { self.wire } else { WireFaults::default() }
    }

    pub(crate) fn line_now(&self) -> LineFaults {
        if self.is_on() { self.line } else { LineFaults::default() }
    }
}
