//! Devices in one process, the hub in another: time and memory at both ends, and a hub that dies in between.

use std::time::{Duration, Instant};

use crate::figures::{Figures, kibi_each, mebi, pace};
use crate::processes::{Fleet, Hub, method_job, timed, twin_job};

/// Devices started in a second: about what two cores shake hands with.
const RAMP: usize = 1_500;
const DEVICE_LIMIT_KIB: f64 = 24.0;
const BOTH_LIMIT_KIB: f64 = 40.0;
/// Below it, what a process needs for itself outweighs what its devices need.
const LIMITED_FROM: usize = 10_000;
const METHOD: &str = "ping";
const MANIFEST: &str = "type: scheduleDeviceMethod\nquery: '*'\nmethod: { name: ping }\ntimeout: 300s\n";

/// Fleets of several sizes, each with a hub of its own in memory.
pub(crate) async fn run(sizes: &[usize], figures: &mut Figures) {
    for &devices in sizes {
        let dir = tempfile::tempdir().unwrap();
        let manifest = dir.path().join("ping.yaml");
        std::fs::write(&manifest, MANIFEST).unwrap();
        let stage = Stage::start(dir.path(), &[], devices, figures);
        let client = stage.hub.client();
        figures.show("method job, submit to last result", pace(devices, method_job(&client, "method", METHOD).await));
        figures.show("twin job, submit to last twin", pace(devices, twin_job(&client, "twin", "*").await));
        let applied = timed(stage.hub.command(&["apply", "--quiet"]).arg(&manifest));
        figures.show("apply, exec to every result shown", pace(devices, applied));
        stage.show_memory("after jobs", figures);
    }
}

/// A fleet that takes a method job and a twin job, loses its hub by kill -9, finds it again, and takes another.
pub(crate) async fn run_with_restart(devices: usize, figures: &mut Figures) {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let data = ["--data", data.to_str().unwrap()];
    let mut stage = Stage::start(dir.path(), &data, devices, figures);
    let client = stage.hub.client();
    figures.show("method job, submit to last result", pace(devices, method_job(&client, "first", METHOD).await));
    figures.show("twin job, submit to last twin", pace(devices, twin_job(&client, "twin", "*").await));
    stage.show_memory("after jobs", figures);

    let ports = (stage.hub.ready.https_port, stage.hub.ready.mqtt_port);
    stage.hub.process.0.kill().unwrap();
    stage.hub.process.0.wait().unwrap();
    let restarting = Instant::now();
    stage.hub = Hub::start_at(dir.path(), ports, &data);
    figures.show("hub killed and started again, exec to ready", format!("{:.0?}", stage.hub.start));
    stage.fleet.wait_ready(devices);
    figures.show("until every device is back", pace(devices, restarting.elapsed()));
    let client = stage.hub.client();
    figures.show("method job after it", pace(devices, method_job(&client, "second", METHOD).await));
    stage.show_memory("after the restart", figures);
}

/// A hub and its devices.
struct Stage {
    hub: Hub,
    fleet: Fleet,
    devices: usize,
    idle: u64,
}

impl Stage {
    fn start(home: &std::path::Path, hub: &[&str], devices: usize, figures: &mut Figures) -> Self {
        let hub = Hub::start(home, hub);
        let idle = hub.process.resident_bytes();
        let connecting = Instant::now();
        let fleet = Fleet::start(&hub, devices, RAMP);
        fleet.wait_ready(devices);
        let connected: Duration = connecting.elapsed();
        figures.show("devices", devices.to_string());
        figures.show("register, connect, subscribe, read twin", pace(devices, connected));
        figures.show("hub, idle", mebi(idle));
        let stage = Self { hub, fleet, devices, idle };
        let (hub, fleet) = stage.memory();
        figures.show("hub, for each connected device", format!("{hub:.1} KiB"));
        for (what, each, limit) in [
            ("devices' process, for each device", fleet, DEVICE_LIMIT_KIB),
            ("both ends, for each device", hub + fleet, BOTH_LIMIT_KIB),
        ] {
            figures.show_limited_from((devices, LIMITED_FROM), what, each, (limit, "KiB"));
        }
        stage
    }

    /// KiB for each device at the hub's end and at their own.
    fn memory(&self) -> (f64, f64) {
        let hub = self.hub.process.resident_bytes().saturating_sub(self.idle);
        (kibi_each(hub, self.devices), kibi_each(self.fleet.process.resident_bytes(), self.devices))
    }

    fn show_memory(&self, when: &str, figures: &Figures) {
        let (hub, fleet) = self.memory();
        figures.show(&format!("memory for each, {when}"), format!("{hub:.1} KiB hub, {fleet:.1} KiB device"));
    }
}
