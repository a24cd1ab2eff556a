//! The fleet bench: a hub in one process, ten thousand TLS devices in another, one method job.
//!
//! `cargo bench --bench fleet` runs it; `cargo bench --bench fleet -- 2000` takes another number of devices.
//! It prints the time from submit to the last device's answer, devices a second, and resident memory at both ends.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints its figures and stops at what fails")]
#![expect(clippy::disallowed_methods, reason = "a bench measures real time")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_iotjob");
const DEVICES_DEFAULT: usize = 10_000;
/// Devices started in a second: about what two cores shake hands with.
const RAMP: &str = "1000";
const MANIFEST: &str = "type: scheduleDeviceMethod\nquery: '*'\nmethod: { name: ping }\ntimeout: 300s\n";

/// A child that is gone when the bench is.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() {
    // Under `cargo test --all-targets` a bench is only to compile.
    if std::env::args().any(|arg| arg == "--test") || cfg!(debug_assertions) {
        return;
    }
    let devices = std::env::args().filter_map(|arg| arg.parse().ok()).next().unwrap_or(DEVICES_DEFAULT);
    let dir = tempfile::tempdir().unwrap();
    let ready_file = dir.path().join("ready.json");
    let manifest = dir.path().join("ping.yaml");
    fs::write(&manifest, MANIFEST).unwrap();

    let hub = start_hub(dir.path(), &ready_file);
    let ready: Value = serde_json::from_str(&fs::read_to_string(&ready_file).unwrap()).unwrap();
    let connection_string = ready["connectionStrings"]["iothubowner"].as_str().unwrap().to_owned();
    let ca_file = ready["caFile"].as_str().unwrap().to_owned();
    let mqtt_port = ready["mqttPort"].to_string();
    let hub_idle = resident_bytes(hub.0.id());

    let connecting = Instant::now();
    let mut fleet = Ended(
        Command::new(BINARY)
            .args(["device", "--count", &devices.to_string(), "--id-template", "bench-{n:06}"])
            .args(["--ramp", RAMP, "--mqtt-port", &mqtt_port, "--output", "json", "--quiet"])
            .env("IOTHUB_CONNECTION_STRING", &connection_string)
            .env("SSL_CERT_FILE", &ca_file)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut events = BufReader::new(fleet.0.stdout.take().unwrap()).lines();
    let mut up = 0;
    while up < devices {
        let line = events.next().expect("the fleet runs").unwrap();
        if line.contains("\"event\":\"ready\"") {
            up += 1;
        }
    }
    let connected = connecting.elapsed();
    // The rest of what the devices say must not fill the pipe.
    std::thread::spawn(move || events.count());
    let (hub_loaded, fleet_loaded) = (resident_bytes(hub.0.id()), resident_bytes(fleet.0.id()));

    let applying = Instant::now();
    let apply = Command::new(BINARY)
        .arg("apply")
        .arg(&manifest)
        .args(["--output", "json"])
        .env("IOTHUB_CONNECTION_STRING", &connection_string)
        .env("SSL_CERT_FILE", &ca_file)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let applied = applying.elapsed();
    assert!(apply.status.success(), "apply ended with {}", apply.status);
    let (hub_after, fleet_after) = (resident_bytes(hub.0.id()), resident_bytes(fleet.0.id()));
    let ended = String::from_utf8_lossy(&apply.stdout).lines().last().unwrap().to_owned();
    let run_id = serde_json::from_str::<Value>(&ended).unwrap()["runId"].as_str().unwrap().to_owned();
    let job = status(&run_id, &connection_string, &ca_file);
    let in_hub = span(&job["createdTime"], &job["endTime"]);

    println!("devices                              {devices}");
    println!("connect, subscribe, read twin        {connected:.2?}  ({:.0}/s)", per_second(devices, connected));
    println!("method job, submit to last answer    {in_hub:.2?}  ({:.0}/s)", per_second(devices, in_hub));
    println!("apply, start to every result shown   {applied:.2?}  ({:.0}/s)", per_second(devices, applied));
    println!("hub, idle                            {:.1} MiB", mebi(hub_idle));
    println!("hub, for each connected device       {:.1} KiB", kibi_each(hub_loaded - hub_idle, devices));
    println!("devices' process, for each device    {:.1} KiB", kibi_each(fleet_loaded, devices));
    println!(
        "the same after the job               {:.1} KiB and {:.1} KiB",
        kibi_each(hub_after - hub_idle, devices),
        kibi_each(fleet_after, devices)
    );
    println!("job's last line                      {ended}");
}

fn start_hub(dir: &Path, ready_file: &Path) -> Ended {
    let mut hub = Ended(
        Command::new(BINARY)
            .args(["hub", "--https-port", "0", "--mqtt-port", "0", "--quiet", "--ready-file"])
            .arg(ready_file)
            .env("HOME", dir)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    // Its first word comes when it listens and the ready file lies there.
    let mut lines = BufReader::new(hub.0.stdout.take().unwrap()).lines();
    lines.next().expect("the hub starts").unwrap();
    // The rest of what it says must not meet a closed pipe.
    std::thread::spawn(move || lines.count());
    hub
}

fn status(run_id: &str, connection_string: &str, ca_file: &str) -> Value {
    let output = Command::new(BINARY)
        .args(["status", run_id, "--output", "json"])
        .env("IOTHUB_CONNECTION_STRING", connection_string)
        .env("SSL_CERT_FILE", ca_file)
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

fn span(from: &Value, to: &Value) -> Duration {
    let time = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    time(to).duration_since(time(from)).unsigned_abs()
}

/// Resident memory of a process; 0 where the system has no `/proc`.
fn resident_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) * 1024
}

fn per_second(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

fn mebi(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}

fn kibi_each(bytes: u64, count: usize) -> f64 {
    bytes as f64 / 1024.0 / count as f64
}
