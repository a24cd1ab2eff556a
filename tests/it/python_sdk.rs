//! What back ends and devices do with Microsoft's Python packages all day, against the local hub.

use std::io::Write;

use crate::support::env::{TestEnv, finish};
use crate::support::process::{HubProcess, Process};
use crate::support::python::{port_8883, python, script};

// conformance: REST.md 8.1: the Python service package creates, updates, lists and deletes devices with their etags
// conformance: REST.md 8.2: the Python service package creates, updates, lists and deletes modules with their etags
// conformance: REST.md 6.4: the Python service package patches and replaces twins; a stale etag is 412
// conformance: REST.md 8.4: the Python service package's bulk calls name the items that failed
// conformance: REST.md 9: the Python service package pages through a query
// conformance: REST.md 7: the Python service package reads 404 DeviceNotOnline for a device that is not there
// conformance: REST.md 4.7: the Python service package schedules, reads and cancels jobs
// conformance: REST.md 8.6: the Python service package reads an empty list of v1 jobs, and 404 JobNotFound for one of them
#[test]
fn the_official_back_end_keeps_house() {
    let env = TestEnv::new();
    let hub = HubProcess::start(&env, &[]);
    let service = finish(
        env.command(python())
            .arg(script("registry.py"))
            .env("IOTHUB_CONNECTION_STRING", hub.ready.policy("iothubowner"))
            .env("REQUESTS_CA_BUNDLE", &hub.ready.ca_file),
    );
    assert_eq!(service.code, 0, "{}\n{}", service.stdout, service.stderr);
    let parts: Vec<&str> = service.stdout.lines().collect();
    assert_eq!(parts, ["devices", "modules", "twins", "bulk", "queries", "offline_methods", "jobs"]);
}

// conformance: REST.md 7: methods of devices and modules reach the Python device package, and 504101 says that none answered
// conformance: REST.md 6.4: desired and reported properties pass between the Python packages of both sides
// conformance: DEVICE.md 1.9: a device of the Python package that lost its connection to another comes back and gets methods as before
// conformance: DEVICE.md 1.6: a device and a module of the Python package get methods after the hub was away, without subscribing again
// conformance: DEVICE.md 1.3: a device and a module of the Python package renew their tokens and get methods as before
#[test]
fn the_official_device_and_module_stay_reachable() {
    let _turn = port_8883();
    let env = TestEnv::new();
    let data = env.path().join("data");
    let hub_on = |https_port: &str| {
        let data = data.to_str().expect("a readable path");
        HubProcess::start_with(&env, &["--https-port", https_port, "--mqtt-port", "8883", "--data", data])
    };
    let hub = hub_on("0");
    let https_port = hub.ready.https_port.to_string();
    let mut devices = Process::start(
        env.command(python())
            .arg(script("online.py"))
            .args([hub.ready.host_name.as_str(), "gate"])
            .env("IOTHUB_CONNECTION_STRING", hub.ready.policy("iothubowner"))
            .env("REQUESTS_CA_BUNDLE", &hub.ready.ca_file)
            .env("SSL_CERT_FILE", &hub.ready.ca_file),
    );
    devices.wait_for("restart");
    hub.process.kill();
    let hub = hub_on(&https_port);
    writeln!(devices.stdin().expect("it is open"), "go on").expect("the devices listen");
    let (code, stdout, stderr) = devices.finish();
    assert_eq!(code, Some(0), "{stdout}\n{stderr}");
    let parts: Vec<&str> = stdout.lines().collect();
    assert_eq!(parts, ["methods", "time_out", "twins", "dropped", "restart", "reconnect", "renewal"]);
    let (code, _, stderr) = hub.process.interrupt();
    assert_eq!(code, Some(0), "{stderr}");
}
