//! Many devices in one process.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::DeviceConfig;
use super::drive::{Surroundings, drive};
use super::event::DeviceEvent;
use super::machine::Machine;
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
}

impl Fleet {
    /// Starts devices; each tells `events` what happens to it, and waits for a listener that is behind.
    ///
    /// Must be called within a tokio runtime.
    #[must_use]
    pub fn start(devices: Vec<DeviceConfig>, options: FleetOptions, events: mpsc::Sender<DeviceEvent>) -> Self {
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let FleetOptions { clock, seed, ramp } = options;
        let surroundings = Surroundings { clock, events, stop: stop.clone() };
        tasks.spawn(start_all(devices, surroundings, seed, ramp, tasks.clone()));
        // A closed tracker still takes tasks; it only lets `wait` end when there are none.
        tasks.close();
        Self { stop, tasks }
    }

    /// Waits until every device has given up; one that works never does.
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

async fn start_all(devices: Vec<DeviceConfig>, surroundings: Surroundings, seed: Seed, ramp: Ramp, tasks: TaskTracker) {
    let per_step = match ramp {
        Ramp::AtOnce => f64::INFINITY,
        Ramp::PerSecond(count) => f64::from(count.get()) * RAMP_STEP.as_secs_f64(),
    };
    // Devices that may start now; the first does not wait.
    let mut allowance = per_step.max(1.0);
    for device in devices {
        while allowance < 1.0 {
            tokio::select! {
                biased;
                () = surroundings.stop.cancelled() => return,
                () = sleep(RAMP_STEP) => allowance += per_step,
            }
        }
        allowance -= 1.0;
        tasks.spawn(drive(Machine::new(device, seed), surroundings.clone()));
    }
}

#[cfg(test)]
mod tests;
