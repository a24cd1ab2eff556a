//! Many devices in one process.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::DeviceConfig;
use super::drive::{Driven, Surroundings, drive};
use super::event::{DeviceEventKind, Listener};
use super::machine::Machine;
use super::stats::{Counted, FleetStats, Standing};
use crate::model::{Clock, Seed};

/// How often a ramp starts devices.
const RAMP_STEP: Duration = Duration::from_millis(20);

/// How fast devices are started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ramp {
    /// All at once.
    AtOnce,
    /// So many a second.
    PerSecond(NonZeroU32),
}

/// What a fleet runs with.
#[derive(Debug, Clone)]
pub struct FleetOptions {
    /// The clock of tokens and time-outs.
    pub clock: Clock,
    /// What every decision is made from.
    pub seed: Seed,
    /// How fast devices are started.
    pub ramp: Ramp,
}

/// Running devices; dropping the fleet stops them without waiting.
#[derive(Debug)]
pub struct Fleet {
    stop: CancellationToken,
    tasks: TaskTracker,
    stats: Arc<FleetStats>,
}

impl Fleet {
    /// Starts devices as the ramp takes them from the iterator; each tells what happens to it, and waits for a
    /// listener that is behind. Where nobody listens, the figures are still kept.
    ///
    /// Must be called within a tokio runtime.
    #[must_use]
    pub fn start<I>(devices: I, options: FleetOptions, listener: Option<Listener>) -> Self
    where
        I: IntoIterator<Item = DeviceConfig>,
        I::IntoIter: Send + 'static,
    {
        let (stop, tasks, stats) = (CancellationToken::new(), TaskTracker::new(), Arc::<FleetStats>::default());
        let FleetOptions { clock, seed, ramp } = options;
        let surroundings = Surroundings { clock, listener, stop: stop.clone(), tasks: tasks.clone() };
        let start = Start { seed, ramp, stats: Arc::clone(&stats), surroundings: Arc::new(surroundings) };
        tasks.spawn(start.all(devices.into_iter()));
        // A closed tracker still takes tasks; it only lets `wait` end when there are none.
        tasks.close();
        Self { stop, tasks, stats }
    }

    /// The figures of all devices that are not counted elsewhere.
    #[must_use]
    pub fn stats(&self) -> &Arc<FleetStats> {
        &self.stats
    }

    /// Waits until every device has given up; one that works never does, and one that stays offline has at once.
    pub async fn ended(&self) {
        self.tasks.wait().await;
    }

    /// Says goodbye to the hub for every device, and waits for all of them.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What devices are started with.
struct Start {
    seed: Seed,
    ramp: Ramp,
    stats: Arc<FleetStats>,
    surroundings: Arc<Surroundings>,
}

impl Start {
    async fn all(self, devices: impl Iterator<Item = DeviceConfig>) {
        let per_step = match self.ramp {
            Ramp::AtOnce => f64::INFINITY,
            Ramp::PerSecond(count) => f64::from(count.get()) * RAMP_STEP.as_secs_f64(),
        };
        // Devices that may start now; the first does not wait.
        let mut allowance = per_step.max(1.0);
        for device in devices {
            while allowance < 1.0 {
                tokio::select! {
                    biased;
                    () = self.surroundings.stop.cancelled() => return,
                    () = sleep(RAMP_STEP) => allowance += per_step,
                }
            }
            allowance -= 1.0;
            self.one(device).await;
            // Starting many at once must not keep those that run from running.
            tokio::task::coop::consume_budget().await;
        }
    }

    async fn one(&self, device: DeviceConfig) {
        let stats = Arc::clone(device.stats.as_ref().unwrap_or(&self.stats));
        let seed = self.seed.of(&device.id.to_string());
        if device.behaviour.connectivity.keeps_offline(seed) {
            // It costs nothing but its place in the figures.
            drop(Counted::new(stats, Standing::StaysOffline));
            return self.surroundings.tell(&device.id, DeviceEventKind::StaysOffline).await;
        }
        let counted = Counted::new(stats, Standing::Waiting);
        let driven = Driven { machine: Machine::new(device, self.seed), counted };
        self.surroundings.tasks.spawn(drive(driven, Arc::clone(&self.surroundings)));
    }
}

#[cfg(test)]
mod tests;
