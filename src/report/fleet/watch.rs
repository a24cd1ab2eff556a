//! Looks at a fleet that runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::picture::{FleetPicture, GroupPicture};
use crate::device::FleetStats;
use crate::model::Clock;

/// A group of a fleet, and where it is counted.
#[derive(Debug, Clone)]
pub struct WatchedGroup {
    /// Its name.
    pub name: String,
    /// Devices, and modules, that this process runs of it.
    pub devices: u64,
    /// Where they are counted.
    pub stats: Arc<FleetStats>,
}

/// A fleet as whoever shows it sees it.
#[derive(Debug)]
pub struct FleetWatch {
    groups: Vec<WatchedGroup>,
    online_most: AtomicU64,
    clock: Clock,
    began: Duration,
}

impl FleetWatch {
    /// Begins to look.
    #[must_use]
    pub fn new(groups: Vec<WatchedGroup>, clock: Clock) -> Self {
        let began = clock.monotonic();
        Self { groups, online_most: AtomicU64::new(0), clock, began }
    }

    /// Takes note of how many are online together: no group alone knows that. Cheap enough for every event.
    pub fn note_online(&self) {
        let online = self.groups.iter().map(|group| group.stats.online()).sum();
        self.online_most.fetch_max(online, Relaxed);
    }

    /// The fleet as it is now.
    #[must_use]
    pub fn picture(&self) -> FleetPicture {
        self.note_online();
        let pictured = |group: &WatchedGroup| GroupPicture {
            name: group.name.clone(),
            devices: group.devices,
            figures: group.stats.figures(),
        };
        FleetPicture {
            groups: self.groups.iter().map(pictured).collect(),
            online_most: self.online_most.load(Relaxed),
            elapsed: self.clock.monotonic().saturating_sub(self.began),
        }
    }
}
